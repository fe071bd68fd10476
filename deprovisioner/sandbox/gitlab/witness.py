"""The fake's own log: every request it saw, and every change of its state by whom.

Independent of what the connector believes it did: tests compare evidence with this. Secrets are
never in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from deprovisioner.sandbox.gitlab.store import Record, Table, Written

_WITHHELD = frozenset({"_digest", "token", "_token", "secret", "_secret", "password", "_password"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: who asked what, as whom, and how it was answered."""

    at: datetime
    caller: str
    sudo: str
    method: str
    path: str
    """Below `/api/v4`, without the query."""
    query: str
    status: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One change: where, of which object, and the members that differ (before, after)."""

    at: datetime
    by: str
    table: Table
    key: int
    before: Mapping[str, object] | None
    """The members that changed, as they were; None: it was not there."""
    after: Mapping[str, object] | None


class Witness:
    """What was seen since the instance was built."""

    def __init__(self) -> None:
        self._requests: list[Seen] = []
        self._changes: list[Changed] = []
        self.listening = False

    def saw(self, seen: Seen) -> None:
        """Note a request."""
        self._requests.append(seen)

    def heard(self, written: Written) -> None:
        """Note a change; the building of the instance is not one."""
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
        """Return the changes in the name of one username."""
        return tuple(change for change in self._changes if change.by == author)


def _difference(written: Written) -> Changed:
    before, after = written.before, written.after
    if before is not None and after is not None:
        names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        before = {name: before.get(name) for name in sorted(names)}
        after = {name: after.get(name) for name in sorted(names)}
    return Changed(
        written.at, written.by, written.table, written.key, _shown(before), _shown(after)
    )


def _shown(record: Record | None) -> Mapping[str, object] | None:
    if record is None:
        return None
    return {name: "withheld" if name in _WITHHELD else value for name, value in record.items()}
