"""Starts, kills and freezes nodes of `core_node`, plays HR towards them, and reads what they share.

`Company` is the world outside with its own witness; `Fleet` the processes and their rows. What has
to be true at the end is checked in `core_proof`. Nodes are forked from a server that has imported
everything once (multiprocessing's fork server): starting one costs a fork, not a second of imports.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyrage
import sqlalchemy as sa

from connectors.contract import Kind
from connectors.memory import MemoryWorld
from reconcile.evidence.keys import SigningKey
from reconcile.store import migrate
from reconcile.store.database import Database
from reconcile.store.guard_rows import ensure_switches
from reconcile.store.ledger_files import only_publisher
from reconcile.store.nodes import nodes
from reconcile.store.schema import cases
from tests.support.core_node import (
    LATER,
    SUCCESSOR,
    Keys,
    Options,
    main,
    published_of,
    utc_now,
    world_of,
)
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

UP: Final = 30.0
"""Seconds that a node may take to start on a loaded machine."""

SHARED_GROUP: Final = "g-dev"
NOTES: Final = b"what the leaver knew\n" * 40


def fork_server() -> Any:
    """Return the context whose server has every import of a node done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.core_node", "dbos", "pytest"])
    return context


@dataclass
class Company:
    """The outside: one remembered world per system, and what stood in them before."""

    options: Options
    worlds: dict[str, MemoryWorld] = field(default_factory=dict)
    leavers: dict[tuple[str, int], str] = field(default_factory=dict)
    successors: dict[str, str] = field(default_factory=dict)
    mates: dict[str, str] = field(default_factory=dict)

    def open(self, system: str) -> MemoryWorld:
        """Found a system: a successor, and a colleague whom nothing may ever touch."""
        world = self.worlds[system] = MemoryWorld(world_of(self.options, system))
        self.successors[system] = world.add_person("sue", employee_number=SUCCESSOR, secret="hers")
        self.mates[system] = world.add_person("mate", employee_number="S-2", secret="his")
        world.give(self.mates[system], Kind("grant.group"), native_id=SHARED_GROUP)
        world.give(self.mates[system], Kind("credential.ssh_key"), label="his key")
        return world

    def hire(self, number: int) -> None:
        """Let a leaver hold one thing of each fate in every system."""
        for system, world in self.worlds.items():
            with world.writing():
                leaver = world.add_person(
                    f"leaver{number}", employee_number=f"E-{number}", secret=f"secret-{number}"
                )
                world.give(leaver, Kind("session"))
                world.give(leaver, Kind("credential.ssh_key"), label="laptop")
                world.give(leaver, Kind(LATER), label="script")
                world.give(leaver, Kind("grant.group"), native_id=SHARED_GROUP)
                world.give(leaver, Kind("grant.group"), native_id=f"g-only-{number}")
                world.give(leaver, Kind("ownership.group"), native_id=f"o-team-{number}")
                world.give(leaver, Kind("data.home"), native_id=f"home-{number}", content=NOTES)
            self.leavers[system, number] = leaver

    def close(self) -> None:
        """Let go of the files."""
        for world in self.worlds.values():
            world.close()


