"""One node of the whole core, as a process that can be told at which instant to die.

Database, durable engine, reconciler, operation runner, desk and publisher as the roof wires them,
over remembered worlds in files that all nodes share. `core_fleet` forks it from a server that has
imported everything once, so that hundreds of nodes can be started and killed.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa
import structlog

from connectors.contract import Credential, Page, Probe, Subject
from connectors.hr.contract import Employment as HrEmployment
from connectors.hr.contract import EmploymentReading, EmploymentStatus, Existence
from connectors.memory import Settings, open_connector
from connectors.vaults.age import new_case_identity
from connectors.vaults.folder import FolderSettings, open_vault
from deprovisioner.publishing import Publisher
from policies.access_end import CivilDates
from policies.load import Source, load, shipped_sources
from policies.model import Policy
from reconcile.desk import Desk
from reconcile.engine.durable import DurableEngine
from reconcile.engine.port import Jobs
from reconcile.engine.settings import EngineSettings, SystemLimits
from reconcile.estate import Estate, Guards, Pace, System, abilities_of
from reconcile.event import Action, Employment, Person, TerminationEvent
from reconcile.evidence.keys import SigningKey
from reconcile.facts import HR
from reconcile.operations.run import Run
from reconcile.operations.runner import OperationRunner
from reconcile.reconciler import Reconciler
from reconcile.store.case_file import Archive, stale_cases
from reconcile.store.case_keys import CaseKeys
from reconcile.store.database import Database
from reconcile.store.evidence_log import EvidenceLog
from reconcile.store.ledger import LedgerRefused, Sequencer
from tests.support.core_scythe import Scythe, WatchedVault

QUICK: Final = """
policy: quick
extends: default
match: subject.employment_id.startsWith("E-")
stages:
  preserve: {at: access_end}
  transfer: {at: access_end}
  revoke: {at: access_end}
