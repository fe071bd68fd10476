"""One write on one holding, the way every write of this room goes.

Look by id; when it is so already, say so (Law 6). Send. Whatever the answer was, look again: only
that decides (Law 1), because GitLab answers ``201`` to a block that did nothing. Accepted and still
read as before is pending: workers run behind the API. Called by the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.contract import Effect, Holding, Json, Outcome
from connectors.faults import Missing, Refused, Unauthorised
from connectors.gitlab.answers import FORBIDDEN, Object
from connectors.gitlab.rows import Leaver, refused
from connectors.gitlab.session import GitLab, Query


@dataclass(frozen=True, slots=True)
class Write:
    """One request that changes something; ``sudo``: as which user."""

    method: str
    path: str
    body: Object | None = None
    sudo: int = 0
    query: Query | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a re-read shows: whether the thing is where the write should bring it.

    ``write`` makes the requests that are still needed, from what was just read. ``wait``: why it
    cannot be done yet, and until when it is worth asking again. ``refuse``: why never as it is.
    """

    reached: bool
    read_back: Mapping[str, Json] = field(default_factory=dict)
    write: Callable[[], Sequence[Write]] = tuple
    wait: tuple[str, datetime] | None = None
    refuse: str = ""


def there(gitlab: GitLab, path: str) -> Object | None:
    """Read one object; None when GitLab does not have it. Raises every other fault."""
    try:
        return gitlab.get(path)
    except Missing:
        return None


def take(
    leaver: Leaver,
    holding: Holding,
    look: Callable[[], Look],
    *,
    duty: str = "",
    lost: str = "",
    unmoved: str = "",
) -> Effect:
    """Bring one holding where ``look`` says; see the module. Raises faults that concern all.

    ``duty`` is a person's task where GitLab refuses. ``lost`` is what undo will not bring back.
    ``unmoved`` says why GitLab may accept a write and not do it, where waiting does not help.
    """
    before = look()
    if before.reached:
        return Effect(holding.key, Outcome.ALREADY, before.read_back)
    if before.refuse:
        return Effect(holding.key, Outcome.REFUSED, before.read_back, why=before.refuse)
    if before.wait:
        why, until = before.wait
        return Effect(holding.key, Outcome.PENDING, before.read_back, pending_until=until, why=why)
    request_id, no = "", ""
    try:
        for write in before.write():
            request_id = leaver.gitlab.send(
                write.method, write.path, write.body, sudo=write.sudo, query=write.query
            )
    except Missing:
        pass  # somebody was faster; the re-read decides (Law 6)
    except (Refused, Unauthorised) as fault:
        if isinstance(fault, Unauthorised) and fault.code != FORBIDDEN:
            raise
        no = refused(fault, duty)
    after = look()
    if after.reached:
        outcome = Outcome.ALREADY if no else Outcome.DONE
        return Effect(holding.key, outcome, after.read_back, request_id, lost=lost)
    if no or after.refuse or unmoved:
        why = no or after.refuse or unmoved
        return Effect(holding.key, Outcome.REFUSED, after.read_back, request_id, why=why)
    return Effect(
        holding.key,
        Outcome.PENDING,
        after.read_back,
        request_id,
        pending_until=leaver.later(),
        why="accepted, and still read as before",
    )


def absent(
    leaver: Leaver, holding: Holding, path: str, *, lost: str = "", duty: str = ""
) -> Effect:
    """Delete one object that its own address shows, and see that it is gone."""

    def look() -> Look:
        gone = there(leaver.gitlab, path) is None
        return Look(gone, {"there": not gone}, lambda: [Write("delete", path)])

    return take(leaver, holding, look, lost=lost, duty=duty)


def revoked_token(leaver: Leaver, holding: Holding, path: str, *, lost: str) -> Effect:
    """Revoke one token: GitLab keeps it and shows ``revoked``; 404 on a second time is no error."""

    def look() -> Look:
        token = there(leaver.gitlab, path)
        done = token is None or token.get("revoked") is True
        shown: dict[str, Json] = {"there": token is not None, "revoked": done}
        return Look(done, shown, lambda: [Write("delete", path)])

    return take(leaver, holding, look, lost=lost)
