"""How soon a leaver is contained, without the time that the outside systems themselves take.

`python benchmarks/bench_containment.py [--cases N] [--measure URL]`

Signed webhooks reach a running daemon over HTTP; each leaver has an account in three systems. A
case counts from the answer 202 to the commit that records containment in the last system. Target:
p95 of the overhead at most 500 ms.

One after the other, each when the daemon has nothing left to do for the one before: the overhead is
that time minus the calls made for this leaver in the system that came last.

In a burst a leaver also waits for the calls of others, for which a system has only ``CONCURRENCY``
places: time counts as overhead to the share of the places that were not inside a call, and not at
all while a call for this very leaver was under way.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import httpx
import sqlalchemy as sa

from benchmarks.leavers import (
    CONCURRENCY,
    Call,
    Company,
    finished_calls,
    hire,
    kind_of_database,
    on_each_database,
    running_company,
    successor_of,
)
from deprovisioner.intake.canonical import HandoverData, SubjectData, TerminationData, compose
from deprovisioner.intake.signature import sign
from deprovisioner.wiring import utc_now
from reconcile.event import Action
from reconcile.facts import Step
from reconcile.store.schema import operations
from tests.support.house_rig import MEDIA_TYPE, OLD_KEY

SYSTEMS: Final = ("directory", "forge", "mail")
PATIENCE: Final = 120.0


@dataclass(frozen=True)
class Leaver:
    """One leaver: the accounts, the case, when the webhook was answered."""

    accounts: dict[str, str]
    case_id: str
    accepted: float


@dataclass(frozen=True)
class Contained:
    """When a leaver was contained, and how much of the wait was the systems' own."""

    total: float
    overhead: float


class Webhooks:
    """Delivers signed events, as an HR system does."""

    def __init__(self, company: Company) -> None:
        self._company = company
        port = company.daemon.doors.port
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)

    def send(self, number: int) -> Leaver:
        """Let a leaver go who was hired before; returns when the daemon has answered."""
        accounts = {
            system: hire(world, number)[0] for system, world in self._company.worlds.items()
        }
        subject = SubjectData(employment_id=f"E-{number}", employee_number=f"E-{number}")
        data = TerminationData(
            action=Action.IMMEDIATE,
            subject=subject,
            handover=HandoverData(successor=successor_of(number)),
        )
        raw = compose(data, source_event_id=f"e{number}", at=utc_now(), source="urn:hr:bench:1")
        headers = sign(OLD_KEY, f"msg_{number}", utc_now(), raw)
        answer = self._client.post(
            "/v1/terminations", content=raw, headers={"Content-Type": MEDIA_TYPE, **headers}
        )
        accepted = time.time()
        assert answer.status_code == 202, answer.text
        return Leaver(accounts, answer.json()["case_id"], accepted)

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def contained(company: Company, case_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Wait until cases are contained everywhere; for each the instant by system."""
    query = sa.select(operations.c.case_id, operations.c.system, operations.c.finished_at).where(
        operations.c.case_id.in_(case_ids),
        operations.c.stage == Step.CONTAIN.value,
        operations.c.finished_at.is_not(None),
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        found: dict[str, dict[str, float]] = {}
        with company.house.database.connect() as connection:
            for case_id, system, at in connection.execute(query):
                found.setdefault(case_id, {})[system] = at
        if sum(map(len, found.values())) == len(case_ids) * len(SYSTEMS):
            return found
        assert time.monotonic() < deadline, "not everybody was contained"
        time.sleep(0.05)


def judged(leaver: Leaver, ends: dict[str, float], calls: dict[str, list[Call]]) -> Contained:
    """Work out the overhead of one leaver in the system that came last."""
    system = max(ends, key=lambda name: ends[name])
    begun, ended = leaver.accepted, ends[system]
    inside = [call for call in calls[system] if call.ended > begun and call.begun < ended]
    edges = sorted(
        {begun, ended}
        | {at for call in inside for at in (call.begun, call.ended) if begun < at < ended}
    )
    own = _own_calls(inside, leaver.accounts[system], begun, ended)
    overhead = 0.0
    for start, end in pairwise(edges):
        running = [call for call in inside if call.begun <= start and call.ended >= end]
        if not any(call in own for call in running):
            overhead += (end - start) * (1 - min(len(running) / CONCURRENCY, 1))
    return Contained(ended - begun, overhead)


def _own_calls(inside: Sequence[Call], account: str, begun: float, ended: float) -> set[Call]:
    """The calls for one account; of the searches, which name none, those on the same thread."""
    mine = {call for call in inside if call.account_id == account}
    first = min((call.begun for call in mine), default=ended)
    threads = {call.thread for call in mine if call.begun == first}
    before = [
        call
        for call in inside
        if call.operation == "find" and call.thread in threads and begun < call.ended <= first
    ]
    return mine | set(before[-1:])


def measure(url: str, cases: int) -> None:
    """Measure one database and print its part of the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_company(Path(folder) / "house", url, SYSTEMS) as company,
    ):
        webhooks = Webhooks(company)
        contained(company, [webhooks.send(0).case_id])  # the first one pays for imports and caches
        lone = []
        ends: dict[str, dict[str, float]] = {}
        for number in range(1, cases + 1):
            lone.append(webhooks.send(number))
            ends |= contained(company, [lone[-1].case_id])
            company.wait_idle(PATIENCE)
        with ThreadPoolExecutor(cases) as pool:
            burst = list(pool.map(webhooks.send, range(cases + 1, 2 * cases + 1)))
        ends |= contained(company, [leaver.case_id for leaver in burst])
        calls = {name: finished_calls(world.calls()) for name, world in company.worlds.items()}
        webhooks.close()
        for name, leavers in (("one after the other", lone), ("burst", burst)):
            _print(url, f"{cases} {name}", [judged(x, ends[x.case_id], calls) for x in leavers])
        company.wait_closed([leaver.case_id for leaver in burst], PATIENCE)


def _print(url: str, name: str, found: Sequence[Contained]) -> None:
    for what, values in (
        ("overhead (target p95 500)", sorted(each.overhead for each in found)),
        ("webhook to contained", sorted(each.total for each in found)),
    ):
        p50, p95 = values[len(values) // 2], values[min(len(values) - 1, int(len(values) * 0.95))]
        print(
            f"{kind_of_database(url):11} {name + ', ' + what:52}"
            f" p50 {p50 * 1000:6.0f} ms  p95 {p95 * 1000:6.0f} ms  max {values[-1] * 1000:6.0f} ms",
            flush=True,
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=30)
    parser.add_argument("--measure", metavar="URL", help="an empty database; left out: both kinds")
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.cases)
    else:
        on_each_database(__file__, ["--cases", str(given.cases)])


if __name__ == "__main__":
    main()
