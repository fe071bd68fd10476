"""The port of the engine in one process: what `wake`, `send_operation` and a raised fault promise.

On both databases, with handlers that only write down what they were asked to do.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.engine.durable import DurableEngine
from reconcile.engine.jobs import DetachedJobs
from reconcile.engine.port import LeaseLost
from reconcile.engine.settings import EngineMisconfigured, EngineSettings, SystemLimits
from reconcile.store.database import Database
from reconcile.store.nodes import nodes
from tests.support.databases import BOTH, fresh_url
from tests.support.waiting import wait_until

pytest_plugins = ("tests.support.peers.fixtures",)

QUICK = EngineSettings(
    lease=timedelta(seconds=2),
    call_timeout=timedelta(seconds=0.5),
    operation_budget=timedelta(seconds=0.3),
    record_room=timedelta(seconds=0.1),
    operation_timeout=timedelta(seconds=1),
    pass_timeout=timedelta(seconds=5),
    poll=timedelta(seconds=0.2),
    sweep_after=timedelta(seconds=1),
)


class Handlers:
    """Handlers that note every call and do what the test says."""

    def __init__(self) -> None:
        self.cases: list[str] = []
        self.operations: list[str] = []
        self.running = 0
        self.most_at_once = 0
        self.act: Callable[[str], None] = lambda _key: None
        self._lock = threading.Lock()

    def on_case(self, case_id: str) -> None:
        self._note(self.cases, case_id)

    def on_operation(self, key: str) -> None:
        self._note(self.operations, key)

    def _note(self, calls: list[str], argument: str) -> None:
        with self._lock:
            calls.append(argument)
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
        try:
            self.act(argument)
        finally:
            with self._lock:
                self.running -= 1


@pytest.fixture(params=BOTH)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind with the table of nodes."""
    opened = Database.open(fresh_url(request.param, tmp_path, request))
    with opened.begin() as connection:
        nodes.create(connection)
    yield opened
    opened.close()


@pytest.fixture
def handlers() -> Handlers:
    """Fresh handlers."""
    return Handlers()


@contextmanager
def running(
    database: Database,
    handlers: Handlers,
    *,
    stale: Callable[[], list[str]] = list,
    drain: float = 5.0,
) -> Iterator[DurableEngine]:
    """Run an engine with two systems for the length of the block."""
    engine = DurableEngine(
        database,
        QUICK,
        {"ldap": SystemLimits(concurrency=2), "door": SystemLimits(concurrency=1)},
        stale_cases=lambda _connection, _older_than: stale(),
    )
    engine.start(handlers.on_case, handlers.on_operation)
    try:
        yield engine
    finally:
        engine.stop(timedelta(seconds=drain))


def test_a_wake_runs_once_per_reason(database: Database, handlers: Handlers) -> None:
    """The same fact twice is one pass, also after it was served; another fact is another pass."""
    with running(database, handlers) as engine:
        for _ in range(3):
            with database.begin() as connection:
                engine.jobs.wake(connection, "c1", "opened")
                engine.jobs.wake(connection, "c1", "opened")
            wait_until(lambda: handlers.cases, 5)
        with database.begin() as connection:
            engine.jobs.wake(connection, "c1", "approved/4")
        wait_until(lambda: len(handlers.cases) == 2, 5)

    assert handlers.cases == ["c1", "c1"]


def test_a_job_exists_exactly_if_the_transaction_commits(
    database: Database, handlers: Handlers
) -> None:
    """What was rolled back is never run; what was committed with our rows is."""
    with running(database, handlers) as engine:

        def fail(connection: sa.Connection) -> None:
            engine.jobs.wake(connection, "lost", "opened")
            engine.jobs.send_operation(connection, "lost/0/0", "ldap")
            raise KeyError

        with pytest.raises(KeyError):
            database.sure(fail)
        with database.begin() as connection:
            engine.jobs.wake(connection, "kept", "opened")
            engine.jobs.send_operation(connection, "kept/0/0", "ldap")
        wait_until(lambda: handlers.cases and handlers.operations, 5)
        time.sleep(2 * QUICK.poll.total_seconds())  # long enough for a job that must not exist

    assert (handlers.cases, handlers.operations) == (["kept"], ["kept/0/0"])


