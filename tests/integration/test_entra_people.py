"""People of all sorts in a tenant: found or not, hybrid, guests, admins, several sessions."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from connectors.conformance.rig import calls, opened
from connectors.contract import (
    Account,
    AccountKind,
    Credential,
    Effect,
    Holding,
    HoldingState,
    Identifier,
    IdentityKey,
    Outcome,
    Subject,
    gather,
    kind,
)
from connectors.entra import EntraConnector
from connectors.entra import account as rows
from connectors.faults import Transient
from deprovisioner.sandbox.graph import App, Fault, FaultKind, Link, Store, Table
from tests.support.entra_tenant import BASE, EntraRig, subject_of, tenant


@pytest.fixture
def rig() -> Iterator[EntraRig]:
    """A fresh tenant, read and changed by the base rows."""
    with tenant(rows=BASE) as fresh:
        yield fresh


def found(rig: EntraRig, subject: Subject) -> dict[str, Account]:
    """Find, by object id."""
    with opened(rig, Credential.VERIFY) as connector:
        reading = gather(connector.find(subject))
    assert not reading.blind
    return {account.native_id: account for account in reading.items}


def holdings(
    rig: EntraRig, account: Account, credential: Credential = Credential.ACT
) -> tuple[Holding, ...]:
    """Survey."""
    with opened(rig, credential) as connector:
        reading = gather(connector.survey(account))
    assert not reading.blind, reading.blind
    return reading.items


def contain(rig: EntraRig, account: Account) -> dict[str, Effect]:
    """Contain all, the way the core calls; effects by kind."""
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        chosen = [one for one in gather(connector.survey(account)).items if not one.duty]
        effects: dict[str, Effect] = {}
        for call in calls(connector.card(), chosen):
            done = connector.contain(account, call)
            effects |= {one.kind: effect for one, effect in zip(call, done, strict=True)}
        return effects


def change(rig: EntraRig, native_id: str, **members: object) -> None:
    """Change a user behind our back."""

    def edit(store: Store) -> None:
        store.change(Table.USERS, native_id, **members)

    rig.graph.edit(edit)


# ---------------------------------------------------------------------------------------- finding
def test_the_second_account_of_a_person_is_a_candidate(rig: EntraRig) -> None:
    """`adm-…` is found by pattern, as an admin, and never for certain."""
    people = rig.graph.tenant.people
    owner = next(
        one for one in people if rig.graph.truth.get(Table.USERS, rig.graph.tenant.admin_id(one))
    )
    accounts = found(rig, subject_of(owner))
    second = accounts[rig.graph.tenant.admin_id(owner)]
    assert second.kind is AccountKind.ADMIN
    assert second.confidence < 100
    first = accounts[rig.graph.tenant.user_id(owner.employment_id)]
    assert (first.kind, first.confidence) == (AccountKind.PERSON, 100)


@pytest.mark.parametrize("number", ["200051", " 200051 ", "\uff12\uff10\uff10\uff10\uff15\uff11"])
def test_the_number_is_compared_folded(rig: EntraRig, number: str) -> None:
    """Width and spaces do not hide a person."""
    change(rig, rig.leaver_id, employeeId="200051")
    assert found(rig, Subject("E-1051", employee_number=number))[rig.leaver_id].confidence == 100


def test_leading_zeros_tell_people_apart(rig: EntraRig) -> None:
    """00123 and 123 are two numbers."""
    change(rig, rig.leaver_id, employeeId="0200051")
    assert rig.leaver_id not in found(rig, Subject("E-1051", employee_number="200051"))


def test_an_immutable_id_of_another_system_is_certain(rig: EntraRig) -> None:
    """Active Directory's objectGUID joins both worlds."""
    hybrid = rig.graph.tenant.leaver
    native_id = rig.graph.tenant.user_id(hybrid.employment_id)
    user = rig.graph.truth.get(Table.USERS, native_id) or {}
    known = Identifier(IdentityKey.IMMUTABLE_ID, user["onPremisesImmutableId"])
    account = found(rig, Subject("E-1042", identifiers=(known,)))[native_id]
    assert account.confidence == 100
    assert account.matched_by == "onPremisesImmutableId"


