"""Every trouble of a GitLab: nothing is believed, nothing lost, and the case says why it waits."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.conformance.rig import write
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
from connectors.faults import Malformed, Refused, Transient, Unauthorised
from connectors.gitlab import account as account_row
from connectors.gitlab.connector import ROWS
from deprovisioner.sandbox.gitlab import Fault, FaultKind, Table
from tests.support.gitlab_forge import ForgeRig, forge, subject_of


@pytest.fixture
def rig() -> Iterator[ForgeRig]:
    """A fresh GitLab."""
    with forge() as fresh:
        yield fresh


def survey(rig: ForgeRig, account: Account, credential: Credential) -> Reading[Holding]:
    """Survey with a connector of its own."""
    connector = rig.opened(credential)
    try:
        return gather(connector.survey(account))
    finally:
        connector.close()


def sign_in(account: Account) -> list[Holding]:
    """The bundle that contain works on."""
    return [
        Holding(account.native_id, account_row.kind_of(account), "account"),
        Holding(account.native_id, account_row.PASSWORD, "password"),
        Holding(account.native_id, account_row.SESSION, "session"),
    ]


def contain(rig: ForgeRig, account: Account) -> list[Effect]:
    """Block with a connector of its own."""
    connector = rig.opened(Credential.ACT)
    try:
        return list(connector.contain(account, sign_in(account)))
    finally:
        connector.close()


def outcomes(effects: list[Effect]) -> set[Outcome]:
    """What the effects say."""
    return {effect.outcome for effect in effects}


def posts(rig: ForgeRig, end: str) -> int:
    """Count requests that write to a path."""
    return sum(
        one.method != "GET" and one.path.endswith(end) for one in rig.gitlab.witness.requests
    )


def test_a_block_that_did_nothing_is_not_done(rig: ForgeRig) -> None:
    """GitLab answers 201 and `true`; the re-read shows an open account (Law 1)."""
    account = rig.account()
    rig.gitlab.faults.add(Fault(FaultKind.IGNORED, path="/users/*/block"))
    assert outcomes(contain(rig, account)) == {Outcome.PENDING}
    rig.gitlab.faults.clear()
    assert outcomes(contain(rig, account)) == {Outcome.DONE}
    assert outcomes(contain(rig, account)) == {Outcome.ALREADY}


def test_a_login_page_is_no_block(rig: ForgeRig) -> None:
    """200 with HTML is what a proxy answers; python-gitlab returns it as success."""
    account = rig.account()
    rig.gitlab.faults.add(Fault(FaultKind.HTML, method="POST"))
    with pytest.raises(Malformed):
        contain(rig, account)
    rig.gitlab.faults.clear()
    assert (rig.gitlab.truth.get(Table.USERS, rig.leaver) or {})["state"] == "active"


@pytest.mark.parametrize("kind", [FaultKind.DONE_BUT_FAILING, FaultKind.DROPPED])
def test_a_lost_answer_is_not_repeated(rig: ForgeRig, kind: FaultKind) -> None:
    """The block was done, the answer is lost: one request, and the next run finds it done."""
    account = rig.account()
    rig.gitlab.faults.add(Fault(kind, path="/users/*/block"))
    with pytest.raises(Transient):
        contain(rig, account)
    rig.gitlab.faults.clear()
    assert posts(rig, "/block") == 1
    assert outcomes(contain(rig, account)) == {Outcome.ALREADY}


@pytest.mark.parametrize("as_date", [False, True])
def test_a_throttled_block_says_when(rig: ForgeRig, as_date: bool) -> None:
    """One request, and the wait that GitLab asked for, in seconds or as a date."""
    account = rig.account()
    fault = Fault(FaultKind.THROTTLED, method="POST", retry_after=42, retry_date=as_date)
    rig.gitlab.faults.add(fault)
    with pytest.raises(Transient) as raised:
        contain(rig, account)
    assert raised.value.retry_after == timedelta(seconds=42)
    assert posts(rig, "/block") == 1


def test_a_sign_up_that_waits_is_never_taken_for_blocked(rig: ForgeRig) -> None:
    """`block` answers 201 and does nothing there; anybody may approve the account later."""
    account = rig.account(subject_of(rig.forge.pending))
    effects = contain(rig, account)
    assert outcomes(effects) == {Outcome.REFUSED}
    assert "reject" in effects[0].why
    held = survey(rig, account, Credential.VERIFY).items
    assert {one.state for one in held if one.kind == account_row.kind_of(account)} == {
        HoldingState.LIVE
    }


def test_what_the_directory_blocked_is_found_blocked(rig: ForgeRig) -> None:
    """Already so; and an undo says that only the directory can open it again."""
    account = rig.account(subject_of(rig.forge.directory_blocked))
    assert outcomes(contain(rig, account)) == {Outcome.ALREADY}
    connector = rig.opened(Credential.ACT)
    was = Holding(
        account.native_id, account_row.kind_of(account), "account", restore={"state": "active"}
    )
    effect = connector.restore(account, [was])[0]
    connector.close()
    assert effect.outcome is Outcome.REFUSED
    assert "LDAP" in effect.why


def test_a_deactivated_account_is_live(rig: ForgeRig) -> None:
    """It comes back with the next sign-in, so it is blocked like an active one."""
    account = rig.account(subject_of(rig.forge.dormant))
    held = survey(rig, account, Credential.VERIFY).items
    assert held[0].state is HoldingState.LIVE
    assert outcomes(contain(rig, account)) == {Outcome.DONE}


@pytest.mark.parametrize("path", ["/users", "/projects", "/projects/*/deploy_keys", "/groups"])
@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.SHORT_PAGE, FaultKind.LOOP])
def test_a_list_that_lies_about_its_end_never_looks_whole(
    rig: ForgeRig, path: str, kind: FaultKind
) -> None:
    """Cut, thinned out, or leading back: the read is blind or raises (Law 2)."""
    account = rig.account()
    rig.gitlab.faults.add(Fault(kind, method="GET", path=path))
    size = 1 if kind is FaultKind.LOOP else 2
    assert read_of(rig, account, of_users=path == "/users", page_size=size)


def read_of(rig: ForgeRig, account: Account, *, of_users: bool, page_size: int = 0) -> str:
    """Find or survey; why nothing may be concluded from it, empty when something may."""
    connector = rig.opened(Credential.VERIFY, page_size=page_size)
    try:
        if of_users:
            return gather(connector.find(rig.subject)).blind
        return gather(connector.survey(account)).blind
    except (Malformed, Transient) as fault:
        return fault.code
    finally:
        connector.close()


@pytest.mark.parametrize("path", ["/users", "/projects"])
def test_an_empty_list_is_not_nobody(rig: ForgeRig, path: str) -> None:
    """Success with nothing in it: the canary is missing from the very same list (Law 2)."""
    account = rig.account()
    rig.gitlab.faults.add(Fault(FaultKind.LIES_EMPTY, path=path))
    assert read_of(rig, account, of_users=path == "/users")


def test_one_list_that_is_refused_is_named(rig: ForgeRig) -> None:
    """403 on the keys of projects: the survey is blind for that and shows all the rest."""
    account = rig.account()
    whole = survey(rig, account, Credential.VERIFY)
    rig.gitlab.faults.add(Fault(FaultKind.FORBIDDEN, path="/projects/*/deploy_keys"))
    read = survey(rig, account, Credential.VERIFY)
    assert not whole.blind
    assert "deploy_keys" in read.blind
    lost = {one.key for one in whole.items} - {one.key for one in read.items}
    assert all("deploy_key:" in key for key in lost)
    assert lost


def test_a_credential_that_ended_is_an_incident(rig: ForgeRig) -> None:
    """401 in the middle of a survey is never a gap of one list."""
    account = rig.account()
    rig.gitlab.faults.add(Fault(FaultKind.EXPIRED, path="/projects/*/deploy_keys"))
    with pytest.raises(Unauthorised):
        survey(rig, account, Credential.VERIFY)


def test_the_token_is_sent_nowhere_else(rig: ForgeRig) -> None:
    """Redirects and next links to another host end the read."""
    account = rig.account()
    for kind in (FaultKind.REDIRECT, FaultKind.FOREIGN_LINK):
        rig.gitlab.faults.add(Fault(kind, path="/groups"))
        connector = rig.opened(Credential.VERIFY, page_size=2)
        with pytest.raises(Malformed):
            gather(connector.survey(account))
        connector.close()
        rig.gitlab.faults.clear()


def test_forty_five_tokens_are_all_revoked(rig: ForgeRig) -> None:
    """python-gitlab skips 20 of 45 when rows go while they are read (its issue 2268)."""
    for _ in range(45):
        rig.gitlab.token(rig.forge.leaver, "read_api")
    account = rig.account()
    connector = rig.opened(Credential.ACT)
    held = [one for one in gather(connector.survey(account)).items if "|pat:" in one.key]
    effects = write(connector.revoke, connector.card(), account, held)
    connector.close()
    assert len(held) == 47
    assert {effect.outcome for effect in effects} == {Outcome.DONE}
    left = [one for one in survey(rig, account, Credential.VERIFY).items if "|pat:" in one.key]
    assert not left


def test_a_replica_that_lags_is_pending(rig: ForgeRig) -> None:
    """The block was taken and is still read as before: asked again later, never done."""
    account = rig.account()
    rig.gitlab.lag(replica=60)
    assert outcomes(contain(rig, account)) == {Outcome.PENDING}
    rig.clock.forward(minutes=2)
    assert outcomes(contain(rig, account)) == {Outcome.ALREADY}


def test_the_last_owner_is_never_deleted_with_force(rig: ForgeRig) -> None:
    """409 is refused with words; `hard_delete` would take the group along (Law 5)."""
    account = rig.account()
    connector = rig.opened(Credential.ACT)
    effect = connector.destroy(account)
    connector.close()
    assert effect.outcome is Outcome.REFUSED
    assert "409" in effect.why
    assert not any("hard_delete" in one.query for one in rig.gitlab.witness.requests)


def test_protected_identities_and_the_canary_are_never_changed(rig: ForgeRig) -> None:
    """Our own users and the canary are refused before anything is sent (Law 5)."""
    connector = rig.opened(Credential.ACT)
    settings = rig.settings()
    for key in (*settings.protected, settings.canary.id):
        with pytest.raises(Refused):
            connector.contain(Account("gitlab", str(key), "x"), [])
    connector.close()
    assert posts(rig, "") == 0


# ------------------------------------------------------------------------------------ exports


def kept(rig: ForgeRig, account: Account) -> int:
    """Export the leaver's repositories; how many bytes."""
    connector = rig.opened(Credential.ACT)
    held = [one for one in gather(connector.survey(account)).items if one.kind == "data.repository"]
    try:
        exports = connector.export(account, held)
        return sum(len(chunk) for export in exports for chunk in export.chunks)
    finally:
        connector.close()


