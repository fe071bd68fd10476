"""The embedded database: one SQLite file, one process, nobody else may read it.

Called by `database` only. It speaks to SQLite and the file system; it knows no table.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa

from reconcile.store.errors import DatabaseInUse, DatabaseMisconfigured

_PRAGMAS: Final = (
    "journal_mode=WAL",  # readers do not wait for the writer; the engine library does not set it
    "synchronous=FULL",  # a commit is on the disk when it returns: an effect must not be forgotten
    "foreign_keys=ON",
)
_BUSY_SECONDS: Final = 30.0
_POOL: Final = 20
_OURS_ONLY: Final = 0o600
_WRITES: Final = re.compile(r"\s*(?:BEGIN IMMEDIATE|INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
_TURN: Final = "deprovisioner.turn"
_NETWORK: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "9p", "virtiofs"),
        *("ceph", "glusterfs", "lustre", "beegfs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
    }
)
"""File systems whose locks or memory maps SQLite's journal cannot trust (sqlite.org/wal.html)."""


def open_engine(url: sa.URL, held: ExitStack) -> sa.Engine:
    """Take the file for this process and return the engine; `held` gives it back."""
    if url.database in {None, "", ":memory:"} or url.query:
        raise DatabaseMisconfigured("the embedded database is a file: write sqlite:///PATH")
    path = Path(str(url.database)).absolute()
    if not path.parent.is_dir():
        raise DatabaseMisconfigured(f"the folder {path.parent} does not exist")
    if (kind := file_system(path.parent)) in _NETWORK:
        raise DatabaseMisconfigured(
            f"{path.parent} is on a network file system ({kind}), where SQLite loses data; "
            "use a local disk, or PostgreSQL"
        )
    _own(path, held)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OURS_ONLY))
    path.chmod(_OURS_ONLY)  # Law 10: the rows name people; -wal and -shm inherit this mode
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        pool_size=_POOL,
        max_overflow=_POOL,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        hide_parameters=True,  # Law 10: no value of a statement in an error text
    )
    sa.event.listen(engine, "connect", _prepare)
    _Turns().attach(engine)
    return engine


class _Turns:
    """Lets the threads of this process write one after the other, each waking the next.

    SQLite has one writer at a time anyway; who meets another one sleeps up to 100 ms and looks
    again (sqlite3BtreeBusyHandler), which made operations wait three times as long as they worked.
    The lock only spares that sleep: whoever does not get it in time goes to SQLite all the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def attach(self, engine: sa.Engine) -> None:
        sa.event.listen(engine, "before_cursor_execute", self._before)
        sa.event.listen(engine, "checkin", self._after)
        sa.event.listen(engine, "invalidate", self._after)

    def _before(
        self, connection: sa.Connection, _cursor: object, statement: str, *_rest: object
    ) -> None:
        if _TURN in connection.info or not _WRITES.match(statement):
            return
        if self._lock.acquire(timeout=_BUSY_SECONDS):
            connection.info[_TURN] = True

    def _after(self, _connection: object, record: Any, *_rest: object) -> None:  # noqa: ANN401 - pool's record
        if record.info.pop(_TURN, False):
            self._lock.release()


@contextmanager
def reading(connection: sa.Connection) -> Iterator[None]:
    """Hold one snapshot and refuse writes for the length of the block."""
    connection.exec_driver_sql("PRAGMA query_only=ON")
    connection.exec_driver_sql("BEGIN")
    try:
        yield
    finally:
        connection.rollback()
        connection.exec_driver_sql("PRAGMA query_only=OFF")


def copy(connection: sa.Connection, path: Path) -> None:
    """Copy the whole database to a new file by SQLite's online backup, then check the copy."""
    source = connection.connection.driver_connection
    if not isinstance(source, sqlite3.Connection):  # pragma: no cover - embedded means sqlite3
        raise DatabaseMisconfigured("only an embedded database can be copied")
    _copy(source, path)


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold the file's lock without opening it: nobody else starts on it meanwhile.

    Raises `DatabaseInUse`.
    """
    with ExitStack() as held:
        _own(path, held)
        yield


def copy_file(database: Path, path: Path) -> None:
    """Copy a database that another process may be writing: it is only read here.

    Raises `FileNotFoundError`, `FileExistsError` and `DatabaseMisconfigured` for what is no sound
    database.
    """
    if not database.is_file():
        raise FileNotFoundError(database)
    address = f"file:{quote(str(database.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as source:
            _copy(source, path)
    except sqlite3.DatabaseError as error:
        raise DatabaseMisconfigured(f"{database} is no database that can be read") from error


def _copy(source: sqlite3.Connection, path: Path) -> None:
    if path.exists():
        raise FileExistsError(path)
    partial = path.with_name(f".{path.name}.partial")
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _OURS_ONLY))
    try:
        with closing(sqlite3.connect(partial)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file that holds everything
            (verdict,) = target.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise DatabaseMisconfigured("the copy did not pass SQLite's integrity check")
        _flush(partial)
        os.link(partial, path)  # unlike a rename, never replaces a file that appeared meanwhile
        _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def file_system(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the type of the file system that holds `folder`; None where the system will not say.

    `mounts` is the kernel's table (proc_pid_mountinfo(5)): field 5 is the mount point, the first
    field after the lone dash is the type.
    """
    try:
        lines = mounts.read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real, best, kind = str(folder.resolve()), "", None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode("latin-1", "replace").decode("unicode_escape")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of two mounts on one point the later one counts
            best, kind = point, after.split()[0]
    return kind


def _own(path: Path, held: ExitStack) -> None:
    lock = path.with_name(path.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OURS_ONLY)
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise DatabaseInUse(
            f"{path} is open in process {owner}. The embedded database belongs to one process: "
            "speak to the running daemon through its socket, or stop it first"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
    # The driver begins a transaction before the first write of its own accord; make it one that
    # takes the write lock, for the statements of the engine library, which never say BEGIN.
    connection.isolation_level = "IMMEDIATE"
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
