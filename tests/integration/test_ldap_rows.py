"""Every row of what a directory holds: seen, taken away, seen gone by the verifier, put back.

The world is read by root past the connector; on OpenLDAP the accesslog is a second witness.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ldap3
import pytest

from connectors.contract import Credential, Holding, HoldingState, Outcome, Stage, gather
from connectors.ldap.card import ACL, SESSION
from tests.support.peers.connecting import (
    LEAVER_SUBJECT,
    SUCCESSOR_SUBJECT,
    account_of,
    connect,
    now,
    survey_of,
)
from tests.support.peers.population import (
    ACTOR,
    KEY_ONE,
    LEAVER,
    LEAVER_PASSWORD,
    SUCCESSOR,
    SUFFIX,
    UNLOCKABLE,
    Entry,
    group,
    people,
)
from tests.support.peers.slapd import Slapd
from tests.support.peers.three_eight_nine import ThreeEightNine
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from connectors.contract import Account
    from connectors.ldap import LdapConnector
    from tests.support.peers.directory import Directory

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

HOUR = timedelta(hours=1)
EXPECTED = {
    ("account.person", "lmeyer"),
    ("credential.password", "password"),
    ("credential.ssh_key", "work"),
    ("credential.ssh_key", "home"),
    ("credential.kerberos", "Kerberos principal"),
    ("grant.group", f"member of {group('engineers')}"),
    ("grant.group", f"member of {group('lonely')}"),
    ("grant.group", f"uniqueMember of {group('approvers')}"),
    ("grant.group", f"memberUid of {group('developers')}"),
    ("grant.netgroup", f"nisNetgroupTriple of cn=hosts,ou=netgroups,{SUFFIX}"),
    ("grant.sudo", f"sudoUser of cn=operators,ou=sudoers,{SUFFIX}"),
    ("grant.sudo", f"sudoRunAsUser of cn=deploy,ou=sudoers,{SUFFIX}"),
    ("ownership.entry", f"manager of {people('report')}"),
    ("ownership.entry", f"secretary of {people('report')}"),
    ("ownership.entry", f"owner of {group('owned')}"),
    ("ownership.entry", f"seeAlso of {group('owned')}"),
    ("ownership.entry", f"roleOccupant of cn=duty officer,ou=groups,{SUFFIX}"),
    ("alias", f"aliasedObjectName of cn=meyer,ou=aliases,{SUFFIX}"),
    ("alias", f"rfc822MailMember of cn=sales,ou=aliases,{SUFFIX}"),
    ("alias", f"mgrpRFC822MailMember of {group('announce')}"),
}


class Case:
    """An acting and a verifying connector on one directory, with the leaver found."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.actor = connect(directory, Credential.ACT)
        self.verifier = connect(directory, Credential.VERIFY)
        self.account = account_of(self.actor)
        self.holdings = survey_of(self.actor, self.account).items

    def close(self) -> None:
        self.actor.close()
        self.verifier.close()

    def of(self, *kinds: str) -> list[Holding]:
        return [one for one in self.holdings if one.kind.startswith(kinds)]

    def named(self, label: str) -> Holding:
        return next(one for one in self.holdings if one.label == label)

    def state(self, kind: str) -> set[HoldingState]:
        seen = survey_of(self.verifier, self.account).items
        return {one.state for one in seen if one.kind == kind}

    def keys(self) -> set[str]:
        return {one.key for one in survey_of(self.verifier, self.account).items}


@pytest.fixture
def case(directory: Directory) -> Iterator[Case]:
    """A case on each directory server."""
    opened = Case(directory)
    yield opened
    opened.close()


@pytest.fixture
def slapd_case(slapd: Slapd) -> Iterator[Case]:
    """A case on OpenLDAP."""
    opened = Case(slapd)
    yield opened
    opened.close()


def test_survey_sees_one_of_everything(case: Case) -> None:
    """All rows of the facts are found, by both identities, and nothing else."""
    found = {(str(one.kind), one.label) for one in case.holdings}
    certificates = {pair for pair in found if pair[0] == "credential.certificate"}

    assert found - certificates == EXPECTED
    assert len(certificates) == 1
    assert case.keys() == {one.key for one in case.holdings}


