"""How much our survey of one person costs beside the bare ldap3 searches that it needs.

Starts a real Samba domain on loopback and prints a ratio measured in one run (needs root)::

    python benchmarks/bench_active_directory.py [ROUNDS]

It is no test: figures depend on the machine, the ratio much less. The requests of one survey are
recorded and then sent again by bare ldap3, answers thrown away. Both sides use TLS and no schema,
speak with one controller, and take turns, so that a busy machine hits both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ldap3

from connectors.contract import Credential, gather
from tests.support.active_directory import account_of, connect, subject_of
from tests.support.peers import samba_population as population
from tests.support.peers.samba_domain import SambaDomain

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.active_directory import ActiveDirectoryConnector
    from connectors.contract import Account

ROUNDS = 40
Request = tuple[tuple[Any, ...], dict[str, Any]]


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        domain = SambaDomain(Path(name))
        try:
            domain.start()
            _survey(domain, rounds)
        finally:
            domain.stop()


def _survey(domain: SambaDomain, rounds: int) -> None:
    leaver = domain.leaver()
    connector = connect(domain, Credential.ACT)
    account = account_of(connector, subject_of(leaver))
    found = len(gather(connector.survey(account)).items)
    requests = _requests(connector, account)
    with domain.first.session(population.ACTOR, population.SERVICE_PASSWORD) as connection:
        connection.raise_exceptions = False
        ours, bare = _in_turns(
            lambda: gather(connector.survey(account)),
            lambda: _again(connection, requests),
            rounds,
        )
    connector.close()
    print(
        f"survey of one person on one controller ({found} holdings, {len(requests)} searches): "
        f"{ours * 1000:.1f} ms, bare ldap3 {bare * 1000:.1f} ms, ratio {ours / bare:.2f} "
        "(bound 1.3)"
    )


def _requests(connector: ActiveDirectoryConnector, account: Account) -> list[Request]:
    """Write down every search of one survey, as it goes to ldap3."""
    sent: list[Request] = []
    search = ldap3.Connection.search

    def recording(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - ldap3 is untyped
        sent.append((arguments[1:], named))
        return search(*arguments, **named)

    ldap3.Connection.search = recording  # type: ignore[method-assign]
    try:
        gather(connector.survey(account))
    finally:
        ldap3.Connection.search = search  # type: ignore[method-assign]
    return sent


def _again(connection: Any, requests: list[Request]) -> None:  # noqa: ANN401 - ldap3
    for arguments, named in requests:
        connection.search(*arguments, **named)


def _in_turns(
    one: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Median seconds of both, measured in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for place, work in enumerate((one, other)):
            began = time.perf_counter()
            work()
            times[place].append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()
