"""What only one product does: OpenLDAP's lock and overlays, 389-ds's roles and hashes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import ldap3
import pytest

from connectors.contract import Credential, HoldingState, Outcome, gather
from connectors.ldap.card import SESSION
from tests.support.peers.case import Case
from tests.support.peers.connecting import (
    SUCCESSOR_SUBJECT,
    account_of,
    connect,
    survey_of,
)
from tests.support.peers.population import (
    ACTOR,
    LEAVER,
    LEAVER_PASSWORD,
    SUCCESSOR,
    SUFFIX,
    UNLOCKABLE,
    group,
    people,
)
from tests.support.peers.slapd import Slapd
from tests.support.peers.three_eight_nine import ThreeEightNine
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Account
    from connectors.ldap import LdapConnector

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

HOUR = timedelta(hours=1)


@pytest.fixture
def slapd_case(slapd: Slapd) -> Iterator[Case]:
    """A case on OpenLDAP."""
    opened = Case(slapd)
    yield opened
    opened.close()


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


def _account_state(connector: LdapConnector, account: Account) -> HoldingState:
    found = survey_of(connector, account).items
    return next(one.state for one in found if one.kind == "account.person")
