"""A whole reconcile core over the memory connector, on a clock that tests turn by hand.

No threads and no durable queue: :class:`QueueInHand` keeps jobs in lists, :meth:`Scenario.settle`
runs them until nothing is due, turning the clock to the next instant somebody waits for. What a
test sees is the same rows, evidence and world that the daemon would leave.
"""

from __future__ import annotations

import itertools
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyrage

from connectors.contract import Credential, Kind, Page, Probe, Subject
from connectors.hr.contract import Employment as HrEmployment
from connectors.hr.contract import EmploymentReading, EmploymentStatus, Existence
from connectors.memory import MemoryWorld, Settings
from connectors.memory.connector import MemoryConnector
from connectors.vaults.age import new_case_identity
from connectors.vaults.folder import FolderSettings, open_vault
from policies.access_end import CivilDates
from policies.load import load, shipped_sources
from reconcile.desk import Desk
from reconcile.engine.port import Deadline
from reconcile.estate import Estate, Guards, Pace, System, abilities_of
from reconcile.event import Action, Employment, Person, TerminationEvent
from reconcile.evidence.keys import SigningKey
from reconcile.operations.runner import OperationRunner
from reconcile.reconciler import Reconciler
from reconcile.store.case_file import Archive, closing_cases
from reconcile.store.case_keys import CaseKeys
from reconcile.store.database import Database
from reconcile.store.evidence_log import EvidenceLog
from reconcile.store.guard_rows import ensure_switches
from reconcile.store.ledger import Sequencer
from reconcile.store.metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    import sqlalchemy as sa

    from policies.load import Source
    from reconcile.views import CaseView

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@dataclass
class TurnedClock:
    """A clock that stands until a test turns it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now

    def turn(self, by: timedelta) -> None:
        """Go forward."""
        self.now += by


@dataclass
class QueueInHand:
    """The Jobs port in lists. Jobs of a transaction that rolls back are harmless wakes."""

    wakes: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    served: set[tuple[str, str]] = field(default_factory=set)
    operations: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    def wake(
        self, _connection: sa.Connection, case_id: str, reason: str, at: datetime | None = None
    ) -> None:
        """Remember to look at a case; the same reason twice is one wake."""
        if (case_id, reason) not in self.served:
            self.wakes.setdefault((case_id, reason), at)

    def send_operation(
        self, _connection: sa.Connection, key: str, _system: str, *, urgent: bool = False
    ) -> None:
        """Queue a try once, urgent ones first."""
        if key not in self.known:
            self.known.add(key)
            self.operations.insert(0 if urgent else len(self.operations), key)

    def lost_operations(self, keys: Collection[str]) -> frozenset[str]:
        """Tell which jobs ended without their end."""
        return frozenset(keys) & self.lost


@dataclass
class HrInHand:
    """An HR system whose answers a test sets; ``blind`` makes it unable to see."""

    clock: TurnedClock
    people: dict[str, HrEmployment] = field(default_factory=dict)
    blind: str = ""
    asked: int = 0

    def read(self, employment_id: str) -> EmploymentReading:
        """Answer about one employment."""
        self.asked += 1
        if self.blind:
            return EmploymentReading(Existence.BLIND, self.clock(), blind=self.blind)
        known = self.people.get(employment_id)
        existence = Existence.EXISTS if known else Existence.DOES_NOT_EXIST
        return EmploymentReading(existence, self.clock(), known)

    def left_since(self, _day: date) -> Iterator[Page[HrEmployment]]:
        """Nobody is listed: the core never lists."""
        return iter(())

    def probe(self) -> Iterator[Probe]:
        """Nothing to probe."""
        return iter(())

    def close(self) -> None:
        """Nothing to close."""

    def employ(self, employment_id: str, status: EmploymentStatus, **values: Any) -> None:
        """Set what HR says of an employment."""
        self.people[employment_id] = HrEmployment(employment_id, status, **values)


class LeaseInHand:
    """A lease that is always ours."""

    def guard(self) -> None:
        """Allow the call."""

    def deadline(self) -> Deadline:
        """Give an hour."""
        return Deadline.after(timedelta(hours=1))


@dataclass
class Scenario:
    """Everything a test of the core needs."""

    database: Database
    clock: TurnedClock
    world: MemoryWorld
    estate: Estate
    jobs: QueueInHand
    archive: Archive
    desk: Desk
    sequencer: Sequencer
    world_name: str
    counter: Iterator[int] = field(default_factory=itertools.count)

    @property
    def hr(self) -> HrInHand:
        """Return the HR system of a scenario that has one."""
        assert isinstance(self.estate.hr, HrInHand)
        return self.estate.hr

    @property
    def reconciler(self) -> Reconciler:
        """Make the pass over the present estate."""
        return Reconciler(self.database, self.estate, self.jobs, self.archive)

    @property
    def runner(self) -> OperationRunner:
        """Make the runner over the present estate."""
        return OperationRunner(self.database, self.estate, self.jobs, self.archive, LeaseInHand())

    def change_estate(self, **values: Any) -> None:
        """Configure something anew."""
        self.estate = replace(self.estate, **values)
        self.desk.estate = self.estate

    def connect_through(self, make: type[MemoryConnector]) -> None:
        """Speak to the same world through another connector: one with a gap, or one that lies."""
        system = memory_system("directory", self.world_name, self.clock, make)
        self.change_estate(systems={"directory": system})

    def receive(self, action: Action = Action.IMMEDIATE, **values: Any) -> str:
        """Send an event about the leaver; returns the id of the case."""
        event = self.event(action, **values)
        receipt = self.desk.receive(event, raw=b"{}", principal="hr")
        return receipt.case_id or ""

    def event(
        self,
        action: Action,
        *,
        employment: str = "E-1042",
        number: str = "1042",
        last_day: date | None = None,
        revision: int = 0,
        successor: str = "E-1007",
        event_id: str = "",
        **person: Any,
    ) -> TerminationEvent:
        """Make an event about one employment."""
        return TerminationEvent(
            event_id=event_id or f"event-{next(self.counter):04d}",
            action=action,
            person=Person(
                subject=Subject(employment, employee_number=number, names=("Lea Ver",)),
                employment=Employment(manager="E-1001"),
                dates=CivilDates(last_working_day=last_day, time_zone="Asia/Shanghai"),
                successor=successor,
                chain=(Subject(successor, employee_number=successor[2:]),) if successor else (),
                **person,
            ),
            pointer=False,
            source="test",
            received_at=self.clock(),
            revision=revision,
        )

    def settle(self, *, until: datetime | None = None, rounds: int = 2000) -> None:
        """Run all that is due; with ``until`` turn the clock towards it from wait to wait."""
        for _ in range(rounds):
            if self.step():
                continue
            upcoming = [at for at in self.jobs.wakes.values() if at and at > self.clock()]
            if until is None or not upcoming or min(upcoming) > until:
                self.clock.now = max(self.clock(), until or self.clock())
                return
            self.clock.now = min(upcoming)
        message = "the core did not come to rest"
        raise AssertionError(message)

    def step(self) -> bool:
        """Run one due job; False when there is none."""
        if self.jobs.operations:
            self.runner.run(self.jobs.operations.pop(0))
            return True
        due = [key for key, at in self.jobs.wakes.items() if at is None or at <= self.clock()]
        if due:
            del self.jobs.wakes[due[0]]
            self.jobs.served.add(due[0])
            self.reconciler.reconcile(due[0][0])
            return True
        return self.publish()

    def publish(self) -> bool:
        """Sequence and publish evidence; wakes cases that wait for it."""
        moved = self.sequencer.integrate(1000)
        self.sequencer.publish()
        with self.database.connect() as connection:
            closing = closing_cases(connection)
        for case_id in closing if moved else ():
            self.jobs.wakes[case_id, f"published/{next(self.counter)}"] = None
        return bool(moved)

    def finish(self, case_id: str) -> CaseView:
        """Let a case that is due run to its end; a person says that the employment ends."""
        self.settle(until=self.clock() + timedelta(minutes=10))
        self.answer_all(case_id, confirm_termination="ends", duty="done")
        self.settle(until=self.clock() + timedelta(hours=3))
        return self.desk.case(case_id)

    def account_state(self, account_id: str) -> str:
        """Say whether somebody can sign in with an account: live, contained, or gone."""
        row: Any = self.world.state(account_id).get(f"account.person|{account_id}")
        return str(row["state"]) if row else "gone"

    def awaken(self, account_id: str) -> None:
        """Let an administrator switch on everything of an account, behind our back."""
        with self.world.writing() as world:
            world.execute("UPDATE holdings SET state = 'live' WHERE account_id = ?", (account_id,))

    def number(self, account_id: str, employee_number: str) -> None:
        """Let the directory learn an account's HR number."""
        with self.world.writing() as world:
            world.execute(
                "INSERT INTO matches VALUES (?, 'employee_number', ?)",
                (account_id, employee_number),
            )

    def open_questions(self, case_id: str) -> list[str]:
        """List the kinds of what waits for a person."""
        return [each.kind for each in self.desk.case(case_id).questions if not each.answer]

    def standing_holds(self, case_id: str) -> list[str]:
        """List the kinds of the holds that nobody has released."""
        return [each.kind for each in self.desk.case(case_id).holds if not each.released]

    def release_all(self, case_id: str, *people: str) -> None:
        """Let these people release every standing hold, seeing the present plan."""
        for person in people:
            view = self.desk.case(case_id)
            for hold in view.holds:
                if not hold.released:
                    self.desk.release(case_id, hold.id, view.plan_hash, principal=person)

    def answer_all(self, case_id: str, **said: str) -> None:
        """Answer every open question, by its kind."""
        for question in self.desk.case(case_id).questions:
            if not question.answer and question.kind in said:
                self.desk.answer(case_id, question.id, said[question.kind], principal="pat")