def test_nested_group_is_told_by_the_membership(case: Case) -> None:
    """A group that holds a group of the leaver is not a holding of its own."""
    assert not [one for one in case.holdings if "cn=outer," in one.label]


def test_contained_account_cannot_bind_and_comes_back(case: Case) -> None:
    """Lock, scramble, shell and expiry: seen by the verifier, tried by a bind, all undone."""
    before = case.directory.world()
    bundle = case.of("account", "credential.password")

    effects = case.actor.contain(case.account, bundle)

    assert [one.outcome for one in effects] == [Outcome.DONE, Outcome.DONE]
    assert "bind probe" in effects[0].read_back
    assert not case.directory.binds(LEAVER, LEAVER_PASSWORD)
    assert case.state("account.person") == {HoldingState.CONTAINED}
    now = case.directory.read(LEAVER, "loginShell", "shadowExpire")
    assert now == {"loginshell": [b"/usr/sbin/nologin"], "shadowexpire": [b"1"]}
    again = case.actor.contain(case.account, bundle)
    assert [one.outcome for one in again] == [Outcome.ALREADY, Outcome.ALREADY]

    restored = case.actor.restore(case.account, bundle)

    assert [one.outcome for one in restored] == [Outcome.DONE, Outcome.DONE]
    assert case.directory.binds(LEAVER, LEAVER_PASSWORD)
    assert case.directory.world() == before


def test_credentials_are_stopped_at_containment(case: Case) -> None:
    """Keys and certificates work around a lock, so containment takes them; tickets stop."""
    before = case.directory.world()
    stopped = case.of("credential.ssh_key", "credential.certificate", "credential.kerberos")

    for holding in stopped:
        assert case.actor.contain(case.account, [holding])[0].outcome is Outcome.DONE
        assert case.actor.contain(case.account, [holding])[0].outcome is Outcome.ALREADY

    assert not {one.key for one in stopped if one.kind != "credential.kerberos"} & case.keys()
    assert case.state("credential.kerberos") == {HoldingState.CONTAINED}
    for holding in stopped:
        assert case.actor.restore(case.account, [holding])[0].outcome is Outcome.DONE
    assert case.directory.world() == before


@pytest.mark.parametrize(
    "kind",
    [
        "credential.ssh_key",
        "credential.certificate",
        "credential.kerberos",
        "grant.group",
        "grant.netgroup",
        "grant.sudo",
        "ownership.entry",
        "alias",
    ],
)
def test_revoked_is_gone_and_comes_back(case: Case, kind: str) -> None:
    """Each kind: removed, gone for the verifier, already the second time, equal after undo."""
    before = case.directory.world()
    chosen = [one for one in case.of(kind) if not one.sole]
    assert chosen

    assert {one.outcome for one in case.actor.revoke(case.account, chosen)} == {Outcome.DONE}
    assert not {one.key for one in chosen} & case.keys()
    assert {one.outcome for one in case.actor.revoke(case.account, chosen)} == {Outcome.ALREADY}

    assert {one.outcome for one in case.actor.restore(case.account, chosen)} == {Outcome.DONE}
    assert case.directory.world() == before
    assert {one.outcome for one in case.actor.restore(case.account, chosen)} == {Outcome.ALREADY}


def test_all_spellings_of_a_login_go(case: Case) -> None:
    """MemberUid ``LMEYER `` is the person too, and a sudo rule's group stays."""
    case.actor.revoke(case.account, case.of("grant.group", "grant.sudo", "grant.netgroup"))

    assert case.directory.read(group("developers"), "memberUid") == {"memberuid": [b"skhan"]}
    operators = case.directory.read(f"cn=operators,ou=sudoers,{SUFFIX}", "sudoUser")
    assert operators == {"sudouser": [b"%developers"]}
    hosts = case.directory.read(f"cn=hosts,ou=netgroups,{SUFFIX}", "nisNetgroupTriple")
    assert hosts == {"nisnetgrouptriple": [b"(,skhan,)"]}


