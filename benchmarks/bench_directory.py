"""How much our directory reads cost beside the bare ldap3 searches that they need.

Starts a real OpenLDAP on loopback (Debian's ``slapd``), loads people and groups with slapadd and
prints ratios measured in one run::

    python benchmarks/bench_directory.py [PEOPLE]

It is no test: figures depend on the machine, ratios much less. Both sides use TLS, the same
attributes, the same page size and no schema, and take turns, so that a busy machine hits both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ldap3

from connectors._directory.entries import equals
from connectors.contract import Credential, gather
from connectors.ldap import own, sign_in
from connectors.ldap.references import ROWS, Identity, search_filter
from connectors.ldap.survey import MEMBER_OF
from tests.support.peers.authority import person_certificate
from tests.support.peers.connecting import account_of, connect, settings_for, survey_of
from tests.support.peers.population import SERVICE_PASSWORD, SUFFIX, VERIFIER, people
from tests.support.peers.slapd import Slapd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.contract import Account

PEOPLE = 100_000
MEMBERS = 300
ROUNDS = 40
SWEEPS = 3
PAGE = 500


def main() -> None:
    """Run both measurements and print their ratios."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE
    with tempfile.TemporaryDirectory() as name:
        slapd = Slapd(Path(name))
        slapd.start()
        slapd.reset(person_certificate("lmeyer"))
        _load(slapd, Path(name) / "many.ldif", count)
        try:
            _survey(slapd)
            _sweep(slapd, count)
        finally:
            slapd.stop()


def _load(slapd: Slapd, ldif: Path, count: int) -> None:
    slapd.stop()
    with ldif.open("w", encoding="utf-8") as file:
        file.writelines(_entries(count))
    began = time.perf_counter()
    slapd.load_ldif(ldif)
    print(f"loaded {count} people and {count // 100} groups in {time.perf_counter() - began:.1f} s")
    slapd.start()


def _entries(count: int) -> Iterator[str]:
    for number in range(count):
        yield (
            f"dn: {people(f'u{number:06d}')}\nobjectClass: inetOrgPerson\n"
            f"objectClass: posixAccount\nuid: u{number:06d}\ncn: Person {number}\nsn: {number}\n"
            f"mail: u{number:06d}@example.com\nemployeeNumber: N{number:06d}\n"
            f"uidNumber: {100_000 + number}\ngidNumber: 100\nhomeDirectory: /home/u{number:06d}\n"
            f"manager: {people(f'u{number // 10:06d}')}\n\n"
        )
    for group in range(count // 100):
        yield f"dn: cn=g{group:05d},ou=groups,{SUFFIX}\nobjectClass: groupOfNames\ncn: g{group}\n"
        chosen = {(group * 97 + step * 331) % count for step in range(min(MEMBERS, count))}
        yield from (f"member: {people(f'u{number:06d}')}\n" for number in sorted(chosen))
        yield "\n"


def _survey(slapd: Slapd) -> None:
    """One person: our survey beside the searches it makes, without what we do with the answers."""
    connector = connect(slapd, Credential.VERIFY)
    account = account_of(connector)
    survey_of(connector, account)
    with slapd.session(VERIFIER, SERVICE_PASSWORD) as connection:
        ours, bare = _in_turns(
            lambda: gather(connector.survey(account)),
            lambda: _bare_survey(connection, slapd, account),
            ROUNDS,
        )
    found = len(survey_of(connector, account).items)
    connector.close()
    print(
        f"survey of one person ({found} holdings): {ours * 1000:.1f} ms, "
        f"bare ldap3 {bare * 1000:.1f} ms, ratio {ours / bare:.2f} (bound 1.3)"
    )


def _bare_survey(connection: Any, slapd: Slapd, account: Account) -> None:  # noqa: ANN401 - ldap3
    """The same requests in the same order, answers thrown away."""
    settings = settings_for(slapd)
    wanted = ["uid", "mail", "uidNumber", *sign_in.STATE, *own.ATTRIBUTES, MEMBER_OF, "entryUUID"]
    by_id = equals("entryUUID", account.native_id)
    _bare_search(connection, settings.people[0], by_id, wanted)
    _bare_read(connection, settings.default_password_policy, ["pwdLockout", "objectClass"])
    identity = Identity.known(account.display, ("lmeyer",), ("lmeyer@example.com",), "10042")
    referring = ["entryUUID", "objectClass", *(row.attribute for row in ROWS)]
    _bare_search(connection, settings.base, search_filter(identity), referring)
    for canary in settings.canaries:
        _bare_read(connection, canary.dn, list(canary.attributes))


def _bare_search(connection: Any, base: str, found_by: str, wanted: list[str]) -> None:  # noqa: ANN401 - ldap3
    never = ldap3.DEREF_NEVER
    pages = connection.extend.standard.paged_search(
        base, found_by, attributes=wanted, paged_size=PAGE, dereference_aliases=never
    )
    for _ in pages:
        pass


def _bare_read(connection: Any, dn: str, wanted: list[str]) -> None:  # noqa: ANN401 - ldap3
    connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=wanted)


def _sweep(slapd: Slapd, count: int) -> None:
    """Everybody: our list beside ldap3's paged search, with the memory each needs on top."""
    connector = connect(slapd, Credential.VERIFY)
    settings = settings_for(slapd)
    wanted = ["entryUUID", "employeeNumber", "uid", "mail"]
    grown = 0

    def listed() -> None:
        nonlocal grown
        before, most, seen = _resident(), 0, 0
        for page in connector.list_accounts():
            seen += len(page.items)
            most = max(most, _resident())
        grown = max(grown, most - before)
        assert seen >= count, "the sweep missed somebody"

    with slapd.session(VERIFIER, SERVICE_PASSWORD) as connection:
        ours, bare = _in_turns(
            listed,
            lambda: _bare_search(connection, settings.people[0], settings.account_filter, wanted),
            SWEEPS,
        )
    connector.close()
    print(
        f"sweep of {count} people: {ours:.2f} s, bare ldap3 {bare:.2f} s, "
        f"ratio {ours / bare:.2f} (bound 1.5), memory on top {grown / 1024:.1f} MiB"
    )


def _in_turns(
    one: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Median seconds of each, measured alternately."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for measured, work in zip(times, (one, other), strict=True):
            began = time.perf_counter()
            work()
            measured.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])


def _resident() -> int:
    """Resident memory of this process in KiB."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0])


if __name__ == "__main__":
    main()