def memory_system(
    name: str,
    world_name: str,
    clock: TurnedClock,
    make: type[MemoryConnector] = MemoryConnector,
    **settings: Any,
) -> System:
    """Configure a memory world as a system, spoken to through connectors of class ``make``."""
    configured = Settings(world=world_name, **settings)

    def connect(credential: Credential) -> Any:
        return make(name, configured, credential, clock)

    connector = connect(Credential.ACT)
    return System(name, connect, connector.card(), abilities_of(connector))


@contextmanager
def scenario(
    folder: Path,
    *,
    with_hr: bool = False,
    guards: Guards | None = None,
    policy_texts: Sequence[Source] = (),
    url: str = "",
    **settings: Any,
) -> Iterator[Scenario]:
    """Set up a core over one memory world called ``directory``."""
    clock = TurnedClock()
    database = Database.open(url or f"sqlite:///{folder / 'core.db'}")
    metadata.create_all(database.engine)
    world_name = str(folder)
    world = MemoryWorld(clock=clock, pause=lambda _seconds: None)
    MemoryWorld.register(world_name, world)
    sources = (*shipped_sources(), *policy_texts)
    counter = itertools.count(1)
    escrow = str(pyrage.x25519.Identity.generate().to_public())
    estate = Estate(
        systems={"directory": memory_system("directory", world_name, clock, **settings)},
        policies=load(sources).policies,
        policy_sources=sources,
        clock=clock,
        token_bytes=secrets.token_bytes,
        new_id=lambda: f"id{next(counter):030d}",
        hr=HrInHand(clock) if with_hr else None,
        vault=open_vault(FolderSettings(path=folder / "vault", escrow=(escrow,)), clock),
        make_identity=lambda: new_case_identity([escrow]),
        guards=guards or Guards(),
        pace=Pace(),
    )
    keys = CaseKeys(secrets.token_bytes(32), clock, secrets.token_bytes)
    archive = Archive(EvidenceLog(keys, secrets.token_bytes), keys, secrets.token_bytes)
    signer = SigningKey.generate("evidence.example.com/test", secrets.token_bytes)
    jobs = QueueInHand()
    with database.begin() as connection:
        ensure_switches(connection, clock())
    desk = Desk(database, estate, jobs, archive, signer.verifier)
    sequencer = Sequencer(database, signer, clock, folder / "published", folder / "anchor")
    try:
        yield Scenario(database, clock, world, estate, jobs, archive, desk, sequencer, world_name)
    finally:
        database.close()
        MemoryWorld.forget(world_name)


def hire(world: MemoryWorld) -> tuple[str, str]:
    """Let the leaver and the successor have accounts; returns both native ids."""
    leaver = world.add_person(
        "lver", employee_number="1042", names=["Lea Ver"], secret="scrambled-before"
    )
    successor = world.add_person("sue", employee_number="1007", names=["Sue Cessor"])
    world.give(leaver, Kind("credential.ssh_key"), label="laptop")
    world.give(leaver, Kind("grant.group"), native_id="g-dev", label="developers")
    world.give(successor, Kind("grant.group"), native_id="g-dev", label="developers")
    world.give(leaver, Kind("grant.group"), native_id="g-lone", label="lonely group")
    world.give(leaver, Kind("ownership.group"), native_id="o-team", label="the team")
    world.give(leaver, Kind("data.home"), label="home", content=b"notes")
    return leaver, successor
