"""Rows of operations and effects: the token that fences, the try that counts, what became of each.

An operation is one system x one stage. Every write here that a runner makes checks its fencing
token first, in the same transaction, so a superseded run cannot write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from reconcile.facts import SETTLED, EffectState, OperationFacts, OperationState, Step
from reconcile.store.instants import epoch, epoch_or_none, instant, instant_or_none
from reconcile.store.schema import effects, holdings, holds, operations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


# Statements that every pass and every holding needs are built once: building one costs the
# processor more than the database needs to answer it (docs/benchmarks.md).
_MINE: Final = operations.c.case_id == sa.bindparam("this")
_LAST: Final = sa.select(sa.func.coalesce(sa.func.max(operations.c.seq), 0)).where(_MINE)
_INSERT: Final = sa.insert(operations)
_LOAD: Final = sa.select(operations).where(_MINE).order_by(operations.c.seq)
_HELD: Final = sa.exists().where(
    holds.c.case_id == operations.c.case_id, holds.c.released_at.is_(None)
)
_FENCE: Final = (
    sa.select(operations.c.token, operations.c.state, _HELD.label("held"))
    .where(_MINE, operations.c.seq == sa.bindparam("number"))
    .with_for_update(of=operations)
)
_UPDATE: Final = sa.update(operations).where(_MINE, operations.c.seq == sa.bindparam("number"))


def insert_operations(
    connection: sa.Connection, case_id: str, planned: Sequence[tuple[str, Step]], now: datetime
) -> None:
    """Add operations (system, step) to a case whose row is locked, numbered on."""
    if not planned:
        return
    last = int(connection.scalar(_LAST, {"this": case_id}) or 0)
    rows: list[dict[str, object]] = [
        {
            "case_id": case_id, "seq": seq, "system": system, "stage": step.value,
            "state": OperationState.TODO.value, "tries": 0, "starts": 0, "failures": 0,
            "not_before": epoch(now), "token": "", "carrier": "", "result": {}, "error": "",
        }
        for seq, (system, step) in enumerate(planned, start=last + 1)
    ]  # fmt: skip
    connection.execute(_INSERT, rows)


def load_operations(connection: sa.Connection, case_id: str) -> tuple[OperationFacts, ...]:
    """Read the operations of a case, in order."""
    rows = connection.execute(_LOAD, {"this": case_id}).mappings()
    return tuple(_facts(row) for row in rows)


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
        started_at=instant_or_none(row["started_at"]),
        finished_at=instant_or_none(row["finished_at"]),
        carrier=row["carrier"],
        taken=bool(row["token"]),
    )


def carry(connection: sa.Connection, case_id: str, seq: int, job: str) -> None:
    """Let a running job go on with an operation; the caller has locked the case.

    Until the operation ends, or the job is lost, nobody sends it to a queue.
    """
    _update(connection, case_id, seq, carrier=job)


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


def fence(connection: sa.Connection, case_id: str, seq: int, token: str) -> bool:
    """Lock the operation's row and check the token. Raises :class:`Superseded`.

    Returns whether a hold stands on the case, whose row the caller has locked.
    """
    row = connection.execute(_FENCE, {"this": case_id, "number": seq}).first()
    if row is None or row.token != token or row.state != OperationState.TODO.value:
        raise Superseded
    return bool(row.held)


def finish(
    connection: sa.Connection,
    case_id: str,
    seq: int,
    *,
    now: datetime,
    result: Mapping[str, Json],
) -> None:
    """Mark an operation done, or due again where it was reopened meanwhile; we have fenced."""
    once = operations.c.again_at.is_(None)
    _update(
        connection, case_id, seq,
        state=sa.case((once, OperationState.DONE.value), else_=OperationState.TODO.value),
        tries=operations.c.tries + sa.case((once, 0), else_=1), starts=0,
        not_before=sa.func.coalesce(operations.c.again_at, operations.c.not_before),
        failures=0, error="", result=dict(result),
        finished_at=sa.case((once, epoch(now)), else_=None), token="", carrier="", again_at=None,
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
    """Spend this try and ask for a fresh one; ``failed`` counts towards giving up.

    What is counted as started without an end is this try alone, and it has ended.
    """
    failures = operations.c.failures + 1 if failed else operations.c.failures
    _update(
        connection, case_id, seq,
        tries=operations.c.tries + 1, starts=0, failures=failures, error=error,
        not_before=sa.func.coalesce(operations.c.again_at, epoch(at)),
        token="", carrier="", again_at=None,
    )  # fmt: skip


def give_up(connection: sa.Connection, case_id: str, seq: int, *, error: str) -> None:
    """Stop trying: a question will ask a person (dead letter)."""
    _update(
        connection, case_id, seq,
        state=OperationState.FAILED.value, error=error, token="", carrier="", again_at=None,
    )  # fmt: skip


def reopen(connection: sa.Connection, case_id: str, seq: int, *, at: datetime, why: str) -> None:
    """Make an operation run again from ``at``, as a fresh try.

    One that runs now comes to its end first: no operation runs twice at once.
    """
    running = operations.c.state == OperationState.TODO.value, operations.c.token != ""
    again = _UPDATE.where(*running).values(again_at=epoch(at))
    if connection.execute(again, {"this": case_id, "number": seq}).rowcount:
        return
    _update(
        connection, case_id, seq,
        state=OperationState.TODO.value, tries=operations.c.tries + 1, starts=0, failures=0,
        error=why, not_before=epoch(at), token="", carrier="", finished_at=None,
    )  # fmt: skip


def _update(connection: sa.Connection, case_id: str, seq: int, **values: object) -> None:
    connection.execute(_UPDATE.values(**values), {"this": case_id, "number": seq})


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What one operation did to one holding, so far."""

    key: str
    state: EffectState
    how: str = ""
    why: str = ""
    lost: str = ""
    pending_until: datetime | None = None


