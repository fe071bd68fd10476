"""The capability card of iSecure Center. No I/O."""

from __future__ import annotations

from typing import Final

from connectors.contract import Card, Gap
from connectors.doors.cards import ALL_OF_IT, BOTH, TAKE, in_panel_time, shared_notes, support
from connectors.doors.contract import ACCOUNT, BIOMETRIC, CARD, DOOR
from connectors.doors.hikvision.settings import Settings

_PERSON: Final = "API partner: person and card management, access permission configuration"
CONSOLE_DUTY: Final = (
    "In the web client, open this person's access permissions and remove every door that was "
    "granted there by hand; frozen, they are invisible to the interface. Check that none is left."
)
BIOMETRIC_DUTY: Final = (
    "Delete this person's face and fingerprints in the platform's own client and check there."
)


def card(settings: Settings) -> Card:
    """Make the card for these settings."""
    gaps = []
    if settings.console_grants:
        gaps.append(Gap(DOOR, "what guards grant in the web client may be hidden", CONSOLE_DUTY))
    events = "" if settings.events_subscribed else " Not checked yet: activity has a gap."
    return Card(
        product="Hikvision iSecure Center",
        supports=in_panel_time(
            settings,
            support(ACCOUNT, ALL_OF_IT, _PERSON),
            support(
                CARD, BOTH, _PERSON, not_restorable="a returned card: it is issued anew by hand"
            ),
            support(BIOMETRIC, frozenset(), duty=BIOMETRIC_DUTY),
            support(DOOR, TAKE, "API partner: permission download"),
        ),
        settle=settings.settle,
        gaps=tuple(gaps),
        notes=(
            *shared_notes(settings),
            "Freezing needs platform V1.5. Faces and fingerprints are never read, only counted.",
            "A deleted person's id can never be used again.",
            "Only door events that are subscribed are stored." + events,
        ),
    )
