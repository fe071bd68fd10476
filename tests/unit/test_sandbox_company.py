"""The pretend company: the same for everybody, complete for the demo, with nothing secret in it."""

import base64
import itertools
from collections.abc import Iterator

import pytest

from deprovisioner.sandbox.company import SUFFIX, Company
from deprovisioner.sandbox.ldif import DirectoryEntry
from deprovisioner.sandbox.people import HEADCOUNT, people


def made(seed: int = 1) -> Company:
    """Make a company whose passwords are numbered."""
    numbers: Iterator[int] = itertools.count()
    return Company(
        secret=lambda: f"password {next(numbers)}", certificate=lambda _name: b"\x30\x00", seed=seed
    )


@pytest.fixture(scope="module")
def company() -> Company:
    """One company for the questions that change nothing."""
    return made()


def values(entry: DirectoryEntry, name: str) -> tuple[bytes, ...]:
    """Return the values of one attribute."""
    return dict(entry.attributes).get(name, ())


def naming(company: Company, needle: bytes) -> set[str]:
    """Return the attributes in which some entry holds a value that is or contains the needle."""
    return {
        name
        for entry in company.entries
        for name, held in entry.attributes
        if any(needle in value for value in held)
    }


def test_same_seed_same_people() -> None:
    """Two makings with one seed agree, another seed gives other people."""
    assert people(1) == people(1)
    assert people(1) != people(2)
    assert len(people(1)) == HEADCOUNT


@pytest.mark.parametrize(
    "field", ["employment_id", "person_id", "employee_number", "login", "object_guid"]
)
def test_keys_are_unique(field: str) -> None:
    """What correlates people never occurs twice."""
    seen = [getattr(person, field) for person in people(1)]

    assert len(set(seen)) == HEADCOUNT


def test_hybrid_people_are_joined_by_their_guid() -> None:
    """The cloud's immutable id is the GUID's octets, the same in every making of one seed."""
    leaver = made().demo_leaver()
    again, other = made().demo_leaver(), made(2).demo_leaver()

    assert base64.b64decode(leaver.immutable_id) == leaver.object_guid.bytes_le
    assert leaver.hybrid
    assert leaver.object_guid == again.object_guid != other.object_guid
    assert {person.hybrid for person in people(1)} == {True, False}


def test_managers_form_a_tree(company: Company) -> None:
    """Everybody reaches the one person without a manager."""
    top = [person for person in company.people if person.manager is None]
    assert len(top) == 1
    for person in company.people:
        steps, at = 0, person
        while at.manager is not None:
            at, steps = company.person(at.manager), steps + 1
            assert steps < 10
        assert at == top[0]


def test_names_are_mixed_and_some_are_shared(company: Company) -> None:
    """Latin and Chinese names, three time zones, and one name for several people."""
    displayed = [person.display_name for person in company.people]

    assert any(not name.isascii() and " " not in name for name in displayed)
    assert displayed.count("Anna Müller") >= 2
    assert displayed.count("张伟") >= 2
    assert {person.site.time_zone for person in company.people} == {
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
    }


def test_leaver_and_successor_work_together(company: Company) -> None:
    """The successor sits in the leaver's team, and both have the same manager."""
    leaver, successor = company.demo_leaver(), company.demo_successor()

    assert leaver.manager == successor.manager
    assert leaver.org_unit == successor.org_unit
    assert leaver.role_key == "rd.engineer"


def test_leaver_holds_one_of_everything(company: Company) -> None:
    """Every kind of holding that an LDAP directory knows names the leaver somewhere."""
    leaver = company.demo_leaver()
    by_name = naming(company, company.name_of(leaver).encode())
    by_login = naming(company, leaver.login.encode())

    assert by_name >= {
        "member", "uniqueMember", "owner", "seeAlso", "manager", "secretary", "roleOccupant",
        "aliasedObjectName",
    }  # fmt: skip
    assert by_login >= {
        "memberUid", "sudoUser", "sudoRunAsUser", "nisNetgroupTriple", "rfc822MailMember",
        "krbPrincipalName",
    }  # fmt: skip


def test_leaver_account_carries_every_credential(company: Company) -> None:
    """Password, two keys, certificate, Kerberos and shadow data stand in the leaver's entry."""
    name = company.name_of(company.demo_leaver())
    (entry,) = [entry for entry in company.entries if entry.name == name]

    assert len(values(entry, "sshPublicKey")) == 2
    for attribute in (
        "userPassword", "userCertificate;binary", "krbPrincipalKey", "krbTicketFlags",
        "krbPrincipalExpiration", "krbAllowedToDelegateTo", "krbLoginFailedCount",
        "shadowExpire", "loginShell",
    ):  # fmt: skip
        assert values(entry, attribute), attribute


def test_leaver_is_somewhere_the_last_member(company: Company) -> None:
    """One group has the leaver as its only member, one posixGroup an odd spelling of the login."""
    me = company.name_of(company.demo_leaver()).encode()
    login = company.demo_leaver().login.encode()
    everywhere = [values(entry, "member") for entry in company.entries]
    uids = [value for entry in company.entries for value in values(entry, "memberUid")]

    assert (me,) in everywhere
    assert login.upper() + b" " in uids


def test_mess_is_there(company: Company) -> None:
    """Accounts without an owner, a shared one, a second one, a nested group, a dangling member."""
    accounts = {e.name: e for e in company.entries if e.name.endswith(f"ou=people,{SUFFIX}")}
    numbers = [values(entry, "employeeNumber") for entry in accounts.values()]
    members = {value.decode() for e in company.entries for value in values(e, "member")}

    assert numbers.count(()) == 3  # the branch, the shared and the unknown account
    assert len([n for n in numbers if n]) == HEADCOUNT + 2  # the second account, the canary
    assert any(name.startswith("cn=all-") for name in members)
    assert f"uid=left.long.ago,ou=people,{SUFFIX}" in members - set(accounts)


def test_parents_come_before_children(company: Company) -> None:
    """Slapadd needs every parent first."""
    seen = set()
    for entry in company.entries:
        _rdn, _comma, above = entry.name.replace("\\,", "").partition(",")
        assert entry.name == SUFFIX or above in seen
        seen.add(entry.name)


def test_passwords_are_never_in_clear() -> None:
    """The LDIF holds hashes only, and each making has its own passwords."""
    company = made()
    ldif = company.as_ldif()

    assert "password " not in ldif
    assert company.password_of(company.demo_leaver()) not in ldif
    assert company.act.password != company.verify.password


def test_ldif_protects_what_is_not_plain(company: Company) -> None:
    """Chinese names and a trailing space are base64, and each record starts with its name."""
    ldif = company.as_ldif()

    assert "memberUid:: WVVFLkxJTiA=" in ldif
    assert ldif.isascii()
    assert ldif.count("\ndn: ") + ldif.count("\ndn:: ") + 1 == len(company.entries)
