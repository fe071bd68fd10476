"""The switchboard of what goes wrong, for tests and for the controls of the sandbox.

Faults are put on the panel, met by requests that fit, and used up by their budget. `service` reads
the panel; nothing here answers anybody.
"""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class FaultKind(StrEnum):
    """What goes wrong."""

    THROTTLED = "throttled"
    """429; `retry_after` seconds, or no such header."""
    FAILING = "failing"
    """`status` (503 unless said otherwise), and nothing is done."""
    DONE_BUT_FAILING = "done_but_failing"
    """The work is done, then the answer is `status` (504 unless said otherwise)."""
    IGNORED = "ignored"
    """A write answers success and does nothing."""
    HTML = "html"
    """200 with the login page of a proxy."""
    EMPTY_PAGE = "empty_page"
    """A list begins with an empty page that has a next link; nothing is missing behind it."""
    FOREIGN_LINK = "foreign_link"
    """The next link points to another `host`."""
    LIES_EMPTY = "lies_empty"
    """A list is empty, with success and without a next link."""
    CUT = "cut"
    """A list ends after this page, with no next link; a page of one is halved to nothing."""
    FORBIDDEN = "forbidden"
    """403, as after consent was withdrawn."""
    EXPIRED = "expired"
    """401, the token is no longer good."""
    HIDDEN = "hidden"
    """Objects with these `ids` cannot be seen, with success."""
    STALE = "stale"
    """A read is answered by a replica that lags by `seconds`."""
    SLOW = "slow"
    """The answer comes `seconds` later."""
    DROPPED = "dropped"
    """The connection dies after the work, before the answer."""


_DEFAULT_STATUS = {FaultKind.FAILING: 503, FaultKind.DONE_BUT_FAILING: 504}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, for requests that fit."""

    kind: FaultKind
    method: str = "*"
    path: str = "*"
    """A pattern for the path below `/v1.0`, `*` for anything: `/users/*/memberOf`."""
    app: str = "*"
    times: int | None = None
    """How often; None: until the panel is cleared."""
    after: int = 0
    """How many fitting requests are spared first."""
    status: int = 0
    retry_after: int | None = None
    seconds: float = 0.0
    host: str = "graph.attacker.example"
    ids: frozenset[str] = frozenset()

    @property
    def code(self) -> int:
        """The status it answers."""
        return self.status or _DEFAULT_STATUS.get(self.kind, 503)

    @property
    def lag(self) -> timedelta:
        """How far a stale replica lags behind."""
        return timedelta(seconds=self.seconds)

    @classmethod
    def from_wire(cls, body: dict[str, Any]) -> "Fault":
        """Read a fault from JSON; raises ValueError on a member or kind that does not exist."""
        strangers = set(body) - {member.name for member in dataclasses.fields(cls)}
        if strangers or "kind" not in body:
            raise ValueError(f"a fault has a kind, and no {sorted(strangers)}")
        members = {**body, "kind": FaultKind(body["kind"]), "ids": frozenset(body.get("ids", ()))}
        return cls(**members)

    def fits(self, method: str, path: str, app: str) -> bool:
        """Tell whether a request meets this fault."""
        return (
            fnmatchcase(method, self.method)
            and fnmatchcase(path, self.path)
            and fnmatchcase(app, self.app)
        )


class FaultPanel:
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Switch faults on."""
        self._faults.extend(faults)

    def clear(self) -> None:
        """Switch all faults off."""
        self._faults = []

    def met_by(self, method: str, path: str, app: str) -> dict[FaultKind, Fault]:
        """Return what one request meets, and use it up."""
        met: dict[FaultKind, Fault] = {}
        left: list[Fault] = []
        for fault in self._faults:
            kept: Fault | None = fault
            if fault.fits(method, path, app):
                kept = self._used(fault)
                if fault.after == 0:
                    met.setdefault(fault.kind, fault)
            if kept is not None:
                left.append(kept)
        self._faults = left
        return met

    def _used(self, fault: Fault) -> Fault | None:
        if fault.after:
            return dataclasses.replace(fault, after=fault.after - 1)
        if fault.times is None:
            return fault
        return dataclasses.replace(fault, times=fault.times - 1) if fault.times > 1 else None
