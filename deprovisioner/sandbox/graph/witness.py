"""The fake's own log: every request it saw, and every change of its state by whom.

Independent of what the connector believes it did: tests compare evidence with this. Passwords and
secrets are withheld.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deprovisioner.sandbox.graph.store import Record, Written

_WITHHELD = frozenset({"passwordProfile", "_password", "secretText", "key", "credentials"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: who asked what, and how it was answered."""

    at: datetime
    app: str
    method: str
    path: str
    status: int
    request_id: str
    batched: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """One change: where, of which object, and the members that differ (before, after)."""

    at: datetime
    by: str
    place: str
    """The table or the link (`users`, `members`)."""
    key: str
    """The object's id; for a link `source/target`."""
    before: Mapping[str, object] | None
    """The members that changed, as they were; None: it was not there."""
    after: Mapping[str, object] | None


class Witness:
    """What was seen since the tenant was built."""

    def __init__(self) -> None:
        self._requests: list[Seen] = []
        self._changes: list[Changed] = []
        self.listening = False

    def saw(self, seen: Seen) -> None:
        """Note a request."""
        self._requests.append(seen)

    def heard(self, written: Written) -> None:
        """Note a change; the building of the tenant is not one."""
        if self.listening:
            self._changes.append(_difference(written))

    @property
    def requests(self) -> tuple[Seen, ...]:
        """Every request, oldest first."""
        return tuple(self._requests)

    @property
    def changes(self) -> tuple[Changed, ...]:
        """Every change, oldest first."""
        return tuple(self._changes)

    def changes_by(self, author: str) -> tuple[Changed, ...]:
        """Return the changes of one app."""
        return tuple(change for change in self._changes if change.by == author)


def _difference(written: Written) -> Changed:
    before, after = written.before, written.after
    if before is None or after is None:
        shown = (_shown(before), _shown(after))
    else:
        names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        shown = (
            _shown({name: before.get(name) for name in names}),
            _shown({name: after.get(name) for name in names}),
        )
    return Changed(written.at, written.by, str(written.place), written.key, *shown)


def _shown(record: Record | None) -> Mapping[str, object] | None:
    if record is None:
        return None
    return {name: "withheld" if name in _WITHHELD else value for name, value in record.items()}
