"""The rows of the inventory on real Samba, seen by its audit log and by plain ldap3."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import ldap3
import pytest

from connectors.active_directory.controllers import Controllers
from connectors.active_directory.destroying import destroy
from connectors.active_directory.values import Flag, guid_text
from connectors.contract import (
    Account,
    Credential,
    Holding,
    HoldingState,
    Identifier,
    IdentityKey,
    Outcome,
    Stage,
    Subject,
    gather,
    kind,
)
from tests.support.active_directory import (
    SUCCESSOR,
    account_of,
    hidden,
    now,
    settings,
    subject_of,
    survey,
)
from tests.support.peers import samba_population as population
from tests.support.peers.population import Entry
from tests.support.peers.samba import ROOT, sid_text
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors._directory.session import Session
    from connectors.active_directory import ActiveDirectoryConnector
    from tests.support.active_directory import Connecting
    from tests.support.peers.samba_domain import SambaDomain

pytest_plugins = ("tests.support.peers.fixtures", "tests.support.active_directory_fixtures")
pytestmark = pytest.mark.peers

SIGN_IN = ("account.person", "credential.password", "credential.kerberos")


def sign_in(holdings: tuple[Holding, ...]) -> list[Holding]:
    """The bundle that is contained in one call."""
    return [holding for holding in holdings if holding.kind in SIGN_IN]


def test_contain_holds_on_every_controller(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """Disabled and reset twice; live for the verifier until the last controller has heard (A01-3).

    Samba's own audit says who did it, and its answer to a bind with the last password proves both.
    """
    first, second = samba_domain.controllers
    leaver = samba_domain.leaver()
    samba_domain.replicate()
    act = connecting(Credential.ACT, push_replication=True)
    verify = connecting(Credential.VERIFY)
    account = account_of(act, subject_of(leaver))
    since, actor = first.witness.now(), samba_domain.sid(population.ACTOR)

    effects = act.contain(account, sign_in(survey(act, account).items))

    assert [effect.outcome for effect in effects] == [Outcome.DONE] * 3
    assert effects[0].read_back["bind probe"] == "data 533"
    assert "not asked" in str(effects[-1].read_back[f"replication to {second.host_name}"])
    wait_until(lambda: len(first.witness.passwords(since)) == 2, 10)
    assert {(one.who, one.code) for one in first.witness.passwords(since)} == {(actor, 0)}
    flags = int(first.read(leaver.name, "userAccountControl")["useraccountcontrol"][0])
    assert flags & Flag.DISABLED
    assert not flags & Flag.TRUSTED_TO_AUTHENTICATE

    lagging = survey(verify, account)
    assert {one.state for one in sign_in(lagging.items)} == {HoldingState.LIVE}
    assert second.binds(leaver.upn, population.PEOPLE_PASSWORD)

    second.pull(first)
    settled = survey(verify, account)
    assert not settled.blind
    assert {one.state for one in sign_in(settled.items)} == {HoldingState.CONTAINED}
    assert not second.binds(leaver.upn, population.PEOPLE_PASSWORD)
    left = {one.kind: one.residual_until for one in sign_in(settled.items)}
    now = dt.datetime.now(dt.UTC)
    for word, hours in (("credential.kerberos", 10), ("credential.password", 1)):
        until = left[kind(word)]
        assert until is not None
        assert abs(until - now - dt.timedelta(hours=hours)) < dt.timedelta(minutes=5)


def test_a_missing_right_never_keeps_the_account_open(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """What may not be written along is named; the account is disabled all the same (A02, A05)."""
    leaver = samba_domain.leaver()
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    samba_domain.grant(
        leaver.name, "D:(OD;;WP;bf967915-0de6-11d0-a285-00aa003049e2;;{sid})", population.ACTOR
    )

    effects = act.contain(account, sign_in(survey(act, account).items))

    said = {effect.holding_key.split("|")[1]: effect for effect in effects}
    assert said["account.person"].outcome is said["credential.kerberos"].outcome is Outcome.DONE
    assert said["credential.password"].outcome is Outcome.REFUSED
    for word in ("account.person", "credential.password"):
        assert "accountExpires" in said[word].why
    assert not samba_domain.first.binds(leaver.upn, population.PEOPLE_PASSWORD)


@pytest.mark.parametrize(
    "name",
    [population.VERIFIER, population.ACTOR, f"CN=krbtgt,CN=Users,{ROOT}",
     f"CN=Administrator,CN=Users,{ROOT}", population.BOSS],
)  # fmt: skip
def test_protected_identities_are_never_touched(
    samba_domain: SambaDomain, connecting: Connecting, name: str
) -> None:
    """Ours, the domain's own, and whoever the settings name: refused, whatever is asked (Law 5)."""
    boss = sid_text(samba_domain.first.read(population.BOSS, "objectSid")["objectsid"][0])
    act = connecting(Credential.ACT, protected=(boss,))
    login = samba_domain.first.read(name, "sAMAccountName")["samaccountname"][0].decode()
    account = Account("ad", _guid(samba_domain, name), login)
    before = samba_domain.first.read(name)

    contained = act.contain(account, sign_in(survey(act, account).items))
    destroyed = act.destroy(account)

    assert {one.outcome for one in (*contained, destroyed)} == {Outcome.REFUSED}
    assert all(one.why for one in contained)
    after = samba_domain.first.read(name)
    assert after["useraccountcontrol"] == before["useraccountcontrol"]
    assert after["pwdlastset"] == before["pwdlastset"]


