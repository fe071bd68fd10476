"""Who an account belongs to: only the HR number is certain, and nothing to ask is no answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ldap3
import pytest

from connectors.contract import Credential, Subject, gather
from tests.support.peers.connecting import connect
from tests.support.peers.population import SUCCESSOR, Entry, people

if TYPE_CHECKING:
    from connectors.contract import Account, Reading
    from tests.support.peers.directory import Directory

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers


def found(directory: Directory, subject: Subject, **changed: Any) -> Reading[Account]:
    """What the verifying identity finds."""
    connector = connect(directory, Credential.VERIFY, **changed)
    try:
        return gather(connector.find(subject))
    finally:
        connector.close()


@pytest.mark.parametrize(
    "subject",
    [
        Subject("emp-1"),
        Subject("emp-1", names=("Person 42",)),
        Subject("emp-1", employee_number=" ", emails=("", " "), logins=("",), upn=" "),
    ],
    ids=["nothing", "names only", "blanks"],
)
def test_nothing_to_search_by_is_blind(directory: Directory, subject: Subject) -> None:
    """Of whom HR says nothing we could ask for, "nobody there" is never the answer (Law 2)."""
    reading = found(directory, subject, admin_logins=("adm-{login}",))

    assert reading.items == ()
    assert "nothing to search by" in reading.blind
    assert reading.canary is not None
    assert reading.canary.seen


@pytest.mark.parametrize(
    ("subject", "confidence"),
    [
        (Subject("emp-9", "", "E-9999", emails=("skhan@example.com",)), 10),
        (Subject("emp-9", "", "E-9999", logins=("SKhan ",)), 10),
        (Subject("emp-9", "", "E-9999", upn="skhan@example.com"), 10),
        (Subject("emp-9", emails=("skhan@example.com",)), 60),
        (Subject("emp-9", logins=("skhan",)), 50),
        (Subject("emp-9", upn="skhan@example.org"), 50),
    ],
)
def test_names_never_make_certain(directory: Directory, subject: Subject, confidence: int) -> None:
    """An address or login that is another person's entry now is a candidate at most."""
    accounts = found(directory, subject).items

    assert [(one.display, one.confidence) for one in accounts] == [(SUCCESSOR, confidence)]


def test_name_without_number_on_the_entry_is_a_candidate(directory: Directory) -> None:
    """An entry that carries no HR number at all cannot become certain by its names."""
    directory.modify(SUCCESSOR, {"employeeNumber": [(ldap3.MODIFY_REPLACE, [])]})
    subject = Subject("emp-2", "", "E-1043", emails=("skhan@example.com",), logins=("skhan",))

    assert [one.confidence for one in found(directory, subject).items] == [60]


def test_two_numbers_on_one_entry_are_nobodys_certainty(directory: Directory) -> None:
    """An entry that two people's numbers stand on is shown, and a person decides."""
    directory.add(
        Entry(
            people("shared"),
            ("inetOrgPerson",),
            {"uid": "shared", "cn": "S", "sn": "S", "title": ["E-7001", "E-7002"]},
        )
    )
    subject = Subject("emp-7", employee_number="E-7001")

    accounts = found(directory, subject, employee_attribute="title").items

    assert [(one.login, one.confidence) for one in accounts] == [("shared", 10)]