def test_a_wake_to_come_waits_as_a_row(database: Database, handlers: Handlers) -> None:
    """A timer takes no thread, does not hold up the case, and is due at its instant."""
    seen: list[datetime] = []
    handlers.act = lambda _case: seen.append(datetime.now(UTC))
    with running(database, handlers) as engine:
        due = datetime.now(UTC) + timedelta(seconds=2)
        with database.begin() as connection:
            engine.jobs.wake(connection, "c1", "at/1", due)
            engine.jobs.wake(connection, "c1", "at/0", datetime(2020, 1, 1, tzinfo=UTC))
        wait_until(lambda: len(seen) == 1, 5)
        assert seen[0] < due
        wait_until(lambda: len(seen) == 2, 5)

    assert seen[1] >= due


def test_passes_of_one_case_never_overlap(database: Database, handlers: Handlers) -> None:
    """Many facts at once about one case are looked at one after the other."""
    handlers.act = lambda _case: time.sleep(0.03)
    with running(database, handlers) as engine:
        with database.begin() as connection:
            for number in range(8):
                engine.jobs.wake(connection, "c1", f"fact/{number}")
        wait_until(lambda: len(handlers.cases) == 8, 10)

    assert handlers.most_at_once == 1


def test_a_system_is_never_asked_by_more_than_its_limit(
    database: Database, handlers: Handlers
) -> None:
    """Concurrency is per system, and a freed slot is filled."""
    handlers.act = lambda _key: time.sleep(0.03)
    with running(database, handlers) as engine:
        with database.begin() as connection:
            for number in range(10):
                engine.jobs.send_operation(connection, f"c{number}/0/0", "ldap")
        wait_until(lambda: len(handlers.operations) == 10, 10)

    assert handlers.most_at_once == 2


def test_a_held_system_waits_and_goes_on(database: Database, handlers: Handlers) -> None:
    """The breaker holds one system and no other; releasing it needs no restart."""
    with running(database, handlers) as engine:
        engine.set_concurrency("ldap", 0)
        time.sleep(2 * QUICK.poll.total_seconds())  # it counts from the poll after the next
        with database.begin() as connection:
            engine.jobs.send_operation(connection, "c1/0/0", "ldap")
            engine.jobs.send_operation(connection, "c1/1/0", "door")
        wait_until(lambda: "c1/1/0" in handlers.operations, 5)
        time.sleep(2 * QUICK.poll.total_seconds())  # long enough for a job that must not run
        assert handlers.operations == ["c1/1/0"]
        engine.set_concurrency("ldap", 2)
        wait_until(lambda: "c1/0/0" in handlers.operations, 5)
        with pytest.raises(KeyError):
            engine.set_concurrency("stranger", 1)


def test_urgent_operations_go_first(database: Database, handlers: Handlers) -> None:
    """Containment does not queue behind everybody's backups (Law 3)."""
    with running(database, handlers) as engine:
        engine.set_concurrency("door", 0)
        time.sleep(2 * QUICK.poll.total_seconds())  # it counts from the poll after the next
        with database.begin() as connection:
            for number in range(3):
                engine.jobs.send_operation(connection, f"c{number}/0/0", "door")
            engine.jobs.send_operation(connection, "c9/1/0", "door", urgent=True)
        engine.set_concurrency("door", 1)
        wait_until(lambda: len(handlers.operations) == 4, 10)

    assert handlers.operations == ["c9/1/0", "c0/0/0", "c1/0/0", "c2/0/0"]


