"""What lies behind a platform: panels that take changes over later, and events that come late.

Called by the fakes. Time is what the injected clock says; nothing runs by itself: `due` is asked at
each request, so a turned clock is enough.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class PanelUnit:
    """A controller with its doors."""

    id: str
    name: str
    online: bool = True


@dataclass(frozen=True, slots=True)
class DoorEvent:
    """Somebody at a door: when it happened, and when the platform heard of it."""

    id: str
    person_id: str
    panel_id: str
    at: datetime
    received_at: datetime
    kind: str
    granted: bool


@dataclass(slots=True)
class Site:
    """Panels, their lag, and the events they have told and not yet told.

    A kind of event that is not in ``subscribed`` is never stored, as on the real platform.
    """

    now: Callable[[], datetime]
    lag: timedelta = timedelta(seconds=30)
    units: dict[str, PanelUnit] = field(default_factory=dict)
    events: list[DoorEvent] = field(default_factory=list)
    subscribed: set[str] = field(default_factory=lambda: {"card", "face"})
    _untold: list[DoorEvent] = field(default_factory=list)
    _number: int = 0

    def add(self, native_id: str, name: str) -> None:
        """Put up a panel."""
        self.units[native_id] = PanelUnit(native_id, name)

    def due(self) -> datetime:
        """Return when a change of now reaches a panel that is there."""
        return self.now() + self.lag

    def reached(self, panel_id: str, due: datetime) -> bool:
        """Say whether a change has got to its panel."""
        return self.units[panel_id].online and self.now() >= due

    def happen(
        self, person_id: str, panel_id: str, at: datetime, kind: str = "card", *, granted: bool
    ) -> None:
        """Let somebody come to a door; a panel that is away keeps it to itself."""
        self._number += 1
        event = DoorEvent(f"ev-{self._number}", person_id, panel_id, at, self.now(), kind, granted)
        if kind not in self.subscribed:
            return
        (self.events if self.units[panel_id].online else self._untold).append(event)

    def lose(self, panel_id: str) -> None:
        """Cut a panel off."""
        self.units[panel_id].online = False

    def regain(self, panel_id: str) -> None:
        """Bring a panel back: it tells what happened, with the old times."""
        self.units[panel_id].online = True
        for event in [one for one in self._untold if one.panel_id == panel_id]:
            self._untold.remove(event)
            self.events.append(
                DoorEvent(
                    event.id, event.person_id, panel_id, event.at, self.now(), event.kind,
                    event.granted,
                )
            )  # fmt: skip
