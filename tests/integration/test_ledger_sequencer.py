"""Outbox, sequencer, checkpoints and the anchor, on SQLite and on PostgreSQL."""

import os
import shutil
import stat
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.evidence.audit import audit_folder
from reconcile.evidence.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from reconcile.evidence.errors import NotVerified, Unreadable
from reconcile.evidence.tree import leaf_hash, verify_consistency, verify_inclusion
from reconcile.store import ledger
from reconcile.store import ledger_schema as schema
from tests.support.ledgers import KEY, Ledger, entry_of

pytest_plugins = ("tests.support.peers.fixtures",)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger on each database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'db'}"
    else:
        url = request.getfixturevalue("postgres").database()
    created = Ledger.create(url, tmp_path)
    yield created
    created.database.close()


def events(count: int, prefix: str = "event") -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def test_an_empty_log_says_nothing(log: Ledger) -> None:
    """Nothing pending, nothing published, nothing to anchor."""
    sequencer = log.sequencer()
    sequencer.check_anchor()
    assert sequencer.integrate() == 0
    assert sequencer.publish() is None
    assert sequencer.publish(heartbeat=True) is None
    with log.database.connect() as connection:
        assert ledger.published_size(connection) == 0
        assert ledger.oldest_pending_age(connection, log.clock()) == 0


def test_entries_become_a_published_log(log: Ledger) -> None:
    """Appended, integrated, published: the files pass a full audit, and nothing is left pending."""
    log.append(*events(700))
    log.clock.turn(7)
    with log.database.connect() as connection:
        assert ledger.oldest_pending_age(connection, log.clock()) == pytest.approx(7)
    sequencer = log.sequencer()
    assert [sequencer.integrate(300) for _ in range(4)] == [300, 300, 100, 0]
    assert [event for _, event, _ in log.leaves()] == events(700)
    checkpoint = sequencer.publish()
    assert checkpoint == audit_folder(log.published, KEY.verifier)
    assert checkpoint is not None
    assert checkpoint.size == 700
    assert log.anchor.read_bytes() == (log.published / "checkpoint").read_bytes()
    with log.database.connect() as connection:
        newest = ledger.published(connection)
        assert newest is not None
        assert (newest.size, newest.at) == (700, log.clock())
        assert open_checkpoint(newest.note, KEY.verifier) == checkpoint
        assert ledger.oldest_pending_age(connection, log.clock()) == 0


def test_a_growing_log_stays_consistent(log: Ledger) -> None:
    """Each checkpoint begins with the one before; old partial tiles go when they are full."""
    sequencer, seen = log.sequencer(), list[Checkpoint]()
    for round_, count in enumerate((1, 100, 155, 1, 300)):
        log.append(*events(count, f"round-{round_}"))
        assert sequencer.integrate() == count
        checkpoint = sequencer.publish()
        assert checkpoint is not None
        assert audit_folder(log.published, KEY.verifier) == checkpoint
        seen.append(checkpoint)
    with log.database.connect() as connection:
        tree = ledger.tiled_tree(connection, seen[-1].size)
        for old in seen:
            proof = tree.consistency(old.size)
            verify_consistency(old.size, seen[-1].size, old.root, seen[-1].root, proof)
    assert not (log.published / "tile/0/000.p").exists()
    assert not (log.published / "tile/entries/000.p").exists()


def test_proofs_for_any_published_size(log: Ledger) -> None:
    """An entry's proof under an old and under the newest size, out of the tiles in the database."""
    names = events(600)
    log.append(*names)
    log.sequencer().integrate()
    with log.database.connect() as connection:
        for size in (257, 600):
            tree = ledger.tiled_tree(connection, size)
            for index in (0, 255, 256):
                leaf = leaf_hash(entry_of(names[index]))
                verify_inclusion(index, size, leaf, tree.inclusion(index), tree.root())


def test_an_append_that_rolls_back_never_was(log: Ledger) -> None:
    """The entry lives and dies with the caller's transaction."""

    def failing_step() -> None:
        with log.database.begin() as connection:
            ledger.append(connection, "event-1", bytes(32), log.clock())
            raise RuntimeError("step failed")

    with pytest.raises(RuntimeError, match="step failed"):
        failing_step()
    assert log.sequencer().integrate() == 0


def test_an_event_is_logged_once(log: Ledger) -> None:
    """Appended again while pending, and again when logged: one leaf."""
    log.append("event-1")
    log.append("event-1")
    assert log.sequencer().integrate() == 1
    log.append("event-1")
    assert log.sequencer().integrate() == 0
    assert len(log.leaves()) == 1


def test_one_event_with_two_entries_is_refused(log: Ledger) -> None:
    """A second story about one event is an error, pending or logged."""
    log.append("event-1")
    for integrate in (False, True):
        if integrate:
            log.sequencer().integrate()
        with pytest.raises(ledger.EventConflict), log.database.begin() as connection:
            ledger.append(connection, "event-1", bytes(32), log.clock())