@pytest.mark.parametrize("place", ["mail", "otherMails", "proxyAddresses"])
def test_an_address_in_any_place_makes_a_candidate(rig: EntraRig, place: str) -> None:
    """Addresses are handed on, so they never decide."""
    value: object = "old.name@example.com"
    if place == "otherMails":
        value = [value]
    elif place == "proxyAddresses":
        value = [f"smtp:{value}"]
    change(rig, rig.leaver_id, **{place: value})
    account = found(rig, Subject("E-1", emails=("old.name@example.com",)))[rig.leaver_id]
    assert account.confidence < 100


def test_somebody_elses_number_makes_an_address_worth_little(rig: EntraRig) -> None:
    """The bearer of a handed-on address has a number of their own."""
    leaver = rig.graph.truth.get(Table.USERS, rig.leaver_id) or {}
    subject = Subject("E-7", employee_number="700000", emails=(leaver["mail"],))
    assert found(rig, subject)[rig.leaver_id].confidence == 10


def test_a_guest_is_found_by_the_address_in_its_name(rig: EntraRig) -> None:
    """`jane_partner.example#EXT#@…` is the guest of jane@partner.example."""
    guest = rig.graph.truth.get(Table.USERS, rig.graph.tenant.guest_id) or {}
    subject = Subject("E-8", emails=(str(guest["mail"]),))
    assert found(rig, subject)[rig.graph.tenant.guest_id].confidence < 100


def test_a_quote_in_a_name_searches_for_that_name(rig: EntraRig) -> None:
    """A quote is doubled: nobody searches for something else by their name."""
    change(rig, rig.leaver_id, mail="o'neil@example.com")
    assert rig.leaver_id in found(rig, Subject("E-9", emails=("o'neil@example.com",)))
    nasty = "x' or accountEnabled eq true or mail eq 'x"
    assert not found(rig, Subject("E-9", emails=(nasty,)))


def test_nothing_to_search_by_is_said(rig: EntraRig) -> None:
    """HR gave nothing: that is no empty result."""
    with opened(rig, Credential.VERIFY) as connector:
        assert "nothing to search by" in gather(connector.find(Subject("E-9"))).blind


def test_a_deleted_user_is_found_and_what_it_still_has_is_not_seen(rig: EntraRig) -> None:
    """Law 2: restorable for 30 days, devices enabled, links open: a read that cannot see that."""
    account = rig.account()
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        assert connector.destroy(account).outcome is Outcome.DONE
    with opened(rig, Credential.VERIFY) as connector:
        reading = gather(connector.find(rig.subject))
    again = {each.native_id: each for each in reading.items}[account.native_id]
    assert again.confidence == 100
    assert "deleted" in again.matched_by
    assert "Remove-MgDirectoryDeletedItem" in reading.blind
    assert not holdings(rig, again, Credential.VERIFY)
    rig.graph.edit(lambda store: store.drop(Table.DELETED, account.native_id))
    with opened(rig, Credential.VERIFY) as connector:
        assert not gather(connector.find(rig.subject)).blind


# ------------------------------------------------------------------------------------------ hybrid
def hybrid_account(rig: EntraRig) -> Account:
    """The synced leaver."""
    person = rig.graph.tenant.leaver
    return found(rig, subject_of(person))[rig.graph.tenant.user_id(person.employment_id)]


def test_a_synced_user_is_blocked_here_and_mastered_there(rig: EntraRig) -> None:
    """Blocked in the cloud at once; the password is a person's task in Active Directory."""
    account = hybrid_account(rig)
    before = {one.kind: one for one in holdings(rig, account)}
    assert "Disable-ADAccount" in before[rows.PASSWORD].duty
    effects = contain(rig, account)
    assert effects["account.person"].outcome is Outcome.DONE
    assert effects["session"].outcome is Outcome.DONE


def test_a_block_undone_by_synchronisation_is_seen(rig: EntraRig) -> None:
    """The next sync opens the account again: verification shows it live."""
    account = hybrid_account(rig)
    contain(rig, account)
    change(rig, account.native_id, accountEnabled=True)
    states = {one.kind: one.state for one in holdings(rig, account, Credential.VERIFY)}
    assert states[rows.ACCOUNTS[AccountKind.PERSON]] is HoldingState.LIVE
    assert states[rows.SESSION] is HoldingState.LIVE


def test_where_active_directory_is_ours_its_password_is_reported_there() -> None:
    """With the directory in the same configuration there is no second task for it."""
    with tenant(rows=BASE, more={"active_directory": "corp-ad"}) as rig:
        kinds = {one.kind for one in holdings(rig, hybrid_account(rig))}
    assert rows.PASSWORD not in kinds


