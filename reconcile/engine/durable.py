"""The durable engine: our handlers on the library's queues, with a lease of our own.

Made and started by the roof. Truth is in our tables; the library only moves jobs, bounds them per
system and per case, and holds timers. Only this package imports it, and `_wake_pollers` is the only
place that uses something the library does not publish.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from dbos._queue import queue_worker_thread

from reconcile.engine.bell import Bells
from reconcile.engine.housekeeping import Housekeeping, StaleCases
from reconcile.engine.jobs import APPLICATION, CASES, SCHEMA, DurableJobs, open_client, queue_of
from reconcile.engine.lease import NodeLease, leave
from reconcile.engine.port import RECONCILE_CASE, RUN_OPERATION, Jobs, Lease
from reconcile.engine.settings import EngineMisconfigured, EngineSettings, SystemLimits, check
from reconcile.engine.worker import Worker
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseUnavailable, unavailable

_log = structlog.get_logger(__name__)
_VERSION: Final = "stable"
"""Jobs are rows with one string: every release runs every job, so the version never changes."""
_ONE_PER_PROCESS: Final = threading.Lock()
"""The library is a module singleton: a second engine would silently share the first one."""


def utc_now() -> datetime:
    """Return the current instant."""
    return datetime.now(UTC)


def prepare(database: Database) -> None:
    """Create or upgrade the tables of the engine library; does nothing when they are current.

    Called by `DurableEngine.start`. An operator whose daemon may not run DDL calls it out of band
    with a role that may.
    """
    url = database.engine.url
    if database.is_postgresql:
        url = url.set(drivername="postgresql")
    _silence()
    with unavailable():
        DBOS.migrate(url.render_as_string(hide_password=False), schema=SCHEMA)


class DurableEngine:
    """Runs passes and operations durably on this node.

    Construct it without I/O, hand `jobs` and `lease` to the core, then `start` with the handlers
    and `stop` at the end. One per process.
    """

    def __init__(
        self,
        database: Database,
        settings: EngineSettings,
        systems: Mapping[str, SystemLimits],
        *,
        stale_cases: StaleCases,
        now: Callable[[], datetime] = utc_now,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
        evicted: Callable[[], NoReturn] = leave,
    ) -> None:
        """Check the settings against the engine's arithmetic; raises `EngineMisconfigured`."""
        check(settings, systems)
        self._database = database
        self._settings = settings
        self._systems = dict(systems)
        self._now = now
        self._client = open_client(database)
        self._jobs = DurableJobs(self._client, settings)
        self._lease = NodeLease(database, settings, str(new_id()), evicted=evicted)
        self._bells = Bells([CASES, *map(queue_of, systems)])
        self._housekeeping = Housekeeping(
            database,
            settings,
            client=self._client,
            jobs=self._jobs,
            lease=self._lease,
            stale_cases=stale_cases,
            now=now,
        )
        self._stop = threading.Event()
        self._pollers: list[threading.Thread] = []
        self._keepers: list[threading.Thread] = []
        self._worker: Worker | None = None
        self._started = ExitStack()

    @property
    def node(self) -> str:
        """Return the id of this process start; also the library's executor id."""
        return self._lease.node

    @property
    def jobs(self) -> Jobs:
        """Return the port that puts work in motion."""
        return self._jobs

    @property
    def lease(self) -> Lease:
        """Return the port that says whether this process may act."""
        return self._lease

    @property
    def running(self) -> int:
        """Return how many handlers run in this process now."""
        return 0 if self._worker is None else self._worker.running

    def start(self, on_case: Callable[[str], None], on_operation: Callable[[str], None]) -> None:
        """Join the nodes and begin to run jobs; returns at once.

        Handlers run on many threads, may be called again for what they did already (Law 6), and
        end a job by returning. A handler that raises loses its try: see `Jobs.lost_operations`.
        Our own tables must be upgraded before (`store.migrate`).
        """
        if not _ONE_PER_PROCESS.acquire(blocking=False):
            raise EngineMisconfigured("a durable engine runs in this process already")
        worker = Worker(
            self._database,
            self._jobs,
            self._bells,
            on_case=on_case,
            on_operation=on_operation,
            now=self._now,
        )
        with ExitStack() as undo:
            undo.callback(_ONE_PER_PROCESS.release)
            prepare(self._database)
            self._lease.join()
            undo.callback(self._stop.set)
            # From now on: on a slow machine the rest of the start may take longer than a lease.
            self._keepers = [_thread("lease", self._lease.beat_until, self._stop)]
            self._bells.attach(self._database.engine)
            undo.callback(self._bells.detach, self._database.engine)
            undo.callback(DBOS.destroy, destroy_registry=True)
            undo.callback(self._bells.stop)
            with unavailable():
                self._launch(worker)
            if not self._database.is_postgresql:
                self._housekeeping.reap()  # the file is ours, so every other owner is dead
            self._started = undo.pop_all()
        self._worker = worker
        self._keepers.append(_thread("housekeeping", self._housekeeping.keep_until, self._stop))
        _log.info("engine.started", node=self.node, systems=len(self._systems))

    def stop(self, drain: timedelta) -> bool:
        """Take nothing new, wait up to `drain` for what runs, and give the lease back.

        Returns False when something still ran: then no call of it may begin any more, its lease is
        left to run out so that no other node starts the same work beside it, and the caller should
        leave the process with `os._exit`, because the threads of stuck calls cannot be ended.
        """
        if self._worker is None:
            return True
        self._bells.stop()
        self._join(self._pollers)  # what they have claimed must be counted before we wait for it
        drained = self._worker.drain(drain.total_seconds())
        self._lease.refuse()
        self._stop.set()
        if drained:
            self._give_back()
        self._started.close()
        self._join(self._keepers)
        self._client.destroy()
        self._worker = None
        _log.info("engine.stopped", node=self.node, drained=drained)
        return drained

    def set_concurrency(self, system: str, operations: int) -> None:
        """Bound a system to so many operations at once over all nodes; 0 holds it (the breaker).

        Counts from the poll after the next one of each node (a poller reads its queue before it
        waits), and until the next start of any node, which sets the configured value again.
        """
        with unavailable():
            queue = self._client.retrieve_queue(queue_of(system))
            if queue is None:
                raise KeyError(system)
            queue.set_global_concurrency(operations)
        self._bells.by_queue[queue_of(system)].ring()

    def prune(self, older_than: timedelta) -> int:
        """Delete one batch of jobs finished more than `older_than` ago; return how many."""
        return self._housekeeping.prune(older_than)

    def _launch(self, worker: Worker) -> None:
        config = DBOSConfig(
            name=APPLICATION,
            system_database_engine=self._database.engine,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),  # never pickle: see jobs.open_client
            executor_id=self.node,
            application_version=_VERSION,
            run_migrations=False,  # done in `prepare`
            use_listen_notify=False,  # nobody waits for events; saves a connection per node
            notification_listener_polling_interval_sec=0.25,  # how long a stop waits for it
            scheduler_polling_interval_sec=3600.0,  # nothing is scheduled in the library
            enable_otlp=False,
            log_level="CRITICAL",
        )
        _silence()
        instance = DBOS(config=config)
        DBOS.listen_queues([])  # its own pollers stay out: ours can be rung
        self._register(worker)
        DBOS.launch()
        self._register_queues()
        self._wake_pollers(instance)

    def _register(self, worker: Worker) -> None:
        def reconcile_case(case_id: str) -> None:
            worker.reconcile_case(case_id)

        def run_operation(key: str) -> None:
            queue = self._jobs.sent_to(key) or self._queue_of_job(f"op/{key}")
            worker.run_operation(key, queue)

        DBOS.workflow(name=RECONCILE_CASE)(reconcile_case)
        DBOS.workflow(name=RUN_OPERATION)(run_operation)

    def _register_queues(self) -> None:
        poll = self._settings.poll.total_seconds()
        DBOS.register_queue(
            CASES,
            partition_concurrency=1,
            worker_concurrency=self._settings.passes_at_once,
            polling_interval_sec=poll,
            on_conflict="always_update",
        )
        for system, limits in self._systems.items():
            DBOS.register_queue(
                queue_of(system),
                global_concurrency=limits.concurrency,
                polling_interval_sec=poll,
                on_conflict="always_update",
            )

    def _wake_pollers(self, instance: DBOS) -> None:
        """Run the library's poller of each queue with a bell for its stop event.

        The one use of a private name: `queue_worker_thread` waits on the event it is given between
        two polls. Without it an urgent case would wait for polls, or an idle daemon poll all day.
        """
        for name, bell in self._bells.by_queue.items():
            queue = DBOS.retrieve_queue(name)
            if queue is None:
                raise EngineMisconfigured(f"queue {name} was not registered")
            self._pollers.append(_thread(name, queue_worker_thread, bell, instance, queue))

    def _queue_of_job(self, job: str) -> str | None:
        try:
            with unavailable():
                found = self._client.list_workflows(
                    workflow_ids=[job], load_input=False, load_output=False
                )
        except DatabaseUnavailable:
            return None
        return found[0].queue_name if found else None

    def _give_back(self) -> None:
        try:
            self._lease.resign()
        except DatabaseUnavailable:
            _log.warning("engine.lease.not_given_back", node=self.node)  # it runs out by itself

    def _join(self, threads: list[threading.Thread]) -> None:
        """Wait for threads that were told to end; all are daemons, one stuck in I/O is left."""
        patience = self._settings.beat.total_seconds()
        for thread in threads:
            thread.join(timeout=patience)


def _thread(name: str, target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name=f"engine-{name}", daemon=True)
    thread.start()
    return thread


def _silence() -> None:
    """Keep the library's own log away: it would print sentences, addresses and stack traces."""
    logging.getLogger("dbos").setLevel(logging.CRITICAL)