def test_an_export_is_waited_for(rig: ForgeRig) -> None:
    """Asked for once, worked on, then fetched: never kept before all are there."""
    account = rig.account()
    for _ in range(2):
        with pytest.raises(Transient) as raised:
            kept(rig, account)
        assert raised.value.retry_after
    assert posts(rig, "/export") == 3
    rig.clock.forward(minutes=2)
    assert kept(rig, account) > 0


def test_an_old_export_does_not_count(rig: ForgeRig) -> None:
    """`finished` is that of before the last push: another one is asked for, and taken."""
    account = rig.account()
    with pytest.raises(Transient):
        kept(rig, account)
    rig.clock.forward(minutes=2)
    notes = rig.gitlab.project_id(f"{rig.forge.leaver.login}/notes")
    rig.gitlab.edit(lambda store: store.change(Table.PROJECTS, notes, _commit="f" * 40))
    with pytest.raises(Transient, match="older"):
        kept(rig, account)
    rig.clock.forward(minutes=2)
    assert kept(rig, account) > 0


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (FaultKind.TRUNCATED, "/projects/*/export/download"),
        (FaultKind.HTML, "/projects/*/export/download"),
        (FaultKind.STUCK, "*"),
    ],
)
def test_an_export_that_went_wrong_is_never_kept(rig: ForgeRig, kind: FaultKind, path: str) -> None:
    """Cut without a length, a login page, never made: a fault, and no backup."""
    account = rig.account()
    with pytest.raises(Transient):
        kept(rig, account)
    if kind is not FaultKind.STUCK:
        rig.clock.forward(minutes=2)
    rig.gitlab.faults.add(Fault(kind, path=path))
    if kind is FaultKind.STUCK:
        rig.clock.forward(days=2)
    with pytest.raises((Transient, Malformed)):
        kept(rig, account)


def test_a_second_download_is_throttled_and_says_when(rig: ForgeRig) -> None:
    """One download a minute and user, as shipped: the case waits and says so (see the docs)."""
    account = rig.account()
    with pytest.raises(Transient):
        kept(rig, account)
    rig.clock.forward(minutes=2)
    rig.gitlab.limits.downloads = 1
    with pytest.raises(Transient) as raised:
        kept(rig, account)
    assert raised.value.code == "gitlab:429"


def test_every_row_has_a_name_of_its_own() -> None:
    """Holdings are routed by the first word of their id: no word is two rows' in one mode."""
    with forge() as rig:
        for mode in ({}, {"mode": "group", "group": 1}):
            settings = rig.settings(**mode)
            words = [one for row in ROWS if not row.absent(settings) for one in row.prefixes]
            assert len(words) == len(set(words))
