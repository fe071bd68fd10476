"""Rows of what a person has: holdings with their first pre-image, and the reads of them.

The pre-image kept is the one seen first, before anything was changed: undo works from it (Law 9).
Later reads change the state of a holding, never its pre-image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from pydantic import TypeAdapter

from connectors.contract import Credential, Holding, HoldingState, Reading
from reconcile.facts import Step, SurveyFacts
from reconcile.store.instants import epoch, epoch_or_none, instant
from reconcile.store.schema import effects, holdings, surveys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconcile.store.case_file import CaseFile

HOLDING: Final = TypeAdapter(Holding)


@dataclass(frozen=True, slots=True)
class HoldingRow:
    """A stored holding: its number in the case, newest state, and its sealed pre-image."""

    number: int
    system: str
    key: str
    account_id: str
    kind: str
    state: HoldingState
    sole: bool
    duty: str
    residual_until: float | None
    snapshot_sealed: bytes

    def snapshot(self, file: CaseFile) -> Holding:
        """Unseal the holding as it was first seen."""
        return file.unseal(HOLDING, self.snapshot_sealed, f"holding/{self.system}")


# Built once: see operation_rows.
_MINE: Final = holdings.c.case_id == sa.bindparam("this")
_LAST: Final = sa.select(sa.func.coalesce(sa.func.max(holdings.c.number), 0)).where(_MINE)
_INSERT: Final = sa.insert(holdings)
_LOAD: Final = sa.select(holdings).where(_MINE).order_by(holdings.c.number)
_LOAD_SYSTEM: Final = _LOAD.where(holdings.c.system == sa.bindparam("in_system"))
_UPDATE: Final = sa.update(holdings).where(
    _MINE, holdings.c.system == sa.bindparam("in_system"), holdings.c.key == sa.bindparam("named")
)
_SURVEYS: Final = sa.select(surveys).where(surveys.c.case_id == sa.bindparam("this"))


def store_holdings(
    file: CaseFile, system: str, seen: Sequence[Holding], *, whole: frozenset[str]
) -> None:
    """Fold a read into the rows: new ones with their pre-image, known ones with their state.

    ``whole`` names the accounts that were read entirely (no part was blind): only of theirs is a
    known holding that did not turn up written as gone (Law 2).
    """
    known = {row.key: row for row in load_holdings(file, system)}
    fresh = [each for each in seen if each.key not in known]
    if fresh:
        _insert(file, system, fresh)
    changed = [
        _as_seen(file, system, each)
        for each in seen
        if each.key in known and not _unchanged(each, known[each.key])
    ]
    if changed:
        file.connection.execute(_UPDATE, changed)
    there = {each.key for each in seen}
    gone = [
        row.key
        for row in known.values()
        if row.key not in there and row.account_id in whole and row.state is not HoldingState.GONE
    ]
    _mark_gone(file, system, gone)


def _insert(file: CaseFile, system: str, fresh: Sequence[Holding]) -> None:
    last = int(file.connection.scalar(_LAST, {"this": file.id}) or 0)
    rows = [
        {
            "case_id": file.id, "system": system, "key": each.key, "number": number,
            "account_id": each.account_id, "kind": each.kind, "state": each.state.value,
            "sole": each.sole, "duty": each.duty,
            "residual_until": epoch_or_none(each.residual_until),
            "first_seen_at": epoch(file.now), "last_seen_at": epoch(file.now),
            "snapshot_sealed": file.seal(HOLDING, each, f"holding/{system}"),
        }
        for number, each in enumerate(fresh, start=last + 1)
    ]  # fmt: skip
    file.connection.execute(_INSERT, rows)


def _unchanged(seen: Holding, known: HoldingRow) -> bool:
    return (known.state, known.sole, known.duty, known.residual_until) == (
        seen.state,
        seen.sole,
        seen.duty,
        epoch_or_none(seen.residual_until),
    )


def _as_seen(file: CaseFile, system: str, seen: Holding) -> dict[str, object]:
    return {
        **_place(file, system, seen.key),
        "state": seen.state.value, "sole": seen.sole, "duty": seen.duty,
        "last_seen_at": epoch(file.now), "residual_until": epoch_or_none(seen.residual_until),
    }  # fmt: skip


def _mark_gone(file: CaseFile, system: str, keys: Sequence[str]) -> None:
    rows = [
        {
            **_place(file, system, key),
            "state": HoldingState.GONE.value,
            "last_seen_at": epoch(file.now),
        }
        for key in keys
    ]
    if rows:
        file.connection.execute(_UPDATE, rows)


def _place(file: CaseFile, system: str, key: str) -> dict[str, object]:
    """Parameters of `_UPDATE` that say which row; the others say what is written."""
    return {"this": file.id, "in_system": system, "named": key}


def drop_untouched(file: CaseFile, system: str, account_id: str) -> bool:
    """Forget the holdings of an account that is not theirs after all.

    False, and nothing is forgotten, once anything was done to one of them: undo needs its rows.
    """
    keys = [row.key for row in load_holdings(file, system) if row.account_id == account_id]
    touched = sa.select(effects.c.key).where(effects.c.case_id == file.id, effects.c.key.in_(keys))
    if keys and file.connection.execute(touched.limit(1)).first() is not None:
        return False
    file.connection.execute(
        sa.delete(holdings).where(
            holdings.c.case_id == file.id,
            holdings.c.system == system,
            holdings.c.account_id == account_id,
        )
    )
    return True


def complete_snapshots(file: CaseFile, system: str, seen: Sequence[Holding]) -> None:
    """Fill in pre-images that a read without the right to see them had left empty.

    The verifying credential sees holdings without their pre-image; the first acting read of such
    a holding, before it is changed, completes it.
    """
    known = {row.key: row for row in load_holdings(file, system)}
    for each in seen:
        row = known.get(each.key)
        if row and each.restore and not row.snapshot(file).restore:
            sealed = file.seal(HOLDING, each, f"holding/{system}")
            file.connection.execute(
                _UPDATE, {**_place(file, system, each.key), "snapshot_sealed": sealed}
            )


def load_holdings(file: CaseFile, system: str | None = None) -> tuple[HoldingRow, ...]:
    """Read the holdings of a case, of one system or of all, by number."""
    query, place = (_LOAD, {"this": file.id})
    if system is not None:
        query, place = _LOAD_SYSTEM, {"this": file.id, "in_system": system}
    return tuple(_holding_row(row) for row in file.connection.execute(query, place).mappings())


def _holding_row(row: sa.RowMapping) -> HoldingRow:
    return HoldingRow(
        row["number"], row["system"], row["key"], row["account_id"], row["kind"],
        HoldingState(row["state"]), row["sole"], row["duty"], row["residual_until"],
        row["snapshot_sealed"],
    )  # fmt: skip


def store_survey(
    file: CaseFile,
    system: str,
    phase: Step,
    reading: Reading[Holding],
    *,
    accounts_found: int,
    residue: Sequence[int] = (),
) -> None:
    """Keep the newest read of a phase, whatever it could or could not see."""
    values = {
        "read_at": epoch(reading.read_at or file.now),
        "credential": reading.credential.value if reading.credential else "",
        "complete": reading.complete,
        "canary": bool(reading.canary and reading.canary.seen),
        "blind": reading.blind,
        "accounts": accounts_found,
        "holdings": len(reading.items),
        "residue": list(residue),
    }
    forget_survey(file, system, phase)
    file.connection.execute(
        sa.insert(surveys).values(case_id=file.id, system=system, phase=phase.value, **values)
    )


def forget_survey(file: CaseFile, system: str, phase: Step) -> None:
    """Drop the newest read of a phase, because it must be made again."""
    file.connection.execute(
        sa.delete(surveys).where(
            surveys.c.case_id == file.id,
            surveys.c.system == system,
            surveys.c.phase == phase.value,
        )
    )


def load_surveys(file: CaseFile) -> tuple[SurveyFacts, ...]:
    """Read the newest reads of all phases."""
    found = file.connection.execute(_SURVEYS, {"this": file.id})
    return tuple(
        SurveyFacts(
            system=row["system"],
            phase=Step(row["phase"]),
            read_at=instant(row["read_at"]),
            blind=row["blind"],
            accounts=row["accounts"],
            by_verifier=row["credential"] == Credential.VERIFY.value,
            residue=tuple(row["residue"]),
        )
        for row in found.mappings()
    )
