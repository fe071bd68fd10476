"""Puts the two durable jobs into the queue tables, inside the caller's transaction.

`DurableJobs` is the port that a running engine hands out; `DetachedJobs` is the same for a process
that only writes rows (a command line without a daemon, a test of the core). Neither runs anything.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions

from reconcile.engine.bell import ring_after
from reconcile.engine.port import RECONCILE_CASE, RUN_OPERATION
from reconcile.engine.settings import EngineSettings
from reconcile.store.database import Database
from reconcile.store.errors import unavailable

APPLICATION: Final = "deprovisioner"
SCHEMA: Final = "dbos"
"""PostgreSQL schema of the library's tables; on SQLite they stand beside ours."""
CASES: Final = "cases"
ENDED_SHORT: Final = ["CANCELLED", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
FINISHED: Final = ["SUCCESS", *ENDED_SHORT]
_REMEMBERED: Final = 10_000
_URGENT: Final = 1
_ORDINARY: Final = 10
"""Priorities of the library: the smaller number goes first."""


def queue_of(system: str) -> str:
    """Return the name of the queue that bounds one outside system."""
    return f"sys-{system}"


def open_client(database: Database) -> DBOSClient:
    """Return a client on our pool that raises, instead of waiting, when the database is away."""
    return DBOSClient(
        system_database_engine=database.engine,
        dbos_system_schema=SCHEMA,
        # The library's default is pickle: whoever can write the table would run code in a daemon
        # that may disable everybody's account.
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        lazy=True,
        retry_connection_errors=False,
    )


class DurableJobs:
    """`Jobs` over the library's transactional enqueue."""

    def __init__(self, client: DBOSClient, settings: EngineSettings) -> None:
        self._client = client
        self._settings = settings
        self._sent: OrderedDict[str, str] = OrderedDict()

    def sent_to(self, key: str) -> str | None:
        """Return the queue of an operation that this process sent lately; spares a look-up."""
        return self._sent.get(key)

    def wake(
        self, connection: sa.Connection, case_id: str, reason: str, at: datetime | None = None
    ) -> None:
        """Have the case looked at; an instant to come makes a row that waits, not a thread."""
        options = EnqueueOptions(
            workflow_name=RECONCILE_CASE,
            queue_name=CASES,
            workflow_id=f"case/{case_id}/{reason}",
            queue_partition_key=case_id,  # one pass of a case at a time, over all nodes
            workflow_timeout=self._settings.pass_timeout.total_seconds(),
        )
        # The library adds the delay to this same clock, so only the instant itself is stored.
        if at is not None and (delay := at.timestamp() - time.time()) > 0:
            options["delay_seconds"] = delay
        self._enqueue(connection, options, case_id)

    def send_operation(
        self, connection: sa.Connection, key: str, system: str, *, urgent: bool = False
    ) -> None:
        """Have one try of an operation run, on the queue that bounds its system."""
        options = EnqueueOptions(
            workflow_name=RUN_OPERATION,
            queue_name=queue_of(system),
            workflow_id=f"op/{key}",
            priority=_URGENT if urgent else _ORDINARY,
            workflow_timeout=self._settings.operation_timeout.total_seconds(),
        )
        self._enqueue(connection, options, key)
        self._sent[key] = options["queue_name"]
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)

    def lost_operations(self, keys: Collection[str]) -> frozenset[str]:
        """Return those keys whose job ended short. Reads committed rows only.

        Asks by id: by case the library would read its whole table, days of finished jobs.
        """
        if not keys:
            return frozenset()
        jobs = [f"op/{key}" for key in sorted(keys)]
        with unavailable():
            ended = self._client.list_workflows(
                workflow_ids=jobs, status=ENDED_SHORT, load_input=False, load_output=False
            )
        return frozenset(job.workflow_id.removeprefix("op/") for job in ended)

    def _enqueue(self, connection: sa.Connection, options: EnqueueOptions, argument: str) -> None:
        self._client.enqueue_in_transaction(connection, options, argument)
        ring_after(connection, options["queue_name"])


class DetachedJobs:
    """`Jobs` for a process without an engine.

    Where no engine has prepared the tables yet it writes nothing: the sweep of the first daemon
    finds the open case in our rows, at most `sweep_after` later.
    """

    def __init__(self, database: Database, settings: EngineSettings | None = None) -> None:
        self._database = database
        self._jobs = DurableJobs(open_client(database), settings or EngineSettings())
        self._prepared = False

    def wake(
        self, connection: sa.Connection, case_id: str, reason: str, at: datetime | None = None
    ) -> None:
        """Have the case looked at by whichever daemon runs, or comes."""
        if self._is_prepared(connection):
            self._jobs.wake(connection, case_id, reason, at)

    def send_operation(
        self, connection: sa.Connection, key: str, system: str, *, urgent: bool = False
    ) -> None:
        """Have one try run by whichever daemon runs, or comes."""
        if self._is_prepared(connection):
            self._jobs.send_operation(connection, key, system, urgent=urgent)

    def lost_operations(self, keys: Collection[str]) -> frozenset[str]:
        """Return those keys whose job ended short; none where no engine ever ran."""
        with self._database.connect() as connection:
            if not self._is_prepared(connection):
                return frozenset()
        return self._jobs.lost_operations(keys)

    def _is_prepared(self, connection: sa.Connection) -> bool:
        if not self._prepared:
            schema = SCHEMA if self._database.is_postgresql else None
            self._prepared = sa.inspect(connection).has_table("workflow_status", schema=schema)
        return self._prepared


def finished_before(client: DBOSClient, age: timedelta, now: datetime, most: int) -> list[str]:
    """Return ids of at most `most` jobs that finished more than `age` before `now`."""
    jobs = client.list_workflows(
        status=FINISHED,
        completed_before=(now - age).isoformat(),
        limit=most,
        load_input=False,
        load_output=False,
    )
    return [job.workflow_id for job in jobs]