def test_last_member_is_handed_over_then_removed(case: Case) -> None:
    """The only member stays until somebody else is in; then the membership goes."""
    lonely = case.named(f"member of {group('lonely')}")
    successor = account_of(case.actor, SUCCESSOR_SUBJECT)
    assert lonely.sole

    refused = case.actor.revoke(case.account, [lonely])[0]
    assert (refused.outcome, bool(refused.why)) == (Outcome.REFUSED, True)
    assert case.actor.transfer(case.account, [lonely], successor)[0].outcome is Outcome.DONE
    assert case.actor.revoke(case.account, [lonely])[0].outcome is Outcome.DONE

    assert case.directory.read(group("lonely"), "member") == {"member": [SUCCESSOR.encode()]}
    assert case.actor.restore(case.account, [lonely])[0].outcome is Outcome.DONE
    assert case.directory.read(group("lonely"), "member") == {"member": [LEAVER.encode()]}


def test_ownerships_go_to_the_successor_and_back(case: Case) -> None:
    """A transfer replaces the leaver in one request; undo puts exactly them back."""
    before = case.directory.world()
    successor = account_of(case.actor, SUCCESSOR_SUBJECT)
    owned = case.of("ownership.entry", "alias")

    for holding in owned:
        assert case.actor.transfer(case.account, [holding], successor)[0].outcome is Outcome.DONE
        again = case.actor.transfer(case.account, [holding], successor)[0]
        assert again.outcome is Outcome.ALREADY

    assert case.directory.read(people("report"), "manager") == {"manager": [SUCCESSOR.encode()]}
    assert not {one.key for one in owned} & case.keys()
    theirs = {one.native_id for one in survey_of(case.verifier, successor).items}
    assert {one.native_id for one in owned} <= theirs
    for holding in owned:
        assert case.actor.restore(case.account, [holding])[0].outcome is Outcome.DONE
    assert case.directory.world() == before


def test_nobody_becomes_their_own_manager(case: Case) -> None:
    """Handing the successor's own manager entry to the successor is refused."""
    case.directory.modify(SUCCESSOR, {"manager": [(ldap3.MODIFY_REPLACE, [LEAVER])]})
    successor = account_of(case.actor, SUCCESSOR_SUBJECT)
    found = survey_of(case.actor, case.account).items
    theirs = next(one for one in found if one.label == f"manager of {SUCCESSOR}")

    effect = case.actor.transfer(case.account, [theirs], successor)[0]

    assert effect.outcome is Outcome.REFUSED
    assert case.directory.read(SUCCESSOR, "manager") == {"manager": [LEAVER.encode()]}


def test_others_who_joined_meanwhile_stay_after_undo(case: Case) -> None:
    """Undo gives the leaver their place back and takes nobody else's."""
    engineers = case.named(f"member of {group('engineers')}")
    case.actor.revoke(case.account, [engineers])
    newcomer = people("report")
    case.directory.modify(group("engineers"), {"member": [(ldap3.MODIFY_ADD, [newcomer])]})

    assert case.actor.restore(case.account, [engineers])[0].outcome is Outcome.DONE

    members = set(case.directory.read(group("engineers"), "member")["member"])
    assert {LEAVER.encode(), newcomer.encode()} <= members


def test_entry_goes_only_when_nothing_points_at_it(case: Case) -> None:
    """A dangling DN is inherited by the next bearer, so deletion waits for it (L14)."""
    refused = case.actor.destroy(case.account)
    assert refused.outcome is Outcome.REFUSED
    assert "references" in refused.why
    successor = account_of(case.actor, SUCCESSOR_SUBJECT)
    for holding in case.of("grant", "ownership", "alias"):
        case.actor.transfer(case.account, [holding], successor) if holding.sole else None
        case.actor.revoke(case.account, [holding])

    assert case.actor.destroy(case.account).outcome is Outcome.DONE

    assert case.directory.read(LEAVER) == {}
    assert case.actor.destroy(case.account).outcome is Outcome.ALREADY
    assert survey_of(case.verifier, case.account).items == ()


