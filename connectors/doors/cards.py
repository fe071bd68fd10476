"""Parts of the capability card that all door products share. No I/O. Called by the products."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from connectors.contract import Kind, Stage, Strength, Support, Verification
from connectors.doors.settings import DoorSettings

BUNDLE: Final = "doors"
"""Contained in one call: one read before, one after, and panels are asked about once."""
FREEZE: Final = frozenset({Stage.CONTAIN})
TAKE: Final = frozenset({Stage.REVOKE})
BOTH: Final = FREEZE | TAKE
ALL_OF_IT: Final = FREEZE | {Stage.DESTROY}


def support(
    of: Kind,
    stages: frozenset[Stage],
    *rights: str,
    not_restorable: str = "",
    duty: str = "",
    verifies: Verification = Verification.OBSERVED,
) -> Support:
    """Declare one kind; what is contained goes in one call."""
    return Support(
        of,
        stages,
        verifies=verifies,
        rights=rights,
        not_restorable=not_restorable,
        bundle=BUNDLE if Stage.CONTAIN in stages else "",
        duty=duty,
    )


def in_panel_time(settings: DoorSettings, *supports: Support) -> tuple[Support, ...]:
    """Say that nothing is taken away *now*: panels in reach have it within ``panel_wait``."""
    return tuple(
        replace(one, revokes=Strength.BOUNDED, revoke_bound=settings.panel_wait)
        if one.stages
        else one
        for one in supports
    )


def shared_notes(settings: DoorSettings) -> tuple[str, ...]:
    """Say what holds for every product, and which panels the operator took out of sight."""
    excluded = [
        f"Panel {panel} is excluded and never asked about: {reason}"
        for panel, reason in sorted(settings.excluded_panels.items())
    ]
    return (
        "A panel that is offline goes on opening: the case stays open, and the guards are told.",
        "Doors opened by a mechanical key, a shared code or a guard are outside every door system.",
        *excluded,
    )
