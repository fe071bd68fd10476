"""The capability card of UniFi Access. No I/O."""

from __future__ import annotations

from typing import Final

from connectors.contract import Card, Gap
from connectors.doors.cards import ALL_OF_IT, BOTH, TAKE, in_panel_time, shared_notes, support
from connectors.doors.contract import ACCOUNT, BIOMETRIC, CARD, DOOR, MOBILE_PASS, PIN
from connectors.doors.unifi_access.settings import Settings
from connectors.doors.unifi_access.state import GROUP, NETWORK

FACE_DUTY: Final = (
    "In the console, remove this person's face from the user and check there; visitor passes they "
    "made (QR codes) too. The interface shows neither."
)
NETWORK_DUTY: Final = "Take WiFi, VPN and charging away in UniFi Identity, and check there."
_NO_ACKNOWLEDGEMENT: Final = (
    "No console says that a hub has taken one user's change: closed means deactivated, the settle "
    "time passed, and no hub or reader out of reach."
)
_ENTERPRISE: Final = "After an upgrade to Identity Enterprise the interface is gone: an incident."


def card(settings: Settings) -> Card:
    """Make the card for these settings."""
    user, credential = "edit:user", "edit:credential"
    supports = [
        support(ACCOUNT, ALL_OF_IT, user),
        support(CARD, TAKE, credential),
        support(PIN, TAKE, credential, not_restorable="the PIN: a new one is set"),
        support(
            MOBILE_PASS, BOTH, credential, not_restorable="a removed pass: the person enrols anew"
        ),
        support(DOOR, TAKE, user, "view:policy"),
        support(GROUP, TAKE, user),
    ]
    if settings.identity:
        supports.append(support(NETWORK, frozenset(), "view:user", duty=NETWORK_DUTY))
    return Card(
        product="UniFi Access",
        supports=in_panel_time(settings, *supports),
        settle=settings.settle,
        gaps=(Gap(BIOMETRIC, "faces and visitors' passes are not shown", FACE_DUTY),),
        notes=(*shared_notes(settings), _NO_ACKNOWLEDGEMENT, _ENTERPRISE),
    )
