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
    """429 in plain text; `retry_after` seconds, `retry_date` as HTTP date, or no such header."""
    FAILING = "failing"
    """`status` (503 unless said otherwise) with a page of the proxy, and nothing is done."""
    DONE_BUT_FAILING = "done_but_failing"
    """The work is done, then the answer is `status` (502 unless said otherwise)."""
    IGNORED = "ignored"
    """A write answers success (`block`: true) and does nothing."""
    LATE = "late"
    """A write answers success and is done `seconds` of the instance's clock later."""
    HTML = "html"
    """200 with the sign-in page of a proxy; nothing is done."""
    REDIRECT = "redirect"
    """302 to the same path on another `host`; nothing is done."""
    FOREIGN_LINK = "foreign_link"
    """The next link points to another `host`."""
    LIES_EMPTY = "lies_empty"
    """A list is empty, with success and with totals of 0."""
    CUT = "cut"
    """A list ends after half of this page, with no next link and no totals."""
    SHORT_PAGE = "short_page"
    """Half of a page is missing; links and totals are those of the whole."""
    LOOP = "loop"
    """The next link leads back to this page."""
    FORBIDDEN = "forbidden"
    """403, as when a role was taken away."""
    EXPIRED = "expired"
    """401, the token is no longer good."""
    HIDDEN = "hidden"
    """Objects with these `ids` are left out of lists and answer 404."""
    STALE = "stale"
    """A read is answered by a replica that lags by `seconds`."""
    SLOW = "slow"
    """The answer comes `seconds` later."""
    DROPPED = "dropped"
    """The connection dies after the work, before the answer."""
    TRUNCATED = "truncated"
    """Half of the body, without a length: a download that ends early and does not show it."""
    DAMAGED = "damaged"
    """The second half of the body is zeros, with the right length."""
    STUCK = "stuck"
    """An export that is asked for is never made; its status falls back to none."""


_DEFAULT_STATUS = {FaultKind.DONE_BUT_FAILING: 502}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, for requests that fit."""

    kind: FaultKind
    method: str = "*"
    path: str = "*"
    """A pattern for the path below `/api/v4`, `*` for anything: `/users/*/block`."""
    caller: str = "*"
    """A pattern for the username behind the token."""
    times: int | None = None
    """How often; None: until the panel is cleared."""
    after: int = 0
    """How many fitting requests are spared first."""
    status: int = 0
    retry_after: int | None = None
    retry_date: bool = False
    """`retry_after` goes out as an HTTP date instead of seconds."""
    seconds: float = 0.0
    host: str = "gitlab.attacker.example"
    ids: frozenset[int] = frozenset()

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

    def fits(self, method: str, path: str, caller: str) -> bool:
        """Tell whether a request meets this fault."""
        return (
            fnmatchcase(method, self.method)
            and fnmatchcase(path, self.path)
            and fnmatchcase(caller, self.caller)
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

    def met_by(self, method: str, path: str, caller: str) -> dict[FaultKind, Fault]:
        """Return what one request meets, and use it up."""
        met: dict[FaultKind, Fault] = {}
        left: list[Fault] = []
        for fault in self._faults:
            kept: Fault | None = fault
            if fault.fits(method, path, caller):
                kept = _used(fault)
                if fault.after == 0:
                    met.setdefault(fault.kind, fault)
            if kept is not None:
                left.append(kept)
        self._faults = left
        return met


def _used(fault: Fault) -> Fault | None:
    if fault.after:
        return dataclasses.replace(fault, after=fault.after - 1)
    if fault.times is None:
        return fault
    return dataclasses.replace(fault, times=fault.times - 1) if fault.times > 1 else None