def test_frozen_access_rules_wait_for_the_groups(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """AdminCount goes after the protected group, never before (A12); 53 decides nothing (A07)."""
    leaver = samba_domain.leaver()
    samba_domain.make_privileged(leaver)
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    found = survey(act, account).items
    (frozen,) = [one for one in found if one.native_id == "admincount"]
    (group,) = [one for one in found if population.DOMAIN_ADMINS in one.label]

    early = act.revoke(account, [frozen])[0]
    samba_domain.first.modify(
        population.DOMAIN_ADMINS, {"member": [(ldap3.MODIFY_DELETE, [leaver.name])]}
    )
    late, gone = act.revoke(account, [frozen, group])

    assert early.outcome is Outcome.PENDING
    assert early.pending_until is not None
    assert (late.outcome, gone.outcome) == (Outcome.DONE, Outcome.ALREADY)


def test_the_last_administrator_stays(samba_domain: SambaDomain, connecting: Connecting) -> None:
    """Nobody takes the last member out of an administrators' group (Law 5)."""
    first, leaver = samba_domain.first, samba_domain.leaver()
    samba_domain.make_privileged(leaver)
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    others = [
        one.decode()
        for one in first.read(population.DOMAIN_ADMINS, "member")["member"]
        if one.decode() != leaver.name
    ]
    for name in others:
        first.modify(population.DOMAIN_ADMINS, {"member": [(ldap3.MODIFY_DELETE, [name])]})
    try:
        found = survey(act, account).items
        (group,) = [one for one in found if population.DOMAIN_ADMINS in one.label]
        effect = act.revoke(account, [group])[0]
        left = first.read(population.DOMAIN_ADMINS, "member")["member"]
    finally:
        for name in others:
            first.modify(population.DOMAIN_ADMINS, {"member": [(ldap3.MODIFY_ADD, [name])]})

    assert group.sole
    assert (effect.outcome, left) == (Outcome.REFUSED, [leaver.name.encode()])
    assert "last member" in effect.why


def test_a_deleted_account_is_seen_deleted(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """Protection holds until it may be lifted; gone is what is seen among the deleted (A29).

    Samba 4.17 undeletes nothing while its recycle bin is on, so undo names what to do by hand.
    """
    leaver = samba_domain.leaver(protected=True)
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    before = survey(act, account).items
    assert act.destroy(account).outcome is Outcome.REFUSED  # references still point at it
    _take_everything(act, account, before)

    kept = act.destroy(account)
    lifting = connecting(Credential.ACT, lift_deletion_protection=True)
    gone = lifting.destroy(account)

    assert kept.outcome is Outcome.REFUSED
    assert "protected from accidental deletion" in kept.why
    assert (gone.outcome, lifting.destroy(account).outcome) == (Outcome.DONE, Outcome.ALREADY)
    reading = survey(act, account)
    assert (reading.items, reading.blind) == ((), "")

    (place,) = [one for one in before if one.native_id == account.native_id]
    refused = act.restore(account, [place])[0]
    assert (refused.outcome, "Restore-ADObject" in refused.why) == (Outcome.REFUSED, True)


class Meanwhile:
    """A session at which somebody is faster: right before a delete or a move they do something."""

    def __init__(self, session: Session, act: Callable[[], None]) -> None:
        self._session, self._act = session, act

    def __getattr__(self, name: str) -> Any:
        if name in {"delete", "move"}:
            self._act()
        return getattr(self._session, name)


def test_a_namesake_that_took_the_place_meanwhile_is_not_deleted(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """Looking for references takes its time; a name is whoever's it is by then (Law 5)."""
    first, leaver = samba_domain.first, samba_domain.leaver()
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    _take_everything(act, account, survey(act, account).items)
    namesake = Entry(leaver.name, ("user",), {"sAMAccountName": f"other{leaver.number}"})

    def marry() -> None:
        with first.root() as connection:
            connection.modify_dn(leaver.name, f"CN=married{leaver.number}")
        first.add(namesake)

    controllers = Controllers(settings(samba_domain), Credential.ACT, now)
    with contextlib.closing(controllers):
        home = controllers.home()
        meanwhile = cast("Session", Meanwhile(home.session, marry))
        effect = destroy(replace(home, session=meanwhile), account)

    assert effect.outcome is Outcome.DONE
    assert first.read(leaver.name, "sAMAccountName")["samaccountname"] == [
        f"other{leaver.number}".encode()
    ]
    assert survey(act, account).items == ()


def test_certain_finds_and_candidates(samba_domain: SambaDomain, connecting: Connecting) -> None:
    """Numbers and ids nobody gets twice are certain; names and patterns are candidates."""
    leaver, verify = samba_domain.leaver(), connecting(Credential.VERIFY)
    octets = samba_domain.guid(leaver.name)
    in_cloud = Identifier(IdentityKey.IMMUTABLE_ID, base64.b64encode(octets).decode())
    by_number = Subject("e", employee_number=leaver.employee_number)
    sid = samba_domain.sid(leaver.name)

    sure = [
        by_number,
        Subject("e", identifiers=(in_cloud,)),
        Subject("e", logins=(sid,)),
    ]
    for subject in sure:
        (found,) = gather(verify.find(subject)).items
        assert (found.login, found.confidence) == (leaver.login, 100)
        assert in_cloud in found.identifiers
    for subject in (
        Subject("e", logins=(leaver.login,)),
        Subject("e", emails=(f"p{leaver.number}@example.com",)),
        Subject("e", upn=leaver.upn),
        replace(subject_of(leaver), employee_number="E-other"),
    ):
        candidates = gather(verify.find(subject)).items
        assert candidates
        assert all(one.confidence < 100 for one in candidates)
    admins = [one for one in gather(verify.find(subject_of(leaver))).items if one.kind == "admin"]
    assert [(one.login, one.confidence) for one in admins] == [(f"adm-{leaver.login}", 30)]
    reading = gather(verify.find(Subject("e")))
    assert "nothing to search by" in reading.blind


def test_what_hides_one_attribute_or_object_blinds(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """An access rule on the person, on a group or on a thing they own never looks like absence."""
    leaver = samba_domain.leaver()
    verify = connecting(Credential.ACT)  # one controller: who reads makes no difference
    account = account_of(verify, subject_of(leaver))
    spn = bytes.fromhex("8e7896f3e60dd011a28500aa003049e2")  # schemaIDGUID, in the order of bytes
    assert not survey(verify, account).blind

    for name, attribute, said in (
        (leaver.name, spn, "access rules hide attributes"),
        (leaver.name, b"", "access rules hide attributes"),
        (leaver.direct_group, b"", "groups that memberOf names"),
        (leaver.report, b"", "manager is this account"),
    ):
        with hidden(samba_domain, name, attribute):
            reading = survey(verify, account)
            assert said in reading.blind, (name, reading.blind)
    with hidden(samba_domain, leaver.delegated_unit):  # its rules are shown all the same
        reading = survey(verify, account)
        named = [one.label for one in reading.items if one.kind == "grant.acl"]
        assert reading.blind or any(leaver.delegated_unit in one for one in named)
    assert not survey(verify, account).blind


def test_what_lies_in_a_container_we_may_not_list_is_not_absent(
    samba_domain: SambaDomain, connecting: Connecting
) -> None:
    """An object whose container hides it shows nowhere: the container itself says so (A17)."""
    leaver = samba_domain.leaver()
    act = connecting(Credential.ACT)
    account = account_of(act, subject_of(leaver))
    vault = f"OU=Vault,{leaver.delegated_unit}"
    for unit in (vault, f"OU=Inner,{vault}"):
        samba_domain.first.add(Entry(unit, ("organizationalUnit",), {}))
    samba_domain.grant(f"OU=Inner,{vault}", "D:(A;;GA;;;{sid})", leaver.name)
    shown = survey(act, account)
    assert not shown.blind
    assert any("OU=Inner" in one.label for one in shown.items)

    samba_domain.grant(vault, "D:(D;;LC;;;{sid})", population.ACTOR)
    shut = survey(act, account)
    assert not any("OU=Inner" in one.label for one in shut.items)
    assert "what lies in 1 containers" in shut.blind


def test_an_account_nobody_sees_is_not_taken_for_deleted(connecting: Connecting) -> None:
    """Neither there nor among the deleted objects: blind, and destroy does not call it done."""
    act = connecting(Credential.ACT)
    account = Account("ad", "6b1f0c1e-0f5e-4a53-9a55-0f3f0c7c4f10", "nobody")

    reading = survey(act, account)

    assert "neither seen nor among the deleted" in reading.blind


def _guid(domain: SambaDomain, name: str) -> str:
    return guid_text(domain.guid(name))


def _take_everything(
    act: ActiveDirectoryConnector, account: Account, holdings: tuple[Holding, ...]
) -> None:
    """Hand over what is sole, revoke the rest; stay where the account is."""
    heir = account_of(act, SUCCESSOR)
    for holding in holdings:
        support = act.card().support(holding.kind)
        if holding.native_id == "place" or support is None:
            continue
        if holding.sole:
            act.transfer(account, [holding], heir)
        elif Stage.REVOKE in support.stages:
            act.revoke(account, [holding])
