"""Records of cases: written with the state change they tell of, sealed, chained, exported, erased.

Called by the reconcile core and its engine, always inside their transaction (Law 8), and by the
roof for bundles. A chain usually is a case; a pseudo case such as ``system`` chains what concerns
no single person (key rotation, the brake, policy activation). The control part must hold nothing
personal: it stays readable for ever. The person part and its salt lie sealed under the key of the
case and can be erased (Law 10); the salt of the control part stays in the open, because without it
an erased record would prove nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from reconcile.evidence.bundle import Bundle, Exhibit, write_bundle
from reconcile.evidence.chain import CLOSING, ChainTip, linked
from reconcile.evidence.checkpoint import open_checkpoint
from reconcile.evidence.encoding import HASH_SIZE, Json
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.proof import TlogProof
from reconcile.evidence.record import Record
from reconcile.sealing import KeyDestroyed, SealBroken, seal, unseal
from reconcile.store import ledger
from reconcile.store import ledger_schema as schema
from reconcile.store.case_keys import CaseKeys

SYSTEM: Final = "system"
"""The chain of what concerns no single case."""


class ChainClosed(Exception):
    """The case has its closing record: nothing may follow it. Later obligations get a chain of
    their own.
    """


class NotPublished(Exception):
    """Records of the case are under no published checkpoint yet: try again after the next one."""


@dataclass(frozen=True, slots=True)
class RecordReference:
    """Where a record stands; ``entry_hex`` is what the log carries for it."""

    case_id: str
    seq: int
    entry_hex: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a record to be written says: its type, its control part, its person part."""

    type_: str
    control: Mapping[str, Json]
    person: Mapping[str, Json]


class EvidenceLog:
    """The way into and out of the evidence. Holds no connection; every call uses the caller's."""

    def __init__(self, keys: CaseKeys, token_bytes: Callable[[int], bytes]) -> None:
        self._keys = keys
        self._token_bytes = token_bytes

    def append(
        self,
        connection: sa.Connection,
        case_id: str,
        type_: str,
        at: datetime,
        control: Mapping[str, Json],
        person: Mapping[str, Json],
    ) -> RecordReference:
        """Write the next record of a chain in the caller's transaction.

        ``control`` may not use the names of `chain.RESERVED`. Raises `UnfitValue` for what
        evidence cannot hold, `ChainClosed` after the closing record, `KeyDestroyed` once the case
        was erased.
        """
        draft = Draft(type_, control, person)
        (reference,) = self.append_all(connection, case_id, at, [draft])
        return reference

    def append_all(
        self,
        connection: sa.Connection,
        case_id: str,
        at: datetime,
        drafts: Sequence[Draft],
        key: bytes | None = None,
    ) -> tuple[RecordReference, ...]:
        """Write the next records of a chain, in order; the same as `append` for each, but the
        chain is locked and every table written once.

        ``key`` spares the look-up where the caller holds the key of ``case_id`` already.
        """
        tip = _lock_chain(connection, case_id)
        if key is None:
            key = self._keys.ensure(connection, case_id)
        rows = []
        for draft in drafts:
            link = linked(case_id, tip, draft.type_, _instant(at), draft.control)
            record = Record.create(link, dict(draft.person), self._token_bytes)
            tip = ChainTip(tip.seq + 1, record.entry)
            rows.append(self._row(case_id, tip.seq, record, key, draft.type_, at))
        if rows:
            connection.execute(_INSERT, rows)
            ledger.append_fresh(connection, [(row["event_id"], row["entry"]) for row in rows], at)
            closed = drafts[-1].type_ == CLOSING
            end = {"this": case_id, "seq": tip.seq, "tip": tip.entry, "closed": closed}
            connection.execute(_MOVE_TIP, end)
        return tuple(RecordReference(case_id, row["seq"], row["entry"].hex()) for row in rows)

    def close(
        self,
        connection: sa.Connection,
        case_id: str,
        at: datetime,
        control: Mapping[str, Json],
        person: Mapping[str, Json],
    ) -> RecordReference:
        """Write the closing record, which carries the number of the chain's records, itself
        included.
        """
        return self.append(connection, case_id, CLOSING, at, control, person)

    def erase_person(
        self,
        connection: sa.Connection,
        case_id: str,
        at: datetime,
        legal_basis: str,
        decided_by: str,
    ) -> RecordReference:
        """Destroy the key of a case and its sealed person parts; the proof of every record stays.

        The erasure itself is recorded in the `SYSTEM` chain: ``legal_basis`` and ``decided_by`` (a
        role, never a name) with the number of records. The caller has checked for a legal hold.
        Raises `KeyDestroyed` when it was done before.
        """
        _lock_chain(connection, case_id, closed_too=True)
        if not self._keys.destroy(connection, case_id):
            raise KeyDestroyed(f"case {case_id} holds no personal data any more")
        this = schema.records.c.case_id == case_id
        gone = connection.execute(
            sa.update(schema.records).where(this).values(person_sealed=None)
        ).rowcount
        control: dict[str, Json] = {
            "subject_case": case_id,
            "legal_basis": legal_basis,
            "decided_by": decided_by,
            "erased_records": gone,
        }
        return self.append(connection, SYSTEM, "person.erased", at, control, {})

    def records(self, connection: sa.Connection, case_id: str) -> tuple[Record, ...]:
        """All records of a chain in order, person parts opened unless erased."""
        table = schema.records
        rows = sa.select(table).where(table.c.case_id == case_id).order_by(table.c.seq)
        stored = connection.execute(rows).all()
        sealed = any(row.person_sealed is not None for row in stored)
        key = self._keys.get(connection, case_id) if sealed else b""
        return tuple(_restore(row, key) for row in stored)

    def export_bundle(
        self, connection: sa.Connection, case_id: str, path: Path, key: VerifierKey
    ) -> None:
        """Write the bundle of a chain under the newest published checkpoint.

        Raises `NotPublished` while a record is not covered yet, `LookupError` for an unknown case.
        ``key`` is the log's verifier key; a checkpoint of another key is refused with
        `NotVerified`.
        """
        records = self.records(connection, case_id)
        newest = ledger.published(connection)
        if not records:
            raise LookupError(f"there are no records of case {case_id}")
        if newest is None or not records_published(connection, case_id):
            raise NotPublished(f"case {case_id} is not under a published checkpoint yet")
        checkpoint = open_checkpoint(newest.note, key)
        tree = ledger.tiled_tree(connection, checkpoint.size)
        exhibits = tuple(
            Exhibit(record, TlogProof(index, tree.inclusion(index), newest.note))
            for record, index in zip(records, _places(connection, case_id), strict=True)
        )
        closed = sa.select(schema.chains.c.closed).where(schema.chains.c.case_id == case_id)
        is_closed = connection.execute(closed).scalar_one()
        write_bundle(path, Bundle(case_id, is_closed, exhibits, newest.note, key))

    def _row(
        self, case_id: str, seq: int, record: Record, key: bytes, type_: str, at: datetime
    ) -> dict[str, Any]:
        opened = (record.person_salt or b"") + (record.person or b"")
        return {
            "case_id": case_id,
            "seq": seq,
            "event_id": f"{case_id}/{seq}",
            "type": type_,
            "at": at.timestamp(),
            "control": record.control.decode(),
            "control_salt": record.control_salt,
            "person_sealed": seal(key, opened, _place(case_id, seq), self._token_bytes),
            "person_commit": record.person_commit,
            "entry": record.entry,
        }


