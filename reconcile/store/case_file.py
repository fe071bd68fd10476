"""The file of one case inside one transaction: its row locked, its person unsealed, its evidence.

Made by the reconciler, the operation runner and the desk. State and evidence commit together
(Law 8) because both go through the one connection held here. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa
from pydantic import TypeAdapter

from reconcile.case import CaseState, check_move
from reconcile.errors import UnknownCase
from reconcile.event import Person
from reconcile.facts import OperationState
from reconcile.sealing import seal, unseal
from reconcile.store.evidence_log import Draft
from reconcile.store.instants import instant
from reconcile.store.ledger_schema import case_keys
from reconcile.store.schema import accounts, cases, operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from connectors.contract import Json
    from reconcile.evidence.encoding import Json as EvidenceJson
    from reconcile.store.case_keys import CaseKeys
    from reconcile.store.evidence_log import EvidenceLog

Noun = TypeVar("Noun")

PERSON: Final = TypeAdapter(Person)
AFTERWARDS: Final = ".afterwards"
"""Suffix of the chain of what happens to a case after its closing record: destroy, erasure."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the evidence of cases goes and where their keys lie."""

    evidence: EvidenceLog
    keys: CaseKeys
    token_bytes: Callable[[int], bytes]


@dataclass(slots=True)
class CaseFile:
    """One case, locked. ``now`` is the instant every row written through this file carries."""

    connection: sa.Connection
    row: Mapping[str, Any]
    archive: Archive
    key: bytes
    now: datetime

    @property
    def id(self) -> str:
        """The id of the case."""
        return str(self.row["id"])

    @property
    def state(self) -> CaseState:
        """Where the case stands."""
        return CaseState(self.row["state"])

    @property
    def access_end(self) -> datetime:
        """The one instant (Law 12)."""
        return instant(self.row["access_end_at"])

    @property
    def person(self) -> Person:
        """Unseal what the case knows about its person."""
        return self.unseal(PERSON, self.row["person_sealed"], "person")

    def seal(self, adapter: TypeAdapter[Noun], noun: Noun, about: str) -> bytes:
        """Seal a noun under the key of the case; ``about`` binds it to its place."""
        context = f"{about}/{self.id}"
        return seal(self.key, adapter.dump_json(noun), context, self.archive.token_bytes)

    def unseal(self, adapter: TypeAdapter[Noun], sealed: bytes, about: str) -> Noun:
        """Open what :meth:`seal` made."""
        return adapter.validate_json(unseal(self.key, sealed, f"{about}/{self.id}"))

    def record(
        self,
        type_: str,
        control: Mapping[str, Json] | None = None,
        person: Mapping[str, Json] | None = None,
    ) -> None:
        """Append an evidence record in this transaction."""
        self.record_all([(type_, control or {}, person or {})])

    def record_all(
        self, said: Sequence[tuple[str, Mapping[str, Json], Mapping[str, Json]]]
    ) -> None:
        """Append evidence records (type, control, person) in this transaction, in order."""
        drafts = [Draft(type_, _plain(control), _plain(person)) for type_, control, person in said]
        closed = self.row["closing_at"] is not None
        self.archive.evidence.append_all(
            self.connection,
            self.id + (AFTERWARDS if closed else ""),
            self.now,
            drafts,
            None if closed else self.key,
        )

    def update(self, **values: object) -> None:
        """Change columns of the case."""
        self.connection.execute(sa.update(cases).where(cases.c.id == self.id).values(**values))
        self.row = {**self.row, **values}

    def move(self, after: CaseState, why: str = "") -> None:
        """Change the state, when it changes, by a legal move, and record it."""
        if after is self.state:
            return
        check_move(self.state, after)
        before = self.state
        self.update(state=after.value, open=after not in {CaseState.CLOSED, CaseState.RESCINDED})
        if after is not CaseState.CLOSED:  # the closing record is the last of its chain
            self.record("case.state", {"from": before.value, "to": after.value, "why": why})


def _plain(part: Mapping[str, Json]) -> dict[str, EvidenceJson]:
    """Turn what the contract carries into the plain types that evidence hashes."""
    return {name: _value(value) for name, value in part.items()}


def _value(value: Json) -> EvidenceJson:
    if isinstance(value, str | int | bool) or value is None:
        return value
    if isinstance(value, Mapping):
        return {name: _value(each) for name, each in value.items()}
    return [_value(each) for each in value]


_HAS_KEY: Final = "key_of"
_WRAPPED: Final = "key_wrapped"
_READ: Final = (
    sa.select(
        cases,
        case_keys.c.case_id.label(_HAS_KEY),
        case_keys.c.wrapped.label(_WRAPPED),
    )
    .select_from(cases.outerjoin(case_keys, case_keys.c.case_id == cases.c.id))
    .where(cases.c.id == sa.bindparam("this"))
)
_LOCKED: Final = _READ.with_for_update(of=cases)
_TOUCH: Final = sa.update(cases).where(cases.c.id == sa.bindparam("this"))


