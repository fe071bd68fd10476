"""The capability card of ZKBio CVSecurity. No I/O."""

from __future__ import annotations

from typing import Final

from connectors.contract import Card, Gap, Verification
from connectors.doors.cards import ALL_OF_IT, FREEZE, in_panel_time, shared_notes, support
from connectors.doors.contract import ACCOUNT, BIOMETRIC, CARD, DOOR, PIN
from connectors.doors.zkteco.settings import Settings

_RIGHT: Final = "access token with person and transaction interface"
DEVICES_DUTY: Final = (
    "In ZKBio CVSecurity, open the devices of this person's access levels: each must be online, "
    "with no command waiting or failed, after the person has left. Where one is offline, tell the "
    "guards there. The interface shows no device state."
)
BIOMETRIC_DUTY: Final = (
    "On the person's page and on one device, check that face, palm and fingerprints are gone."
)
PIN_DUTY: Final = "On one device, check that this person's password opens nothing any more."


def card(settings: Settings) -> Card:
    """Make the card for these settings."""
    acknowledged = Verification.ACKNOWLEDGED
    return Card(
        product="ZKTeco ZKBio CVSecurity",
        supports=in_panel_time(
            settings,
            support(ACCOUNT, ALL_OF_IT, _RIGHT, verifies=acknowledged),
            support(CARD, FREEZE, _RIGHT, verifies=acknowledged),
            support(DOOR, FREEZE, _RIGHT, verifies=acknowledged),
        ),
        settle=settings.settle,
        gaps=(
            Gap(DOOR, "the interface shows no device state", DEVICES_DUTY),
            Gap(BIOMETRIC, "templates are never read", BIOMETRIC_DUTY),
            Gap(PIN, "device passwords are not shown", PIN_DUTY),
        ),
        notes=(
            *shared_notes(settings),
            "Leaving takes cards and access levels at once; they are not taken one by one.",
            "Who has left is not listed any more: from then on only transactions speak of them.",
        ),
    )
