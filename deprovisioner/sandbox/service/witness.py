"""The pretended service's own log: every request it saw, and every change of its state by whom.

Called by the rooms. Independent of what a connector believes it did: tests compare evidence with
this. Secrets are withheld.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from deprovisioner.sandbox.service.versions import KeyT, Record, Written

SeenT = TypeVar("SeenT")


@dataclass(frozen=True, slots=True)
class Changed(Generic[KeyT]):
    """One change: where, of which object, and the members that differ (before, after)."""

    at: datetime
    by: str
    place: str
    """The table or the link (`users`, `members`)."""
    key: KeyT
    """The object's id; for a link `source/target`."""
    before: Mapping[str, object] | None
    """The members that changed, as they were; None: it was not there."""
    after: Mapping[str, object] | None


class Diary(Generic[SeenT, KeyT]):
    """What was seen since the state was built; members named in `withheld` are not told."""

    def __init__(self, withheld: frozenset[str]) -> None:
        self._withheld = withheld
        self._requests: list[SeenT] = []
        self._changes: list[Changed[KeyT]] = []
        self.listening = False

    def saw(self, seen: SeenT) -> None:
        """Note a request."""
        self._requests.append(seen)

    def heard(self, written: Written[KeyT]) -> None:
        """Note a change; the building of the state is not one."""
        if self.listening:
            self._changes.append(self._difference(written))

    @property
    def requests(self) -> tuple[SeenT, ...]:
        """Every request, oldest first."""
        return tuple(self._requests)

    @property
    def changes(self) -> tuple[Changed[KeyT], ...]:
        """Every change, oldest first."""
        return tuple(self._changes)

    def changes_by(self, author: str) -> tuple[Changed[KeyT], ...]:
        """Return the changes in one name."""
        return tuple(change for change in self._changes if change.by == author)

    def _difference(self, written: Written[KeyT]) -> Changed[KeyT]:
        before, after = written.before, written.after
        if before is not None and after is not None:
            names = sorted(
                name for name in {*before, *after} if before.get(name) != after.get(name)
            )
            before = {name: before.get(name) for name in names}
            after = {name: after.get(name) for name in names}
        shown = self._shown(before), self._shown(after)
        return Changed(written.at, written.by, written.place, written.key, *shown)

    def _shown(self, record: Record | None) -> Mapping[str, object] | None:
        if record is None:
            return None
        return {
            name: "withheld" if name in self._withheld else value for name, value in record.items()
        }
