"""Two living entries with one login: what is granted by name cannot be attributed by a machine.

Neither person's access is cut for the other's leaving: such grants are duties of a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ldap3
import pytest

from connectors.contract import Outcome, Subject
from connectors.ldap.references import TWO_BEARERS
from tests.support.peers.case import Case
from tests.support.peers.connecting import SUCCESSOR_SUBJECT, account_of, survey_of
from tests.support.peers.population import LEAVER, SUFFIX, Entry, group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Holding
    from tests.support.peers.directory import Directory
    from tests.support.peers.population import Values

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

BRANCH = f"ou=guests,ou=people,{SUFFIX}"
NAMESAKE = f"uid=lmeyer,{BRANCH}"
BY_LOGIN = {"memberUid", "sudoUser", "sudoRunAsUser", "nisNetgroupTriple"}
BY_ADDRESS = {"rfc822MailMember", "mgrpRFC822MailMember"}


@pytest.fixture
def case(directory: Directory) -> Iterator[Case]:
    """A case on each server, surveyed while the leaver's login is still theirs alone."""
    opened = Case(directory)
    directory.add(Entry(BRANCH, ("organizationalUnit",), {"ou": "guests"}))
    yield opened
    opened.close()


def add_bearer(directory: Directory, dn: str = NAMESAKE, **more: str) -> None:
    """Add another person with the leaver's login."""
    names: dict[str, Values] = {"uid": "lmeyer", "cn": "Other", "sn": "Other"}
    directory.add(Entry(dn, ("inetOrgPerson",), names | {"employeeNumber": "E-3000"} | more))


def contested(holdings: tuple[Holding, ...] | list[Holding]) -> set[str]:
    """Attributes whose values are a duty, because two entries bear the name."""
    return {one.label.partition(" of ")[0] for one in holdings if one.duty == TWO_BEARERS}


def test_grants_by_a_shared_login_are_duties(case: Case) -> None:
    """Both identities report them with the duty, for both people; grants by DN stay certain."""
    add_bearer(case.directory)
    other = account_of(case.actor, Subject("emp-3", employee_number="E-3000"))

    for connector in (case.actor, case.verifier):
        seen = survey_of(connector, case.account).items
        assert contested(seen) == BY_LOGIN
        assert {one.key for one in seen} == {one.key for one in case.holdings}
        assert contested(survey_of(connector, other).items) == BY_LOGIN


def test_shared_address_is_a_duty(case: Case) -> None:
    """A mail alias names whoever has the address, and two have it."""
    add_bearer(case.directory, mail="LMeyer@example.com")

    assert contested(survey_of(case.verifier, case.account).items) == BY_LOGIN | BY_ADDRESS


def test_contested_values_are_never_taken_away(case: Case) -> None:
    """Not even when the survey was made before the namesake came: the world is looked at now."""
    add_bearer(case.directory, mail="lmeyer@example.com")
    by_name = [one for one in case.holdings if one.label.split(" ")[0] in BY_LOGIN | BY_ADDRESS]
    before = case.directory.world()
    successor = account_of(case.actor, SUCCESSOR_SUBJECT)

    revoked = case.actor.revoke(case.account, by_name)
    moved = case.actor.transfer(case.account, by_name, successor)

    assert len(by_name) == 6
    assert {(one.outcome, one.why) for one in revoked} == {(Outcome.REFUSED, TWO_BEARERS)}
    assert {one.outcome for one in moved} == {Outcome.REFUSED}
    assert case.directory.world() == before
    certain = case.named(f"member of {group('engineers')}")
    assert case.actor.revoke(case.account, [certain])[0].outcome is Outcome.DONE


def test_undo_gives_nothing_to_a_namesake(case: Case) -> None:
    """A login that somebody else bears meanwhile is not put back into groups."""
    developers = case.named(f"memberUid of {group('developers')}")
    assert case.actor.revoke(case.account, [developers])[0].outcome is Outcome.DONE
    add_bearer(case.directory)

    assert case.actor.restore(case.account, [developers])[0].outcome is Outcome.REFUSED
    assert case.directory.read(group("developers"), "memberUid") == {"memberuid": [b"skhan"]}


def test_handover_gives_nothing_to_a_namesake(case: Case) -> None:
    """A successor whose login two entries bear is not put into groups by that login."""
    add_bearer(case.directory, f"cn=other,{BRANCH}", uid="skhan")
    developers = group("developers")
    kept = {"memberUid": [(ldap3.MODIFY_REPLACE, ["lmeyer"])]}
    case.directory.modify(developers, kept)
    successor = account_of(case.actor, SUCCESSOR_SUBJECT)

    effect = case.actor.transfer(
        case.account, [case.named(f"memberUid of {developers}")], successor
    )

    assert effect[0].outcome is Outcome.REFUSED
    assert case.directory.read(developers, "memberUid") == {"memberuid": [b"lmeyer"]}


def test_second_entry_of_the_same_person_is_no_namesake(case: Case) -> None:
    """The HR number tells one person with two entries from two people."""
    add_bearer(case.directory, employeeNumber="e-1042")

    assert contested(survey_of(case.verifier, case.account).items) == set()


def test_contested_names_do_not_keep_the_entry(case: Case) -> None:
    """They do not dangle when the leaver's entry goes: the other entry bears the login."""
    add_bearer(case.directory)
    successor = account_of(case.actor, SUCCESSOR_SUBJECT)
    left = [one for one in survey_of(case.actor, case.account).items if not one.duty]
    for holding in left:
        if holding.kind.startswith(("grant", "ownership", "alias")):
            case.actor.transfer(case.account, [holding], successor) if holding.sole else None
            case.actor.revoke(case.account, [holding])

    assert case.actor.destroy(case.account).outcome is Outcome.DONE
    assert case.directory.read(LEAVER) == {}
    assert b"lmeyer" in case.directory.read(group("developers"), "memberUid")["memberuid"]