def test_entry_deleted_by_others_leaves_what_dangles(case: Case) -> None:
    """Somebody deletes the entry by hand: what still points at it is seen and can be removed."""
    case.directory.modify(SUCCESSOR, {"seeAlso": [(ldap3.MODIFY_ADD, [LEAVER])]})
    case.directory.delete(LEAVER)

    left = survey_of(case.actor, case.account).items

    assert not [one for one in left if one.kind.startswith(("account", "credential"))]
    dangling = next(one for one in left if one.label == f"seeAlso of {SUCCESSOR}")
    assert case.actor.revoke(case.account, [dangling])[0].outcome is Outcome.DONE
    assert case.directory.read(SUCCESSOR, "seeAlso") == {}


def test_references_of_a_new_bearer_are_theirs(case: Case) -> None:
    """A re-used DN and login belong to the new person; the old account holds nothing any more."""
    case.directory.delete(LEAVER)
    new = {"uid": "lmeyer", "cn": "New", "sn": "New", "employeeNumber": "E-2000"}
    case.directory.add(Entry(LEAVER, ("inetOrgPerson",), dict(new)))

    assert survey_of(case.actor, case.account).items == ()
    assert case.actor.revoke(case.account, case.of("grant.sudo"))[0].outcome is Outcome.ALREADY


def test_find_grades_its_matches(case: Case) -> None:
    """Only the HR number is certain; names are candidates, and another's number tells."""
    accounts = {one.login: one for one in gather(case.verifier.find(LEAVER_SUBJECT)).items}

    assert accounts["lmeyer"].confidence == 100
    assert accounts["lm-admin"].confidence == 10


def test_export_keeps_everything(case: Case) -> None:
    """The LDIF holds the entry whole and every entry that names the person."""
    exports = {
        one.name: b"".join(one.chunks) for one in case.actor.export(case.account, case.holdings)
    }
    own, references = (exports[name] for name in sorted(exports))

    assert b"userPassword" in own or b"userpassword" in own
    assert f"dn: {LEAVER}".encode() in own
    for dn in (group("engineers"), f"cn=hosts,ou=netgroups,{SUFFIX}", people("report")):
        assert f"dn: {dn}".encode() in references


def test_list_pages_through_everybody(case: Case) -> None:
    """The sweep's list has every person once, with its canary."""
    small = connect(case.directory, Credential.VERIFY, page_size=2)
    reading = gather(small.list_accounts())
    small.close()

    assert not reading.blind
    logins = sorted(one.login for one in reading.items)
    assert logins == ["boss", "canary", "lm-admin", "lmeyer", "nolock", "report", "skhan"]


def test_probe_holds_on_a_healthy_directory(case: Case) -> None:
    """Doctor finds nothing to complain about, for both identities."""
    for connector in (case.actor, case.verifier):
        assert [line.check for line in connector.probe() if not line.holds] == []


def test_probe_compares_clocks(case: Case) -> None:
    """A daemon whose clock is an hour off is told so; evidence carries its times."""
    monitor = "cn=monitor" if case.directory.product == "389ds" else "cn=Monitor"
    watching: dict[str, Any] = {"read_sessions": True, "monitor_base": monitor}
    right = connect(case.directory, Credential.ACT, **watching)
    wrong = connect(case.directory, Credential.ACT, lambda: now() + HOUR, **watching)

    clocks = [
        next(line.holds for line in connector.probe() if line.check == "clock")
        for connector in (right, wrong)
    ]
    right.close()
    wrong.close()

    assert clocks == [True, False]


def test_open_connection_is_seen_and_named_a_duty(case: Case) -> None:
    """A connection bound before the lock survives it: reported, with the task for a person."""
    monitor = "cn=monitor" if case.directory.product == "389ds" else "cn=Monitor"
    watcher = connect(case.directory, Credential.ACT, read_sessions=True, monitor_base=monitor)
    with case.directory.session(LEAVER, LEAVER_PASSWORD) as open_connection:
        sessions = [one for one in survey_of(watcher, case.account).items if one.kind == SESSION]
        assert open_connection.bound
    watcher.close()

    assert len(sessions) == 1
    assert sessions[0].duty


