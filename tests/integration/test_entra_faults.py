"""Every trouble of a tenant: the case stays open, says why, and recovers by itself."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from connectors.conformance.rig import calls, opened
from connectors.contract import (
    Account,
    Credential,
    Effect,
    Holding,
    HoldingState,
    Outcome,
    Reading,
    gather,
)
from connectors.entra import App as Registration
from connectors.entra import EntraConnector
from connectors.faults import Malformed, Refused, Transient, Unauthorised
from connectors.secret import Secret
from deprovisioner.sandbox.graph import App, Fault, FaultKind, Table
from tests.support.entra_tenant import BASE, EntraRig, subject_of, tenant


@pytest.fixture
def rig() -> Iterator[EntraRig]:
    """A fresh tenant, read and changed by the base rows."""
    with tenant(rows=BASE) as fresh:
        yield fresh


def survey(rig: EntraRig, account: Account, credential: Credential) -> Reading[Holding]:
    """Survey with a connector of its own."""
    with opened(rig, credential) as connector:
        return gather(connector.survey(account))


def contain(rig: EntraRig, account: Account) -> list[Effect]:
    """Contain all that can be contained, the way the core calls."""
    with opened(rig, Credential.ACT) as connector:
        assert isinstance(connector, EntraConnector)
        holdings = [one for one in gather(connector.survey(account)).items if not one.duty]
        effects: list[Effect] = []
        for call in calls(connector.card(), holdings):
            effects.extend(connector.contain(account, call))
        return effects


def live(reading: Reading[Holding]) -> Sequence[Holding]:
    """What still works and is not a person's task."""
    return [one for one in reading.items if one.state is HoldingState.LIVE and not one.duty]


def test_contain_is_seen_by_the_other_identity(rig: EntraRig) -> None:
    """Blocked, scrambled, sessions ended, devices disabled, methods gone; tokens end when said."""
    account = rig.account()
    password_before = (rig.graph.truth.get(Table.USERS, account.native_id) or {}).get("_password")
    effects = contain(rig, account)
    assert {effect.outcome for effect in effects} == {Outcome.DONE}
    seen = survey(rig, account, Credential.VERIFY)
    assert not seen.blind
    assert not live(seen)
    truth = rig.graph.truth.get(Table.USERS, account.native_id) or {}
    assert truth["accountEnabled"] is False
    assert truth["_password"] != password_before
    session = next(one for one in seen.items if one.kind == "session")
    assert session.residual_until is not None
    ends_in = session.residual_until - rig.now()
    assert timedelta(hours=28) <= ends_in <= timedelta(hours=28, seconds=2)


def test_a_session_is_gone_when_its_last_token_is(rig: EntraRig) -> None:
    """What was issued before ends by itself, and then nothing of it is reported."""
    account = rig.account()
    contain(rig, account)
    rig.clock.forward(timedelta(hours=28, minutes=1).total_seconds())
    kinds = {one.kind for one in survey(rig, account, Credential.VERIFY).items}
    assert "session" not in kinds


@pytest.mark.parametrize("retry_after", [17, None])
def test_throttling_is_passed_on(rig: EntraRig, retry_after: int | None) -> None:
    """With and without a wait in the answer; afterwards everything goes on."""
    account = rig.account()
    rig.graph.faults.add(Fault(FaultKind.THROTTLED, retry_after=retry_after))
    with pytest.raises(Transient) as raised:
        contain(rig, account)
    assert raised.value.retry_after == timedelta(seconds=retry_after or 0)
    rig.graph.faults.clear()
    contain(rig, account)
    assert not live(survey(rig, account, Credential.VERIFY))


@pytest.mark.parametrize("kind", [FaultKind.DONE_BUT_FAILING, FaultKind.DROPPED])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_write_whose_answer_is_lost_is_found_done(
    rig: EntraRig, kind: FaultKind, method: str
) -> None:
    """A 504, or a dead line, after the work: the next run re-reads and goes on (Law 6)."""
    account = rig.account()
    rig.graph.faults.add(Fault(kind, method=method, times=1))
    with pytest.raises(Transient):
        contain(rig, account)
    contain(rig, account)
    assert not live(survey(rig, account, Credential.VERIFY))


