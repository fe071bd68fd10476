"""A whole daemon over remembered systems, and leavers for it: what the benchmarks of cases share.

Used by ``bench_containment`` and ``bench_throughput``. The daemon is the real one (database,
durable engine, reconciler, runner, publisher, doors); only the outside systems and HR are pretend,
so that their time is known: every call of a system takes ``CALL_SECONDS`` and is written down.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog

from config.settings import Guards, Pace, System
from connectors.contract import Kind, Page, Probe, Subject
from connectors.hr.contract import Employment as HrEmployment
from connectors.hr.contract import EmploymentReading, EmploymentStatus, Existence
from connectors.memory import MemoryWorld, Settings
from connectors.memory.records import CallLine
from deprovisioner.daemon import Daemon
from deprovisioner.wiring import House, open_house, utc_now
from policies.access_end import CivilDates
from reconcile.event import Action, Employment, Person, TerminationEvent
from reconcile.facts import OperationState, Step
from reconcile.store.schema import cases, operations
from tests.support.house_rig import database_at, settings_for, vault_in

CALL_SECONDS: Final = 0.02
CONCURRENCY: Final = 4
_DRAIN: Final = timedelta(seconds=60)

_POLICY: Final = """
policy: at-once
extends: default
match: subject.employment_id.startsWith("E-")
stages:
  preserve: {at: access_end}
  transfer: {at: access_end, to: [successor]}
  revoke: {at: access_end}
"""
"""The shipped policy with no time between its stages: what orders them here are the gates."""


class EveryoneLeaves:
    """An HR system in which every E-... employment has ended; answers at once."""

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


@dataclass(frozen=True)
class Company:
    """A running daemon and the worlds it speaks to, by system."""

    house: House
    daemon: Daemon
    worlds: dict[str, MemoryWorld]

    def receive(self, number: int) -> str:
        """Let leaver ``number`` be reported as HR's webhook would; return the case."""
        raw = f'{{"leaver": {number}}}'.encode()
        receipt = self.house.desk.receive(event_about(number), raw=raw, principal="bench")
        assert receipt.case_id is not None
        return receipt.case_id

    def wait_closed(self, case_ids: Collection[str], seconds: float) -> None:
        """Wait until these cases are closed, each under its signed checkpoint."""
        query = sa.select(cases.c.id).where(cases.c.closed_at.is_not(None))
        deadline = time.monotonic() + seconds
        missing = set(case_ids)
        while missing:
            assert time.monotonic() < deadline, f"{len(missing)} cases are still open"
            time.sleep(0.5)
            with self.house.database.connect() as connection:
                missing.difference_update(connection.scalars(query))

    def wait_idle(self, seconds: float) -> None:
        """Wait until no operation is left to do but what is due in ninety days."""
        todo = sa.and_(
            operations.c.state == OperationState.TODO.value,
            operations.c.stage != Step.DESTROY.value,
        )
        query = sa.select(sa.func.count()).select_from(operations).where(todo)
        deadline = time.monotonic() + seconds
        while True:
            with self.house.database.connect() as connection:
                if not connection.scalar(query):
                    return
            assert time.monotonic() < deadline, "the daemon did not come to rest"
            time.sleep(0.2)


