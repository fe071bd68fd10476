"""The lease and its guard, with a clock that the test turns and a real database below."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

from reconcile.engine.bell import Bell
from reconcile.engine.lease import NodeLease
from reconcile.engine.port import Deadline, LeaseLost, boottime
from reconcile.engine.settings import EngineSettings
from reconcile.store.database import Database
from reconcile.store.nodes import nodes

_MINUTE = EngineSettings()


class _Evicted(BaseException):
    """Stands for the end of the process."""


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    """A boot clock that stands still until it is turned."""
    return _Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An embedded database with the table of nodes."""
    opened = Database.open(f"sqlite:///{tmp_path}/own.db")
    with opened.begin() as connection:
        nodes.create(connection)
    yield opened
    opened.close()


@pytest.fixture
def lease(database: Database, clock: _Clock) -> NodeLease:
    """A lease of one minute that has joined."""
    joined = _lease(database, clock, "me")
    joined.join()
    return joined


def test_guard_allows_until_seven_tenths_of_the_lease(lease: NodeLease, clock: _Clock) -> None:
    """A call that is allowed has three tenths left to end in."""
    clock.now += 42.0
    lease.guard()
    assert lease.remaining == timedelta()

    clock.now += 0.001
    with pytest.raises(LeaseLost):
        lease.guard()


def test_guard_refuses_before_joining(database: Database, clock: _Clock) -> None:
    """Without a row of our own nobody knows that we live."""
    with pytest.raises(LeaseLost):
        _lease(database, clock, "me").guard()


def test_a_beat_counts_from_before_it_was_sent(
    lease: NodeLease, clock: _Clock, database: Database
) -> None:
    """A beat that took ten seconds on its way renews the lease ten seconds less."""

    def slow(*_args: object) -> None:
        clock.now += 10.0

    sa.event.listen(database.engine, "commit", slow)
    lease.beat()
    sa.event.remove(database.engine, "commit", slow)

    clock.now += 32.0
    lease.guard()
    clock.now += 0.001
    with pytest.raises(LeaseLost):
        lease.guard()


def test_time_asleep_counts(lease: NodeLease, clock: _Clock) -> None:
    """A host that was suspended must not go on as if nothing had been: others took its work."""
    clock.now += 3600.0

    with pytest.raises(LeaseLost):
        lease.guard()


def test_the_clock_counts_suspend() -> None:
    """The default clock is the boot clock of the kernel, not the monotonic one."""
    uptime = float(Path("/proc/uptime").read_text().split()[0])  # includes suspend: proc(5)

    assert boottime() == pytest.approx(uptime, abs=1.0)


def test_a_node_that_was_declared_dead_ends_at_its_next_beat(
    lease: NodeLease, database: Database
) -> None:
    """Its work belongs to others: the process ends instead of renewing."""
    with database.begin() as connection:
        connection.execute(sa.update(nodes).values(live=False))

    with pytest.raises(_Evicted):
        lease.beat()
    with database.connect() as connection:
        assert connection.scalar(sa.select(nodes.c.live)) is False


def test_a_failed_beat_renews_nothing(lease: NodeLease, database: Database, clock: _Clock) -> None:
    """While the database is away the process lives on, and its guard closes in time."""
    sa.event.listen(database.engine, "checkout", _impatient)
    with closing(sqlite3.connect(str(database.path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        clock.now += 15.0
        lease.beat()

    lease.guard()
    clock.now += 28.0
    with pytest.raises(LeaseLost):
        lease.guard()


def test_joining_an_embedded_database_declares_all_others_dead(
    lease: NodeLease, database: Database, clock: _Clock
) -> None:
    """The file lock proves that nobody else lives, so their work moves at once."""
    _lease(database, clock, "restarted").join()

    with database.connect() as connection:
        live = connection.scalars(sa.select(nodes.c.id).where(nodes.c.live)).all()
    assert live == ["restarted"]
    with pytest.raises(_Evicted):
        lease.beat()


def test_refusing_stops_calls_and_keeps_the_row(lease: NodeLease, database: Database) -> None:
    """A process that leaves with work unfinished must not let others start it too early."""
    lease.refuse()

    with pytest.raises(LeaseLost):
        lease.guard()
    with database.connect() as connection:
        assert connection.scalar(sa.select(nodes.c.live)) is True


def test_deadlines_are_on_the_boot_clock(lease: NodeLease, clock: _Clock) -> None:
    """An operation's budget is four minutes from its start, whatever the wall clock does."""
    deadline = lease.deadline()
    assert deadline.remaining == timedelta(minutes=4)
    assert not deadline.passed

    clock.now += 240.0

    assert deadline.passed
    assert deadline.remaining == timedelta()
    assert not Deadline.after(timedelta(seconds=1), clock).passed


def test_a_bell_ends_a_wait_and_is_not_a_stop() -> None:
    """Rung, it returns early once; stopped, it says so for ever."""
    bell = Bell()
    bell.ring()

    assert bell.wait(30) is False
    assert bell.wait(0.001) is False

    bell.set()
    assert bell.wait(30) is True
    assert bell.wait(30) is True
    assert bell.is_set()


def _impatient(connection: sqlite3.Connection, *_: object) -> None:
    connection.execute("PRAGMA busy_timeout=1")


def _lease(database: Database, clock: _Clock, node: str) -> NodeLease:
    def evicted() -> NoReturn:
        raise _Evicted

    return NodeLease(database, _MINUTE, node, clock=clock, evicted=evicted)