def test_a_handler_that_raises_loses_its_try(
    database: Database, handlers: Handlers, capsys: pytest.CaptureFixture[str]
) -> None:
    """The case is woken and told which try is lost; the text of the fault is logged nowhere."""
    lost: list[frozenset[str]] = []

    def act(argument: str) -> None:
        if argument == "c_1/0/0":
            raise ConnectionError("401 for anna.weber@example.com")
        if argument == "c_1":
            lost.append(engine.jobs.lost_operations(["c_1/0/0", "cx1/0/0"]))

    handlers.act = act
    with running(database, handlers) as engine:
        with database.begin() as connection:
            engine.jobs.send_operation(connection, "c_1/0/0", "ldap")
            engine.jobs.send_operation(connection, "cx1/0/0", "ldap")
        wait_until(lambda: lost, 10)
        with database.begin() as connection:
            engine.jobs.send_operation(connection, "c_1/0/0", "ldap")  # a lost try stays lost
        time.sleep(2 * QUICK.poll.total_seconds())
        assert engine.jobs.lost_operations(["cx1/0/0", "unknown/0/0"]) == frozenset()
        assert engine.jobs.lost_operations([]) == frozenset()

    assert lost == [frozenset({"c_1/0/0"})]
    assert handlers.operations.count("c_1/0/0") == 1
    shown = "".join(capsys.readouterr())
    assert "ConnectionError" in shown
    assert "test_engine_jobs.py" in shown
    assert "anna" not in shown
    with database.connect() as connection:
        everything = [
            connection.execute(sa.select(sa.text("*")).select_from(_library(database, table))).all()
            for table in ("workflow_status", "workflow_output", "workflow_input")
        ]
    assert "c_1/0/0" in str(everything)
    assert "anna" not in str(everything)


def test_an_operation_that_overruns_its_timeout_is_lost(
    database: Database, handlers: Handlers
) -> None:
    """Its slot is free for the next one, and the case is told; the thread cannot be ended."""
    release = threading.Event()
    handlers.act = lambda key: None if key != "c1/0/0" else _wait(release)
    with running(database, handlers) as engine:
        with database.begin() as connection:
            engine.jobs.send_operation(connection, "c1/0/0", "door")
            engine.jobs.send_operation(connection, "c2/0/0", "door")
        wait_until(lambda: "c2/0/0" in handlers.operations, 10)  # the one slot was freed
        assert engine.jobs.lost_operations(["c1/0/0"]) == {"c1/0/0"}
        assert handlers.running == 1  # nothing can end the thread: only the operation's own budget
        release.set()


def test_the_sweep_wakes_what_was_forgotten(database: Database, handlers: Handlers) -> None:
    """An open case whose every job was lost is looked at again, from our rows alone."""
    with running(database, handlers, stale=lambda: ["forgotten"]):
        wait_until(lambda: "forgotten" in handlers.cases, 10)


def test_graceful_stop_waits_for_what_runs(database: Database, handlers: Handlers) -> None:
    """A draining engine takes nothing new, lets the running finish, and gives its lease back."""
    begun, release = threading.Event(), threading.Event()

    def act(_key: str) -> None:
        begun.set()
        release.wait(20)

    handlers.act = act
    with running(database, handlers) as engine:
        with database.begin() as connection:
            for number in range(3):
                engine.jobs.send_operation(connection, f"c{number}/0/0", "door")
        assert begun.wait(5)
        threading.Timer(0.5, release.set).start()
        assert engine.stop(timedelta(seconds=10))
        assert handlers.running == 0
        with database.connect() as connection:
            assert connection.scalar(sa.select(nodes.c.live)) is False

    handlers.act = lambda _key: None
    with running(database, handlers):
        wait_until(lambda: len(handlers.operations) == 3, 10)
    assert handlers.operations == ["c0/0/0", "c1/0/0", "c2/0/0"]


def test_a_stop_that_does_not_drain_keeps_the_lease(database: Database, handlers: Handlers) -> None:
    """What still runs may not begin another call, and nobody may start the same work beside it."""
    begun, release = threading.Event(), threading.Event()
    refused: list[bool] = []

    def act(_key: str) -> None:
        begun.set()
        release.wait(20)
        try:
            engine.lease.guard()
        except LeaseLost:
            refused.append(True)

    handlers.act = act
    with running(database, handlers) as engine:
        with database.begin() as connection:
            engine.jobs.send_operation(connection, "c1/0/0", "door")
        assert begun.wait(5)
        engine.lease.guard()
        assert engine.stop(timedelta(seconds=0.1)) is False
        with database.connect() as connection:
            assert connection.scalar(sa.select(nodes.c.live)) is True
        release.set()
        wait_until(lambda: refused, 5)


