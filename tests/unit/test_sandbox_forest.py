"""The pretend domain: who is in it, what descriptors say, and a look that can find something."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.active_directory.security import SecurityDescriptor, sid_text
from deprovisioner.sandbox import domain_auditor
from deprovisioner.sandbox.company import Company
from deprovisioner.sandbox.forest import accounts, identifiers, reading
from deprovisioner.sandbox.forest.content import (
    CANARIES,
    account_name,
    company_domain,
    second_accounts,
)
from deprovisioner.sandbox.forest.domain import ROOT, Domain
from deprovisioner.sandbox.forest.identifiers import Descriptor, domain_sid, relative, rule
from deprovisioner.sandbox.forest.skeleton import Builder
from deprovisioner.sandbox.running import DomainKind, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = dt.datetime(2026, 12, 18, 10, 0, tzinfo=dt.UTC)
NUMBERS = st.integers(0, 0xFFFFFFFF)


def made() -> tuple[Company, Domain]:
    """A company with numbered passwords, and its domain at a fixed time."""
    numbers: Iterator[int] = itertools.count()
    company = Company(
        secret=lambda: f"Password-{next(numbers)}", certificate=lambda _name: b"\x30\x00", seed=1
    )
    domain = company_domain(company, lambda: NOW, uuid.uuid4, lambda: f"Secret-{next(numbers)}")
    return company, domain


@pytest.fixture(scope="module")
def whole() -> tuple[Company, Domain]:
    """One domain for the questions that change nothing."""
    return made()


def test_hybrid_people_are_in_it_under_their_guid(whole: tuple[Company, Domain]) -> None:
    """Everybody but the contractors, each under the GUID by which the cloud joins them."""
    company, domain = whole
    state = domain.store.state()

    there = {person for person in company.people if person.object_guid in state.items}

    assert there == {person for person in company.people if person.hybrid}
    leaver = company.demo_leaver()
    assert state.items[leaver.object_guid] == state.find(account_name(leaver))
    assert state.find(account_name(leaver)).first("employeeid") == leaver.employee_number


def test_canaries_show_what_they_promise(whole: tuple[Company, Domain]) -> None:
    """Each canary is there with every attribute that the demo's configuration names."""
    state = whole[1].store.state()

    for name, promised in CANARIES.items():
        shown = reading.listed(state, state.find(name), promised, rules=7)
        assert {word for word, values in shown if values} == set(promised), name


def test_second_accounts_have_nothing_but_their_name(whole: tuple[Company, Domain]) -> None:
    """The leaver has one, IT has some, and no number says whose they are."""
    company, domain = whole
    people = list(second_accounts(company))
    assert company.demo_leaver() in people
    assert len(people) > 5

    for item in domain.store.state().items.values():
        if item.first("samaccountname").startswith("adm-"):
            assert "employeeid" not in item.values
            assert "manager" not in item.values


def test_names_of_logins_are_taken_once(whole: tuple[Company, Domain]) -> None:
    """No two objects share a sAMAccountName, of which AD keeps 20 characters for people."""
    items = whole[1].store.state().items.values()
    logins = [item.first("samaccountname") for item in items if "samaccountname" in item.values]

    assert len(logins) == len(set(logins))


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS), st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans())))
def test_descriptors_read_the_same_in_two_programs(
    numbers: tuple[int, int, int], entries: list[tuple[int, int, bool]]
) -> None:
    """What the sandbox packs the connector's reader understands, and its own reads back."""
    domain = domain_sid(numbers)
    rules = tuple(
        rule(relative(domain, number), mask, denies=denies) for number, mask, denies in entries
    )
    whole = Descriptor(relative(domain, 512), relative(domain, 513), rules)

    theirs = SecurityDescriptor.parse(whole.pack())

    assert identifiers.read(whole.pack()) == whole
    assert theirs.owner == sid_text(relative(domain, 512))
    assert [(one.trustee, one.mask, one.denies) for one in theirs.entries] == [
        (sid_text(relative(domain, number)), mask, denies) for number, mask, denies in entries
    ]


@given(st.binary(max_size=120))
def test_nonsense_is_no_descriptor(octets: bytes) -> None:
    """Any octets are read, or refused with the one error; nothing else happens."""
    try:
        identifiers.read(octets)
    except identifiers.MalformedDescriptorError:
        return


def test_a_refused_sign_in_says_why() -> None:
    """Each account state has its sub-code, and a wrong password hides all of them."""
    company, domain = made()
    leaver = company.demo_leaver()
    item = domain.store.state().items[leaver.object_guid]
    password = company.password_of(leaver)
    states = {
        "533": {"useraccountcontrol": (b"514",)},
        "775": {"lockouttime": (b"1",)},
        "701": {"accountexpires": (b"116444736000000000",)},
        "530": {"logonhours": (bytes(21),)},
        "773": {"useraccountcontrol": (b"512",), "pwdlastset": (b"0",)},
    }

    for wanted, values in states.items():
        domain.store.put(dataclasses.replace(item, values={**item.values, **values}))
        state = domain.store.state()
        with pytest.raises(accounts.RefusedError) as refused:
            accounts.sign_in(state, leaver.upn, password, NOW)
        assert refused.value.sub == wanted
        with pytest.raises(accounts.RefusedError) as wrong:
            accounts.sign_in(state, leaver.upn, password + "x", NOW)
        assert wrong.value.sub == "52e"


def test_the_look_past_the_connector_can_find_something() -> None:
    """Before anything was done no look is as it must be, and each mention is counted."""
    with Sandbox(domain=DomainKind.FAKE) as sandbox:
        company, leaver = sandbox.company, sandbox.company.demo_leaver()
        url = sandbox.domain.url

        looks = domain_auditor.look(url, company, leaver)

        assert [one.holds for one in looks] == [False, False, False, False]
        assert "OU=Branch Office" in looks[2].seen  # named in access rules only
        assert domain_auditor.holds_now(url, company, leaver) == looks[2].seen.count(f",{ROOT}")


def test_the_look_sees_a_mention_that_is_left() -> None:
    """One membership planted for somebody who holds nothing else is named."""
    with Sandbox(domain=DomainKind.FAKE) as sandbox:
        company = sandbox.company
        somebody = next(p for p in company.people if p.hybrid and p.role_key == "hr.partner")
        url = sandbox.domain.url
        before = domain_auditor.holds_now(url, company, somebody)
        group = f"CN=Build Operators,OU=Groups,OU=Company,{ROOT}"
        Builder(sandbox.domain.domain).join(group, account_name(somebody))

        assert domain_auditor.holds_now(url, company, somebody) == before + 1
