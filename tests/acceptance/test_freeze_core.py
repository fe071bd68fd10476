"""Frozen nodes and a lost database, three nodes of the whole core on PostgreSQL under load: nobody
acts on a lease that is over, nobody evicts the living, every case closes exactly right.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconcile.engine.lease import EVICTED
from tests.support.core_fleet import Fleet, fleet
from tests.support.core_proof import prove
from tests.support.peers.postgres import Postgres
from tests.support.waiting import WaitedInVainError, wait_until

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = [pytest.mark.peers, pytest.mark.slow]

CLOSING = 120.0
GUARDED = 0.7
"""Share of the lease in which a call may still begin."""


@pytest.fixture
def three(postgres: Postgres, tmp_path: Path) -> Iterator[Fleet]:
    """Three nodes; calls last long enough to be caught in the middle."""
    with fleet(postgres.database(), tmp_path, latency=0.1) as made:
        for _ in range(3):
            made.start()
        yield made


def all_at_work(made: Fleet) -> bool:
    """Say whether every node has made calls."""
    return all(made.calls_by(node) for node in made.nodes)


def put_to_work(made: Fleet) -> None:
    """Deliver leavers until every node has made calls: who is idle takes the next ones."""
    for first in range(0, 60, 4):
        made.hire_and_deliver(range(first, first + 4))
        with suppress(WaitedInVainError):
            wait_until(lambda: all_at_work(made), 4)
            return
    message = "a node never took any work"
    raise AssertionError(message)


def test_a_frozen_node_touches_nothing_after_its_lease(three: Fleet) -> None:
    """Others finish its work; thawed it begins no call, writes nothing, and ends with 70."""
    put_to_work(three)
    frozen = three.nodes[1]
    three.nodes.remove(frozen)
    three.ended[frozen.pid] = three.freeze(frozen)
    assert three.still_open() > 0
    three.await_closed(CLOSING)

    thawed = time.time()
    frozen.signal(signal.SIGCONT)
    assert frozen.ended(three.options.lease * 2)
    assert frozen.code == EVICTED
    frozen.end()
    assert three.calls_by(frozen, since=thawed) == []
    assert [node.code for node in three.nodes] == [None, None]
    three.end()
    prove(three)


def test_nodes_frozen_together_go_on_together(three: Fleet) -> None:
    """After a host suspend no node takes another for dead, and every case closes."""
    put_to_work(three)
    for node in three.nodes:
        three.freeze(node)
    three.await_(lambda: three.expired_leases() == 3, 60)
    for node in three.nodes:
        node.signal(signal.SIGCONT)
    three.await_closed(CLOSING)

    assert [node.code for node in three.nodes] == [None] * 3
    three.end()
    prove(three)


def test_the_database_is_pulled_away_for_ten_seconds(three: Fleet, postgres: Postgres) -> None:
    """No call begins on a lease that cannot be renewed; every finished call is still recorded."""
    put_to_work(three)
    pulled = time.time()
    postgres.stop("immediate")
    try:
        wait_until(lambda: time.time() > pulled + 10, 20)
        assert [node.code for node in three.nodes] == [None] * 3
    finally:
        back = time.time()
        postgres.start()
    three.await_closed(CLOSING)

    assert [node.code for node in three.nodes] == [None] * 3
    late = [
        line.operation
        for world in three.company.worlds.values()
        for line in world.calls()
        if line.phase == "start" and pulled + GUARDED * three.options.lease < line.at < back
    ]
    assert late == []
    three.end()
    prove(three)