_EFFECTS: Final = sa.select(effects).where(
    effects.c.case_id == sa.bindparam("this"), effects.c.seq == sa.bindparam("number")
)
_INSERT_EFFECTS: Final = sa.insert(effects)
_MARK: Final = (
    sa.update(effects)
    .where(
        effects.c.case_id == sa.bindparam("this"),
        effects.c.seq == sa.bindparam("number"),
        effects.c.key == sa.bindparam("name"),
    )
    .values(tries=effects.c.tries + sa.bindparam("calling"))
)
_SETTLED: Final = (
    sa.select(operations.c.stage, operations.c.system, effects.c.key)
    .join(
        operations,
        sa.and_(operations.c.case_id == effects.c.case_id, operations.c.seq == effects.c.seq),
    )
    .where(
        effects.c.case_id == sa.bindparam("this"),
        effects.c.state.in_([state.value for state in SETTLED]),
    )
)

_OURS: Final = (
    sa.select(operations.c.stage, operations.c.system, effects.c.key)
    .join(
        operations,
        sa.and_(operations.c.case_id == effects.c.case_id, operations.c.seq == effects.c.seq),
    )
    .where(
        effects.c.case_id == sa.bindparam("this"),
        sa.or_(
            effects.c.state.in_(
                [EffectState.DONE.value, EffectState.CALLING.value, EffectState.PENDING.value]
            ),
            effects.c.how.startswith("answered"),
        ),
    )
)


def load_effects(connection: sa.Connection, case_id: str, seq: int) -> dict[str, EffectRow]:
    """Read the effects of an operation by holding key."""
    found = connection.execute(_EFFECTS, {"this": case_id, "number": seq})
    return {
        row["key"]: EffectRow(
            row["key"], EffectState(row["state"]), row["how"], row["why"], row["lost"],
            instant_or_none(row["pending_until"]),
        )
        for row in found.mappings()
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
        connection.execute(_INSERT_EFFECTS, rows)


def mark_effects(
    connection: sa.Connection, case_id: str, seq: int, rows: Iterable[EffectRow], now: datetime
) -> None:
    """Write the state of effects; the caller has fenced."""
    marks = [
        {
            "this": case_id, "number": seq, "name": row.key,
            "state": row.state.value, "how": row.how, "why": row.why, "lost": row.lost,
            "at": epoch(now), "pending_until": epoch_or_none(row.pending_until),
            "calling": int(row.state is EffectState.CALLING),
        }
        for row in rows
    ]  # fmt: skip
    if marks:
        connection.execute(_MARK, marks)


Settled = Mapping[Step, frozenset[tuple[str, str]]]
"""(system, holding key) whose effect is observed done, by step."""


def settled_keys(connection: sa.Connection, case_id: str) -> Settled:
    """List what is observed done in a case, for every step."""
    found: dict[Step, set[tuple[str, str]]] = {step: set() for step in Step}
    for stage, system, key in connection.execute(_SETTLED, {"this": case_id}):
        found[Step(stage)].add((system, key))
    return {step: frozenset(keys) for step, keys in found.items()}


def done_keys(connection: sa.Connection, case_id: str) -> Settled:
    """List what we changed in a case, or may have: also calls whose end nobody has seen."""
    found: dict[Step, set[tuple[str, str]]] = {step: set() for step in Step}
    for stage, system, key in connection.execute(_OURS, {"this": case_id}):
        found[Step(stage)].add((system, key))
    return {step: frozenset(keys) for step, keys in found.items()}


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
