"""The capability card of a tenant: every row's part, joined. Called by the connector. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from connectors.contract import Card
from connectors.entra.rows import Row, RowCard
from connectors.entra.settings import Settings

_CYCLES: Final = 2
"""Synchronisations that a block in the cloud must outlive before it is believed."""


def card(settings: Settings, rows: Sequence[Row]) -> Card:
    """Make the card for these settings."""
    parts = [(row, row.card(settings)) for row in rows]
    return Card(
        product=f"Entra ID and Microsoft 365 ({settings.cloud.value} cloud)",
        supports=tuple(support for _, part in parts for support in part.supports),
        settle=_settle(settings),
        gaps=tuple(gap for _, part in parts for gap in part.gaps),
        notes=(*(note for _, part in parts for note in part.notes), *_absent(settings)),
    )


def _settle(settings: Settings) -> timedelta:
    """Also where no system of ours is the directory: the next synchronisation still comes."""
    return max(settings.settle, _CYCLES * settings.sync_cycle)


def _absent(settings: Settings) -> tuple[str, ...]:
    """Name what the operator says is not there, so that nobody takes it for proven."""
    names = ", ".join(sorted(settings.absent))
    return (f"Named absent by the settings, read by nobody: {names}.",) if names else ()


def rights(part: RowCard) -> tuple[str, ...]:
    """Return the permissions that a row's changes need."""
    return tuple(dict.fromkeys(right for support in part.supports for right in support.rights))
