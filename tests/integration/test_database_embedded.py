"""The embedded database: one process, private files, serial writers, copies while it is written."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.store.database import Database
from reconcile.store.embedded import file_system
from reconcile.store.errors import DatabaseInUse, DatabaseMisconfigured, DatabaseUnavailable

_counter = sa.Table("counter", sa.MetaData(), sa.Column("value", sa.Integer, nullable=False))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An embedded database with a counter at zero."""
    opened = Database.open(f"sqlite:///{tmp_path}/own.db")
    with opened.begin() as connection:
        _counter.create(connection)
        connection.execute(sa.insert(_counter).values(value=0))
    yield opened
    opened.close()


@pytest.mark.usefixtures("database")
def test_second_opening_is_refused_with_advice(tmp_path: Path) -> None:
    """Two processes on one file would each believe to be the only one; the second is told whom."""
    program = f"from reconcile.store.database import Database; Database.open({_url(tmp_path)!r})"
    other = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    assert other.returncode != 0
    assert "DatabaseInUse" in other.stderr
    assert f"open in process {os.getpid()}" in other.stderr
    assert "stop it first" in other.stderr
    with pytest.raises(DatabaseInUse):
        Database.open(_url(tmp_path))


def test_closing_gives_the_file_back(database: Database, tmp_path: Path) -> None:
    """After close the same process may open the file again."""
    database.close()

    again = Database.open(_url(tmp_path))
    assert _value(again) == 0
    again.close()


def test_every_file_is_private(database: Database, tmp_path: Path) -> None:
    """The rows name people: no file of the database is readable by anybody else."""
    _add_one(database)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {"own.db", "own.db-wal", "own.db-shm", "own.db.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_a_file_that_was_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    """A database copied in with a wide mode does not stay readable."""
    path = tmp_path / "own.db"
    path.touch(0o644)

    Database.open(_url(tmp_path)).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_commits_are_durable_and_checked(database: Database) -> None:
    """WAL, synchronous=FULL and foreign keys hold on every connection of the pool."""
    with database.connect() as first, database.connect() as second:
        for connection in (first, second):
            settings = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
            assert settings == ["wal", 2, 1]


def test_writers_never_lose_an_update(database: Database) -> None:
    """What a transaction has read cannot change before it writes: reads take the lock, too."""

    def add_many() -> None:
        for _ in range(25):
            _add_one(database)

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert _value(database) == 100


def test_a_reader_sees_one_instant_and_cannot_write(database: Database) -> None:
    """A report reads one snapshot whatever happens meanwhile, and never changes a row."""
    with database.connect() as reader:
        before = reader.scalar(sa.select(_counter.c.value))
        _add_one(database)
        after = reader.scalar(sa.select(_counter.c.value))
        assert (before, after) == (0, 0)
        with pytest.raises(sa.exc.OperationalError, match="readonly"):
            reader.execute(sa.update(_counter).values(value=7))

    _add_one(database)  # the connection that was read-only can write again
    assert _value(database) == 2


def test_an_exception_rolls_back(database: Database) -> None:
    """Nothing of a transaction that raised is left."""

    def fail(connection: sa.Connection) -> None:
        connection.execute(sa.update(_counter).values(value=7))
        raise KeyError

    with pytest.raises(KeyError):
        database.sure(fail)

    assert _value(database) == 0


def test_a_full_disk_is_unavailable_and_a_wrong_statement_is_not(database: Database) -> None:
    """Only what may succeed later unchanged is retried; a defect of ours must surface."""
    sa.event.listen(database.engine, "checkout", _full_disk)
    with pytest.raises(DatabaseUnavailable), database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE big AS SELECT hex(zeroblob(1000000)) AS x")
    with pytest.raises(sa.exc.OperationalError, match="no such table"), database.begin() as other:
        other.exec_driver_sql("SELECT * FROM nowhere")


def test_sure_tries_again_until_it_is_taken(database: Database) -> None:
    """The record of a finished call lands although the database refused it at first."""
    tries = []

    def work(connection: sa.Connection) -> str:
        connection.execute(sa.update(_counter).values(value=_counter.c.value + 1))
        tries.append(1)
        if len(tries) < 3:
            raise DatabaseUnavailable("refused")
        return "landed"

    assert database.sure(work) == "landed"
    assert _value(database) == 1  # the refused tries left nothing


def test_sure_gives_up_only_when_closed(database: Database) -> None:
    """A process that ends must not hang on a database that will not come back."""

    def refuse(_connection: sa.Connection) -> None:
        database.close()
        raise DatabaseUnavailable("refused")

    with pytest.raises(DatabaseUnavailable):
        database.sure(refuse)


def test_backup_is_whole_while_it_is_being_written(database: Database, tmp_path: Path) -> None:
    """A copy taken under load is one instant of the database, private, and opens by itself."""
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE pair (a INTEGER, b INTEGER, filler TEXT)")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            with database.begin() as connection:
                connection.exec_driver_sql(
                    "INSERT INTO pair VALUES (?, NULL, ?)", (number, "x" * 999)
                )
                connection.exec_driver_sql("UPDATE pair SET b = a WHERE a = ?", (number,))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            database.backup(tmp_path / f"copy{number}.db")
    finally:
        stop.set()
        writer.join()

    counts = []
    for number in range(3):
        path = tmp_path / f"copy{number}.db"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        copy = sqlite3.connect(path)
        counts.append(copy.execute("SELECT count(*) FROM pair").fetchone()[0])
        assert copy.execute("SELECT count(*) FROM pair WHERE b IS NULL").fetchone() == (0,)
        copy.close()
    assert counts == sorted(counts)
    restored = Database.open(f"sqlite:///{tmp_path}/copy2.db")
    assert _value(restored) == 0
    restored.close()


def test_backup_never_overwrites(database: Database, tmp_path: Path) -> None:
    """Yesterday's backup is not replaced by a slip of the hand, and no half copy is left."""
    (tmp_path / "copy.db").write_text("yesterday")

    with pytest.raises(FileExistsError):
        database.backup(tmp_path / "copy.db")

    assert (tmp_path / "copy.db").read_text() == "yesterday"
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("sqlite://", "write sqlite:///PATH"),
        ("sqlite:///:memory:", "write sqlite:///PATH"),
        ("sqlite:////nowhere/at/all.db", "does not exist"),
        ("mysql://host/name", "use sqlite or postgresql"),
        ("postgresql://host", "name the database"),
        ("no url", "cannot be read"),
    ],
)
def test_refused_urls_say_what_to_write(url: str, word: str) -> None:
    """A place we refuse is refused before anything is created, with the way out."""
    with pytest.raises(DatabaseMisconfigured, match=word):
        Database.open(url)


