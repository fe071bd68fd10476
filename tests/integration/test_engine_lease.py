"""Who may judge whom on PostgreSQL: the steady rule and the reaper, with a clock the test turns."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NoReturn

import pytest
import sqlalchemy as sa

from reconcile.engine.durable import prepare
from reconcile.engine.housekeeping import Housekeeping
from reconcile.engine.jobs import DurableJobs, open_client
from reconcile.engine.lease import NodeLease
from reconcile.engine.settings import EngineSettings
from reconcile.store.database import Database
from reconcile.store.nodes import nodes
from tests.support.peers.postgres import Postgres

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

SETTINGS = EngineSettings()  # a lease of 60 s, a beat every 15 s


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
def database(postgres: Postgres) -> Iterator[Database]:
    """A shared database with the table of nodes and the engine's own tables."""
    opened = Database.open(postgres.database())
    with opened.begin() as connection:
        nodes.create(connection)
    prepare(opened)
    yield opened
    opened.close()


def test_a_node_is_steady_after_one_lease_of_beats(database: Database, clock: _Clock) -> None:
    """Freshly started it judges nobody; after its own beats went through for a lease it does."""
    lease = _joined(database, clock, "me")
    for _ in range(4):
        assert not lease.steady
        _turn(lease, clock, 15)
    assert not lease.steady  # exactly one lease: the others may be just as old

    _turn(lease, clock, 15)

    assert lease.steady


def test_a_failed_beat_ends_steadiness_for_a_lease(
    database: Database, clock: _Clock, postgres: Postgres
) -> None:
    """The first node back after an outage does not evict the others, whose beats failed as well."""
    lease = _steady(database, clock)
    postgres.stop("immediate")
    try:
        _turn(lease, clock, 15)
    finally:
        postgres.start()

    for _ in range(4):
        assert not lease.steady
        _turn(lease, clock, 15)
    _turn(lease, clock, 15)
    assert lease.steady


def test_a_gap_ends_steadiness_for_a_lease(database: Database, clock: _Clock) -> None:
    """A host that slept may have slept with all its nodes: none of them judges at once."""
    lease = _steady(database, clock)
    clock.now += 90.0
    assert not lease.steady

    lease.beat()

    for _ in range(4):
        assert not lease.steady
        _turn(lease, clock, 15)
    _turn(lease, clock, 15)
    assert lease.steady


def test_an_unsteady_node_leaves_the_dead_alone(database: Database, clock: _Clock) -> None:
    """Whatever the table says, judging waits until we know that it is not us who were away."""
    _joined(database, clock, "silent")
    _expire(database, "silent")
    mine = _joined(database, clock, "me")

    _housekeeping(database, mine).round()

    assert _live(database) == {"me", "silent"}


def test_only_expired_nodes_are_declared_dead(database: Database, clock: _Clock) -> None:
    """A node whose lease ran out is dead, one whose lease has not is left alone."""
    for name in ("silent", "beating"):
        _joined(database, clock, name)
    _expire(database, "silent")

    _housekeeping(database, _steady(database, clock)).round()

    assert _live(database) == {"me", "beating"}


def test_only_one_node_keeps_house(database: Database, clock: _Clock) -> None:
    """While another node holds the lock of housekeeping, a round does nothing."""
    _joined(database, clock, "silent")
    _expire(database, "silent")
    first = _housekeeping(database, _steady(database, clock))

    with first._alone() as alone:
        assert alone
        _housekeeping(database, _steady(database, _Clock(), "other")).round()
        assert "silent" in _live(database)
    first.round()

    assert "silent" not in _live(database)


def test_rows_of_long_dead_nodes_are_removed(database: Database, clock: _Clock) -> None:
    """Every start is a row; those of nodes that died more than a day ago go."""
    for name in ("yesterday", "just now"):
        _joined(database, clock, name)
        _expire(database, name, 25 * 3600.0 if name == "yesterday" else 60.0)
    keeping = _housekeeping(database, _steady(database, clock))

    keeping.round()

    with database.connect() as connection:
        assert set(connection.scalars(sa.select(nodes.c.id))) == {"me", "just now"}


def _housekeeping(database: Database, lease: NodeLease) -> Housekeeping:
    client = open_client(database)
    return Housekeeping(
        database,
        SETTINGS,
        client=client,
        jobs=DurableJobs(client, SETTINGS),
        lease=lease,
        stale_cases=lambda _connection, _older_than: [],
        now=lambda: datetime.now(UTC),
    )


def _joined(database: Database, clock: _Clock, name: str) -> NodeLease:
    def evicted() -> NoReturn:
        pytest.fail(f"{name} was evicted")

    lease = NodeLease(database, SETTINGS, name, clock=clock, evicted=evicted)
    lease.join()
    return lease


def _steady(database: Database, clock: _Clock, name: str = "me") -> NodeLease:
    lease = _joined(database, clock, name)
    for _ in range(5):
        _turn(lease, clock, 15)
    assert lease.steady
    return lease


def _turn(lease: NodeLease, clock: _Clock, seconds: float) -> None:
    clock.now += seconds
    lease.beat()


def _expire(database: Database, name: str, ago: float = 1.0) -> None:
    with database.begin() as connection:
        past = sa.update(nodes).where(nodes.c.id == name)
        connection.execute(past.values(lease_until=database.now() - ago))


def _live(database: Database) -> set[str]:
    with database.connect() as connection:
        return set(connection.scalars(sa.select(nodes.c.id).where(nodes.c.live)))
