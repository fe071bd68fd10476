"""How fast many leavers go through the daemon, beside a plain script that makes the same calls.

`python benchmarks/bench_throughput.py [--leavers N] [--measure URL]`

N leavers (500) with 20 holdings each leave at once. The daemon takes each from event to closed
case: survey, contain, backup, hand over, revoke, two verifications, evidence under a signed
checkpoint. The script makes the same connector calls in the same order with as many threads as the
daemon may run operations, and nothing else; half of it runs before the daemon, half after. Target:
wall time at most 1.5 times the script's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.leavers import (
    CALL_SECONDS,
    CONCURRENCY,
    Company,
    finished_calls,
    hire,
    kind_of_database,
    on_each_database,
    running_company,
    subject_of,
)
from connectors.contract import Account, Credential, Holding, Subject, gather
from connectors.memory import MemoryWorld, Settings, open_connector
from deprovisioner.wiring import utc_now

SYSTEM: Final = "directory"
PLAIN: Final = "plain"
WARM: Final = 0
"""The number of the leaver from whose calls the script is made."""
NOBODY: Final = Subject("nobody", employee_number="nobody")
PATIENCE: Final = 5.0
"""Seconds that one leaver may take before the benchmark gives up."""

Program = list[tuple[str, tuple[str, ...]]]
"""Calls in order: the operation and the kinds of the holdings it is about."""


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of processor time of this process."""

    wall: float
    processor: float

    def __add__(self, other: Cost) -> Cost:
        """Add up."""
        return Cost(self.wall + other.wall, self.processor + other.processor)


def cost(work: Callable[[], object]) -> Cost:
    """Do the work and return what it cost."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - processor)


class Plain:
    """The plain script: threads that make the calls of a program and keep nothing."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._world = MemoryWorld()
        self._successors: dict[int, str] = {}
        MemoryWorld.register(PLAIN, self._world)

    def run(self, numbers: Sequence[int], further: int = 0) -> Cost:
        """Let these leavers go, ``CONCURRENCY`` at a time, and make so many ``further`` reads."""
        for number in numbers:
            _, self._successors[number] = hire(self._world, number)
        return cost(lambda: self._in_threads(numbers, further))

    @property
    def calls(self) -> Counter[str]:
        """Count the calls made so far, by operation."""
        return counted(self._world)

    def _in_threads(self, numbers: Sequence[int], further: int) -> None:
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            list(pool.map(self._leave, numbers))
            list(pool.map(lambda _: gather(self._connector().find(NOBODY)), range(further)))

    def _connector(self) -> Any:  # noqa: ANN401 - claims every ability
        settings = Settings(world=PLAIN, latency=timedelta(seconds=CALL_SECONDS))
        return open_connector(PLAIN, settings, Credential.ACT, utc_now)

    def _leave(self, number: int) -> None:
        connector, subject = self._connector(), subject_of(number)
        account, left = Account(PLAIN, "", ""), dict[str, list[Holding]]()
        for operation, kinds in self._program:
            mine = left.get(operation, [])
            bundle = [mine.pop(_place(mine, kind)) for kind in kinds]
            match operation:
                case "find":
                    account = gather(connector.find(subject)).items[0]
                case "survey":
                    seen = gather(connector.survey(account)).items
                    left = left or {name: list(seen) for name, _ in self._program}
                case "export":
                    for export in connector.export(account, bundle):
                        assert any(export.chunks)
                case "transfer":
                    successor = Account(PLAIN, self._successors[number], "successor")
                    connector.transfer(account, bundle, successor)
                case _:
                    getattr(connector, operation)(account, bundle)


def _place(holdings: Sequence[Holding], kind: str) -> int:
    return next(place for place, holding in enumerate(holdings) if holding.kind == kind)


def counted(world: MemoryWorld) -> Counter[str]:
    """Count the calls of a world by operation."""
    return Counter(call.operation for call in finished_calls(world.calls()))


def program_of(world: MemoryWorld) -> Program:
    """Read from the call log of a world in which one person left what was called."""
    return [
        (call.operation, tuple(key.split("|")[1] for key in call.holdings))
        for call in finished_calls(world.calls())
    ]


def measure(url: str, leavers: int) -> None:
    """Measure one database and print its part of the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_company(Path(folder) / "house", url, [SYSTEM]) as company,
    ):
        for name, text in _measured(company, leavers):
            print(f"{kind_of_database(url):11} {name:34} {text}", flush=True)


def _measured(company: Company, leavers: int) -> Iterator[tuple[str, str]]:
    world = company.worlds[SYSTEM]
    _through_the_daemon(company, [WARM])
    program = program_of(world)
    warm = counted(world)
    numbers, half = range(1, leavers + 1), leavers // 2
    plain = Plain(program)
    bare = plain.run(numbers[:half])
    daemon = cost(lambda: _through_the_daemon(company, numbers))
    made = (counted(world) - warm).total()
    bare += plain.run(numbers[half:], further=max(0, made - leavers * len(program)))
    by_script = plain.calls.total()
    connectors = bare.processor / by_script
    yield f"{leavers} leavers, daemon", f"{daemon.wall:8.1f} s    {made} calls"
    yield f"{leavers} leavers, plain threads", f"{bare.wall:8.1f} s    {by_script} calls"
    yield "ratio (target 1.5)", f"{daemon.wall / bare.wall:8.2f} x plain threads"
    yield "processor per case", f"{daemon.processor / leavers * 1000:8.0f} ms"
    yield (
        "  of it the pretend system",
        f"{connectors * made / leavers * 1000:8.0f} ms   measured in the script",
    )


def _through_the_daemon(company: Company, numbers: Sequence[int]) -> None:
    for number in numbers:
        hire(company.worlds[SYSTEM], number)
    cases = [company.receive(number) for number in numbers]
    company.wait_closed(cases, PATIENCE * len(numbers) + 30)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leavers", type=int, default=500)
    parser.add_argument("--measure", metavar="URL", help="an empty database; left out: both kinds")
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.leavers)
    else:
        on_each_database(__file__, ["--leavers", str(given.leavers)])


if __name__ == "__main__":
    main()
