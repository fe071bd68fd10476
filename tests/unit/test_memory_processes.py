"""A remembered world in a file: several processes share it, and being killed breaks nothing."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from connectors.contract import Credential, Kind, Subject, gather
from connectors.memory import MemoryWorld, Settings, open_connector
from connectors.memory.world import utc_now
from tests.support.waiting import wait_until

WORKER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from connectors.contract import Credential, Subject, gather
from connectors.memory import Settings, open_connector

path, operation, latency = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
settings = Settings(path=path, latency=timedelta(seconds=latency))
connector = open_connector("memory", settings, Credential.ACT, lambda: datetime.now(UTC))
for number in sys.argv[4:]:
    (account,) = gather(connector.find(Subject("E", employee_number=number))).items
    holdings = gather(connector.survey(account)).items
    keys = [holding for holding in holdings if holding.kind == "alias"]
    getattr(connector, operation)(account, keys)
connector.close()
"""


def start(path: Path, operation: str, latency: float, *numbers: str) -> "subprocess.Popen[bytes]":
    """Start a worker process on the world's file."""
    command = [sys.executable, "-c", WORKER, str(path), operation, str(latency), *numbers]
    return subprocess.Popen(command)


def furnished(path: Path, people: int, aliases: int) -> MemoryWorld:
    """Make people with employee numbers 0, 1, … who have so many aliases each."""
    world = MemoryWorld(path)
    for number in range(people):
        person = world.add_person(f"login-{number}", employee_number=str(number))
        for _ in range(aliases):
            world.give(person, Kind("alias"))
    return world


def test_processes_change_one_world_without_losing_a_write(tmp_path: Path) -> None:
    """Four processes revoke the same holdings: each is revoked exactly once (by the audit)."""
    world = furnished(tmp_path / "world", people=5, aliases=4)
    numbers = [str(number) for number in range(5)]
    workers = [start(tmp_path / "world", "revoke", 0, *numbers) for _ in range(4)]

    assert [worker.wait(60) for worker in workers] == [0, 0, 0, 0]
    removed = Counter(line.holding_key for line in world.audit())
    assert len(removed) == 20
    assert set(removed.values()) == {1}
    calls = [line for line in world.calls() if line.operation == "revoke"]
    assert {line.pid for line in calls} == {worker.pid for worker in workers}
    assert Counter(line.phase for line in calls) == {"start": 20, "end": 20}
    world.close()


def test_a_killed_process_leaves_a_start_and_no_half_change(tmp_path: Path) -> None:
    """Kill -9 inside a call: the log shows who was in it, the world is whole and usable."""
    world = furnished(tmp_path / "world", people=1, aliases=6)
    (person,) = world.account_ids()
    before = world.state(person)
    worker = start(tmp_path / "world", "revoke", 0.4, "0")

    def inside() -> bool:
        return any(line.operation == "revoke" for line in world.calls())

    wait_until(inside, 30)
    worker.send_signal(signal.SIGKILL)
    worker.wait()

    lines = [line for line in world.calls() if line.operation == "revoke"]
    assert [(line.phase, line.pid) for line in lines] == [("start", worker.pid)]
    assert len(lines[0].holding_keys) == 6
    assert world.state(person) == before
    second = start(tmp_path / "world", "revoke", 0, "0")
    assert second.wait(60) == 0
    assert len(world.audit()) == 6
    world.close()


def test_a_process_of_our_own_opens_the_same_file(tmp_path: Path) -> None:
    """Connector and test in one process read one file; closing the connector closes its own."""
    world = furnished(tmp_path / "world", people=2, aliases=1)
    connector = open_connector("memory", Settings(path=tmp_path / "world"), Credential.ACT, utc_now)

    found = gather(connector.find(Subject("E", employee_number="1"))).items
    connector.close()
    connector.close()

    assert [account.login for account in found] == ["login-1"]
    assert {line.pid for line in world.calls()} == {os.getpid()}
    assert len(world.account_ids()) == 2
    world.close()