def test_finished_jobs_are_pruned_and_live_ones_kept(
    database: Database, handlers: Handlers
) -> None:
    """Pruning takes what finished long enough ago, and no job that still has to run."""
    with running(database, handlers) as engine:
        engine.set_concurrency("door", 0)
        time.sleep(2 * QUICK.poll.total_seconds())  # it counts from the poll after the next
        with database.begin() as connection:
            engine.jobs.wake(connection, "c1", "opened")
            engine.jobs.send_operation(connection, "c1/0/0", "ldap")
            engine.jobs.send_operation(connection, "c1/1/0", "door")
            engine.jobs.wake(connection, "c1", "later", datetime.now(UTC) + timedelta(days=90))
        wait_until(lambda: handlers.cases and handlers.operations, 5)
        assert engine.prune(timedelta(hours=1)) == 0
        wait_until(lambda: engine.prune(timedelta(seconds=-1)), 5)
        wait_until(lambda: _jobs(database) == {"op/c1/1/0", "case/c1/later"}, 5)


def test_a_process_without_an_engine_hands_work_to_the_next(
    database: Database, handlers: Handlers
) -> None:
    """Before any engine ran it writes nothing; afterwards its jobs are run by the next daemon."""
    detached = DetachedJobs(database)
    with database.begin() as connection:
        detached.wake(connection, "early", "opened")
        detached.send_operation(connection, "early/0/0", "ldap")
    assert detached.lost_operations(["early/0/0"]) == frozenset()
    with running(database, handlers):
        pass
    assert handlers.cases == handlers.operations == []

    with database.begin() as connection:
        detached.wake(connection, "c1", "opened")
        detached.send_operation(connection, "c1/0/0", "ldap")
    with running(database, handlers):
        wait_until(lambda: handlers.cases and handlers.operations, 5)

    assert (handlers.cases, handlers.operations) == (["c1"], ["c1/0/0"])


def test_a_second_engine_in_one_process_is_refused(database: Database, handlers: Handlers) -> None:
    """The library would silently share the first one's threads and lease."""
    with (
        running(database, handlers),
        pytest.raises(EngineMisconfigured, match="runs in this process already"),
        running(database, handlers),
    ):
        pass


def test_nothing_is_ever_stored_as_pickle(database: Database, handlers: Handlers) -> None:
    """Whoever can write the table must not be able to run code in the daemon."""
    with running(database, handlers) as engine:
        with database.begin() as connection:
            engine.jobs.wake(connection, "c1", "opened")
        wait_until(lambda: handlers.cases, 5)
        with database.connect() as connection:
            status = _library(database, "workflow_status", "workflow_uuid", "serialization")
            given = _library(database, "workflow_input", "workflow_uuid", "inputs")
            joined = status.join(given, status.c.workflow_uuid == given.c.workflow_uuid)
            columns = sa.select(status.c.serialization, given.c.inputs).select_from(joined)
            rows = connection.execute(columns).all()

    ((serialization, inputs),) = rows
    assert serialization == "portable_json"
    assert json.loads(inputs) == {"positionalArgs": ["c1"], "namedArgs": {}}


def _wait(release: threading.Event) -> None:
    release.wait(20)


def _library(database: Database, table: str, *columns: str) -> sa.TableClause:
    """Name a table of the engine library, to look at what it really stores."""
    schema = "dbos" if database.is_postgresql else None
    return sa.table(table, *map(sa.column, columns), schema=schema)


def _jobs(database: Database) -> set[str]:
    table = _library(database, "workflow_status", "workflow_uuid")
    with database.connect() as connection:
        return set(connection.scalars(sa.select(table.c.workflow_uuid)))
