"""Row E09: deleting the user. Called by the connector's ``destroy``.

A deletion is soft for 30 days and can be taken back by an administrator meanwhile; deleting for
good is never done here. A synced user is deleted in Active Directory.
"""

from __future__ import annotations

from typing import Final

from connectors.contract import Effect, Outcome
from connectors.entra.account import account_key, user_request
from connectors.entra.privilege import privileged
from connectors.entra.rows import Leaver
from connectors.faults import Missing, Unauthorised

_SYNCED: Final = (
    "synchronised from Active Directory: delete it there, or move it out of the scope of Entra "
    "Connect once its mailbox is kept"
)
_PRIVILEGED: Final = "As Privileged Authentication Administrator: Remove-MgUser -UserId {id}"


def destroy(leaver: Leaver) -> Effect:
    """Delete the user and read that it is gone. Raises faults."""
    key = account_key(leaver.account)
    if leaver.synced:
        return Effect(key, Outcome.REFUSED, why=_SYNCED)
    request = leaver.graph.client.users.by_user_id(leaver.id).to_delete_request_information()
    try:
        request_id = leaver.graph.send(request).request_id
    except Missing:
        request_id = ""  # somebody was faster; the re-read decides (Law 6)
    except Unauthorised as fault:
        if fault.code.startswith("graph:403") and privileged(leaver):
            why = f"{fault} ({fault.code}). {_PRIVILEGED.format(id=leaver.id)}"
            return Effect(key, Outcome.REFUSED, why=why)
        raise
    try:
        leaver.graph.get(user_request(leaver.graph, leaver.id))
    except Missing:
        return Effect(key, Outcome.DONE, {"user": "absent"}, request_id)
    return Effect(
        key,
        Outcome.PENDING,
        {"user": "there"},
        request_id,
        pending_until=leaver.later(),
        why="accepted, and still read as before",
    )