"""
"""The shipped policy with no time between its stages: what orders them here are the gates."""

REFUSED: Final = 3
"""Exit code of a node whose ledger was refused at start."""

SUCCESSOR: Final = "S-1"
LATER: Final = "credential.api_token"
"""The kind that the worlds take away only a moment after they were asked."""


@dataclass(frozen=True)
class Keys:
    """What an operator keeps outside the database."""

    sealing: bytes
    signing: str
    escrow: str


@dataclass(frozen=True)
class Options:
    """What the test chooses for one node. `folder` holds all that nodes share beside the rows."""

    url: str
    folder: Path
    keys: Keys
    systems: tuple[str, ...] = ("directory", "forge")
    die_at: int = 0
    """The chance at which the process kills itself; 0 lets it live. See `Scythe`."""
    kinds: frozenset[str] = frozenset({"before", "after", "call", "engine"})
    """What counts as a chance."""
    policy: str = QUICK
    place: str = "first"
    """Where the static files and the anchor lie, below `folder`."""
    lease: float = 3.0
    sweep_after: float = 3.0
    latency: float = 0.0
    """Seconds that every call of a world takes."""
    timeout: float = 0.5
    """Seconds that an answer is waited for."""


class EveryoneLeaves:
    """An HR system in which every E-… employment has ended and everybody else stays."""

    def read(self, employment_id: str) -> EmploymentReading:
        """Answer about one employment."""
        leaves = employment_id.startswith("E-")
        status = EmploymentStatus.TERMINATED if leaves else EmploymentStatus.ACTIVE
        known = HrEmployment(employment_id, status, employee_number=employment_id)
        return EmploymentReading(Existence.EXISTS, utc_now(), known)

    def left_since(self, _day: date) -> Iterator[Page[HrEmployment]]:
        """Nobody is listed: the core never lists."""
        return iter(())

    def probe(self) -> Iterator[Probe]:
        """Nothing to probe."""
        return iter(())

    def close(self) -> None:
        """Nothing to close."""


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


@cache
def policies(text: str) -> tuple[tuple[Source, ...], tuple[Policy, ...]]:
    """The policies of every node and the texts they come from."""
    sources = (*shipped_sources(), Source("quick.yaml", text))
    return sources, load(sources).policies


def world_of(options: Options, system: str) -> Path:
    """Where the world of a system lies."""
    return options.folder / f"{system}.world"


def published_of(options: Options) -> Path:
    """Where the static files of the log lie."""
    return options.folder / options.place


def anchor_of(options: Options) -> Path:
    """Where the newest checkpoint is kept beside them."""
    return options.folder / f"{options.place}.anchor"


def _system(options: Options, name: str) -> System:
    settings = Settings(
        path=world_of(options, name),
        latency=timedelta(seconds=options.latency),
        timeout=timedelta(seconds=options.timeout),
        page_size=3,
        asynchronous=(LATER,),
        asynchronous_after=timedelta(milliseconds=200),
    )

    def connect(credential: Credential) -> Any:
        return open_connector(name, settings, credential, utc_now)

    connector = connect(Credential.ACT)
    return System(name, connect, connector.card(), abilities_of(connector))


def make_estate(options: Options, scythe: Scythe | None = None) -> Estate:
    """Configure everything; times are short, the guards of number are wide."""
    sources, loaded = policies(options.policy)
    escrow = options.keys.escrow
    vault = open_vault(FolderSettings(path=options.folder / "vault", escrow=(escrow,)), utc_now)
    return Estate(
        systems={name: _system(options, name) for name in options.systems},
        policies=loaded,
        policy_sources=sources,
        clock=utc_now,
        token_bytes=os.urandom,
        new_id=lambda: uuid4().hex,
        hr=EveryoneLeaves(),
        vault=WatchedVault(vault, scythe) if scythe else vault,
        make_identity=lambda: new_case_identity([escrow]),
        guards=Guards(people_per_window=10_000),
        pace=Pace(
            budget=timedelta(seconds=15),
            backoff=timedelta(milliseconds=100),
            backoff_cap=timedelta(seconds=1),
            give_up=1000,
            max_starts=1000,
            breaker_after=5,
            breaker_rest=timedelta(milliseconds=500),
            verify_gap=timedelta(0),  # the engine library looks at its timers once a second
        ),
    )


def make_archive(options: Options) -> Archive:
    """Open the evidence with the operator's keys."""
    keys = CaseKeys(options.keys.sealing, utc_now, os.urandom)
    return Archive(EvidenceLog(keys, os.urandom), keys, os.urandom)


def make_sequencer(options: Options, database: Database) -> Sequencer:
    """Make a sequencer over the shared folder and the anchor beside it."""
    signer = SigningKey.decode(options.keys.signing)
    return Sequencer(database, signer, utc_now, published_of(options), anchor_of(options))


def make_desk(options: Options, database: Database, estate: Estate, jobs: Jobs) -> Desk:
    """Make the desk over the given jobs."""
    verifier = SigningKey.decode(options.keys.signing).verifier
    return Desk(database, estate, jobs, make_archive(options), verifier)


def event_about(number: int) -> TerminationEvent:
    """The event of HR about one leaver: always the same for the same number."""
    employment = f"E-{number}"
    subject = Subject(employment, employee_number=employment, names=(f"Leaver {number}",))
    return TerminationEvent(
        event_id=f"event-{number}",
        action=Action.IMMEDIATE,
        person=Person(
            subject=subject,
            employment=Employment(),
            dates=CivilDates(last_working_day=date(2026, 11, 24), time_zone="Asia/Shanghai"),
            successor=SUCCESSOR,
        ),
        pointer=False,
        source="test",
        received_at=utc_now(),
    )


