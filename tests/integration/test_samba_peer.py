"""The Samba peer is what it says: it lags until told, it witnesses, and our identities are small.

The connector's own tests stand on these. Nothing of ours is under test but the peer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ldap3
import pytest
from ldap3.core.exceptions import LDAPInsufficientAccessRightsResult, LDAPOperationResult

from tests.support.peers import samba_population as population
from tests.support.peers.samba import sub_code
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.peers.samba_domain import SambaDomain

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

DISABLED = {"userAccountControl": [(ldap3.MODIFY_REPLACE, ["514"])]}


def test_a_controller_lags_until_it_is_told(samba_domain: SambaDomain) -> None:
    """What is written on one controller is on the other after replication, and not before."""
    first, second = samba_domain.controllers
    leaver = samba_domain.leaver()
    assert second.read(leaver.name) == {}
    samba_domain.replicate()

    first.modify(leaver.name, DISABLED)

    assert first.read(leaver.name, "userAccountControl") != second.read(
        leaver.name, "userAccountControl"
    )
    assert second.binds(leaver.upn, population.PEOPLE_PASSWORD)
    samba_domain.replicate()
    assert second.read(leaver.name, "userAccountControl") == {"useraccountcontrol": [b"514"]}
    assert not second.binds(leaver.upn, population.PEOPLE_PASSWORD)


def test_a_controller_that_was_down_catches_up(samba_domain: SambaDomain) -> None:
    """A stopped controller answers nobody; started again it has its own state and fetches more."""
    first, second = samba_domain.controllers
    leaver = samba_domain.leaver()
    second.stop()
    try:
        assert not second.binds(population.VERIFIER, population.SERVICE_PASSWORD)
        first.modify(leaver.name, DISABLED)
    finally:
        second.start()

    assert second.binds(population.VERIFIER, population.SERVICE_PASSWORD)
    samba_domain.replicate()
    assert second.read(leaver.name, "userAccountControl") == {"useraccountcontrol": [b"514"]}


def test_the_witness_says_who_did_what(samba_domain: SambaDomain) -> None:
    """Samba's audit names the identity, the entry, the attribute and the result."""
    first, leaver = samba_domain.first, samba_domain.leaver()
    since = first.witness.now()
    actor = samba_domain.sid(population.ACTOR)
    password = '"Something-else-77-entirely"'.encode("utf-16-le")

    with first.session(population.ACTOR, population.SERVICE_PASSWORD) as connection:
        connection.modify(leaver.name, DISABLED)
        connection.modify(leaver.name, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [password])]})
        connection.modify(leaver.direct_group, {"member": [(ldap3.MODIFY_DELETE, [leaver.name])]})

    wait_until(lambda: bool(first.witness.groups(since)), 10)
    changes = [one for one in first.witness.changes(since, by=actor) if one.over_network]
    assert [(one.name, one.code) for one in changes] == [
        (leaver.name, 0), (leaver.name, 0), (leaver.direct_group, 0),
    ]  # fmt: skip
    assert changes[0].touches("userAccountControl")
    assert changes[2].touches("member")
    (reset,) = first.witness.passwords(since)
    assert (reset.who, reset.name, reset.action, reset.code) == (actor, leaver.name, "Reset", 0)
    (removed,) = first.witness.groups(since)
    assert (removed.group, removed.member, removed.action) == (
        leaver.direct_group, leaver.name, "Removed",
    )  # fmt: skip


def test_our_identities_have_no_more_than_they_need(samba_domain: SambaDomain) -> None:
    """The verifier changes nothing, the actor nothing outside the company; both read rules."""
    first, leaver = samba_domain.first, samba_domain.leaver()
    with first.session(population.VERIFIER, population.SERVICE_PASSWORD) as connection:
        for name, change in (
            (leaver.name, DISABLED),
            (leaver.direct_group, {"member": [(ldap3.MODIFY_DELETE, [leaver.name])]}),
        ):
            with pytest.raises(LDAPInsufficientAccessRightsResult):
                connection.modify(name, change)
    with first.session(population.ACTOR, population.SERVICE_PASSWORD) as connection:
        joining = {"member": [(ldap3.MODIFY_ADD, [leaver.name])]}
        with pytest.raises(LDAPInsufficientAccessRightsResult):
            connection.modify(population.DOMAIN_ADMINS, joining)
        with pytest.raises(LDAPInsufficientAccessRightsResult):
            connection.modify(population.VERIFIER, DISABLED)


def test_a_protected_account_is_not_deleted(samba_domain: SambaDomain) -> None:
    """The entry "protect from accidental deletion" refuses who may delete any other account."""
    guarded, other = samba_domain.leaver(protected=True), samba_domain.leaver()

    with samba_domain.first.session(population.ACTOR, population.SERVICE_PASSWORD) as connection:
        with pytest.raises(LDAPInsufficientAccessRightsResult):
            connection.delete(guarded.name)
        assert connection.delete(other.name)


def test_refused_binds_say_why(samba_domain: SambaDomain) -> None:
    """Wrong password 52e, disabled 533, must change 773: in the message of code 49."""
    first, leaver = samba_domain.first, samba_domain.leaver()
    said = [_refusal(samba_domain, leaver.upn, "not-this-one")]
    expiring = {"userAccountControl": [(ldap3.MODIFY_REPLACE, ["512"])]}
    first.modify(leaver.name, expiring | {"pwdLastSet": [(ldap3.MODIFY_REPLACE, ["0"])]})
    said.append(_refusal(samba_domain, leaver.upn, population.PEOPLE_PASSWORD))
    first.modify(leaver.name, DISABLED)
    said.append(_refusal(samba_domain, leaver.upn, population.PEOPLE_PASSWORD))

    assert said == ["52e", "773", "533"]


def _refusal(domain: SambaDomain, who: str, password: str) -> str:
    with (
        pytest.raises(LDAPOperationResult) as refused,
        domain.first.session(who, password),
    ):
        pytest.fail("the sign-in was accepted")
    return sub_code(str(refused.value))
