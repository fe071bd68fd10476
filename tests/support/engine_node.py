"""One node for the engine's acceptance tests: a very small core over the port, run as a program.

`python -m tests.support.engine_node SETTINGS` (JSON, see `Options`) reads commands on standard
input (`open ID`, `approve ID`, `stop`). Its "systems" are folders with one file per holding, shared
by all nodes; removing a file is the connector call. It uses `Jobs` and `Lease` and nothing of any
engine library, so that it stays the acceptance test of whatever comes after.
"""

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
import structlog

from reconcile.engine.durable import DurableEngine
from reconcile.engine.jobs import DetachedJobs
from reconcile.engine.settings import EngineSettings, SystemLimits
from reconcile.store.database import Database
from reconcile.store.nodes import nodes

tables = sa.MetaData()
cases = sa.Table(
    "tiny_cases",
    tables,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("touched", sa.Double, nullable=False),
)
operations = sa.Table(
    "tiny_operations",
    tables,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("needs", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("starts", sa.Integer, nullable=False),
    sa.Column("not_before", sa.Double, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
)
effects = sa.Table(
    "tiny_effects",
    tables,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("holding", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("how", sa.Text, nullable=False),
)

BACKUP, CONTAIN, REVOKE, LATER, APPROVAL, VERIFY, LEGAL = range(7)
PLAN = {
    BACKUP: ("vault", []),
    CONTAIN: ("alpha", []),
    REVOKE: ("beta", [BACKUP, CONTAIN]),
    LATER: ("alpha", [BACKUP]),
    APPROVAL: ("people", []),
    VERIFY: ("beta", [REVOKE, LATER, APPROVAL]),
}
RELEASE_TWO = {LEGAL: ("vault", [REVOKE]), VERIFY: ("beta", [REVOKE, LATER, APPROVAL, LEGAL])}
"""What the second release adds to the plan of open cases: a review before the verification."""
LIMITS = {"vault": 8, "alpha": 4, "beta": 3}


@dataclass(frozen=True)
class Options:
    """What the test chooses for one node."""

    url: str
    log: str
    outside: str
    call_seconds: float = 0.02
    backup_calls: int = 1
    """Calls in a row, without a write of ours between them, that a backup makes."""
    die_before_commit: int = 0
    linger: float = 0.0
    """Seconds that an operation of seq LATER takes on its first start: longer than its timeout."""
    lease: float = 3.0
    operation_timeout: float = 60.0
    sweep_after: float = 5.0
    release: int = 1


class FencedOut(Exception):
    """Another run has taken this operation: nothing of ours counts any more."""


class TinyCore:
    """Cases and operations as rows, a pass, and an operation that removes files."""

    def __init__(self, options: Options, database: Database) -> None:
        self.options = options
        self.database = database
        self.log = os.open(options.log, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self.engine = DurableEngine(
            database,
            EngineSettings(
                lease=timedelta(seconds=options.lease),
                call_timeout=timedelta(seconds=options.lease / 4),
                operation_budget=timedelta(seconds=options.operation_timeout / 4),
                record_room=timedelta(seconds=options.operation_timeout / 4),
                operation_timeout=timedelta(seconds=options.operation_timeout),
                pass_timeout=timedelta(seconds=10),
                poll=timedelta(seconds=min(0.3, options.lease / 4)),
                sweep_after=timedelta(seconds=options.sweep_after),
            ),
            {system: SystemLimits(concurrency=most) for system, most in LIMITS.items()},
            stale_cases=self.stale_cases,
        )

    def note(self, kind: str, case_id: str, seq: int, holding: str = "-") -> None:
        """Append one line to the log all nodes share; one write, so lines never mix."""
        os.write(
            self.log, f"{time.time():.4f} {os.getpid()} {kind} {case_id} {seq} {holding}\n".encode()
        )

    def stale_cases(self, connection: sa.Connection, older_than: timedelta) -> list[str]:
        """Find open cases nobody touched for a while."""
        before = self.database.now() - older_than.total_seconds()
        stale = sa.select(cases.c.id).where(cases.c.open, cases.c.touched < before).limit(500)
        return list(connection.scalars(stale))

    def open_case(self, case_id: str) -> None:
        """Write the case, its plan and the first wake in one transaction. Twice is once."""
        start = time.time() + 1.0

        def write(connection: sa.Connection) -> None:
            known = sa.select(cases.c.id).where(cases.c.id == case_id)
            if connection.scalar(known) is not None:
                return
            connection.execute(
                sa.insert(cases).values(id=case_id, open=True, touched=self.database.now())
            )
            connection.execute(
                sa.insert(operations),
                [
                    {
                        "case_id": case_id, "seq": seq, "system": system, "needs": needs,
                        "state": "todo", "tries": 0, "starts": 0, "token": "",
                        "not_before": start if seq == LATER else 0.0,
                    }
                    for seq, (system, needs) in PLAN.items()
                ],
            )  # fmt: skip
            self.engine.jobs.wake(connection, case_id, "opened")

        self.database.sure(write)

    def approve(self, case_id: str) -> None:
        """A person's answer is a row and a wake, never a parked thread."""

        def write(connection: sa.Connection) -> None:
            this = (operations.c.case_id == case_id) & (operations.c.seq == APPROVAL)
            connection.execute(sa.update(operations).where(this).values(state="done"))
            self.engine.jobs.wake(connection, case_id, "approved")

        self.database.sure(write)

    def on_case(self, case_id: str) -> None:
        """One pass: send what is due, arm timers, close. The database only."""
        with self.database.connect() as connection:
            mine = sa.select(operations.c.seq, operations.c.tries).where(
                operations.c.case_id == case_id
            )
            keys = [f"{case_id}/{seq}/{tries}" for seq, tries in connection.execute(mine)]
        lost = self.engine.jobs.lost_operations(keys)
        with self.database.begin() as connection:
            connection.execute(
                sa.update(cases)
                .where(cases.c.id == case_id, cases.c.open)
                .values(touched=self.database.now())
            )
            self.note("PS", case_id, -1)
            rows = connection.execute(
                sa.select(operations).where(operations.c.case_id == case_id)
            ).all()
            done = {row.seq for row in rows if row.state == "done"}
            for row in rows:
                if row.state == "todo" and row.seq != APPROVAL and done.issuperset(row.needs):
                    self._advance(connection, row, lost)
            if len(done) == len(rows):
                closing = sa.update(cases).where(cases.c.id == case_id).values(open=False)
                connection.execute(closing)
            self.note("PE", case_id, -1)

    def _advance(self, connection: sa.Connection, row: sa.Row[tuple[object, ...]],
                 lost: frozenset[str]) -> None:  # fmt: skip
        key = f"{row.case_id}/{row.seq}/{row.tries}"
        if row.not_before > time.time():
            at = datetime.fromtimestamp(row.not_before, UTC)
            self.engine.jobs.wake(connection, row.case_id, f"at/{row.not_before:.3f}", at)
        elif key in lost:
            self._retry(connection, row)
        else:
            self.engine.jobs.send_operation(connection, key, row.system, urgent=row.seq == CONTAIN)

    def _retry(self, connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> None:
        soon = time.time() + min(2.0, 0.1 * 2**row.tries)
        mine = (
            (operations.c.case_id == row.case_id)
            & (operations.c.seq == row.seq)
            & (operations.c.tries == row.tries)
            & (operations.c.token == row.token)
        )
        again = sa.update(operations).where(mine).values(tries=row.tries + 1, not_before=soon)
        if connection.execute(again).rowcount:
            reason = f"retry/{row.seq}/{row.tries}"
            self.engine.jobs.wake(
                connection, row.case_id, reason, datetime.fromtimestamp(soon, UTC)
            )

    def on_operation(self, key: str) -> None:
        """Take the token, work through the holdings, record."""
        case_id, seq, tries = key.rsplit("/", 2)
        mine = (
            (operations.c.case_id == case_id)
            & (operations.c.seq == int(seq))
            & (operations.c.tries == int(tries))
            & (operations.c.state == "todo")
        )
        token = str(uuid4())

        def take(connection: sa.Connection) -> sa.Row[tuple[object, ...]] | None:
            return connection.execute(
                sa.update(operations)
                .where(mine)
                .values(token=token, starts=operations.c.starts + 1)
                .returning(operations)
            ).first()

        row = self.database.sure(take)
        if row is None:
            return
        self.note("OS", case_id, row.seq)
        try:
            finished = self._work(row)
        finally:
            self.note("OE", case_id, row.seq)  # also when the handler raises: it ran until here

        def record(connection: sa.Connection) -> None:
            if not finished:
                self._retry(connection, row)
                return
            ours = mine & (operations.c.token == token)
            if connection.execute(sa.update(operations).where(ours).values(state="done")).rowcount:
                self.engine.jobs.wake(connection, case_id, f"after/{seq}/{tries}")

        self.database.sure(record)

    def _work(self, row: sa.Row[tuple[object, ...]]) -> bool:
        """Do what the operation is for; False asks for a fresh try."""
        if row.seq == LATER and row.starts == 1 and self.options.linger:
            time.sleep(self.options.linger)
        if row.seq != REVOKE:
            for _ in range(self.options.backup_calls if row.seq == BACKUP else 1):
                self._call(row, "-", lambda: None)
            flaky = row.seq == CONTAIN and row.starts == 1 and str(row.case_id).endswith("3")
            if flaky:
                raise ConnectionError("one case in ten sees a handler raise, once")
            return True
        folder = Path(self.options.outside) / str(row.case_id)
        there = sorted(path.name for path in folder.iterdir())
        self._settle(row, there)
        for holding in there:
            self._mark(row, holding, "calling", "")
            self._call(row, holding, (folder / holding).unlink)
            self._mark(row, holding, "removed", "by us")
        return not any(folder.iterdir())

    def _call(self, row: sa.Row[tuple[object, ...]], holding: str, act: Callable[[], None]) -> None:
        self.engine.lease.guard()
        self.note("S", row.case_id, row.seq, holding)
        time.sleep(self.options.call_seconds * random.uniform(0.5, 1.5))
        act()
        self.note("E", row.case_id, row.seq, holding)

    def _settle(self, row: sa.Row[tuple[object, ...]], there: list[str]) -> None:
        """What an earlier run had begun and is gone now was ours; plan what is new."""

        def write(connection: sa.Connection) -> None:
            this = (effects.c.case_id == row.case_id) & (effects.c.seq == row.seq)
            known = {
                effect.holding: effect.state
                for effect in connection.execute(sa.select(effects).where(this))
            }
            for holding in there:
                if holding not in known:
                    connection.execute(
                        sa.insert(effects).values(
                            case_id=row.case_id, seq=row.seq, holding=holding, state="planned",
                            how="",
                        )
                    )  # fmt: skip
            for holding, state in known.items():
                if holding not in there and state in {"calling", "planned"}:
                    ours = state == "calling"
                    connection.execute(
                        sa.update(effects)
                        .where(this, effects.c.holding == holding)
                        .values(
                            state="removed" if ours else "already",
                            how="by us, seen after a crash" if ours else "not by us",
                        )
                    )

        self._fenced(row, write)

    def _mark(self, row: sa.Row[tuple[object, ...]], holding: str, state: str, how: str) -> None:
        this = (
            (effects.c.case_id == row.case_id)
            & (effects.c.seq == row.seq)
            & (effects.c.holding == holding)
        )
        change = sa.update(effects).where(this).values(state=state, how=how)
        self._fenced(row, lambda connection: connection.execute(change))

    def _fenced(
        self, row: sa.Row[tuple[object, ...]], work: Callable[[sa.Connection], object]
    ) -> None:
        this = (operations.c.case_id == row.case_id) & (operations.c.seq == row.seq)

        def write(connection: sa.Connection) -> None:
            token = sa.select(operations.c.token).where(this).with_for_update()
            if connection.scalar(token) != row.token:
                raise FencedOut
            work(connection)

        self.database.sure(write)


def _die_before_commit(engine: sa.Engine, number: int) -> None:
    """Pull the plug right before the given commit that wrote something, counted over all threads.

    On SQLite only, whose driver says whether a transaction is open; a poll that reads has none.
    """
    left = iter(range(number - 1, -1, -1))

    def before(connection: sa.Connection) -> None:
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection) and driver.in_transaction and next(left, 1) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(engine, "commit", before)


def upgrade_cases(database: Database) -> None:
    """Do what a release does to cases in flight: insert rows, change rows, wake the cases."""
    jobs = DetachedJobs(database)
    with database.begin() as connection:
        for case_id in connection.scalars(sa.select(cases.c.id).where(cases.c.open)).all():
            this = operations.c.case_id == case_id
            if connection.scalar(
                sa.select(operations.c.seq).where(this, operations.c.seq == LEGAL)
            ):
                continue
            system, needs = RELEASE_TWO[LEGAL]
            connection.execute(
                sa.insert(operations).values(
                    case_id=case_id, seq=LEGAL, system=system, needs=needs, state="todo", tries=0,
                    starts=0, token="", not_before=0.0,
                )
            )  # fmt: skip
            verify = sa.update(operations).where(this, operations.c.seq == VERIFY)
            connection.execute(verify.values(needs=RELEASE_TWO[VERIFY][1]))
            jobs.wake(connection, case_id, "upgraded/2")


def main(options: Options) -> int:
    """Run the node until it is told to stop, or killed."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    database = Database.open(options.url)
    with database.begin() as connection:
        if database.is_postgresql:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(4710)))
        nodes.create(connection, checkfirst=True)
        tables.create_all(connection)
    core = TinyCore(options, database)
    if options.release == 2:
        upgrade_cases(database)
    core.engine.start(core.on_case, core.on_operation)
    if options.die_before_commit:
        _die_before_commit(database.engine, options.die_before_commit)
    print("up", core.engine.node, flush=True)  # noqa: T201 - the answer the test waits for
    for line in sys.stdin:
        match line.split():
            case ["open", case_id]:
                core.open_case(case_id)
            case ["approve", case_id]:
                core.approve(case_id)
            case ["backup", path]:
                database.backup(Path(path))
            case ["stop"]:
                break
        print("ok", flush=True)  # noqa: T201 - the answer the test waits for
    drained = core.engine.stop(timedelta(seconds=5))
    print("drained" if drained else "not drained", flush=True)  # noqa: T201
    database.close()
    return 0 if drained else 1


if __name__ == "__main__":
    sys.exit(main(Options(**json.loads(sys.argv[1]))))