@dataclass
class Logged(OperationRunner):
    """Writes when each try of an operation begins and ends, to the log that all nodes share."""

    runs: int = -1

    def _run(self, run: Run) -> Run | None:
        begin = f"{os.getpid()} {threading.get_ident()} {run.key}\n"
        os.write(self.runs, f"begin {time.time():.6f} {begin}".encode())
        try:
            return super()._run(run)
        finally:
            os.write(self.runs, f"end {time.time():.6f} {begin}".encode())


class Node:
    """Everything of one node, wired."""

    def __init__(self, options: Options) -> None:
        self.scythe = Scythe(options.die_at, options.kinds, options.folder / "deaths")
        self._runs = os.open(options.folder / "runs", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self.database = Database.open(options.url)
        self.scythe.watch_commits(self.database.engine)
        self.scythe.watch_worlds()
        estate = make_estate(options, self.scythe)
        systems = {name: SystemLimits(concurrency=4) for name in (*options.systems, HR)}
        self.engine = DurableEngine(
            self.database, _settings(options), systems, stale_cases=self._stale
        )
        archive, jobs = make_archive(options), self.engine.jobs
        self.reconciler = Reconciler(self.database, estate, jobs, archive)
        self.runner = Logged(self.database, estate, jobs, archive, self.engine.lease)
        self.runner.runs = self._runs
        self.desk = make_desk(options, self.database, estate, jobs)
        self.sequencer = make_sequencer(options, self.database)
        self.publisher = Publisher(
            self.database, self.sequencer, jobs,
            clock=utc_now, every=timedelta(seconds=0.2), heartbeat=timedelta(seconds=60),
        )  # fmt: skip

    def _stale(self, connection: sa.Connection, older_than: timedelta) -> Iterable[str]:
        before: Any = self.database.now() - older_than.total_seconds()
        return stale_cases(connection, before)

    def start(self) -> None:
        """Compare the anchor, then run, in the daemon's order."""
        self.sequencer.check_anchor()
        self.engine.start(self.reconciler.reconcile, self.runner.run)
        self.publisher.start()

    def obey(self, command: str, argument: Any) -> object:
        """Do what the test says."""
        commands: dict[str, Callable[[], object]] = {
            "receive": lambda: self._receive(argument),
            "backup": lambda: self.database.backup(argument),
            "chances": lambda: self.scythe.count,
            "refused": lambda: self.publisher.refused,
        }
        return commands[command]()

    def _receive(self, number: int) -> str | None:
        raw = f'{{"event": {number}}}'.encode()
        return self.desk.receive(event_about(number), raw=raw, principal="hr").case_id

    def stop(self) -> bool:
        """Drain as the daemon does."""
        drained = self.engine.stop(timedelta(seconds=10))
        self.publisher.stop()
        self.database.close()
        return drained


def _settings(options: Options) -> EngineSettings:
    return EngineSettings(
        lease=timedelta(seconds=options.lease),
        call_timeout=timedelta(seconds=options.lease / 4),
        operation_budget=timedelta(seconds=15),
        record_room=timedelta(seconds=15),
        operation_timeout=timedelta(seconds=60),
        pass_timeout=timedelta(seconds=20),
        poll=timedelta(seconds=min(0.3, options.lease / 4)),
        sweep_after=timedelta(seconds=options.sweep_after),
    )


def main(options: Options, commands: Connection) -> None:
    """Run the node until it is told to stop, or killed. Leaves without cleaning up after itself."""
    errors = (options.folder / "errors").open("a", buffering=1)
    sys.stdout = sys.stderr = errors
    structlog.configure(
        logger_factory=structlog.WriteLoggerFactory(errors), cache_logger_on_first_use=True
    )
    node = Node(options)
    try:
        node.start()
    except LedgerRefused:
        os._exit(REFUSED)
    commands.send("up")
    while True:
        command, argument = commands.recv()
        if command == "stop":
            break
        commands.send(node.obey(command, argument))
    drained = node.stop()
    commands.send(drained)
    os._exit(0 if drained else 1)
