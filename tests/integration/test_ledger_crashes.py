"""kill -9 at every instant of the sequencer's life, on SQLite and on PostgreSQL."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.evidence.audit import audit_folder
from reconcile.evidence.checkpoint import open_checkpoint
from reconcile.store import ledger
from reconcile.store import ledger_schema as schema
from tests.support.killed_ledger import ROUNDS, SEEDS
from tests.support.ledgers import KEY, Ledger, entry_of

pytest_plugins = ("tests.support.peers.fixtures",)

EVENTS = [*SEEDS, *(event for events in ROUNDS for event in events)]
REPOSITORY = Path(__file__).parents[2]


class Mortal:
    """The process of `tests.support.killed_ledger`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.killed_ledger"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, instants: int, url: str, folder: Path) -> bool:
        """Let a child work; answers whether it was killed, and fails if it ended in another way."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{instants} {url} {folder}\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.waitstatus_to_exitcode(status) == 0
        return False

    def end(self) -> None:
        """Let it go home."""
        self._process.communicate()


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    """One such process per test."""
    process = Mortal()
    yield process
    process.end()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], tuple[str, Path]]:
    """A fresh database and folder per number."""

    def fresh(number: int) -> tuple[str, Path]:
        folder = tmp_path / str(number)
        folder.mkdir()
        if request.param == "sqlite":
            return f"sqlite:///{folder / 'db'}", folder
        url: str = request.getfixturevalue("postgres").database()
        return url, folder

    return fresh


@pytest.mark.slow
def test_killed_at_every_instant_nothing_is_lost_or_told_twice(
    mortal: Mortal, place: Callable[[int], tuple[str, Path]]
) -> None:
    """Killed at its n-th instant for every n until a life ends by itself; after each death the
    evidence is sound, and the next life brings it to the same end.
    """
    instant = 0
    while True:
        instant += 1
        url, folder = place(instant)
        died = mortal.live(instant, url, folder)
        said = sound(url, folder)
        assert not mortal.live(0, url, folder)
        complete(url, folder, said)
        if not died:
            break
    assert instant > 60, "the walk must pass statements, commits, flushes and renames"


def sound(url: str, folder: Path) -> list[bytes]:
    """Check what a dead process left behind; answers every checkpoint that it may have shown
    anybody.
    """
    log = Ledger.create(url, folder)
    try:
        log.sequencer().check_anchor()
        leaves = log.leaves()
        assert [event for _, event, _ in leaves] == EVENTS[: len(leaves)]
        if (log.published / "checkpoint").exists():
            audit_folder(log.published, KEY.verifier)
        shown = [
            path.read_bytes()
            for path in (log.published / "checkpoint", log.anchor)
            if path.exists()
        ]
        with log.database.connect() as connection:
            return shown + list(connection.execute(sa.select(schema.checkpoint.c.note)).scalars())
    finally:
        log.database.close()


def complete(url: str, folder: Path, said: list[bytes]) -> None:
    """Check that all is logged exactly once, in order, published, and consistent with all that was
    said.
    """
    log = Ledger.create(url, folder)
    try:
        assert log.leaves() == [(i, event, entry_of(event)) for i, event in enumerate(EVENTS)]
        assert audit_folder(log.published, KEY.verifier).size == len(EVENTS)
        with log.database.connect() as connection:
            assert ledger.published_size(connection) == len(EVENTS)
            for note in said:
                old = open_checkpoint(note, KEY.verifier)
                assert ledger.tiled_tree(connection, old.size).root() == old.root
    finally:
        log.database.close()