def test_a_survey_does_not_wait_for_each_request_of_a_graph_that_fails() -> None:
    """The first that cannot go on ends the others, and it is the one that is told."""
    with tenant() as rig:
        account = rig.account()
        asked = len(rig.graph.witness.requests)
        survey(rig, account, Credential.VERIFY)
        whole = len(rig.graph.witness.requests) - asked
        rig.graph.faults.add(Fault(FaultKind.THROTTLED, path="/users/*/memberOf", retry_after=17))
        with pytest.raises(Transient) as raised:
            survey(rig, account, Credential.VERIFY)
        cut_short = len(rig.graph.witness.requests) - asked - whole
    assert raised.value.retry_after == timedelta(seconds=17)
    assert cut_short < whole / 2


def test_an_expired_token_is_an_incident(rig: EntraRig) -> None:
    """A token that ended is our trouble, never an empty tenant; a new one works."""
    account = rig.account()
    expired = rig.graph.token(App.VERIFIER, timedelta(0))
    rig.clock.forward(1)
    settings = rig.settings()
    connector = EntraConnector(
        "entra",
        settings.model_copy(update={"verify": _with_token(settings.verify, expired)}),
        Credential.VERIFY,
        rig.clock,
        rows=BASE,
    )
    try:
        with pytest.raises(Unauthorised):
            gather(connector.survey(account))
    finally:
        connector.close()
    assert not survey(rig, account, Credential.VERIFY).blind


def test_consent_withdrawn_in_the_middle_of_contain(rig: EntraRig) -> None:
    """What was done stays done; the rest waits for the right, and then is done."""
    account = rig.account()
    rig.graph.withdraw(App.ACTOR, "UserAuthenticationMethod.ReadWrite.All")
    with pytest.raises(Unauthorised):
        contain(rig, account)
    seen = survey(rig, account, Credential.VERIFY)
    left = {one.kind for one in live(seen)}
    assert {"credential.mfa", "credential.recovery"} <= left
    assert not left & {"account.person", "credential.password", "session"}
    rig.graph.consent(App.ACTOR, "UserAuthenticationMethod.ReadWrite.All")
    contain(rig, account)
    assert not live(survey(rig, account, Credential.VERIFY))


def test_an_empty_page_with_a_next_link_hides_nothing(rig: EntraRig) -> None:
    """What comes behind an empty page is read."""
    account = rig.account()
    before = survey(rig, account, Credential.VERIFY)
    for path in ("/users/*/ownedDevices", "/users/*/registeredDevices", "/users/*/memberOf"):
        rig.graph.faults.add(Fault(FaultKind.EMPTY_PAGE, path=path, times=1))
    with_gap = survey(rig, account, Credential.VERIFY)
    assert [one.key for one in with_gap.items] == [one.key for one in before.items]
    assert not with_gap.blind


def test_a_link_to_a_foreign_host_gets_no_token(rig: EntraRig) -> None:
    """The sweep ends as malformed; our token stays at home."""
    rig.graph.faults.add(Fault(FaultKind.FOREIGN_LINK, path="/users"))
    with opened(rig, Credential.VERIFY, page_size=100) as connector:
        assert isinstance(connector, EntraConnector)
        with pytest.raises(Malformed):
            gather(connector.list_accounts())
        rig.graph.faults.clear()
        assert not gather(connector.list_accounts()).blind


def test_a_replica_of_the_old_state_keeps_the_case_open(rig: EntraRig) -> None:
    """Twenty minutes of old answers: pending for us, live for the verifier, then seen done."""
    account = rig.account()
    rig.clock.forward(3600)
    rig.graph.lag(replica=1200)
    effects = contain(rig, account)
    assert {effect.outcome for effect in effects} == {Outcome.PENDING}
    assert all(effect.pending_until and effect.pending_until > rig.now() for effect in effects)
    assert live(survey(rig, account, Credential.VERIFY))
    rig.clock.forward(1201)
    assert not live(survey(rig, account, Credential.VERIFY))
    assert {effect.outcome for effect in contain(rig, account)} == {Outcome.ALREADY}


@pytest.mark.parametrize(
    ("right", "said"),
    [
        ("Directory.Read.All", "Directory.Read.All"),
        ("UserAuthenticationMethod.Read.All", "authentication methods"),
        ("DeviceManagementManagedDevices.Read.All", "devices managed by Intune"),
    ],
)
def test_a_right_taken_from_the_verifier_makes_it_blind(
    rig: EntraRig, right: str, said: str
) -> None:
    """It says which right is missing, and sees again once it is back (Law 2)."""
    account = rig.account()
    rig.graph.withdraw(App.VERIFIER, right)
    blind = survey(rig, account, Credential.VERIFY)
    assert said in blind.blind
    rig.graph.consent(App.VERIFIER, right)
    assert not survey(rig, account, Credential.VERIFY).blind


