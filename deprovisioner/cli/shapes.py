"""The small answers of the API as the commands read them, without loading the server's own code.

The large ones are `reconcile.views`. What a field means stands with the server: `api.cases`,
`api.administration`.
"""

from __future__ import annotations

from datetime import datetime

from typing_extensions import TypedDict

from reconcile.views import CaseSummary


class CasePage(TypedDict):
    """One page of cases."""

    cases: tuple[CaseSummary, ...]
    next: str | None


class PlacedHold(TypedDict):
    """The hold that was placed."""

    hold_id: str


class NewToken(TypedDict):
    """A token, shown once."""

    token: str


class KnownToken(TypedDict):
    """A token without its text."""

    id: str
    principal: str
    role: str
    issued_at: datetime
    revoked_at: datetime | None
