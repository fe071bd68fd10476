"""What can go wrong with the fake GitLab, for tests and for the controls of the sandbox.

`service` reads the panel and does it; nothing here answers anybody.
"""

from dataclasses import dataclass
from enum import StrEnum

from deprovisioner.sandbox.service.faults import Panel, ServiceFault


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


@dataclass(frozen=True, slots=True)
class Fault(ServiceFault[FaultKind, int]):
    """One thing that goes wrong, for requests that fit."""

    kinds = FaultKind
    usual_status = {FaultKind.DONE_BUT_FAILING: 502}  # noqa: RUF012 - a class variable of the base

    caller: str = "*"
    """A pattern for the username behind the token."""
    retry_date: bool = False
    """`retry_after` goes out as an HTTP date instead of seconds."""
    host: str = "gitlab.attacker.example"

    @property
    def who(self) -> str:
        """A pattern for the username that asks."""
        return self.caller


FaultPanel = Panel[FaultKind, Fault]
