"""One process on SQLite, killed right before each of its commits in turn: every case still closes
exactly right.
"""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.engine_fleet import Fleet, assert_exactly_right
from tests.support.engine_node import LEGAL, VERIFY, Options, effects
from tests.support.waiting import wait_until

HOLDINGS = 3
WHOLE_CASE = 70
"""More commits than one case takes, the engine's own included: the walk asserts it."""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """No node yet, one embedded database."""
    options = Options(
        url=f"sqlite:///{tmp_path}/own.db",
        log=str(tmp_path / "log"),
        outside=str(tmp_path / "outside"),
        call_seconds=0.01,
    )
    made = Fleet(options, tmp_path)
    yield made
    made.end()


@pytest.mark.slow
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_killed_before_every_commit(fleet: Fleet, step: int) -> None:
    """A walk over all commits: whichever write is lost, the next start makes up for it."""
    names: list[str] = []
    for point in range(1, WHOLE_CASE, step):
        node = fleet.start(die_before_commit=point)
        names.append(f"case-{point}")
        fleet.give(names[-1], HOLDINGS)
        node.tell(f"open {names[-1]}")
        node.tell(f"approve {names[-1]}")
        assert node.process.wait(30) == -signal.SIGKILL, point
        fleet.forget(node)

    fleet.start()
    for name in names:
        fleet.tell(f"open {name}")  # the caller outside repeats what was not confirmed
        fleet.tell(f"approve {name}")
    fleet.await_closed(60)

    assert_exactly_right(fleet, names, HOLDINGS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "count"), [(6, 20), pytest.param(60, 120, marks=pytest.mark.soak)]
)
def test_killed_at_any_moment(fleet: Fleet, kills: int, count: int) -> None:
    """Killed in the middle of calls and threads, not only between writes."""
    chance = random.Random(kills)
    node = fleet.start()
    names = fleet.open_cases(count, HOLDINGS)
    for _ in range(kills):
        time.sleep(chance.uniform(0.1, 0.6))  # the moment of the kill is the test
        fleet.kill(node)
        node = fleet.start()
    for name in names:
        fleet.tell(f"approve {name}")
    fleet.await_closed(120)

    assert_exactly_right(fleet, names, HOLDINGS)


def test_a_graceful_stop_leaves_nothing_half_done(fleet: Fleet) -> None:
    """Told to stop under load, the node drains, exits with 0, and the next one goes on."""
    node = fleet.start()
    names = fleet.open_cases(10, HOLDINGS)
    assert node.tell("stop") == "drained"
    assert node.process.wait(10) == 0
    fleet.forget(node)

    fleet.start()
    for name in names:
        fleet.tell(f"approve {name}")
    fleet.await_closed(60)

    assert_exactly_right(fleet, names, HOLDINGS)
    calls = [(line.case_id, line.seq, line.holding) for line in fleet.log() if line.kind == "S"]
    assert len(calls) == len(set(calls)) + 1  # case-3's one flaky call, and no other, ran twice


def test_an_upgrade_with_cases_in_flight(fleet: Fleet) -> None:
    """The old release is killed at work; the new one adds a review to every open case."""
    old = fleet.start()
    names = fleet.open_cases(10, HOLDINGS)
    fleet.kill(old)

    fleet.start(release=2)
    for name in names:
        fleet.tell(f"approve {name}")
    fleet.await_closed(60)

    assert_exactly_right(fleet, names, HOLDINGS)
    begun = {(line.case_id, line.seq): line.at for line in fleet.log() if line.kind == "OS"}
    for name in names:
        assert begun[name, VERIFY] > begun[name, LEGAL]


def test_a_backup_put_back_goes_on_from_the_world(fleet: Fleet, tmp_path: Path) -> None:
    """What was done after the copy is found done, the rest is done, and every case closes."""
    node = fleet.start()
    names = fleet.open_cases(10, HOLDINGS)
    assert node.tell(f"backup {tmp_path}/copy.db") == "ok"
    wait_until(lambda: any(line.holding == "h2" for line in fleet.log()), 30)
    fleet.kill(node)
    for path in tmp_path.glob("own.db*"):
        path.unlink()
    (tmp_path / "copy.db").rename(tmp_path / "own.db")

    fleet.start()
    for name in names:
        fleet.tell(f"open {name}")  # the copy may be older than the last event: it is sent again
        fleet.tell(f"approve {name}")
    fleet.await_closed(60)

    left = [path for name in names for path in (Path(fleet.options.outside) / name).iterdir()]
    assert left == []
    with fleet.rows() as connection:
        states = connection.scalars(sa.select(effects.c.state)).all()
    assert set(states) <= {"removed", "already"}