def test_a_copy_that_slipped_into_the_outbox_is_dropped(log: Ledger) -> None:
    """A pending row whose event is logged already is consumed; if it differs, it is refused."""
    log.append("event-1")
    log.sequencer().integrate()
    row = {"event_id": "event-1", "entry": entry_of("event-1"), "at": 0.0}
    with log.database.begin() as connection:
        connection.execute(sa.insert(schema.pending).values(row))
    assert log.sequencer().integrate() == 1
    assert len(log.leaves()) == 1
    with log.database.begin() as connection:
        connection.execute(sa.insert(schema.pending).values({**row, "entry": bytes(32)}))
    with pytest.raises(ledger.EventConflict):
        log.sequencer().integrate()


def test_an_entry_is_32_opaque_bytes(log: Ledger) -> None:
    """Nothing else fits into the log, so nothing readable can."""
    with pytest.raises(ValueError, match="32"), log.database.begin() as connection:
        ledger.append(connection, "event-1", b"Li Wei", log.clock())


def test_the_log_is_append_only(log: Ledger) -> None:
    """The database itself refuses to change or delete a leaf."""
    log.append("event-1")
    log.sequencer().integrate()
    for statement in (
        sa.update(schema.leaf).values(entry=bytes(32)),
        sa.delete(schema.leaf),
    ):
        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            log.database.begin() as connection,
        ):
            connection.execute(statement)
    assert log.leaves() == [(0, "event-1", entry_of("event-1"))]


def test_a_heartbeat_says_the_newest_checkpoint_again(log: Ledger) -> None:
    """Nothing new gives None; a heartbeat gives the same checkpoint at a later time."""
    log.append("event-1")
    sequencer = log.sequencer()
    sequencer.integrate()
    first = sequencer.publish()
    note = log.anchor.read_bytes()
    log.clock.turn(3600)
    assert sequencer.publish() is None
    assert sequencer.publish(heartbeat=True) == first
    assert log.anchor.read_bytes() == note
    with log.database.connect() as connection:
        newest = ledger.published(connection)
        assert newest is not None
        assert newest.at == log.clock()


def test_many_writers_and_sequencers_at_once(log: Ledger) -> None:
    """Three sequencers and four writers in parallel: every event once, no gap, consistent."""
    finished, failures = threading.Event(), list[BaseException]()

    def guarded(work: object, *arguments: object) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    def write(writer: int) -> None:
        for number in range(60):
            log.append(f"{writer}-{number}")

    def sequence() -> None:
        sequencer = log.sequencer()
        while sequencer.integrate(17) or not finished.is_set():
            sequencer.publish()

    writers = [threading.Thread(target=guarded, args=(write, number)) for number in range(4)]
    sequencers = [threading.Thread(target=guarded, args=(sequence,)) for _ in range(3)]
    for thread in writers + sequencers:
        thread.start()
    for thread in writers:
        thread.join()
    finished.set()
    for thread in sequencers:
        thread.join()
    assert failures == []
    log.sequencer().publish()
    leaves = log.leaves()
    assert [index for index, _, _ in leaves] == list(range(240))
    assert sorted(event for _, event, _ in leaves) == sorted(
        f"{writer}-{number}" for writer in range(4) for number in range(60)
    )
    assert audit_folder(log.published, KEY.verifier).size == 240
    every_checkpoint_is_consistent(log)


def every_checkpoint_is_consistent(log: Ledger) -> None:
    with log.database.connect() as connection:
        notes = connection.execute(sa.select(schema.checkpoint.c.note)).scalars().all()
        for note in notes:
            said = open_checkpoint(note, KEY.verifier)
            assert ledger.tiled_tree(connection, said.size).root() == said.root


def grown(log: Ledger, count: int = 5) -> Checkpoint:
    log.append(*events(count, f"grown-{len(log.leaves())}"))
    sequencer = log.sequencer()
    sequencer.integrate()
    checkpoint = sequencer.publish()
    assert checkpoint is not None
    return checkpoint


def roll_back(log: Ledger, size: int) -> None:
    """What a restored backup looks like: later rows never were."""
    with log.database.begin() as connection:
        old = ledger.tiled_tree(connection, size)
        tile = connection.execute(sa.select(schema.node.c.hashes)).scalar_one()
        for name in ("ev_leaf_no_delete", "ev_leaf_no_change"):
            if connection.dialect.name == "sqlite" and name == "ev_leaf_no_delete":
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            if connection.dialect.name == "postgresql" and name == "ev_leaf_no_change":
                connection.exec_driver_sql(f"DROP TRIGGER {name} ON ev_leaf")
        connection.execute(sa.delete(schema.leaf).where(schema.leaf.c.idx >= size))
        connection.execute(sa.update(schema.node).values(hashes=tile[: 32 * size]))
        connection.execute(sa.update(schema.tree).values(size=size, root=old.root()))
        connection.execute(sa.delete(schema.checkpoint).where(schema.checkpoint.c.size > size))


