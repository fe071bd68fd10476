"""What a person can really still open: the platform's state and every panel's, folded together.

Called by ``connector`` for each inventory. Pure. The rule (facts of all four products): a holding
counts as contained or gone only when the platform says so and every panel where it counts has
taken it over. A panel that is offline goes on opening, so what depends on it stays live, and the
guards are told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from connectors.contract import Holding, HoldingState
from connectors.doors.contract import Held, Inventory, Panel, PanelState

GUARDS: Final = (
    "Door panel {panels} cannot be reached and still opens for this person. Tell the guards there "
    "now: no entry with this person's card, code or face, until the panel is back and in step. Say "
    "when they were told, and by whom."
)
GAP: Final = "door panel {name} is {state} and has not confirmed"
_TROUBLE: Final = frozenset({PanelState.OFFLINE, PanelState.FAILED})


@dataclass(frozen=True, slots=True)
class Folded:
    """One thing with what panels make of it."""

    held: Held
    waiting: tuple[Panel, ...]

    @property
    def state(self) -> HoldingState:
        """What it can still do at a door."""
        return HoldingState.LIVE if self.waiting else self.held.state

    @property
    def there(self) -> bool:
        """Whether it is to be reported."""
        return self.state is not HoldingState.GONE


def fold(inventory: Inventory) -> tuple[Folded, ...]:
    """Put each thing together with the panels that have not taken it over."""
    return tuple(Folded(one, _waiting(inventory, one)) for one in inventory.held)


def _waiting(inventory: Inventory, held: Held) -> tuple[Panel, ...]:
    if held.state is HoldingState.LIVE:
        return ()
    return tuple(
        panel
        for panel in inventory.panels
        if panel.state is not PanelState.DONE and (held.panels is None or panel.id in held.panels)
    )


def reported(inventory: Inventory, *, with_pre_image: bool) -> tuple[Holding, ...]:
    """Make the holdings of the daemon's contract."""
    return tuple(
        _holding(inventory.person.id, one, with_pre_image=with_pre_image)
        for one in fold(inventory)
        if one.there
    )


def _holding(account_id: str, folded: Folded, *, with_pre_image: bool) -> Holding:
    held = folded.held
    return Holding(
        account_id=account_id,
        kind=held.kind,
        native_id=held.id,
        label=held.label,
        state=folded.state,
        restore={**held.restore, "state": held.state.value} if with_pre_image else {},
        last_used=held.last_used,
        duty=held.duty or guards(folded.waiting),
    )


def guards(waiting: Iterable[Panel]) -> str:
    """Words for the guards of panels out of reach; empty where a panel is only slow.

    They are a duty, so nothing is done about the holding meanwhile: the platform has done it.
    """
    names = sorted(panel.name for panel in waiting if panel.state in _TROUBLE)
    return GUARDS.format(panels=", ".join(names)) if names else ""


def panel_gaps(inventory: Inventory) -> tuple[str, ...]:
    """Name panels whose silence forbids a conclusion (Law 2)."""
    troubled = {
        panel for one in fold(inventory) for panel in one.waiting if panel.state in _TROUBLE
    }
    return tuple(sorted(GAP.format(name=one.name, state=one.state.value) for one in troubled))
