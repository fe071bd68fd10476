"""What can go wrong with the fake Graph, for tests and for the controls of the sandbox.

`service` reads the panel and does it; nothing here answers anybody.
"""

from dataclasses import dataclass
from enum import StrEnum

from deprovisioner.sandbox.service.faults import Panel, ServiceFault


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


@dataclass(frozen=True, slots=True)
class Fault(ServiceFault[FaultKind, str]):
    """One thing that goes wrong, for requests that fit."""

    kinds = FaultKind
    usual_status = {FaultKind.DONE_BUT_FAILING: 504}  # noqa: RUF012 - a class variable of the base

    app: str = "*"
    host: str = "graph.attacker.example"

    @property
    def who(self) -> str:
        """A pattern for the app that asks."""
        return self.app


FaultPanel = Panel[FaultKind, Fault]