def test_access_rule_that_names_the_person_is_a_duty(case: Case) -> None:
    """Readable rules are searched for the DN and become a task; nothing edits them."""
    watcher = connect(case.directory, Credential.ACT, read_access_rules=True)
    with _rule_for(case.directory):
        rules = [one for one in survey_of(watcher, case.account).items if one.kind == ACL]
        refused = watcher.revoke(case.account, rules)[0]
    clean = [one for one in survey_of(watcher, case.account).items if one.kind == ACL]
    watcher.close()

    assert len(rules) == 1
    assert rules[0].duty
    assert refused.outcome is Outcome.REFUSED
    assert clean == []


def _rule_for(directory: Directory) -> AbstractContextManager[None]:
    person = f"UID=lmeyer, ou=People,{SUFFIX}"
    if isinstance(directory, Slapd):
        branch = f'to dn.subtree="ou=groups,{SUFFIX}"'
        return directory.access(f'{branch} by dn.exact="{person}" write by * break')
    assert isinstance(directory, ThreeEightNine)
    subject = f'allow (write) userdn="ldap:///{person}"'
    rule = f'(targetattr="*")(version 3.0; acl "own"; {subject};)'
    return directory.aci(f"ou=groups,{SUFFIX}", rule)


# ------------------------------------------------------------------------------ OpenLDAP only
def test_lock_and_scramble_are_one_modify(slapd_case: Case, slapd: Slapd) -> None:
    """The accesslog shows one request, so the scramble cannot take the lock away again."""
    count = len(slapd.changes_by(ACTOR))
    slapd_case.actor.contain(slapd_case.account, slapd_case.of("account", "credential.password"))

    written = slapd.changes_by(ACTOR)[count:]

    assert len(written) == 1
    edits = " ".join(written[0]["reqMod"])
    assert "userPassword:=" in edits
    assert "pwdAccountLockedTime:+ 000001010000Z" in edits


def test_later_password_change_opens_the_account_and_is_seen(slapd_case: Case) -> None:
    """Any new password lifts OpenLDAP's lock; the verifier does not believe the past."""
    bundle = slapd_case.of("account", "credential.password")
    slapd_case.actor.contain(slapd_case.account, bundle)
    slapd_case.directory.modify(
        LEAVER, {"userPassword": [(ldap3.MODIFY_REPLACE, ["Another-password-5"])]}
    )

    assert slapd_case.state("account.person") == {HoldingState.LIVE}
    effects = slapd_case.actor.contain(slapd_case.account, bundle)
    assert {one.outcome for one in effects} == {Outcome.DONE}
    assert not slapd_case.directory.binds(LEAVER, "Another-password-5")


def test_undo_leaves_a_lock_that_was_there_before(slapd_case: Case) -> None:
    """Somebody else had locked the account: putting the password back does not open it."""
    forever = {"pwdAccountLockedTime": [(ldap3.MODIFY_REPLACE, ["000001010000Z"])]}
    slapd_case.directory.modify(LEAVER, forever)
    before = slapd_case.directory.world()
    found = survey_of(slapd_case.actor, slapd_case.account).items
    bundle = [one for one in found if one.kind in ("account.person", "credential.password")]

    slapd_case.actor.contain(slapd_case.account, bundle)
    slapd_case.actor.restore(slapd_case.account, bundle)

    assert slapd_case.directory.world() == before
    assert not slapd_case.directory.binds(LEAVER, LEAVER_PASSWORD)