def test_memberships_that_show_their_id_alone_are_blind() -> None:
    """A lesser right answers 200 with nothing but ids: neither the canary's nor ours are seen."""
    with tenant() as rig:
        account = rig.account()
        rig.graph.withdraw(App.VERIFIER, "Directory.Read.All")
        rig.graph.consent(App.VERIFIER, "GroupMember.ReadBasic.All")
        gaps = survey(rig, account, Credential.VERIFY).gaps
    assert any(gap.startswith("memberships of the canary") for gap in gaps)
    assert any(gap[0].isdigit() and "memberships" in gap for gap in gaps)


def test_a_canary_that_is_somebody_else_proves_nothing(rig: EntraRig) -> None:
    """The id answers, and the number is not the canary's: the settings name another user."""
    account = rig.account()
    other = rig.settings().canary.model_copy(update={"employee_id": "999998"})
    rig.more = {**rig.more, "canary": other}
    assert "canary" in survey(rig, account, Credential.VERIFY).blind
    rig.more = {}
    gone = frozenset({rig.graph.tenant.canary_id})
    rig.graph.faults.add(Fault(FaultKind.HIDDEN, ids=gone, path=f"/users/{next(iter(gone))}"))
    assert survey(rig, account, Credential.VERIFY).blind == "the canary was not seen"


def test_no_right_on_users_at_all_is_an_incident(rig: EntraRig) -> None:
    """Without the right to read users nothing can be said: every case waits."""
    account = rig.account()
    rig.graph.withdraw(App.VERIFIER, "User.Read.All", "Directory.Read.All")
    with pytest.raises(Unauthorised):
        survey(rig, account, Credential.VERIFY)


@pytest.mark.parametrize("kind", [FaultKind.LIES_EMPTY, FaultKind.HIDDEN])
def test_an_index_that_shows_nobody_is_blind(rig: EntraRig, kind: FaultKind) -> None:
    """A search that does not even find the canary has not shown that nobody is there (Law 2)."""
    ids = frozenset({rig.graph.tenant.canary_id, rig.leaver_id})
    rig.graph.faults.add(Fault(kind, path="/users", ids=ids))
    with opened(rig, Credential.VERIFY) as connector:
        found = gather(connector.find(rig.subject))
        assert isinstance(connector, EntraConnector)
        listed = gather(connector.list_accounts())
    assert not found.items
    assert found.blind
    assert listed.blind


def test_a_privileged_leaver_is_refused_with_a_task(rig: EntraRig) -> None:
    """Graph does not let an app block an administrator: a person is told exactly what to do."""
    person = rig.graph.tenant.privileged_leaver
    with opened(rig, Credential.VERIFY) as connector:
        found = gather(connector.find(subject_of(person))).items
    native_id = rig.graph.tenant.user_id(person.employment_id)
    account = next(one for one in found if one.native_id == native_id)
    effects = contain(rig, account)
    refused = [effect for effect in effects if effect.outcome is Outcome.REFUSED]
    assert any(
        f"Update-MgUser -UserId {native_id} -AccountEnabled:$false" in effect.why
        for effect in refused
    )
    assert any(one.kind == "account.person" for one in live(survey(rig, account, Credential.ACT)))


@pytest.mark.parametrize("write", ["contain", "revoke", "restore", "destroy"])
def test_a_protected_identity_is_never_changed(rig: EntraRig, write: str) -> None:
    """Break-glass accounts and the canary are refused before anything is sent (Law 5)."""
    kept = (rig.graph.tenant.break_glass_id, rig.graph.tenant.canary_id)
    for native_id in (*kept, *map(str.upper, kept)):  # Graph takes either case
        other = Account("entra", native_id, "x")
        with opened(rig, Credential.ACT) as connector:
            arguments = (other,) if write == "destroy" else (other, ())
            with pytest.raises(Refused, match="protected"):
                getattr(connector, write)(*arguments)
    assert not rig.graph.witness.requests
    assert not rig.graph.witness.changes_by("actor")


def _with_token(app: Registration, token: str) -> Registration:
    """Replace the token of an app registration."""
    return Registration(client_id=app.client_id, token=Secret.held(lambda: token, "expired"))
