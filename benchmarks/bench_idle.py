"""What a daemon costs that has nothing to do: memory and processor.

`python benchmarks/bench_idle.py [--seconds N] [--systems N] [--measure URL]`

The whole daemon with its doors, engine, publisher and vault, and the LDAP connector loaded beside
the remembered systems. One leaver has gone through it before, so that everything is imported and
every cache is warm. Target: at most 150 MB resident. The benchmark's own imports are in the figure.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.leavers import hire, kind_of_database, on_each_database, running_company
from connectors import registry

PATIENCE: Final = 60.0
SETTLE: Final = 3.0


def measure(url: str, systems: int, seconds: float) -> None:
    """Measure one database and print its part of the table."""
    names = [f"system{number}" for number in range(systems)]
    registry.load("ldap")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_company(Path(folder) / "house", url, names) as company,
    ):
        before = resident()
        for world in company.worlds.values():
            hire(world, 1)
        company.wait_closed([company.receive(1)], PATIENCE)
        time.sleep(SETTLE)
        begun, wall = time.process_time(), time.perf_counter()
        time.sleep(seconds)
        share = (time.process_time() - begun) / (time.perf_counter() - wall)
        kind = kind_of_database(url)
        print(f"{kind:11} {systems} systems, resident (target 150)   {resident():8.0f} MB", end="")
        print(f"   {before:.0f} MB before its first case")
        print(f"{kind:11} {systems} systems, processor while idle    {share:8.1%} of one core")


def resident() -> float:
    """Resident memory of this process in MB."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--systems", type=int, default=10)
    parser.add_argument("--measure", metavar="URL", help="an empty database; left out: both kinds")
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.systems, given.seconds)
    else:
        shape = ["--seconds", str(given.seconds), "--systems", str(given.systems)]
        on_each_database(__file__, shape)


if __name__ == "__main__":
    main()
