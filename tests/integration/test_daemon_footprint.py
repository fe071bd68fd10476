"""An idle daemon gives back what work had taken, and goes on as if nothing had been."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from deprovisioner.footprint import Rest
from reconcile.store.database import Database
from tests.support.command_line import ROOT
from tests.support.databases import BOTH, fresh_url
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest_plugins = ("tests.support.peers.fixtures",)


@pytest.fixture(params=BOTH)
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database of each kind."""
    with closing(Database.open(fresh_url(request.param, tmp_path, request))) as opened:
        yield opened


def pooled(database: Database) -> int:
    """Count the connections that are kept for later."""
    pool = database.engine.pool
    assert isinstance(pool, sa.QueuePool)
    return pool.checkedin()


def use_at_once(database: Database, number: int) -> None:
    """Let several threads hold a connection each at the same time."""
    together = threading.Barrier(number)

    def read() -> None:
        with database.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
            together.wait()

    threads = [threading.Thread(target=read) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_connections_are_given_back_once_nothing_runs(database: Database) -> None:
    """Not while an operation runs; and what comes after a rest finds the database as it was."""
    working = threading.Event()
    working.set()
    rest = Rest(database, lambda: int(working.is_set()), beat=0.01)
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (word TEXT)"))
        connection.execute(sa.text("INSERT INTO kept VALUES ('still here')"))
    use_at_once(database, 6)
    rest.start()
    assert not threading.Event().wait(0.2)  # twenty looks
    assert pooled(database) >= 6
    with database.connect() as held:
        working.clear()
        wait_until(lambda: pooled(database) == 0, 5)
        assert held.scalar(sa.text("SELECT word FROM kept")) == "still here"
    with database.begin() as connection:
        connection.execute(sa.text("INSERT INTO kept VALUES ('and more')"))
    rest.stop()


def test_a_rest_that_never_began_ends(database: Database) -> None:
    """A daemon that could not start stops all the same."""
    Rest(database, lambda: 0).stop()


def test_the_daemon_loads_no_terminal_program() -> None:
    """Conditions of policies come with an interactive shell, which stays outside."""
    program = (
        "import sys, deprovisioner.daemon, policies.expressions\n"
        "print(policies.expressions.cel.evaluate('1 + 1'), 'prompt_toolkit' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2", "False"]