def test_a_rolled_back_database_is_refused(log: Ledger) -> None:
    """Behind the anchor: refused at the start and at every publication."""
    grown(log)
    grown(log)
    roll_back(log, 5)
    with pytest.raises(ledger.LedgerRolledBack, match="rolled back"):
        log.sequencer().check_anchor()
    with pytest.raises(ledger.LedgerRolledBack):
        log.sequencer().publish()


def test_a_rolled_back_database_that_grew_again_is_refused(log: Ledger) -> None:
    """Grown past the anchor with other entries: the second story is not signed."""
    grown(log)
    anchored = grown(log)
    note = log.anchor.read_bytes()
    roll_back(log, 5)
    log.append(*events(20, "second-story"))
    log.sequencer().integrate()
    with pytest.raises(ledger.LedgerRolledBack, match="not those that were signed"):
        log.sequencer().check_anchor()
    with pytest.raises(ledger.LedgerRolledBack):
        log.sequencer().publish()
    assert log.anchor.read_bytes() == note
    assert open_checkpoint(note, KEY.verifier) == anchored


def test_a_missing_or_foreign_anchor_is_refused(log: Ledger) -> None:
    """A published log without its anchor, or with another log's, does not start."""
    grown(log)
    log.sequencer().check_anchor()
    log.anchor.write_bytes(b"no checkpoint")
    with pytest.raises(ledger.LedgerRolledBack, match="not a checkpoint"):
        log.sequencer().check_anchor()
    log.anchor.unlink()
    with pytest.raises(ledger.LedgerRolledBack, match="missing"):
        log.sequencer().check_anchor()


def test_an_anchor_ahead_of_the_record_is_caught_up(log: Ledger) -> None:
    """A crash between anchor and database row: the next publication says the same again."""
    grown(log)
    with log.database.begin() as connection:
        connection.execute(sa.delete(schema.checkpoint))
    log.sequencer().check_anchor()
    assert log.sequencer().publish() is not None
    with log.database.connect() as connection:
        assert ledger.published_size(connection) == 5


def test_damaged_tiles_are_refused(log: Ledger) -> None:
    """The sequencer does not build on a right edge that does not lead to the stored root."""
    grown(log)
    log.append("one-more")
    with log.database.begin() as connection:
        connection.execute(sa.update(schema.node).values(hashes=bytes(32 * 5)))
    with pytest.raises(ledger.LedgerDamaged):
        log.sequencer().integrate()
    with log.database.begin() as connection:
        connection.execute(sa.update(schema.node).values(hashes=bytes(32)))
    with pytest.raises(ledger.LedgerDamaged):
        log.sequencer().integrate()
    with pytest.raises(ledger.LedgerDamaged):
        log.sequencer().check_anchor()


def test_a_lost_folder_is_written_anew(log: Ledger) -> None:
    """The static files are only a copy: without them the next publication writes all of them."""
    grown(log, 300)
    shutil.rmtree(log.published)
    grown(log, 1)
    assert audit_folder(log.published, KEY.verifier).size == 301
    (log.published / "checkpoint").write_bytes(b"damaged")
    grown(log, 1)
    assert audit_folder(log.published, KEY.verifier).size == 302


def test_published_files_are_readable_by_a_web_server(log: Ledger) -> None:
    """No temporary file stays behind and every folder can be entered."""
    grown(log)
    paths = list(log.published.rglob("*"))
    assert not [path for path in paths if "partial" in path.name]
    assert all(path.stat().st_mode & stat.S_IXOTH for path in paths if path.is_dir())


def test_the_audit_finds_every_changed_file(log: Ledger) -> None:
    """Any published file that was changed, cut or lost fails the audit of the folder."""
    grown(log, 300)
    for path in sorted(log.published.rglob("*")):
        if path.is_dir() or path.name == ".lock":
            continue
        good = path.read_bytes()
        for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[:-1], b""):
            path.write_bytes(bad)
            with pytest.raises(NotVerified):
                audit_folder(log.published, KEY.verifier)
        path.unlink()
        with pytest.raises(Unreadable):
            audit_folder(log.published, KEY.verifier)
        path.write_bytes(good)
    assert audit_folder(log.published, KEY.verifier).size == 300


def test_the_audit_finds_a_checkpoint_over_other_entries(log: Ledger) -> None:
    """A checkpoint that the real key signed over another root does not pass."""
    good = grown(log, 3)
    lie = Checkpoint(good.origin, 3, sha256(b"else").digest())
    (log.published / "checkpoint").write_bytes(sign_checkpoint(lie, KEY))
    with pytest.raises(NotVerified, match="another root"):
        audit_folder(log.published, KEY.verifier)
    assert os.listdir(log.published)  # noqa: PTH208 - the folder itself is untouched
