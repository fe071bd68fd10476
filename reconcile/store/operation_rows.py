"""Rows of operations and effects: the token that fences, the try that counts, what became of each.

An operation is one system x one stage. Every write here that a runner makes checks its fencing
token first, in the same transaction, so a superseded run cannot write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from reconcile.facts import SETTLED, EffectState, OperationFacts, OperationState, Step
from reconcile.store.instants import epoch, epoch_or_none, instant, instant_or_none
from reconcile.store.schema import effects, holdings, operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.contract import Json


class Superseded(Exception):
    """Another run holds the token, or the operation is done: this run must write nothing more."""


@dataclass(frozen=True, slots=True)
class OperationKey:
    """``<case>/<seq>/<try>``: what the queue carries."""

    case_id: str
    seq: int
    tries: int

    @classmethod
    def parse(cls, text: str) -> OperationKey:
        """Read a key that the queue carried."""
        case_id, seq, tries = text.rsplit("/", 2)
        return cls(case_id, int(seq), int(tries))

    def __str__(self) -> str:
        """Write the key."""
        return f"{self.case_id}/{self.seq}/{self.tries}"


def insert_operation(
    connection: sa.Connection, case_id: str, system: str, step: Step, now: datetime
) -> int:
    """Add an operation to a case whose row is locked; returns its number."""
    query = sa.select(sa.func.coalesce(sa.func.max(operations.c.seq), 0) + 1)
    seq = int(connection.scalar(query.where(operations.c.case_id == case_id)) or 1)
    connection.execute(
        sa.insert(operations).values(
            case_id=case_id, seq=seq, system=system, stage=step.value,
            state=OperationState.TODO.value, tries=0, starts=0, failures=0,
            not_before=epoch(now), token="", result={}, error="",
        )
    )  # fmt: skip
    return seq


def load_operations(connection: sa.Connection, case_id: str) -> tuple[OperationFacts, ...]:
    """Read the operations of a case, in order."""
    query = sa.select(operations).where(operations.c.case_id == case_id).order_by(operations.c.seq)
    return tuple(_facts(row) for row in connection.execute(query).mappings())


def _facts(row: sa.RowMapping) -> OperationFacts:
    return OperationFacts(
        seq=row["seq"],
        system=row["system"],
        step=Step(row["stage"]),
        state=OperationState(row["state"]),
        tries=row["tries"],
        failures=row["failures"],
        not_before=instant(row["not_before"]),
        error=row["error"],
        finished_at=instant_or_none(row["finished_at"]),
    )


def take(
    connection: sa.Connection, key: OperationKey, token: str, now: datetime
) -> Mapping[str, Any] | None:
    """Take the fencing token of a try and count the start; None when the try is not to run."""
    query = (
        sa.update(operations)
        .where(
            operations.c.case_id == key.case_id,
            operations.c.seq == key.seq,
            operations.c.tries == key.tries,
            operations.c.state == OperationState.TODO.value,
        )
        .values(
            token=token,
            starts=operations.c.starts + 1,
            started_at=sa.func.coalesce(operations.c.started_at, epoch(now)),
        )
        .returning(operations)
    )
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None


def fence(connection: sa.Connection, case_id: str, seq: int, token: str) -> None:
    """Lock the operation's row and check the token. Raises :class:`Superseded`."""
    query = sa.select(operations.c.token, operations.c.state).where(
        operations.c.case_id == case_id, operations.c.seq == seq
    )
    row = connection.execute(query.with_for_update()).first()
    if row is None or row.token != token or row.state != OperationState.TODO.value:
        raise Superseded


def finish(
    connection: sa.Connection,
    case_id: str,
    seq: int,
    *,
    now: datetime,
    result: Mapping[str, Json],
) -> None:
    """Mark an operation done; the caller has fenced."""
    _update(
        connection, case_id, seq,
        state=OperationState.DONE.value, failures=0, error="", result=dict(result),
        finished_at=epoch(now), token="",
    )  # fmt: skip


def try_later(
    connection: sa.Connection,
    case_id: str,
    seq: int,
    *,
    at: datetime,
    error: str,
    failed: bool,
) -> None:
    """Spend this try and ask for a fresh one; ``failed`` counts towards giving up."""
    failures = operations.c.failures + 1 if failed else operations.c.failures
    _update(
        connection, case_id, seq,
        tries=operations.c.tries + 1, failures=failures, error=error, not_before=epoch(at),
        token="",
    )  # fmt: skip


def give_up(connection: sa.Connection, case_id: str, seq: int, *, error: str) -> None:
    """Stop trying: a question will ask a person (dead letter)."""
    _update(connection, case_id, seq, state=OperationState.FAILED.value, error=error, token="")


