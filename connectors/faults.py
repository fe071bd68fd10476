"""Faults: every external failure, named after the decision it carries.

Connectors translate what a system answers into one of these; the operation runner in
``reconcile`` decides by type alone. A connector never retries, sleeps or swallows.

::

    Fault
    ├── Transient        try again, not before ``retry_after`` (network, busy, throttled, restart)
    ├── Refused          the system understood and said no: a person must decide (last member, rule)
    ├── Unauthorised     our credential or right is missing: an incident, every case waits
    ├── Missing          the addressed object is not there: only a re-read may call it gone (Law 2)
    └── Malformed        the answer makes no sense (HTML page, broken page chain, unknown shape)

Texts hold no personal data and no secret (Law 10): say the operation and the system's own code,
never a DN, login or answer body. The original exception is chained with ``from``.
"""

from __future__ import annotations

from datetime import timedelta


class Fault(Exception):
    """Anything that went wrong outside. ``code`` is the system's own, for example ``ldap:51``."""

    def __init__(self, message: str, *, code: str = "") -> None:
        """Keep a message fit for logs and the system's own code."""
        super().__init__(message)
        self.code = code


class Transient(Fault):
    """Nothing is decided; the same call may be repeated after ``retry_after``."""

    def __init__(
        self, message: str, *, code: str = "", retry_after: timedelta = timedelta(0)
    ) -> None:
        """``retry_after`` is what the system asked for; zero leaves the wait to the engine."""
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Refused(Fault):
    """The system will not do it however often we ask; a person has to look.

    ``beyond``: it did what was asked, and more than that. The whole operation stops for the person,
    whatever a re-read shows.
    """

    def __init__(self, message: str, *, code: str = "", beyond: bool = False) -> None:
        """Say with ``beyond`` that others may be hurt already."""
        super().__init__(message, code=code)
        self.beyond = beyond


class Unauthorised(Fault):
    """Credential expired or right missing. Never "nothing found" (Law 2)."""


class Missing(Fault):
    """The object we addressed is not there. Not a proof: the re-read decides (Law 1)."""


class Malformed(Fault):
    """The answer cannot be believed; nothing may be concluded from it."""