@contextmanager
def running_company(folder: Path, url: str, systems: Sequence[str]) -> Iterator[Company]:
    """Open a daemon over an empty database; quiet, because logs are not what is measured."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    worlds = {name: MemoryWorld() for name in systems}
    for name, world in worlds.items():
        MemoryWorld.register(name, world)
    (folder / "policies").mkdir(parents=True)
    (folder / "policies" / "at-once.yaml").write_text(_POLICY, "utf-8")
    settings = settings_for(
        folder,
        database=database_at(url),
        policies=folder / "policies",
        vault=vault_in(folder),
        systems={name: _system(name) for name in systems},
        guards=Guards(people_per_window=1_000_000),
        pace=Pace(verify_gap=timedelta(milliseconds=100)),
    )
    every = {"publish_every": timedelta(seconds=1)}  # the tests' 0.1 s would be most of the work
    evidence = settings.evidence.model_copy(update=every)
    with open_house(settings.model_copy(update={"evidence": evidence})) as house:
        house.estate = replace(house.estate, hr=EveryoneLeaves())
        house.desk.estate = house.estate
        daemon = Daemon(house)
        daemon.start()
        try:
            yield Company(house, daemon, worlds)
        finally:
            daemon.stop(_DRAIN)
    for name in worlds:
        MemoryWorld.forget(name)


def _system(world: str) -> System:
    settings = Settings(world=world, latency=timedelta(seconds=CALL_SECONDS))
    return System(type="memory", settings=settings, concurrency=CONCURRENCY)


def hire(world: MemoryWorld, number: int) -> tuple[str, str]:
    """Give leaver ``number`` an account and 19 more holdings, and a successor of their own.

    Returns the native ids of both accounts. With one successor for everybody, each survey of that
    one would read what all leavers have handed over.
    """
    successor = world.add_person(f"successor{number}", employee_number=successor_of(number))
    leaver = world.add_person(f"leaver{number}", employee_number=f"E-{number}", secret="s")
    world.give(leaver, Kind("session"))
    for _ in range(2):
        world.give(leaver, Kind("credential.ssh_key"))
        world.give(leaver, Kind("credential.api_token"))
    for group in range(10):
        _share(world, leaver, successor, "grant.group", f"group-{number}-{group}")
    for team in range(2):
        world.give(leaver, Kind("ownership.group"), native_id=f"team-{number}-{team}")
    world.give(leaver, Kind("data.home"), content=b"notes" * 200)
    return leaver, successor


def _share(world: MemoryWorld, one: str, other: str, kind: str, native_id: str) -> None:
    world.give(one, Kind(kind), native_id=native_id)
    world.give(other, Kind(kind), native_id=native_id)


def successor_of(number: int) -> str:
    """The employment that takes over from leaver ``number``."""
    return f"S-{number}"


def subject_of(number: int) -> Subject:
    """What HR knows about leaver ``number``."""
    return Subject(f"E-{number}", employee_number=f"E-{number}")


def event_about(number: int) -> TerminationEvent:
    """Leaver ``number`` goes at once."""
    return TerminationEvent(
        event_id=f"event-{number}",
        action=Action.IMMEDIATE,
        person=Person(
            subject=subject_of(number),
            employment=Employment(),
            dates=CivilDates(last_working_day=date(2026, 11, 24), time_zone="Asia/Shanghai"),
            successor=successor_of(number),
        ),
        pointer=False,
        source="bench",
        received_at=utc_now(),
    )


@dataclass(frozen=True)
class Call:
    """One finished call of a system, on the wall clock."""

    operation: str
    account_id: str
    thread: int
    holdings: tuple[str, ...]
    begun: float
    ended: float


def finished_calls(lines: Sequence[CallLine]) -> list[Call]:
    """Join the two ends of each call, in order of their begin."""
    begun = {line.call: line for line in lines if line.phase == "start"}
    ended = {line.call: line.at for line in lines if line.phase == "end"}
    return [
        Call(
            operation=line.operation,
            account_id=line.account_id,
            thread=line.thread,
            holdings=line.holding_keys,
            begun=line.at,
            ended=ended[name],
        )
        for name, line in begun.items()
        if name in ended
    ]


def kind_of_database(url: str) -> str:
    """Name the kind of a database as tables print it."""
    return "SQLite" if url.startswith("sqlite") else "PostgreSQL"


def on_each_database(script: str, arguments: Sequence[str] = ()) -> None:
    """Run ``script --measure URL`` once for each database, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="deprovisioner-bench-") as folder:
        _measure(script, f"sqlite:///{folder}/bench.db", arguments)
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        print("PostgreSQL  not installed here, not measured")
        return
    from tests.support.peers.postgres import Postgres  # noqa: PLC0415 - only where it is there

    with tempfile.TemporaryDirectory(prefix="deprovisioner-bench-") as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            _measure(script, server.database(), arguments)
        finally:
            server.stop("immediate")


def _measure(script: str, url: str, arguments: Sequence[str]) -> None:
    subprocess.run([sys.executable, script, "--measure", url, *arguments], check=True)
