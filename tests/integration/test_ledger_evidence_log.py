"""The evidence of cases: written with the caller's change, chained, exported, verified, erased."""

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.evidence import standalone
from reconcile.evidence.errors import NotVerified, UnfitValue
from reconcile.evidence.keys import SigningKey
from reconcile.evidence.verify import verify_bundle
from reconcile.sealing import KeyDestroyed, SealBroken
from reconcile.store import ledger_schema as schema
from reconcile.store.case_keys import CaseKeys
from reconcile.store.evidence_log import (
    SYSTEM,
    ChainClosed,
    EvidenceLog,
    NotPublished,
    RecordReference,
    records_published,
)
from reconcile.store.metadata import metadata
from tests.support.ledgers import KEY, Ledger

pytest_plugins = ("tests.support.peers.fixtures",)

NAME = "Li Wei 李伟"


@dataclass
class House:
    """A ledger with the evidence log on top."""

    ledger: Ledger
    log: EvidenceLog

    def record(self, case: str, kind: str = "account.contained") -> RecordReference:
        with self.ledger.database.begin() as connection:
            return self.log.append(
                connection,
                case,
                kind,
                self.ledger.clock(),
                {"system": "ldap-main", "outcome": "done"},
                {"name": NAME, "account": "uid=li.wei"},
            )

    def close(self, case: str) -> RecordReference:
        with self.ledger.database.begin() as connection:
            return self.log.close(connection, case, self.ledger.clock(), {"percent": 100}, {})

    def publish(self) -> None:
        sequencer = self.ledger.sequencer()
        while sequencer.integrate():
            pass
        sequencer.publish()

    def is_published(self, case: str) -> bool:
        with self.ledger.database.connect() as connection:
            return records_published(connection, case)

    def export(self, case: str, path: Path) -> Path:
        with self.ledger.database.connect() as connection:
            self.log.export_bundle(connection, case, path, KEY.verifier)
        return path

    def erase(self, case: str) -> RecordReference:
        with self.ledger.database.begin() as connection:
            return self.log.erase_person(
                connection, case, self.ledger.clock(), "PIPL art. 47", "data protection"
            )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """An empty evidence log on each database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'db'}"
    else:
        url = request.getfixturevalue("postgres").database()
    made = Ledger.create(url, tmp_path)
    keys = CaseKeys(b"k" * 32, made.clock, secrets.token_bytes)
    yield House(made, EvidenceLog(keys, secrets.token_bytes))
    made.database.close()


def test_a_case_from_its_first_record_to_a_verified_bundle(house: House, tmp_path: Path) -> None:
    """Written, closed, published, exported: both verifiers accept it, and it tells all."""
    assert house.record("case-1", "case.opened").seq == 1
    house.record("case-2")
    house.record("case-1")
    closing = house.close("case-1")
    assert closing.seq == 3
    assert not house.is_published("case-1")
    with pytest.raises(NotPublished):
        house.export("case-1", tmp_path / "early.zip")
    house.publish()
    assert house.is_published("case-1")
    path = house.export("case-1", tmp_path / "case.zip")
    proven = verify_bundle(path, KEY.verifier)
    assert (proven.closed, len(proven.records), proven.checkpoint.size) == (True, 3, 4)
    assert proven.records[2].entry.hex() == closing.entry_hex
    assert NAME.encode() in (proven.records[0].person or b"")
    assert standalone.main([str(path), "--key", str(KEY.verifier)]) == 0


def test_the_same_case_is_exported_to_the_same_bytes(house: House, tmp_path: Path) -> None:
    """Under one checkpoint a case has one bundle."""
    house.record("case-1")
    house.close("case-1")
    house.publish()
    first = house.export("case-1", tmp_path / "a.zip").read_bytes()
    assert house.export("case-1", tmp_path / "b.zip").read_bytes() == first


def test_a_record_lives_and_dies_with_the_transaction(house: House) -> None:
    """Law 8: the state change rolls back, and so do record, chain, key and outbox."""

    def failing_step() -> None:
        with house.ledger.database.begin() as connection:
            house.log.append(connection, "case-1", "a", house.ledger.clock(), {}, {})
            raise RuntimeError("step failed")

    with pytest.raises(RuntimeError, match="step failed"):
        failing_step()
    with house.ledger.database.connect() as connection:
        for table in (schema.records, schema.chains, schema.case_keys, schema.pending):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0
    assert house.record("case-1").seq == 1


def test_nothing_follows_the_closing_record(house: House) -> None:
    """A later obligation gets a chain of its own."""
    house.record("case-1")
    house.close("case-1")
    with pytest.raises(ChainClosed):
        house.record("case-1")
    assert house.record("case-1/destroy").seq == 1


def test_records_of_one_case_written_at_once_form_one_chain(house: House, tmp_path: Path) -> None:
    """Several workers in parallel: the row lock orders them, no number is missing or doubled."""
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(15):
                house.record("case-1")
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    workers = [threading.Thread(target=write) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert house.close("case-1").seq == 61
    house.publish()
    path = house.export("case-1", tmp_path / "case.zip")
    assert len(verify_bundle(path, KEY.verifier).records) == 61


def test_an_erased_person_is_gone_and_the_case_still_verifies(house: House, tmp_path: Path) -> None:
    """No row and no bundle shows the person; every proof holds; the erasure is on record."""
    house.record("case-1")
    house.close("case-1")
    erased = house.erase("case-1")
    assert (erased.case_id, erased.seq) == (SYSTEM, 1)
    house.publish()
    path = house.export("case-1", tmp_path / "case.zip")
    proven = verify_bundle(path, KEY.verifier)
    assert (len(proven.records), proven.erased) == (2, 2)
    assert NAME.encode() not in path.read_bytes()
    with house.ledger.database.connect() as connection:
        sealed = connection.execute(
            sa.select(schema.records.c.person_sealed).where(schema.records.c.case_id == "case-1")
        ).scalars()
        assert set(sealed) == {None}
        control = house.log.records(connection, SYSTEM)[0].control
    assert b'"subject_case":"case-1"' in control
    assert b'"erased_records":2' in control
    with pytest.raises(KeyDestroyed):
        house.erase("case-1")


def test_an_erased_open_case_takes_no_new_records(house: House) -> None:
    """New personal data must not come after the erasure."""
    house.record("case-1")
    house.erase("case-1")
    with pytest.raises(KeyDestroyed):
        house.record("case-1")


def test_no_table_shows_a_name(house: House) -> None:
    """Law 10: person parts lie sealed; the log holds opaque entries only."""
    house.record("case-1")
    house.publish()
    with house.ledger.database.connect() as connection:
        for table in metadata.sorted_tables:
            if not table.name.startswith(("ev_", "evidence_", "case_keys")):
                continue
            for row in connection.execute(sa.select(table)):
                for value in row:
                    raw = value if isinstance(value, bytes) else str(value).encode()
                    assert NAME.encode() not in raw
                    assert b"li.wei" not in raw


def test_a_row_changed_behind_our_back_is_refused(house: House, tmp_path: Path) -> None:
    """A changed control part, or a person part moved to another record, is not exported."""
    house.record("case-1")
    house.record("case-1")
    house.publish()
    table = schema.records
    second = sa.select(table.c.person_sealed).where(table.c.seq == 2).scalar_subquery()
    for change in ({"person_sealed": second}, {"control": "{}"}):
        with house.ledger.database.begin() as connection:
            connection.execute(sa.update(table).where(table.c.seq == 1).values(change))
        with pytest.raises(SealBroken):
            house.export("case-1", tmp_path / "case.zip")


def test_another_log_key_is_refused(house: House, tmp_path: Path) -> None:
    """A bundle is not exported under a key that did not sign the checkpoint."""
    house.record("case-1")
    house.publish()
    other = SigningKey("log.example.com/other", bytes(32)).verifier
    with house.ledger.database.connect() as connection, pytest.raises(NotVerified):
        house.log.export_bundle(connection, "case-1", tmp_path / "case.zip", other)


def test_an_unknown_case_has_no_bundle(house: House, tmp_path: Path) -> None:
    """Nothing recorded is not published, and an error to export."""
    assert not house.is_published("case-9")
    with pytest.raises(LookupError):
        house.export("case-9", tmp_path / "case.zip")


def test_what_evidence_cannot_hold_stops_the_transaction(house: House) -> None:
    """A float, a reserved name or a naive time is the caller's mistake and is told at once."""
    at = house.ledger.clock()
    for when, control in ((at, {"ratio": 0.5}), (at, {"seq": 7}), (at.replace(tzinfo=None), {})):
        with (
            pytest.raises((UnfitValue, ValueError)),
            house.ledger.database.begin() as connection,
        ):
            house.log.append(connection, "case-1", "a", when, control, {})  # type: ignore[arg-type]


def test_erasure_on_disk_of_an_embedded_database(tmp_path: Path) -> None:
    """After erasure and a journal checkpoint neither key nor ciphertext is in the file."""
    made = Ledger.create(f"sqlite:///{tmp_path / 'db'}", tmp_path)
    keys = CaseKeys(b"k" * 32, made.clock, secrets.token_bytes)
    house = House(made, EvidenceLog(keys, secrets.token_bytes))
    house.record("case-1")
    with made.database.connect() as connection:
        wrapped = connection.execute(sa.select(schema.case_keys.c.wrapped)).scalar_one()
        sealed = connection.execute(sa.select(schema.records.c.person_sealed)).scalar_one()
    house.erase("case-1")
    made.database.close()
    with sqlite3.connect(tmp_path / "db") as plain:
        plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    plain.close()
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("db*"))
    assert wrapped is not None
    assert wrapped not in raw
    assert sealed is not None
    assert sealed not in raw