_INSERT: Final = sa.insert(schema.records)
_LOCKED_TIP: Final = (
    sa.select(schema.chains.c.seq, schema.chains.c.tip, schema.chains.c.closed)
    .where(schema.chains.c.case_id == sa.bindparam("this"))
    .with_for_update()
)
_MOVE_TIP: Final = sa.update(schema.chains).where(schema.chains.c.case_id == sa.bindparam("this"))


def records_published(connection: sa.Connection, case_id: str) -> bool:
    """Whether the chain has records and every one is under the newest published checkpoint.

    A case may not count as closed before this is true.
    """
    covered = sa.and_(
        schema.leaf.c.event_id == schema.records.c.event_id,
        schema.leaf.c.idx < ledger.published_size(connection),
    )
    counts = (
        sa.select(sa.func.count(schema.records.c.seq), sa.func.count(schema.leaf.c.idx))
        .select_from(schema.records.outerjoin(schema.leaf, covered))
        .where(schema.records.c.case_id == case_id)
    )
    written, logged = connection.execute(counts).one()
    return 0 < written == logged


def _lock_chain(connection: sa.Connection, case_id: str, *, closed_too: bool = False) -> ChainTip:
    """The end of the chain, locked until the caller's transaction ends; begun if there is none."""
    this = {"this": case_id}
    row = connection.execute(_LOCKED_TIP, this).one_or_none()
    if row is None:
        first = {"case_id": case_id, "seq": 0, "tip": bytes(HASH_SIZE), "closed": False}
        beginning = ledger.upsert(connection, schema.chains).values(first)
        connection.execute(beginning.on_conflict_do_nothing())
        row = connection.execute(_LOCKED_TIP, this).one()
    if row.closed and not closed_too:
        raise ChainClosed(f"case {case_id} has its closing record")
    return ChainTip(row.seq, row.tip)


def _restore(row: sa.Row[Any], key: bytes) -> Record:
    person = None
    if row.person_sealed is not None:
        opened = unseal(key, row.person_sealed, _place(row.case_id, row.seq))
        person = (opened[:HASH_SIZE], opened[HASH_SIZE:])
    record = Record.restore(row.control.encode(), row.control_salt, person, row.person_commit)
    if record.entry != row.entry:
        raise SealBroken(f"record {row.seq} of case {row.case_id} is not the one that was written")
    return record


def _places(connection: sa.Connection, case_id: str) -> list[int]:
    joined = schema.records.join(schema.leaf, schema.leaf.c.event_id == schema.records.c.event_id)
    places = (
        sa.select(schema.leaf.c.idx)
        .select_from(joined)
        .where(schema.records.c.case_id == case_id)
        .order_by(schema.records.c.seq)
    )
    return list(connection.execute(places).scalars())


def _place(case_id: str, seq: int) -> str:
    return f"deprov-person/v1/{case_id}/{seq}"


def _instant(at: datetime) -> str:
    if at.utcoffset() is None:
        raise ValueError("a record needs an aware instant (Law 12)")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
