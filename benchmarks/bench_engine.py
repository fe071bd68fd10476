"""What the durable engine costs: latency, an idle node, and work done next to plain threads.

`python benchmarks/bench_engine.py [postgresql://USER:PASSWORD@HOST/EMPTY_DATABASE]`; without an
argument it measures SQLite, and PostgreSQL too where the test peers can start one. Each database is
measured in a process of its own, because memory is part of the question.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa
import structlog

from reconcile.engine.durable import DurableEngine
from reconcile.engine.settings import EngineSettings, SystemLimits
from reconcile.store import migrate
from reconcile.store.database import Database

SYSTEMS = 12
ROUNDS = 100
IDLE_SECONDS = 10.0
OPERATIONS, HOLDINGS, CONCURRENCY, CALL_SECONDS = 60, 20, 4, 0.02

marks = sa.Table(
    "bench_marks",
    sa.MetaData(),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
)


def measure(url: str) -> None:
    """Measure one database and print its part of the table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    database = Database.open(url)
    migrate.upgrade(database)
    with database.begin() as connection:
        marks.create(connection)
    kind = "PostgreSQL" if database.is_postgresql else "SQLite"
    commit = _median([_timed(partial(_commit, database, number)) for number in range(ROUNDS)])
    for name, value in latencies(database):
        print(f"{kind:11} {name:38} {value * 1000:8.1f} ms   {value / commit:6.1f} x one commit")
    for name, text in idle(database):
        print(f"{kind:11} {name:38} {text}")
    for name, text in throughput(database):
        print(f"{kind:11} {name:38} {text}")
    database.close()


def latencies(database: Database) -> Iterator[tuple[str, float]]:
    """Measure from a committed enqueue to the first instruction of the handler."""
    begun: dict[str, float] = {}
    arrived = threading.Event()

    def handler(argument: str) -> None:
        begun[argument] = time.perf_counter()
        arrived.set()

    with _running(database, handler, handler) as engine:
        jobs = engine.jobs

        def wake(connection: sa.Connection, key: str) -> None:
            jobs.wake(connection, key, "bench")

        def send(connection: sa.Connection, key: str) -> None:
            jobs.send_operation(connection, key, "s3")

        for name, enqueue, suffix in (
            ("wake to pass", wake, ""),
            ("send to operation", send, "/0/0"),
        ):
            waits = []
            for number in range(ROUNDS):
                arrived.clear()
                key = f"{name[:4]}{number}{suffix}"
                with database.begin() as connection:
                    enqueue(connection, key)
                committed = time.perf_counter()
                assert arrived.wait(10)
                waits.append(begun[key] - committed)
                time.sleep(0.02)  # back to idle: the latency of a lone case, not of a burst
            waits.sort()
            yield f"{name}, p50", waits[len(waits) // 2]
            yield f"{name}, p95", waits[int(len(waits) * 0.95)]


def idle(database: Database) -> Iterator[tuple[str, str]]:
    """Measure a node with nothing to do."""
    with _running(database, print, print):
        time.sleep(2.0)  # past the start
        begun = time.process_time()
        time.sleep(IDLE_SECONDS)
        share = (time.process_time() - begun) / IDLE_SECONDS
        yield f"idle processor, {SYSTEMS} systems", f"{share:8.1%} of one core"
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    resident = int(status["VmRSS"].split()[0]) / 1024
    yield f"resident, {SYSTEMS} systems", f"{resident:8.0f} MB"


def throughput(database: Database) -> Iterator[tuple[str, str]]:
    """Compare operations that write one row per holding with threads that only make the calls."""
    done = threading.Semaphore(0)

    def operation(key: str) -> None:
        for holding in range(HOLDINGS):
            engine.lease.guard()
            database.sure(partial(_mark, key=f"{key}/{holding}"))
            time.sleep(CALL_SECONDS)
        done.release()

    def plain(_number: int) -> None:
        for _ in range(HOLDINGS):
            time.sleep(CALL_SECONDS)

    begun = time.perf_counter()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(plain, range(OPERATIONS)))
    bare = time.perf_counter() - begun

    with _running(database, print, operation) as engine:
        begun, used = time.perf_counter(), time.process_time()
        for number in range(OPERATIONS):
            with database.begin() as connection:
                engine.jobs.send_operation(connection, f"work{number}/0/0", "s0")
        for _ in range(OPERATIONS):
            assert done.acquire(timeout=60)
        durable, used = time.perf_counter() - begun, time.process_time() - used
    yield f"{OPERATIONS} operations x {HOLDINGS} calls", f"{durable / bare:8.2f} x plain threads"
    yield "processor per operation", f"{used / OPERATIONS * 1000:8.1f} ms"


@contextmanager
def _running(
    database: Database, on_case: Callable[[str], None], on_operation: Callable[[str], None]
) -> Iterator[DurableEngine]:
    engine = DurableEngine(
        database,
        EngineSettings(),
        {f"s{number}": SystemLimits(concurrency=CONCURRENCY) for number in range(SYSTEMS)},
        stale_cases=lambda _connection, _older_than: [],
    )
    engine.start(on_case, on_operation)
    try:
        yield engine
    finally:
        engine.stop(timedelta(seconds=5))


def _commit(database: Database, number: int) -> None:
    with database.begin() as connection:
        _mark(connection, f"commit{number}")


def _mark(connection: sa.Connection, key: str) -> None:
    connection.execute(sa.insert(marks).values(key=key, state="calling"))


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _in_a_process(url: str) -> None:
    subprocess.run([sys.executable, __file__, "--measure", url], check=True)


def main(arguments: list[str]) -> None:
    """Measure what was asked for."""
    match arguments:
        case ["--measure", url]:
            measure(url)
        case [url]:
            _in_a_process(url)
        case _:
            with tempfile.TemporaryDirectory() as folder:
                _in_a_process(f"sqlite:///{folder}/bench.db")
            _postgresql()


def _postgresql() -> None:
    from tests.support.peers.postgres import Postgres  # noqa: PLC0415 - only where it is asked for

    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        print("PostgreSQL  not installed here, not measured")
        return
    with tempfile.TemporaryDirectory(prefix="deprovisioner-bench-") as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            _in_a_process(server.database())
        finally:
            server.stop("immediate")


if __name__ == "__main__":
    main(sys.argv[1:])