def reopen(connection: sa.Connection, case_id: str, seq: int, *, at: datetime, why: str) -> None:
    """Make a finished or failed operation run again from ``at``, as a fresh try."""
    _update(
        connection, case_id, seq,
        state=OperationState.TODO.value, tries=operations.c.tries + 1, starts=0, failures=0,
        error=why, not_before=epoch(at), token="", finished_at=None,
    )  # fmt: skip


def _update(connection: sa.Connection, case_id: str, seq: int, **values: object) -> None:
    connection.execute(
        sa.update(operations)
        .where(operations.c.case_id == case_id, operations.c.seq == seq)
        .values(**values)
    )


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What one operation did to one holding, so far."""

    key: str
    state: EffectState
    how: str = ""
    why: str = ""
    lost: str = ""
    pending_until: datetime | None = None


def load_effects(connection: sa.Connection, case_id: str, seq: int) -> dict[str, EffectRow]:
    """Read the effects of an operation by holding key."""
    query = sa.select(effects).where(effects.c.case_id == case_id, effects.c.seq == seq)
    return {
        row["key"]: EffectRow(
            row["key"], EffectState(row["state"]), row["how"], row["why"], row["lost"],
            instant_or_none(row["pending_until"]),
        )
        for row in connection.execute(query).mappings()
    }  # fmt: skip


def plan_effects(
    connection: sa.Connection,
    case_id: str,
    seq: int,
    token: str,
    keys: Iterable[str],
    now: datetime,
) -> None:
    """Insert ``planned`` rows for holdings not known to this operation yet."""
    rows = [
        {
            "case_id": case_id, "seq": seq, "key": key, "state": EffectState.PLANNED.value,
            "how": "", "why": "", "lost": "", "tries": 0, "token": token, "at": epoch(now),
        }
        for key in keys
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(effects), rows)


def mark_effects(
    connection: sa.Connection, case_id: str, seq: int, rows: Iterable[EffectRow], now: datetime
) -> None:
    """Write the state of effects; the caller has fenced."""
    for row in rows:
        calling = row.state is EffectState.CALLING
        connection.execute(
            sa.update(effects)
            .where(effects.c.case_id == case_id, effects.c.seq == seq, effects.c.key == row.key)
            .values(
                state=row.state.value, how=row.how, why=row.why, lost=row.lost, at=epoch(now),
                pending_until=epoch_or_none(row.pending_until),
                tries=effects.c.tries + (1 if calling else 0),
            )
        )  # fmt: skip


def settled_keys(connection: sa.Connection, case_id: str, step: Step) -> frozenset[tuple[str, str]]:
    """List (system, holding key) whose effect of ``step`` is observed done."""
    query = (
        sa.select(operations.c.system, effects.c.key)
        .join(
            operations,
            sa.and_(operations.c.case_id == effects.c.case_id, operations.c.seq == effects.c.seq),
        )
        .where(
            effects.c.case_id == case_id,
            operations.c.stage == step.value,
            effects.c.state.in_([state.value for state in SETTLED]),
        )
    )
    return frozenset((row.system, row.key) for row in connection.execute(query))


def effect_counts(connection: sa.Connection, case_id: str) -> dict[int, dict[str, int]]:
    """Count effects by operation and state, for people."""
    query = (
        sa.select(effects.c.seq, effects.c.state, sa.func.count())
        .where(effects.c.case_id == case_id)
        .group_by(effects.c.seq, effects.c.state)
    )
    counts: dict[int, dict[str, int]] = {}
    for seq, state, number in connection.execute(query):
        counts.setdefault(seq, {})[state] = number
    return counts


def outcomes(connection: sa.Connection, case_id: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Map (system, key) to the words of its last settled effect and what was lost, for people."""
    query = (
        sa.select(operations.c.system, operations.c.stage, effects.c.key, effects.c.state,
                  effects.c.how, effects.c.lost)
        .join(
            operations,
            sa.and_(operations.c.case_id == effects.c.case_id, operations.c.seq == effects.c.seq),
        )
        .join(
            holdings,
            sa.and_(
                holdings.c.case_id == effects.c.case_id,
                holdings.c.system == operations.c.system,
                holdings.c.key == effects.c.key,
            ),
        )
        .where(effects.c.case_id == case_id, operations.c.stage != Step.PRESERVE.value)
        .order_by(effects.c.at)
    )  # fmt: skip
    words: dict[tuple[str, str], tuple[str, str]] = {}
    for row in connection.execute(query):
        said = f"{row.stage}: {row.state}" + (f" ({row.how})" if row.how else "")
        lost = row.lost or words.get((row.system, row.key), ("", ""))[1]
        words[row.system, row.key] = (said, lost)
    return words
