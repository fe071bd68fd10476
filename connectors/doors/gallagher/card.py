"""The capability card of Command Centre. No I/O."""

from __future__ import annotations

from typing import Final

from connectors.contract import Card, Gap
from connectors.doors.cards import ALL_OF_IT, BOTH, TAKE, in_panel_time, shared_notes, support
from connectors.doors.contract import ACCOUNT, CARD, DOOR, MOBILE_PASS, PIN, ROLE
from connectors.doors.gallagher.settings import Settings

_DEAUTHORISE: Final = "De-authorise Cardholder (8.80), Edit Cardholders to undo"
_EDIT: Final = "Edit Cardholders; licence RESTCardholders"
_NO_ACKNOWLEDGEMENT: Final = (
    "No server says that a controller has taken one cardholder's change: closed means "
    "de-authorised, and no watched door with a fault flag."
)
_FIELD_VANISHES: Final = (
    "When the group that shows the number field is removed, searches by number find nobody; the "
    "cardholder is known by address from then on."
)
_NOT_CHANGED: Final = (
    "Lockers, elevator groups, competencies and relationships are not changed: de-authorised, they "
    "open nothing."
)
PIN_DUTY: Final = (
    "In Command Centre, clear this cardholder's PIN and user codes. They can be written and never "
    "read, so nobody but you can say that they are gone; until then de-authorising stops them."
)


def card(settings: Settings) -> Card:
    """Make the card for these settings."""
    gaps = [Gap(PIN, "PINs and user codes cannot be read", PIN_DUTY)] if settings.pins else []
    return Card(
        product="Gallagher Command Centre",
        supports=in_panel_time(
            settings,
            support(ACCOUNT, ALL_OF_IT, _DEAUTHORISE),
            support(CARD, BOTH, _EDIT),
            support(
                MOBILE_PASS,
                BOTH,
                _EDIT,
                not_restorable="a removed mobile credential: the person is invited anew",
            ),
            support(DOOR, TAKE, "Modify Access Control or Edit Cardholders"),
            support(ROLE, BOTH, "Edit Operators; server 8.90 to remove operator groups"),
        ),
        settle=settings.settle,
        gaps=tuple(gaps),
        notes=(
            *shared_notes(settings),
            f"What the operators of both keys may see: {settings.operator_scope}.",
            _NO_ACKNOWLEDGEMENT,
            _FIELD_VANISHES,
            _NOT_CHANGED,
        ),
    )