def test_password_alone_comes_back_under_the_lock(slapd_case: Case) -> None:
    """Restoring only the hash does not lift the lock that was set with it."""
    bundle = slapd_case.of("account", "credential.password")
    slapd_case.actor.contain(slapd_case.account, bundle)

    (effect,) = slapd_case.actor.restore(slapd_case.account, bundle[1:])

    assert effect.outcome is Outcome.DONE
    assert slapd_case.state("account.person") == {HoldingState.CONTAINED}
    assert not slapd_case.directory.binds(LEAVER, LEAVER_PASSWORD)


def test_password_changed_since_it_was_stored_is_said_to_be_lost(slapd_case: Case) -> None:
    """The pre-read of the very modify shows that undo would bring back an older password."""
    bundle = slapd_case.of("account", "credential.password")
    slapd_case.directory.modify(
        LEAVER, {"userPassword": [(ldap3.MODIFY_REPLACE, ["Another-password-5"])]}
    )

    _, password = slapd_case.actor.contain(slapd_case.account, bundle)

    assert (password.outcome, password.lost) == (
        Outcome.DONE,
        "the password was changed after it was stored",
    )


def test_account_that_cannot_be_locked_is_said_to_be_open(slapd: Slapd) -> None:
    """With pwdLockout FALSE the lock is a no-op: scrambled, refused as locked, live for who
    cannot read the hash.
    """
    actor, verifier = connect(slapd, Credential.ACT), connect(slapd, Credential.VERIFY)
    account = next(one for one in gather(actor.list_accounts()).items if one.display == UNLOCKABLE)
    bundle = [
        one
        for one in survey_of(actor, account).items
        if one.kind in ("account.person", "credential.password")
    ]

    locked, scrambled = actor.contain(account, bundle)

    assert (locked.outcome, "cannot lock" in locked.why) == (Outcome.REFUSED, True)
    assert (scrambled.outcome, "cannot lock" in scrambled.why) == (Outcome.DONE, True)
    assert not slapd.binds(UNLOCKABLE, LEAVER_PASSWORD)
    assert _account_state(actor, account) is HoldingState.CONTAINED  # it can read the scramble
    assert _account_state(verifier, account) is HoldingState.LIVE
    actor.close()
    verifier.close()


def test_last_member_that_refint_left_dangling_is_found(slapd_case: Case) -> None:
    """The overlay cleans groups but leaves a last member: found and handed over all the same."""

    def cleaned() -> bool:
        members = slapd_case.directory.read(group("engineers"), "member")["member"]
        return members == [SUCCESSOR.encode()]

    slapd_case.directory.delete(LEAVER)
    wait_until(cleaned, 10)

    left = survey_of(slapd_case.actor, slapd_case.account).items
    lonely = next(one for one in left if one.label == f"member of {group('lonely')}")
    successor = account_of(slapd_case.actor, SUCCESSOR_SUBJECT)

    assert lonely.sole
    assert slapd_case.actor.transfer(slapd_case.account, [lonely], successor)[0].outcome is (
        Outcome.DONE
    )
    assert slapd_case.actor.revoke(slapd_case.account, [lonely])[0].outcome is Outcome.DONE
    assert slapd_case.directory.read(group("lonely"), "member")["member"] == [SUCCESSOR.encode()]


def test_idle_timeout_makes_a_session_wait_not_close(slapd: Slapd) -> None:
    """With the server's idle timeout known, containment waits for it and says until when."""
    watcher = connect(slapd, Credential.ACT, read_sessions=True, idle_timeout=HOUR)
    account = account_of(watcher)
    with slapd.session(LEAVER, LEAVER_PASSWORD):
        (session,) = (one for one in survey_of(watcher, account).items if one.kind == SESSION)
        effect = watcher.contain(account, [session])[0]
    watcher.close()

    assert effect.outcome is Outcome.PENDING
    assert effect.pending_until == session.residual_until
    assert session.duty == ""


def test_connection_from_before_the_lock_still_reads(case: Case) -> None:
    """Why sessions are a kind of their own: the lock ends none that is open."""
    with case.directory.session(LEAVER, LEAVER_PASSWORD) as open_connection:
        case.actor.contain(case.account, case.of("account", "credential.password"))
        open_connection.search(LEAVER, "(objectClass=*)", ldap3.BASE, attributes=["1.1"])

        assert open_connection.result["result"] == 0


