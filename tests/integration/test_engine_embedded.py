"""One process on SQLite, killed right before each of its commits in turn: every case still closes
exactly right.
"""

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine_fleet import Fleet, assert_exactly_right
from tests.support.engine_node import Options

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
