"""kill -9 at every recorded write and every outside call of whole cases: each closes exactly right.

The n-th process kills itself at its n-th chance (see `core_node.Scythe`), the next one starts and
dies one chance later, until one brings everything to its end undisturbed.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.core_fleet import Fleet, fleet
from tests.support.core_proof import prove
from tests.support.peers.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CLOSING = 120.0
"""Seconds in which what the killed left must be brought to its end, on a loaded machine."""
WRITES = frozenset({"before", "call"})
EVERYTHING = frozenset({"before", "after", "call", "engine"})


@pytest.mark.parametrize(
    ("step", "kinds", "systems"),
    [
        (2, WRITES, ("directory",)),
        pytest.param(
            1, EVERYTHING, ("directory", "forge"),
            marks=[pytest.mark.soak, pytest.mark.timeout(7200)],
        ),
    ],
    ids=["writes", "everything"],
)  # fmt: skip
def test_killed_at_every_write_and_call(
    tmp_path: Path, step: int, kinds: frozenset[str], systems: tuple[str, ...]
) -> None:
    """One process on SQLite dies before each commit and after each call; all cases close right."""
    url = f"sqlite:///{tmp_path}/own.db"
    with fleet(url, tmp_path, systems=systems, kinds=kinds) as made:
        kills = walk_alone(made, step)
        made.start()
        made.await_closed(CLOSING)
        made.end()
        prove(made)
        assert kills > 60


def walk_alone(made: Fleet, step: int) -> int:
    """Let each process die some chances later than the one before it.

    Ends with the one that lives to see a case from its event to its end; returns the kills.
    """
    leavers = Leavers(made)
    for kills, point in enumerate(count(1, step)):
        node, mine = made.start(die_at=point), set[str]()
        while not node.ended(0.05):
            mine |= leavers.keep_in_flight(2)
            if made.closed() & mine:
                made.bury(node)
                return kills
        assert node.code == -signal.SIGKILL, made.errors()
        made.bury(node)
    raise AssertionError


class Leavers:
    """People who leave one after the other; an event that nobody took in is sent again."""

    def __init__(self, made: Fleet) -> None:
        self._fleet = made
        self._newest = -1

    def keep_in_flight(self, cases: int) -> set[str]:
        """Have so many cases open, if anybody lives to open them; lists those opened now."""
        opened = set[str]()
        while self._fleet.still_open() < cases or self._newest not in self._fleet.delivered:
            if self._newest in self._fleet.delivered or self._newest < 0:
                self._newest += 1
                self._fleet.company.hire(self._newest)
            if not self._fleet.deliver(self._newest):
                break
            opened.add(self._fleet.delivered[self._newest])
        return opened


@pytest.fixture(scope="module")
def quick_postgres() -> Iterator[Postgres]:
    """PostgreSQL without fsync: here nodes die, never the server."""
    with tempfile.TemporaryDirectory(prefix="deprovisioner-postgres-") as name:
        server = Postgres(Path(name), durable=False)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


@pytest.mark.peers
@pytest.mark.parametrize(
    ("kills", "systems"),
    [
        (120, ("directory",)),
        pytest.param(
            2000, ("directory", "forge"), marks=[pytest.mark.soak, pytest.mark.timeout(7200)]
        ),
    ],
    ids=["some", "many"],
)
def test_one_of_three_nodes_dies_again_and_again(
    quick_postgres: Postgres, tmp_path: Path, kills: int, systems: tuple[str, ...]
) -> None:
    """On PostgreSQL one node of three dies at a later chance each time; the others go on."""
    url = quick_postgres.database()
    with fleet(url, tmp_path, systems=systems, kinds=EVERYTHING) as made:
        made.start()
        made.start()
        leavers = Leavers(made)
        for kill in range(kills):
            doomed = made.start(die_at=1 + kill % 23)  # cases are in every phase at any time
            while not doomed.ended(0.05):
                leavers.keep_in_flight(4)
            assert doomed.code == -signal.SIGKILL, made.errors()
            made.bury(doomed)
            if kill % 10 == 9:  # nobody lives for ever: in the middle of whatever it does
                made.bury(made.nodes[0])
                made.start()
        made.await_closed(CLOSING)
        assert all(node.code is None for node in made.nodes), "no living node was taken for dead"
        made.end()
        prove(made)