def test_network_file_systems_are_recognised(tmp_path: Path) -> None:
    """The deepest mount decides, escaped names included; a longer name beside it does not."""
    mounts = tmp_path / "mountinfo"
    real = str(tmp_path.resolve())
    mounts.write_text(
        "22 1 0:21 / / rw shared:1 - ext4 /dev/root rw\n"
        f"30 22 0:40 / {real}/far\\040away rw - nfs4 server:/x rw,addr=192.0.2.1\n"
        f"31 22 0:41 / {real}/fa rw - tmpfs tmpfs rw\n"
    )

    assert file_system(tmp_path / "far away" / "deep", mounts) == "nfs4"
    assert file_system(tmp_path / "far", mounts) == "ext4"
    assert file_system(tmp_path, tmp_path / "absent") is None


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite on NFS loses data; opening there says so instead."""
    monkeypatch.setattr("reconcile.store.embedded.file_system", lambda _folder: "nfs4")

    with pytest.raises(DatabaseMisconfigured, match="network file system"):
        Database.open(_url(tmp_path))
    assert not list(tmp_path.iterdir())


def _full_disk(connection: sqlite3.Connection, *_: object) -> None:
    connection.execute("PRAGMA max_page_count=3")


def _url(folder: Path) -> str:
    return f"sqlite:///{folder}/own.db"


def _add_one(database: Database) -> None:
    with database.begin() as connection:
        value = connection.scalar(sa.select(_counter.c.value))
        connection.execute(sa.update(_counter).values(value=(value or 0) + 1))


def _value(database: Database) -> int | None:
    with database.connect() as connection:
        return connection.scalar(sa.select(_counter.c.value))
