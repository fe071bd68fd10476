"""What a write does to one holding of the remembered world, read back right after (Law 1).

Called by the connector inside one transaction per call. A world that answers success and changes
nothing is noticed here, by comparing what is there with what was asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.contract import Effect, Holding, HoldingState, Json, Kind, Outcome
from connectors.faults import Malformed, Missing, Transient
from connectors.memory.abilities import NO_RESTORE, is_shared
from connectors.memory.world import MemoryWorld

SCRAMBLED: Final = "scrambled"
_LAST: Final = "the last holder is handed over first, never removed"
_READ: Final = "SELECT * FROM holdings WHERE account_id = ? AND kind = ? AND native_id = ?"
_DELETE: Final = "DELETE FROM holdings WHERE account_id = ? AND kind = ? AND native_id = ?"
_SUSPEND: Final = (
    "UPDATE holdings SET state = ?, secret = ? WHERE account_id = ? AND kind = ? AND native_id = ?"
)
_LATER: Final = (
    "UPDATE holdings SET gone_at = ? WHERE account_id = ? AND kind = ? AND native_id = ?"
)
_PUT: Final = """
INSERT INTO holdings (account_id, kind, native_id, label, state, secret, content)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account_id, kind, native_id) DO UPDATE SET label = excluded.label,
  state = excluded.state, secret = excluded.secret, content = excluded.content, gone_at = NULL
"""


def restore_image(row: sqlite3.Row) -> dict[str, Json]:
    """All that putting a holding back needs; holds the secret, so only ACT is given it."""
    return {
        "label": row["label"],
        "state": row["state"],
        "secret": row["secret"],
        "content": bytes(row["content"]).hex(),
    }


@dataclass(frozen=True, slots=True)
class Changes:
    """The writes of one call. ``silent`` is the trouble in which nothing is changed."""

    world: MemoryWorld
    clock: Callable[[], datetime]
    silent: bool
    asynchronous: frozenset[str]
    asynchronous_after: timedelta

    def contain(self, holding: Holding) -> Effect:
        """Suspend; a session ends and a password is scrambled."""
        row = self.row(holding)
        if row is None or row["state"] == HoldingState.CONTAINED:
            return self._effect(holding, Outcome.ALREADY)
        if holding.kind == "session":
            self._execute(_DELETE, *_at(holding))
            self._must(holding, there=False)
            return self._effect(holding, Outcome.DONE, lost=NO_RESTORE)
        secret = SCRAMBLED if row["secret"] else ""
        self._execute(
            _SUSPEND,
            HoldingState.CONTAINED.value,
            secret,
            *_at(holding),
        )
        self._must(holding, there=True, state=HoldingState.CONTAINED)
        return self._effect(holding, Outcome.DONE)

    def revoke(self, holding: Holding) -> Effect:
        """Remove now, or ask for removal; whether it is the last holder is read now (Law 5)."""
        row = self.row(holding)
        if row is None:
            return self._effect(holding, Outcome.ALREADY)
        if row["gone_at"] is not None:
            until = datetime.fromtimestamp(row["gone_at"], self.clock().tzinfo)
            return self._effect(holding, Outcome.PENDING, until=until)
        if is_sole(self.world, holding.kind, holding.native_id):
            return self._effect(holding, Outcome.REFUSED, why=_LAST)
        if holding.kind in self.asynchronous:
            until = self.clock() + self.asynchronous_after
            self._execute(
                _LATER,
                until.timestamp(),
                *_at(holding),
            )
            return self._effect(holding, Outcome.PENDING, until=until)
        self._execute(_DELETE, *_at(holding))
        self._must(holding, there=False)
        return self._effect(holding, Outcome.DONE)

    def transfer(self, holding: Holding, successor_id: str) -> Effect:
        """Make the successor holder of the same thing."""
        theirs = Holding(successor_id, holding.kind, holding.native_id)
        if not is_shared(holding.kind):
            why = f"{holding.kind} cannot be handed over"
            return self._effect(holding, Outcome.REFUSED, why=why)
        if self.row(theirs) is not None:
            return self._effect(holding, Outcome.ALREADY)
        row = self.row(holding)
        if row is None:
            raise Missing("transfer: the leaver does not hold it any more", code="memory:gone")
        self._put(theirs, label=row["label"], state=HoldingState.LIVE, secret="", content=b"")
        self._must(theirs, there=True)
        return self._effect(holding, Outcome.DONE)

    def restore(self, holding: Holding) -> Effect:
        """Put back exactly what the pre-image has (Law 9)."""
        if holding.kind == "session":
            return self._effect(holding, Outcome.REFUSED, why=NO_RESTORE)
        if not self.world.rows("SELECT 1 FROM accounts WHERE native_id = ?", holding.account_id):
            return self._effect(holding, Outcome.REFUSED, why="the account was destroyed")
        label, state, secret, content = (
            _text(holding, part) for part in ("label", "state", "secret", "content")
        )
        row = self.row(holding)
        if row is not None and row["gone_at"] is None and restore_image(row) == holding.restore:
            return self._effect(holding, Outcome.ALREADY)
        self._put(
            holding,
            label=label,
            state=HoldingState(state),
            secret=secret,
            content=bytes.fromhex(content),
        )
        self._must(holding, there=True, state=HoldingState(state))
        return self._effect(holding, Outcome.DONE)

    def vanish(self, holding: Holding) -> None:
        """Take it away as somebody else would, in the moment before the write."""
        self.world.take(*_at(holding))

    def row(self, holding: Holding) -> sqlite3.Row | None:
        """Read a holding."""
        rows = self.world.rows(_READ, *_at(holding))
        return rows[0] if rows else None

    def _put(
        self, holding: Holding, *, label: str, state: HoldingState, secret: str, content: bytes
    ) -> None:
        self._execute(
            _PUT,
            *_at(holding),
            label,
            state.value,
            secret,
            content,
        )

    def _execute(self, statement: str, *values: object) -> None:
        if not self.silent:
            with self.world.writing() as database:
                database.execute(statement, values)

    def _must(self, holding: Holding, *, there: bool, state: HoldingState | None = None) -> None:
        """Read back. Raises :class:`Transient` when the success was a lie (Law 1)."""
        row = self.row(holding)
        as_asked = (row is not None) == there
        if as_asked and row is not None and state is not None:
            as_asked = row["state"] == state
        if not as_asked:
            raise Transient("answered with success, read back unchanged", code="memory:silent")

    def _effect(
        self,
        holding: Holding,
        outcome: Outcome,
        *,
        until: datetime | None = None,
        why: str = "",
        lost: str = "",
    ) -> Effect:
        row = self.row(holding)
        state = HoldingState.GONE.value if row is None else str(row["state"])
        return Effect(
            holding.key,
            outcome,
            read_back={"state": state},
            pending_until=until,
            why=why,
            lost=lost,
        )


def is_sole(world: MemoryWorld, kind: Kind, native_id: str) -> bool:
    """Tell whether a shared thing has one holder left."""
    return is_shared(kind) and len(world.holders(kind, native_id)) == 1


def _at(holding: Holding) -> tuple[str, Kind, str]:
    return holding.account_id, holding.kind, holding.native_id


def _text(holding: Holding, part: str) -> str:
    value = holding.restore.get(part)
    if not isinstance(value, str):
        raise Malformed(f"the pre-image has no {part}", code="memory:pre-image")
    return value
