"""A process that works on a ledger and dies by SIGKILL at its n-th instant; run by the crash tests.

An instant is the point before a statement, a commit, a flush to the disk, a rename and the removal
of a folder; what comes after one of them comes before the next. Started once
(imports are slow); each line ``n url folder`` on stdin makes it fork a child that works; it
answers with the child's wait status. n = 0 lets the child work to the end.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reconcile.store import ledger_schema as schema
from tests.support.ledgers import Ledger, entry_of

SEEDS = [f"seed-{number}" for number in range(254)]
ROUNDS = (["first-1", "first-2", "first-3"], ["second-1"])


class Bomb:
    """Counts instants and kills its own process at the last one."""

    def __init__(self, instants: int) -> None:
        self.left = instants

    def tick(self, *_: object, **__: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self.tick()
            return call(*arguments, **options)

        return wrapped

    def arm(self, engine: sa.Engine) -> None:
        sa.event.listen(engine, "before_cursor_execute", self.tick)
        sa.event.listen(engine, "commit", self.tick)
        os.fsync = self.before(os.fsync)
        Path.replace = self.before(Path.replace)  # type: ignore[method-assign]
        shutil.rmtree = self.before(shutil.rmtree)  # type: ignore[assignment]


def work(instants: int, url: str, folder: Path) -> None:
    """Append, integrate and publish twice, across the end of the first full tile.

    What an earlier life did already is done again in vain.
    """
    log = Ledger.create(url, folder)
    sequencer = log.sequencer()
    if not log.leaves():
        seed(log)
        sequencer.integrate()
    Bomb(instants).arm(log.database.engine)
    sequencer.check_anchor()
    for events in ROUNDS:
        log.append(*events)
        while sequencer.integrate(2):
            pass
        sequencer.publish()
    log.database.close()


def seed(log: Ledger) -> None:
    """Fill the first tile almost to its end, in one statement."""
    rows = [{"event_id": event, "entry": entry_of(event), "at": 0.0} for event in SEEDS]
    with log.database.begin() as connection:
        connection.execute(sa.insert(schema.pending), rows)


def main() -> None:
    """Fork one child per line."""
    for line in sys.stdin:
        instants, url, folder = line.split()
        child = os.fork()
        if child == 0:
            work(int(instants), url, Path(folder))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