def open_file(
    connection: sa.Connection,
    case_id: str,
    archive: Archive,
    now: datetime,
    *,
    lock: bool = True,
) -> CaseFile:
    """Open the file of a case, locking its row unless it is only read.

    Raises :class:`UnknownCase`, and :class:`~reconcile.sealing.KeyDestroyed` once it was erased.
    """
    query = _LOCKED if lock else _READ
    row = connection.execute(query, {"this": case_id}).mappings().first()
    if row is None:
        message = f"no case {case_id[:64]}"
        raise UnknownCase(message)
    values = dict(row)
    key = archive.keys.unwrap(case_id, values.pop(_HAS_KEY), values.pop(_WRAPPED))
    return CaseFile(connection, values, archive, key, now)


def touch(connection: sa.Connection, case_id: str, now: sa.ColumnElement[float]) -> None:
    """Note on the database clock that a pass looked at the case."""
    connection.execute(_TOUCH.values(touched=now), {"this": case_id})


def open_case_of(connection: sa.Connection, employment_id: str) -> str | None:
    """Find the open case of an employment."""
    query = sa.select(cases.c.id).where(cases.c.employment_id == employment_id, cases.c.open)
    return connection.scalar(query)


def open_cases(connection: sa.Connection) -> tuple[str, ...]:
    """List every open case."""
    return tuple(connection.scalars(sa.select(cases.c.id).where(cases.c.open)))


def insert_case(connection: sa.Connection, **values: object) -> None:
    """Insert a new case. The index refuses a second open case of one employment."""
    connection.execute(sa.insert(cases).values(open=True, **values))


def latest_case(connection: sa.Connection, employment_id: str) -> str | None:
    """Find the newest case of an employment, if it is closed and nobody has rescinded it."""
    query = (
        sa.select(cases.c.id, cases.c.closed_at, cases.c.rescinded_at)
        .where(cases.c.employment_id == employment_id)
        .order_by(cases.c.opened_at.desc(), cases.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None or row.closed_at is None or row.rescinded_at is not None:
        return None
    return str(row.id)


def has_newer_case(file: CaseFile) -> bool:
    """Say whether the same employment has a later case that nobody has rescinded."""
    query = sa.select(cases.c.id).where(
        cases.c.employment_id == file.row["employment_id"],
        cases.c.opened_at > file.row["opened_at"],
        cases.c.rescinded_at.is_(None),
    )
    return file.connection.execute(query).first() is not None


def is_leaving(connection: sa.Connection, employment_ids: Iterable[str]) -> bool:
    """Say whether any of these employments has a case that stands."""
    query = sa.select(cases.c.id).where(
        cases.c.employment_id.in_([each for each in employment_ids if each]),
        cases.c.rescinded_at.is_(None),
    )
    return connection.execute(query).first() is not None


SECONDS_BETWEEN_LOOKS: Final = 3600.0
"""How often the sweep looks at a final case that still has a dated obligation."""


def stale_cases(connection: sa.Connection, older_than: sa.ColumnElement[float]) -> tuple[str, ...]:
    """List cases that no pass has looked at since ``older_than`` (database clock).

    Open ones, and at a slower beat final ones with something left to do: destroy, or an undo.
    """
    left = sa.select(operations.c.case_id).where(operations.c.state == OperationState.TODO.value)
    query = (
        sa.select(cases.c.id)
        .where(
            sa.or_(
                sa.and_(cases.c.open, cases.c.touched < older_than),
                sa.and_(
                    sa.not_(cases.c.open),
                    cases.c.touched < older_than - SECONDS_BETWEEN_LOOKS,
                    cases.c.id.in_(left),
                ),
            )
        )
        .order_by(cases.c.touched)
        .limit(500)
    )
    return tuple(connection.scalars(query))


def undecided_cases(connection: sa.Connection) -> tuple[str, ...]:
    """List open cases in which an account waits for a person, oldest first."""
    waiting = sa.select(accounts.c.case_id).where(accounts.c.decision == "candidate")
    query = sa.select(cases.c.id).where(cases.c.open, cases.c.id.in_(waiting))
    return tuple(connection.scalars(query.order_by(cases.c.opened_at).limit(500)))


def closing_cases(connection: sa.Connection) -> tuple[str, ...]:
    """List cases whose closing record waits for its checkpoint; publishing one wakes them."""
    query = sa.select(cases.c.id).where(
        cases.c.closing_at.is_not(None), cases.c.closed_at.is_(None)
    )
    return tuple(connection.scalars(query))