def test_a_password_changed_after_sessions_ended_makes_them_live(rig: EntraRig) -> None:
    """Whoever reset the password later may have signed in: sessions are ended once more."""
    account = rig.account()
    contain(rig, account)
    rig.clock.forward(60)
    change(rig, account.native_id, lastPasswordChangeDateTime="2026-12-18T10:01:00Z")
    assert any(
        one.kind == rows.SESSION and one.state is HoldingState.LIVE
        for one in holdings(rig, account)
    )
    assert contain(rig, account)["session"].outcome is Outcome.DONE


# ---------------------------------------------------------------------------------- guests, admins
def test_a_guest_is_blocked_and_its_sessions_are_not_claimed(rig: EntraRig) -> None:
    """Ending sessions does nothing for a guest: the block is all, and nothing else is said."""
    guest = Account("entra", rig.graph.tenant.guest_id, "guest")
    change(rig, guest.native_id, accountEnabled=True)
    effects = contain(rig, guest)
    assert effects["account.person"].outcome is Outcome.DONE
    assert effects["session"].outcome is Outcome.ALREADY
    left = holdings(rig, guest, Credential.VERIFY)
    assert all(one.state is not HoldingState.LIVE for one in left)
    assert not any(
        request.path.endswith("revokeSignInSessions") for request in rig.graph.witness.requests
    )


def test_the_task_for_an_admin_is_not_given_for_a_missing_right(rig: EntraRig) -> None:
    """Nobody special and a 403: a right of ours is missing, which is an incident."""
    account = rig.account()
    rig.graph.withdraw(App.ACTOR, "User.EnableDisableAccount.All", "User.ReadWrite.All")
    with pytest.raises(Exception, match="rights"):
        contain(rig, account)


# ----------------------------------------------------------------------------------------- methods
def test_an_unknown_method_is_a_task_and_never_closed(rig: EntraRig) -> None:
    """A type that nobody here knows stays live with a duty."""
    method = {"id": "b8a9f2c4-0000-4000-8000-000000000001", "_user": rig.leaver_id}

    def add(store: Store) -> None:
        record = {**method, "_type": "brainwaveAuthenticationMethod", "createdDateTime": None}
        store.put(Table.AUTHENTICATION_METHODS, record)

    rig.graph.edit(add)
    account = rig.account()
    contain(rig, account)
    left = {
        one.label: one
        for one in holdings(rig, account, Credential.VERIFY)
        if one.kind == "credential.mfa"
    }
    assert left["brainwave"].state is HoldingState.LIVE
    assert left["brainwave"].duty
    # Graph keeps the default phone while another method is there, so it waits for the person.
    assert set(left) == {"brainwave", "phone"}


def test_methods_go_in_the_order_that_graph_demands(rig: EntraRig) -> None:
    """The alternate phone first, whatever order they are handed over in; all in one call."""
    account = rig.account()
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        listed = gather(connector.survey(account)).items
        methods = [one for one in listed if one.kind in {"credential.mfa", "credential.recovery"}]
        for order in (methods, methods[::-1]):
            effects = connector.contain(account, order)
            assert [effect.holding_key for effect in effects] == [one.key for one in order]
            assert {effect.outcome for effect in effects} <= {Outcome.DONE, Outcome.ALREADY}
    assert not any(
        one.kind.startswith("credential.m") for one in holdings(rig, account, Credential.VERIFY)
    )


def test_a_method_that_graph_keeps_refusing_is_reported(rig: EntraRig) -> None:
    """Three rounds without waiting, then the refusal with a task; the others are gone."""
    account = rig.account()
    path = "/users/*/authentication/fido2Methods/*"
    rig.graph.faults.add(Fault(FaultKind.FAILING, method="DELETE", path=path, status=400))
    effects = contain(rig, account)
    rig.graph.faults.clear()
    assert effects["credential.recovery"].outcome is Outcome.DONE
    left = [
        one.label
        for one in holdings(rig, account, Credential.VERIFY)
        if one.kind == "credential.mfa"
    ]
    assert "fido2" in left
    assert set(left) <= {"fido2", "phone"}  # the default phone goes last of all
    tries = [
        request
        for request in rig.graph.witness.requests
        if request.method == "DELETE" and "fido2Methods" in request.path
    ]
    assert len(tries) == 3


