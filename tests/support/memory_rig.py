"""A furnished remembered world, as the conformance suite wants it brought: a rig.

For tests of the suite itself and of whatever needs one leaver with a bit of everything.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import ClassVar

from connectors.conformance import Rig, Situation
from connectors.contract import (
    Connector,
    Credential,
    Holding,
    Json,
    Kind,
    Subject,
)
from connectors.memory import Injection, MemoryConnector, MemoryWorld, Settings, Trouble

START = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
TIMEOUT = timedelta(seconds=5)
REALLY_WAITED = timedelta(milliseconds=5)
INJECTED = {
    Situation.CANARY_HIDDEN: Injection(Trouble.CANARY_HIDDEN),
    Situation.TARGET_HIDDEN: Injection(Trouble.TARGET_HIDDEN),
    Situation.TRUNCATED: Injection(Trouble.TRUNCATED),
    Situation.UNREACHABLE: Injection(Trouble.TRANSIENT),
    Situation.SLOW: Injection(Trouble.SLOW, seconds=60),
    Situation.THROTTLED: Injection(Trouble.TRANSIENT, seconds=17),
    Situation.DENIED: Injection(Trouble.UNAUTHORISED),
    Situation.GARBLED: Injection(Trouble.MALFORMED),
    Situation.SILENT: Injection(Trouble.SILENT),
}


@dataclass
class Clock:
    """A clock that a test turns."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class MemoryRig:
    """One leaver with a bit of everything, a successor, and colleagues."""

    world: MemoryWorld
    path: Path | None
    clock: Clock
    connector_class: type[MemoryConnector]
    leaver: str = ""
    colleagues: list[str] = field(default_factory=list)

    subject = Subject(
        employment_id="E-1042",
        employee_number="001042",
        names=("Zhao Qingping",),
        logins=("qzhao",),
        emails=("qingping.zhao@example.com",),
    )
    successor = Subject(employment_id="E-1043", employee_number="001043")
    stranger = Subject(employment_id="E-9999", employee_number="009999", logins=("nobody",))
    unsupported: ClassVar[Mapping[Situation, str]] = {}

    def furnish(self) -> None:
        """Put the people and their things there."""
        world = self.world
        self.leaver = world.add_person(
            "qzhao",
            employee_number="001042",
            names=("Zhao Qingping",),
            emails=("qingping.zhao@example.com",),
            secret="{SSHA}invented",
        )
        successor = world.add_person("lwei", employee_number="001043", names=("Wei Lan",))
        colleague = world.add_person("mchen", employee_number="001044", names=("Chen Min",))
        self.colleagues = [colleague]
        team = world.give(self.leaver, Kind("grant.group"), label="platform")
        world.give(colleague, Kind("grant.group"), native_id=team, label="platform")
        world.give(self.leaver, Kind("grant.group"), label="last one in here")
        world.give(self.leaver, Kind("ownership.project"), label="payroll")
        shared = world.give(self.leaver, Kind("ownership.group"), label="reviewers")
        world.give(successor, Kind("ownership.group"), native_id=shared, label="reviewers")
        world.give(
            self.leaver, Kind("credential.ssh_key"), label="laptop", secret="ssh-ed25519 AAA"
        )
        world.give(self.leaver, Kind("session"), label="browser")
        world.give(self.leaver, Kind("grant.licence"), label="seat")
        world.give(self.leaver, Kind("alias"), label="sales")
        world.give(self.leaver, Kind("data.home"), label="home", content=b"letters" * 20_000)
        world.give(self.leaver, Kind("device"), label="badge printer")
        world.act(self.leaver, "signed in", START - timedelta(hours=2))
        world.act(self.leaver, "signed in", START - timedelta(days=9))

    def connector(self, credential: Credential, *, page_size: int = 0) -> Connector:
        """Open with settings that make licences leave later."""
        settings = Settings(
            world="conformance",
            path=self.path,
            page_size=page_size or 100,
            timeout=TIMEOUT if self.path is None else REALLY_WAITED,
            asynchronous=("grant.licence",),
            asynchronous_after=timedelta(minutes=5),
        )
        return self.connector_class("remembered", settings, credential, self.clock)

    def witness(self) -> Mapping[str, Json]:
        """Read the store itself."""
        return self.world.state(self.leaver)

    def bystanders(self) -> Mapping[str, Json]:
        """Read everybody else who was there from the start or came by a rename."""
        return {person: self.world.state(person) for person in self.colleagues}

    def vanish(self, holding: Holding) -> None:
        """Take it away in the store."""
        self.world.take(holding.account_id, holding.kind, holding.native_id)

    def rename(self) -> None:
        """Marry the leaver, and give the old login to a newcomer with the same keys."""
        self.world.rename(self.leaver, "qsun", ("Sun Qingping",))
        newcomer = self.world.add_person("qzhao", names=("Zhao Qingping",), secret="{SSHA}other")
        self.world.give(newcomer, Kind("credential.ssh_key"), label="laptop", secret="ssh-rsa B")
        self.colleagues.append(newcomer)

    @contextmanager
    def _trouble(self, situation: Situation) -> Iterator[None]:
        self.world.inject(INJECTED[situation])
        try:
            yield
        finally:
            self.world.heal()

    def situation(self, situation: Situation) -> AbstractContextManager[None]:
        """Inject into the store, so that every connector on it meets the trouble."""
        return self._trouble(situation)

    def now(self) -> datetime:
        """Tell the turned clock's time."""
        return self.clock()

    def pass_time(self, until: datetime) -> None:
        """Turn the clock."""
        self.clock.now = max(self.clock.now, until)


def opens(
    connector_class: type[MemoryConnector] = MemoryConnector,
    path: Path | None = None,
    rig_class: type[MemoryRig] | None = None,
) -> Callable[[], AbstractContextManager[Rig]]:
    """Make fresh furnished worlds, in this process or in a file."""

    @contextmanager
    def open_rig() -> Iterator[Rig]:
        clock, numbers = Clock(), count()
        if path is not None:
            path.unlink(missing_ok=True)
        world = MemoryWorld(
            path, clock=clock, pause=lambda _seconds: None, new_id=lambda: f"id-{next(numbers):04}"
        )
        MemoryWorld.register("conformance", world)
        rig = (rig_class or MemoryRig)(world, path, clock, connector_class)
        rig.furnish()
        yield rig
        MemoryWorld.forget("conformance")

    return open_rig
