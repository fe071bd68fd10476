"""Every row of what a directory holds: seen, taken away, seen gone by the verifier, put back.

The world is read by root past the connector; on OpenLDAP the accesslog is a second witness.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ldap3
import pytest

from connectors.contract import Credential, HoldingState, Outcome, Stage, gather
from connectors.faults import Unauthorised
from connectors.ldap import CanaryObject
from connectors.ldap.card import ACL, SESSION
from tests.support.peers.case import Case
from tests.support.peers.connecting import (
    LEAVER_SUBJECT,
    SUCCESSOR_SUBJECT,
    account_of,
    connect,
    now,
    survey_of,
)
from tests.support.peers.population import (
    KEY_ONE,
    LEAVER,
    LEAVER_PASSWORD,
    SUCCESSOR,
    SUFFIX,
    Entry,
    group,
    people,
)
from tests.support.peers.slapd import Slapd
from tests.support.peers.three_eight_nine import ThreeEightNine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

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


@pytest.fixture
def case(directory: Directory) -> Iterator[Case]:
    """A case on each directory server."""
    opened = Case(directory)
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
    assert f"dn: {group('canaries')}".encode() not in references


def test_export_keeps_only_what_names_the_person(case: Case) -> None:
    """Groups by login are searched whole, but other people's are not copied into the backup."""
    others = Entry(
        group("others"), ("posixGroup",), {"cn": "o", "gidNumber": "9", "memberUid": "skhan"}
    )
    case.directory.add(others)

    exports = [b"".join(one.chunks) for one in case.actor.export(case.account, case.holdings)]

    assert group("others").encode() not in b"".join(exports)


def test_export_of_a_deleted_entry_keeps_the_references(case: Case) -> None:
    """Somebody deleted the entry by hand: what still points at it is kept before it is removed."""
    case.directory.modify(SUCCESSOR, {"seeAlso": [(ldap3.MODIFY_ADD, [LEAVER])]})
    case.directory.delete(LEAVER)
    left = survey_of(case.actor, case.account).items

    kept = {one.name: b"".join(one.chunks) for one in case.actor.export(case.account, left)}

    assert left
    assert [name.rpartition("/")[2] for name in kept] == ["references-of-deleted-entry.ldif"]
    text = next(iter(kept.values()))
    assert f"dn: {SUCCESSOR}".encode() in text
    assert f"dn: cn=operators,ou=sudoers,{SUFFIX}".encode() in text


def test_export_does_not_take_hidden_for_deleted(case: Case) -> None:
    """Without its canaries an acting identity cannot know that the entry is gone (Law 2)."""
    case.directory.delete(LEAVER)
    unseen = (CanaryObject(dn=people("nobody")),)
    short_sighted = connect(case.directory, Credential.ACT, canaries=unseen)

    with pytest.raises(Unauthorised):
        list(short_sighted.export(case.account, case.holdings))
    short_sighted.close()


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


def test_connection_from_before_the_lock_still_reads(case: Case) -> None:
    """Why sessions are a kind of their own: the lock ends none that is open."""
    with case.directory.session(LEAVER, LEAVER_PASSWORD) as open_connection:
        case.actor.contain(case.account, case.of("account", "credential.password"))
        open_connection.search(LEAVER, "(objectClass=*)", ldap3.BASE, attributes=["1.1"])

        assert open_connection.result["result"] == 0