def test_unknown_policy_is_settled_by_a_bind(slapd: Slapd) -> None:
    """Where the default policy is not known, the server's own word in a bind answer is proof."""
    actor = connect(slapd, Credential.ACT, default_password_policy="")
    account = account_of(actor)
    bundle = [
        one
        for one in survey_of(actor, account).items
        if one.kind in ("account.person", "credential.password")
    ]
    assert _account_state(actor, account) is HoldingState.LIVE

    actor.contain(account, bundle)

    assert _account_state(actor, account) is HoldingState.CONTAINED
    actor.close()


def test_right_to_act_for_others_goes_both_ways(slapd: Slapd) -> None:
    """AuthzFrom on others and authzTo on the leaver survive a lock: found and removed."""
    slapd.modify(people("boss"), {"authzFrom": [(ldap3.MODIFY_ADD, [f"dn.exact:{LEAVER}"])]})
    slapd.modify(LEAVER, {"authzTo": [(ldap3.MODIFY_ADD, [f"dn.exact:{people('boss')}"])]})
    actor = connect(slapd, Credential.ACT)
    account = account_of(actor)
    found = [one for one in survey_of(actor, account).items if one.kind == "grant.delegation"]

    effects = actor.revoke(account, found)

    assert [one.outcome for one in effects] == [Outcome.DONE, Outcome.DONE]
    assert slapd.read(people("boss"), "authzFrom") == slapd.read(LEAVER, "authzTo") == {}
    actor.restore(account, found)
    assert slapd.read(LEAVER, "authzTo") != {}
    actor.close()


# -------------------------------------------------------------------------------- 389-ds only
def test_lock_by_role_is_seen(three_eight_nine: ThreeEightNine) -> None:
    """An account disabled through the disabling role is contained; undo leaves the role alone."""
    three_eight_nine.add_disabling_role()
    role = f"cn=nsManagedDisabledRole,{SUFFIX}"
    three_eight_nine.modify(LEAVER, {"nsRoleDN": [(ldap3.MODIFY_ADD, [role])]})
    case = Case(three_eight_nine)

    assert case.state("account.person") == {HoldingState.CONTAINED}
    locked = case.actor.contain(case.account, case.of("account"))[0]
    case.close()

    assert locked.outcome in {Outcome.DONE, Outcome.ALREADY}  # shell and expiry were still open
    assert not three_eight_nine.binds(LEAVER, LEAVER_PASSWORD)


def test_hash_is_said_to_be_lost_where_it_cannot_go_back(three_eight_nine: ThreeEightNine) -> None:
    """Without password administration the lock is lifted and the missing password is named."""
    case = Case(three_eight_nine)
    bundle = case.of("account", "credential.password")
    case.actor.contain(case.account, bundle)
    administrators: dict[str, Any] = {"passwordAdminDN": [(ldap3.MODIFY_REPLACE, [])]}
    three_eight_nine.modify("cn=config", administrators)
    try:
        account, password = case.actor.restore(case.account, bundle)
    finally:
        three_eight_nine.prepare()
    case.close()

    assert account.outcome is Outcome.DONE
    assert (password.outcome, "new password" in password.why) == (Outcome.REFUSED, True)


def test_card_supports_what_is_reported(case: Case) -> None:
    """Every kind found is on the card, with a stage or a duty."""
    card = case.actor.card()
    for holding in case.holdings:
        support = card.support(holding.kind)
        assert support is not None
        assert Stage.PRESERVE in support.stages or support.duty


def test_key_in_survey_is_the_key_in_the_directory(case: Case) -> None:
    """A label shows the comment, never the key."""
    labels = {one.label for one in case.of("credential.ssh_key")}

    assert labels == {"work", "home"}
    assert not any(KEY_ONE.split()[1] in label for label in labels)


def _account_state(connector: LdapConnector, account: Account) -> HoldingState:
    found = survey_of(connector, account).items
    return next(one.state for one in found if one.kind == "account.person")