@dataclass
class Node:
    """One running process."""

    process: ForkServerProcess
    commands: Connection
    up: bool = False

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs, negative for a signal."""
        return self.process.exitcode

    def await_up(self) -> bool:
        """Wait until it runs jobs; False when it died on the way."""
        self.up = self._answer(UP) == "up"
        return self.up

    def tell(self, command: str, argument: object = None, seconds: float = UP) -> Any:
        """Send a command and return the answer; :class:`Died` when the node died meanwhile."""
        try:
            self.commands.send((command, argument))
        except OSError as error:
            raise Died from error
        return self._answer(seconds)

    def _answer(self, seconds: float) -> Any:
        try:
            if not self.commands.poll(seconds):
                raise TimeoutError
            return self.commands.recv()
        except (EOFError, ConnectionError) as error:
            raise Died from error

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def ended(self, seconds: float) -> bool:
        """Wait for its end; False when it still runs."""
        self.process.join(seconds)
        return self.process.exitcode is not None

    def end(self) -> None:
        """Kill it if it runs, and wait."""
        self.process.kill()
        self.process.join()
        self.commands.close()


class Died(Exception):
    """The node was gone before it answered."""


@dataclass
class Fleet:
    """Some nodes on one database, their company, and the traces they leave."""

    options: Options
    company: Company
    nodes: list[Node] = field(default_factory=list)
    frozen: list[Node] = field(default_factory=list)
    ended: dict[int, float] = field(default_factory=dict)
    """When each process that is gone had ended: what it had begun ends there."""
    delivered: dict[int, str] = field(default_factory=dict)
    """The case of each leaver whose event was taken in."""

    def start(self, **changes: Any) -> Node:
        """Start one more node and wait until it runs or has died on the way."""
        node = self._fork(replace(self.options, **changes))
        self.nodes.append(node)
        try:
            node.await_up()
        except Died:
            node.ended(UP)
            if not changes.get("die_at") or node.code != -signal.SIGKILL:
                raise AssertionError(f"node did not start ({node.code}): {self.errors()}") from None
        return node

    def refused_to_start(self, **changes: Any) -> int | None:
        """Start a node that must not come up; returns how it ended."""
        node = self._fork(replace(self.options, **changes))
        try:
            assert not node.await_up()
        except Died:
            node.ended(UP)
        code = node.code
        node.end()
        return code

    def move(self, **changes: Any) -> Options:
        """Have all that comes use another database or place."""
        assert not self.nodes
        self.options = replace(self.options, **changes)
        return self.options

    def _fork(self, options: Options) -> Node:
        ours, theirs = multiprocessing.Pipe()
        process = fork_server().Process(target=main, args=(options, theirs), daemon=True)
        process.start()
        theirs.close()
        return Node(process, ours)

    def errors(self) -> str:
        """Read the end of what the nodes wrote about themselves."""
        path = self.options.folder / "errors"
        return path.read_text("utf-8")[-3000:] if path.exists() else "it wrote nothing"

    def bury(self, node: Node) -> None:
        """Take a node off the list; it has ended, or ends now."""
        node.end()
        self.ended[node.pid] = time.time()
        self.nodes.remove(node)

    def freeze(self, node: Node) -> float:
        """Stop a process where it holds no lock of the worlds or the files; returns when.

        SQLite and flock are ours for testing's sake: locks of a real system end with its time.
        """
        self.frozen.append(node)

        def stopped() -> bool:
            node.signal(signal.SIGSTOP)
            if self._locks_free():
                return True
            node.signal(signal.SIGCONT)
            return False

        wait_until(stopped, UP)
        return time.time()

    def _locks_free(self) -> bool:
        with only_publisher(published_of(self.options)) as alone:
            free = alone
        for system in self.company.worlds:
            world = sqlite3.connect(world_of(self.options, system), timeout=0.05)
            try:
                world.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                free = False
            finally:
                world.close()
        return free

    def deliver(self, number: int) -> bool:
        """Send the event about a leaver to any node that lives, as HR does; False when it died."""
        for node in [each for each in self.nodes if each.up]:
            try:
                self.delivered[number] = node.tell("receive", number)
            except Died:
                node.up = False
                continue
            return True
        return False

    def hire_and_deliver(self, numbers: range) -> None:
        """Let people leave who all have one thing of each fate."""
        for number in numbers:
            self.company.hire(number)
            assert self.deliver(number)

    @contextmanager
    def rows(self) -> Iterator[sa.Connection]:
        """Read rows beside the nodes."""
        url = self.options.url.replace("postgresql://", "postgresql+psycopg://")
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def closed(self) -> frozenset[str]:
        """List the cases that are closed."""
        with self.rows() as connection:
            ids = sa.select(cases.c.id).where(cases.c.closed_at.is_not(None))
            return frozenset(connection.scalars(ids))

    def still_open(self) -> int:
        """Count open cases."""
        with self.rows() as connection:
            count = sa.select(sa.func.count()).select_from(cases)
            return int(connection.scalar(count.where(cases.c.closed_at.is_(None))) or 0)

    def await_(self, so: Callable[[], object], seconds: float) -> None:
        """Wait until something is so in the rows."""
        wait_until(so, seconds, every=0.1, forgive=(sa.exc.OperationalError,))

    def await_closed(self, seconds: float) -> None:
        """Wait until every leaver's case is closed and nothing is left in the queues."""
        self.await_(lambda: self.still_open() == 0, seconds)
        self.await_(lambda: not self.waiting_jobs(), seconds)

    def expired_leases(self) -> int:
        """Count living nodes whose lease is over by the clock of the database."""
        clock: sa.ColumnElement[float] = sa.literal_column("extract(epoch from clock_timestamp())")
        over = sa.select(sa.func.count()).where(nodes.c.live, nodes.c.lease_until < clock)
        with self.rows() as connection:
            return int(connection.scalar(over) or 0)

    def calls_by(self, node: Node, since: float = 0.0) -> list[str]:
        """List the calls that a process began, in any world."""
        return [
            line.operation
            for world in self.company.worlds.values()
            for line in world.calls()
            if line.phase == "start" and line.pid == node.pid and line.at > since
        ]

    def waiting_jobs(self) -> dict[str, int]:
        """Count jobs that run or could run now, by status; a delayed one waits for its time."""
        schema = "" if self.options.url.startswith("sqlite") else "dbos."
        query = f"SELECT status, count(*) FROM {schema}workflow_status GROUP BY status"  # noqa: S608 - fixed
        with self.rows() as connection:
            found: dict[str, int] = dict(connection.execute(sa.text(query)).all())
        return {each: found[each] for each in ("PENDING", "ENQUEUED") if each in found}

    def end(self) -> None:
        """Kill every node that is left, a frozen one too."""
        for node in list(self.nodes):
            self.bury(node)
        for node in self.frozen:
            node.end()


@contextmanager
def fleet(url: str, folder: Path, **chosen: Any) -> Iterator[Fleet]:
    """Found a company and a database with its keys; no node yet."""
    escrow = pyrage.x25519.Identity.generate()
    (folder / "escrow").write_text(str(escrow))
    keys = Keys(
        sealing=os.urandom(32),
        signing=SigningKey.generate("evidence.example.com/test", os.urandom).encode(),
        escrow=str(escrow.to_public()),
    )
    options = Options(url=url, folder=folder, keys=keys, **chosen)
    database = Database.open(url)
    migrate.upgrade(database)
    with database.begin() as connection:
        ensure_switches(connection, utc_now())
    database.close()
    company = Company(options)
    for system in options.systems:
        company.open(system)
    made = Fleet(options, company)
    try:
        yield made
    finally:
        made.end()
        company.close()