def test_certificates_to_sign_in_with_outlive_a_password_and_are_taken_away() -> None:
    """They are named on the user object: cleared, seen cleared, and put back as they were."""
    bound = ["X509:<SKI>0123456789abcdef", "X509:<PN>person@example.com"]
    with tenant() as rig:
        change(rig, rig.leaver_id, authorizationInfo={"certificateUserIds": bound})
        account = rig.account()
        held = [one for one in holdings(rig, account) if one.kind == "credential.certificate"]
        with opened(rig, Credential.ACT) as connector:
            assert isinstance(connector, EntraConnector)
            for said in (Outcome.DONE, Outcome.ALREADY):
                assert connector.revoke(account, held)[0].outcome is said
            left = {one.kind for one in holdings(rig, account, Credential.VERIFY)}
            assert "credential.certificate" not in left
            assert connector.restore(account, held)[0].outcome is Outcome.DONE
        user = rig.graph.truth.get(Table.USERS, rig.leaver_id) or {}
    assert user["authorizationInfo"]["certificateUserIds"] == bound


def test_what_a_person_did_after_a_moment_is_read_from_the_log(rig: EntraRig) -> None:
    """Sign-ins since then, of this person, with the canary seen."""
    account = rig.account()

    def log_sign_ins(store: Store) -> None:
        for number, (user, at) in enumerate(
            (
                (rig.leaver_id, "2026-12-18T10:00:01Z"),
                (rig.leaver_id, "2026-12-18T09:00:00Z"),
                (rig.graph.tenant.canary_id, "2026-12-18T10:00:01Z"),
            )
        ):
            record = {"id": f"new-{number}", "userId": user, "createdDateTime": at}
            store.put(Table.SIGN_INS, {**record, "appDisplayName": "Wiki"})

    rig.graph.edit(log_sign_ins)
    with opened(rig, Credential.VERIFY) as connector:
        assert isinstance(connector, EntraConnector)
        seen = gather(connector.activity(account, rig.now()))
    assert not seen.blind
    assert [(one.account_id, one.what) for one in seen.items] == [
        (rig.leaver_id, "signed in to Wiki")
    ]


# ------------------------------------------------------------------------------------ order of acts
def test_block_and_password_are_one_request(rig: EntraRig) -> None:
    """No crash leaves a blocked account with a password that the person knows."""
    account = rig.account()
    contain(rig, account)
    writes = [
        (request.method, request.path.rpartition("/")[2])
        for request in rig.graph.witness.requests
        if request.method in {"PATCH", "POST"} and rig.leaver_id in request.path
    ]
    assert writes[0] == ("PATCH", rig.leaver_id)
    assert writes[1] == ("POST", "revokeSignInSessions")


def test_without_the_right_to_passwords_the_block_still_happens(rig: EntraRig) -> None:
    """What Graph refuses together is tried apart: the account is closed first."""
    account = rig.account()
    rig.graph.withdraw(App.ACTOR, "User-PasswordProfile.ReadWrite.All")
    with pytest.raises(Exception, match="rights"):
        contain(rig, account)
    assert (rig.graph.truth.get(Table.USERS, rig.leaver_id) or {})["accountEnabled"] is False


def test_undo_opens_the_account_and_says_what_does_not_come_back(rig: EntraRig) -> None:
    """The account is open again; password, sessions and methods are refused in words (Law 9)."""
    account = rig.account()
    before = holdings(rig, account)
    contain(rig, account)
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        effects = list(zip(before, connector.restore(account, before), strict=True))
    assert (rig.graph.truth.get(Table.USERS, rig.leaver_id) or {})["accountEnabled"] is True
    for holding, effect in effects:
        if holding.kind.startswith(("credential", "session")):
            assert effect.outcome is Outcome.REFUSED
            assert effect.why
        elif not holding.duty:
            assert effect.outcome is Outcome.DONE


def test_a_device_that_is_blocked_stays_a_task(rig: EntraRig) -> None:
    """Disabled is not given back: the recovery key is kept first, then a person deletes it."""
    account = rig.account()
    contain(rig, account)
    blocked = [one for one in holdings(rig, account, Credential.VERIFY) if one.kind == "device"]
    assert blocked
    for device in blocked:
        assert device.state is HoldingState.CONTAINED
        assert f"Remove-MgDevice -DeviceId {device.native_id}" in device.duty


