"""Starts, kills and freezes the nodes of `engine_node`, and checks what their shared log says.

Used by the engine's acceptance tests. It looks at the world (files, rows, the log of calls), never
into an engine.
"""

from __future__ import annotations

import collections
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, cast

import sqlalchemy as sa

from tests.support.engine_node import (
    BACKUP,
    CONTAIN,
    LIMITS,
    PLAN,
    RELEASE_TWO,
    REVOKE,
    Options,
    cases,
    effects,
)
from tests.support.waiting import wait_until

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Line:
    """One line of the log: a pass (PS, PE), an operation (OS, OE) or a call (S, E)."""

    at: float
    pid: int
    kind: str
    case_id: str
    seq: int
    holding: str


@dataclass
class Node:
    """One running process."""

    process: subprocess.Popen[str]

    def tell(self, command: str) -> str:
        """Send a command and return the answer; empty when the node died meanwhile."""
        try:
            commands, answers = self._pipes()
            commands.write(command + "\n")
            commands.flush()
            return answers.readline().strip()
        except (BrokenPipeError, OSError):
            return ""

    def await_up(self, errors: Path) -> None:
        """Wait until it runs jobs."""
        answer = self._pipes()[1].readline()
        if not answer.startswith("up") and self.process.wait(10) != -signal.SIGKILL:
            raise AssertionError(f"node did not start: {errors.read_text()[-2000:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to a running node."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Kill it if it runs, and wait."""
        self.process.kill()
        self.process.wait()
        for pipe in self._pipes():
            with suppress(BrokenPipeError):  # a command that was never read
                pipe.close()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        return cast("IO[str]", self.process.stdin), cast("IO[str]", self.process.stdout)


@dataclass
class Fleet:
    """Some nodes on one database, their outside world, and the log they share."""

    options: Options
    folder: Path
    nodes: list[Node] = field(default_factory=list)
    ended: dict[int, float] = field(default_factory=dict)
    """When each killed process ended: what it had begun ends there."""

    def start(self, *, die_before_commit: int = 0, release: int = 1) -> Node:
        """Start one more node and wait until it runs."""
        chosen = replace(self.options, die_before_commit=die_before_commit, release=release)
        options = json.dumps(asdict(chosen))
        with (self.folder / "errors").open("a") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.engine_node", options],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        node = Node(process)
        self.nodes.append(node)
        node.await_up(self.folder / "errors")
        return node

    def kill(self, node: Node) -> None:
        """Kill -9, wait, and remember when."""
        self.forget(node)

    def forget(self, node: Node) -> None:
        """Take a node off the list; it has ended, or ends now."""
        node.end()
        self.ended[node.process.pid] = time.time()
        self.nodes.remove(node)

    def tell(self, command: str) -> None:
        """Have any living node do it, at least once, as a caller from outside would."""
        wait_until(lambda: random.choice(self.nodes).tell(command) == "ok", 60)

    def open_cases(self, count: int, holdings: int = 3) -> list[str]:
        """Open cases whose person holds some files."""
        names = [f"case-{number}" for number in range(count)]
        for name in names:
            self.give(name, holdings)
            self.tell(f"open {name}")
        return names

    def give(self, name: str, holdings: int) -> None:
        """Have the person of a case hold some files."""
        folder = Path(self.options.outside) / name
        folder.mkdir(parents=True)
        for number in range(holdings):
            (folder / f"h{number}").touch()

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

    def still_open(self) -> int:
        """Count open cases."""
        with self.rows() as connection:
            count = sa.select(sa.func.count()).select_from(cases).where(cases.c.open)
            return connection.scalar(count) or 0

    def await_closed(self, seconds: float) -> None:
        """Wait until no case is open."""
        wait_until(lambda: self.still_open() == 0, seconds, every=0.1,
                   forgive=(sa.exc.OperationalError,))  # fmt: skip

    def log(self) -> list[Line]:
        """Read the log of all nodes so far."""
        return [
            Line(float(at), int(pid), kind, case_id, int(seq), holding)
            for at, pid, kind, case_id, seq, holding in (
                line.split() for line in Path(self.options.log).read_text().splitlines()
            )
        ]

    def end(self) -> None:
        """Kill every node that is left."""
        for node in list(self.nodes):
            self.kill(node)


@dataclass(frozen=True)
class Run:
    """One run of an operation or a pass in one process, from its start to its end or kill."""

    case_id: str
    seq: int
    begun: float
    ended: float


def runs(fleet: Fleet, begin: str, end: str) -> list[Run]:
    """Pair starts with ends; a run that was killed ends with its process."""
    found, open_runs = [], {}
    for line in fleet.log():
        key = (line.pid, line.case_id, line.seq)
        if line.kind == begin:
            open_runs[key] = line
        elif line.kind == end and key in open_runs:
            started = open_runs.pop(key)
            found.append(Run(line.case_id, line.seq, started.at, line.at))
    for (pid, case_id, seq), started in open_runs.items():
        found.append(Run(case_id, seq, started.at, fleet.ended.get(pid, started.at)))
    return found


def most_at_once(of: list[Run]) -> int:
    """Return the largest number of runs that overlap."""
    changes = sorted([(run.begun, 1) for run in of] + [(run.ended, -1) for run in of])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def assert_exactly_right(fleet: Fleet, names: list[str], holdings: int) -> None:
    """Check the world and the log after every case closed."""
    left = [path for name in names for path in (Path(fleet.options.outside) / name).iterdir()]
    assert left == []

    with fleet.rows() as connection:
        hows = collections.Counter(
            (row.state, row.how) for row in connection.execute(sa.select(effects))
        )
    assert sum(hows.values()) == len(names) * holdings
    assert {how for _, how in hows} <= {"by us", "by us, seen after a crash"}, hows

    operations = runs(fleet, "OS", "OE")
    assert_never_twice_at_once(operations)
    assert_never_twice_at_once(runs(fleet, "PS", "PE"))
    for system, limit in LIMITS.items():
        of_system = [run for run in operations if {**PLAN, **RELEASE_TWO}[run.seq][0] == system]
        assert most_at_once(of_system) <= limit, system

    log = fleet.log()
    for name in names:
        backed_up = min(
            line.at
            for line in log
            if line.case_id == name and line.kind == "E" and line.seq == BACKUP
        )
        revoked = [line.at for line in log if line.case_id == name and line.seq == REVOKE]
        assert min(revoked) > backed_up, f"{name}: revoked before its backup"
        assert any(line.case_id == name and line.seq == CONTAIN for line in log)


def assert_never_twice_at_once(of: list[Run]) -> None:
    """Check that no operation, and no case, was worked on by two runs at the same time."""
    by_key = collections.defaultdict(list)
    for run in of:
        by_key[run.case_id, run.seq].append(run)
    twice = {key: found for key, found in by_key.items() if most_at_once(found) > 1}
    assert twice == {}
