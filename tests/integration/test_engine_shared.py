"""Three nodes on PostgreSQL: killed, frozen, cut off and robbed of their queue, every case still
closes exactly right and no living node is taken for dead.
"""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.engine_fleet import Fleet, assert_exactly_right
from tests.support.engine_node import Options
from tests.support.peers.postgres import Postgres
from tests.support.waiting import wait_until

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = [pytest.mark.peers, pytest.mark.slow]

HOLDINGS = 3
LEASE = 3.0
EVICTED = 70
LONG = 25
"""Calls of a backup that takes longer than a lease."""


@pytest.fixture
def fleet(postgres: Postgres, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """Three nodes on a fresh database; a call takes long enough to be caught in the middle.

    The parameter is how many calls a backup makes in a row, with nothing but `guard` between them.
    """
    options = Options(
        url=postgres.database(),
        log=str(tmp_path / "log"),
        outside=str(tmp_path / "outside"),
        call_seconds=0.2,
        backup_calls=getattr(request, "param", 1),
        lease=LEASE,
    )
    made = Fleet(options, tmp_path)
    for _ in range(3):
        made.start()
    yield made
    made.end()


@pytest.mark.parametrize(
    ("kills", "count"), [(5, 20), pytest.param(100, 150, marks=pytest.mark.soak)]
)
def test_killed_nodes_are_replaced_by_the_living(fleet: Fleet, kills: int, count: int) -> None:
    """A dead node's work moves after a lease; nothing runs beside itself, no limit is broken."""
    chance = random.Random(kills)
    names = fleet.open_cases(count, HOLDINGS)
    for _ in range(kills):
        time.sleep(chance.uniform(0.2, 1.2))  # the moment of the kill is the test
        fleet.kill(chance.choice(fleet.nodes))
        fleet.start()
    for name in names:
        fleet.tell(f"approve {name}")
    fleet.await_closed(120)

    assert_exactly_right(fleet, names, HOLDINGS)


@pytest.mark.parametrize("fleet", [LONG], indirect=True)
def test_a_frozen_node_touches_nothing_after_its_lease(fleet: Fleet) -> None:
    """Thawed past its lease it begins no call and ends itself; its work was done by others."""
    names = fleet.open_cases(8, HOLDINGS)
    for name in names:
        fleet.tell(f"approve {name}")
    time.sleep(1.0)  # into the middle of their calls
    frozen = fleet.nodes[1]
    frozen.signal(signal.SIGSTOP)
    begun = {line.kind for line in fleet.log() if line.pid == frozen.process.pid}
    assert "S" in begun  # it was at work
    fleet.nodes.remove(frozen)
    fleet.await_closed(60)
    time.sleep(LEASE)  # also when the others were quick: past the lease for sure

    thawed = time.time()
    frozen.signal(signal.SIGCONT)
    try:
        assert frozen.process.wait(LEASE) == EVICTED
    finally:
        frozen.end()

    after = [line for line in fleet.log() if line.pid == frozen.process.pid and line.at > thawed]
    assert [line for line in after if line.kind == "S"] == []
    left = [path for name in names for path in (Path(fleet.options.outside) / name).iterdir()]
    assert left == []


def test_nodes_frozen_together_do_not_judge_each_other(fleet: Fleet) -> None:
    """After a host suspend the first node awake must not take the others for dead."""
    names = fleet.open_cases(12, HOLDINGS)
    for node in fleet.nodes:
        node.signal(signal.SIGSTOP)
    time.sleep(2.5 * LEASE)
    for node in fleet.nodes:
        node.signal(signal.SIGCONT)
    for name in names:
        fleet.tell(f"approve {name}")
    fleet.await_closed(60)
    time.sleep(LEASE)  # time for a wrong judgement to show

    assert [node.process.poll() for node in fleet.nodes] == [None] * 3
    assert_exactly_right(fleet, names, HOLDINGS)


@pytest.mark.parametrize("fleet", [LONG], indirect=True)
def test_the_database_goes_away_for_ten_seconds(fleet: Fleet, postgres: Postgres) -> None:
    """No call is begun on a stale lease, every record of a finished call lands, no node is lost."""
    names = fleet.open_cases(8, HOLDINGS)
    time.sleep(1.0)  # into the middle of their calls
    stopped = time.time()
    postgres.stop("immediate")
    try:
        time.sleep(10.0)
    finally:
        back = time.time()
        postgres.start()
    for name in names:
        fleet.tell(f"approve {name}")
    fleet.await_closed(90)
    time.sleep(LEASE)  # time for a wrong judgement to show

    assert [node.process.poll() for node in fleet.nodes] == [None] * 3
    late = [
        line
        for line in fleet.log()
        if line.kind == "S" and stopped + 0.7 * LEASE + 0.1 < line.at < back
    ]
    assert late == []
    assert_exactly_right(fleet, names, HOLDINGS)


def test_the_queue_is_rebuilt_from_our_rows(fleet: Fleet) -> None:
    """Every row of the engine library is deleted with cases in flight: the sweep wakes them."""
    names = fleet.open_cases(12, HOLDINGS)
    with fleet.rows() as connection:
        gone = connection.execute(sa.text("DELETE FROM dbos.workflow_status")).rowcount
        connection.commit()
    assert gone > 0
    assert fleet.still_open() == len(names)
    for name in names[:6]:
        fleet.tell(f"approve {name}")
    wait_until(lambda: fleet.still_open() <= 6, 60)
    for name in names[6:]:
        fleet.tell(f"approve {name}")
    fleet.await_closed(60)

    # What ran while its row was deleted could run beside itself; everything else still holds.
    left = [path for name in names for path in (Path(fleet.options.outside) / name).iterdir()]
    assert left == []
