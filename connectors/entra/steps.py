"""One write on one holding, the way every write of this room goes.

Look by key; when it is so already, say so (Law 6). Send. Whatever the answer was, look again: only
that decides (Law 1). Accepted and still read as before is pending: Graph answers reads from
replicas, and works on some requests later. Called by the rows; decides nothing about order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Effect, Holding, Json, Outcome
from connectors.entra.rows import Leaver, refused
from connectors.faults import Missing, Refused, Unauthorised

UNDER_WAY: Final = (
    "PendingRoleAssignmentRequest",
    "RoleAssignmentRequestExists",
    "PendingRequest",
    "ActiveDurationTooShort",
    "ExistingOpenRequest",
    "RoleAssignmentDoesNotExist",
    "ResourceDoesNotExist",
)
"""Graph's codes for "being worked on", "activated less than five minutes ago" and "not there".

"Not there" and still read is a replica that lags: the next read decides, not this answer.
"""
_IS_THERE_OR_BAD: Final = frozenset({"graph:400:Request_BadRequest", "graph:400:BadRequest"})


@dataclass(frozen=True, slots=True)
class Look:
    """What a re-read shows: whether the thing is where the write should bring it.

    ``write`` makes the requests that are still needed, from what was just read. ``wait``: why it
    cannot be done yet, and until when it is worth asking again. ``refuse``: why never as it is.
    ``adds``: a link is added, and "it is there already" has no code of its own (400).
    """

    reached: bool
    read_back: Mapping[str, Json] = field(default_factory=dict)
    write: Callable[[], Sequence[RequestInformation]] = tuple
    wait: tuple[str, datetime] | None = None
    refuse: str = ""
    adds: bool = False


def take_away(
    leaver: Leaver, holding: Holding, look: Callable[[], Look], *, duty: str = "", lost: str = ""
) -> Effect:
    """Like :func:`take` for removals, where what a thing lies in may be gone, and it with it.

    A mailbox without a licence, a group or application that somebody deleted. The survey that
    follows every call reads the same, and only that decides (Law 1).
    """
    try:
        return take(leaver, holding, look, duty=duty, lost=lost)
    except Missing as fault:
        return Effect(holding.key, Outcome.ALREADY, {"what it lies in": fault.code or "absent"})


def take_when_there(
    leaver: Leaver, holding: Holding, look: Callable[[], Look], what: str
) -> Effect:
    """Like :func:`take` for undo, where what a thing lies in may have to come back first."""
    try:
        return take(leaver, holding, look)
    except Missing:
        why = f"{what} is not back yet"
        until = leaver.later()
        return Effect(holding.key, Outcome.PENDING, pending_until=until, why=why)


def take(
    leaver: Leaver, holding: Holding, look: Callable[[], Look], *, duty: str = "", lost: str = ""
) -> Effect:
    """Bring one holding where ``look`` says; see the module. Raises faults that concern all.

    ``duty`` is a person's task where Graph refuses. ``lost`` is what undo will not bring back.
    """
    before = look()
    if before.reached:
        return Effect(holding.key, Outcome.ALREADY, before.read_back)
    if before.refuse:
        return Effect(holding.key, Outcome.REFUSED, before.read_back, why=before.refuse)
    if before.wait:
        why, until = before.wait
        return Effect(holding.key, Outcome.PENDING, before.read_back, pending_until=until, why=why)
    request_id = ""
    try:
        for request in before.write():
            request_id = leaver.graph.send(request).request_id
    except Missing:
        pass  # somebody was faster; the re-read decides (Law 6)
    except (Refused, Unauthorised) as fault:
        return _turned_down(leaver, holding, look(), fault, duty)
    after = look()
    if not after.reached:
        return leaver.pending(holding, after.read_back, request_id)
    return Effect(holding.key, Outcome.DONE, after.read_back, request_id, lost=lost)


def _turned_down(
    leaver: Leaver, holding: Holding, after: Look, fault: Refused | Unauthorised, duty: str
) -> Effect:
    """Graph said no. It may still be so by now, or be under way; else a person looks."""
    if isinstance(fault, Unauthorised) and not fault.code.startswith("graph:403"):
        raise fault
    if after.reached:
        return Effect(holding.key, Outcome.ALREADY, after.read_back)
    if fault.code.endswith(UNDER_WAY) or (after.adds and fault.code in _IS_THERE_OR_BAD):
        return leaver.pending(holding, after.read_back)
    return refused(holding, fault, duty or "look at the right that the card names")