def test_a_device_that_others_use_is_not_cut(rig: EntraRig) -> None:
    """Who joined a machine owns it for good: its user would be shut out with the leaver."""
    account = rig.account()
    other = rig.graph.tenant.user_id(rig.graph.tenant.people[20].employment_id)
    device = next(one for one in holdings(rig, account) if one.kind == "device")

    def hand_out(store: Store) -> None:
        store.link(Link.REGISTERED_USER, device.native_id, other)

    rig.graph.edit(hand_out)
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        effect = connector.contain(account, [device])[0]
    assert effect.outcome is Outcome.REFUSED
    assert "registered on this device" in effect.why
    assert (rig.graph.truth.get(Table.DEVICES, device.native_id) or {})["accountEnabled"] is True
    left = next(one for one in holdings(rig, account) if one.native_id == device.native_id)
    assert left.state is HoldingState.LIVE
    assert "registeredUsers" in left.duty


def test_a_stale_pre_image_does_not_hide_a_live_account(rig: EntraRig) -> None:
    """What a holding says of itself is not believed: the user is read anew (Law 6)."""
    account = rig.account()
    contained = [
        replace(one, state=HoldingState.CONTAINED)
        for one in holdings(rig, account)
        if one.kind.startswith("account")
    ]
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        assert connector.contain(account, contained)[0].outcome is Outcome.DONE


def leaving(rig: EntraRig, account: Account) -> tuple[Effect, ...]:
    """Take one membership away, and answer its effect."""
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        group = rig.graph.tenant.group_id("Release Signers")
        membership = Holding(account.native_id, kind("grant.group"), group)
        return tuple(connector.revoke(account, [membership]))


def test_sessions_end_again_after_a_group_was_left() -> None:
    """Groups stay in tokens for up to a day unless sessions end after they were left."""
    with tenant() as rig:
        account = rig.account()
        contain(rig, account)
        ended_at = (rig.graph.truth.get(Table.USERS, rig.leaver_id) or {})[VALID_FROM]
        rig.clock.forward(3600)
        assert leaving(rig, account)[0].outcome is Outcome.DONE
        again_at = (rig.graph.truth.get(Table.USERS, rig.leaver_id) or {})[VALID_FROM]
    assert again_at > ended_at


def test_a_crash_between_leaving_and_ending_is_made_up_for() -> None:
    """The group is left, ending sessions fails: the next run finds the one and does the other."""
    with tenant() as rig:
        account = rig.account()
        contain(rig, account)
        rig.clock.forward(3600)
        path = "/users/*/revokeSignInSessions"
        rig.graph.faults.add(Fault(FaultKind.FAILING, method="POST", path=path, times=1))
        with pytest.raises(Transient):
            leaving(rig, account)
        before = (rig.graph.truth.get(Table.USERS, rig.leaver_id) or {})[VALID_FROM]
        assert leaving(rig, account)[0].outcome is Outcome.ALREADY
        assert (rig.graph.truth.get(Table.USERS, rig.leaver_id) or {})[VALID_FROM] > before


VALID_FROM = "signInSessionsValidFromDateTime"


# ------------------------------------------------------------------------------------------ doctor
def test_the_doctor_finds_the_canary_gone(rig: EntraRig) -> None:
    """A canary that was deleted is found before a case needs it."""
    rig.graph.edit(lambda store: store.drop(Table.USERS, rig.graph.tenant.canary_id))
    with opened(rig, Credential.VERIFY) as connector:
        assert isinstance(connector, EntraConnector)
        lines = {probe.check: probe for probe in connector.probe()}
    assert not lines["canary"].holds
    assert lines["canary"].advice


def test_a_replica_that_lags_leaves_each_single_write_open(rig: EntraRig) -> None:
    """Block alone (a synced user's), and its undo, count when they are read and not before."""
    account = hybrid_account(rig)
    rig.clock.forward(3600)
    rig.graph.lag(replica=1200)
    assert contain(rig, account)["account.person"].outcome is Outcome.PENDING
    rig.clock.forward(1201)
    assert contain(rig, account)["account.person"].outcome is Outcome.ALREADY
    before = next(one for one in holdings(rig, account) if one.kind == "account.person")
    back = replace(before, restore={"accountEnabled": True})
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        assert connector.restore(account, [back])[0].outcome is Outcome.PENDING
        rig.clock.forward(1201)
        assert connector.restore(account, [back])[0].outcome is Outcome.ALREADY
