"""The rows of the Entra room take away what a leaver holds, on a stateful Graph over HTTP.

Each test looks at the tenant's own state past the connector, or at a survey with the other
identity.
"""

from datetime import timedelta

import pytest

from connectors.contract import Credential, Holding, HoldingState, Outcome
from deprovisioner.sandbox.graph import App, Fault, FaultKind, Link, Table
from tests.support.entra_office import Office, office

EXPECTED_ORDER = (
    "grant.role_eligible",
    "grant.access_package",
    "grant.role",
    "grant.consent",
    "grant.delegation",
    "ownership.schedule",
    "grant.licence",
    "grant.acl",
    "grant.group",
)


def takeable(items: tuple[Holding, ...]) -> list[Holding]:
    """What the core would call revoke for: no duty of a person, nothing sole, no account."""
    strip = ("grant.", "ownership.", "alias", "duty.handover")
    return [one for one in items if one.kind.startswith(strip) and not one.duty and not one.sole]


def test_the_survey_is_in_the_order_of_the_cut() -> None:
    """Eligible before active, packages before groups, the mailbox before its licence."""
    with office() as case:
        reading = case.survey(Credential.VERIFY)
    assert not reading.blind
    kinds = [str(one.kind) for one in reading.items]
    places = [kinds.index(kind) for kind in EXPECTED_ORDER]
    assert places == sorted(places)


def test_everything_that_may_be_taken_is_gone() -> None:
    """After the strip the verifier sees only what is a person's task, sole, or the account's."""
    with office(keep_mailbox="exported", auto_reply="Left & gone") as case:
        todo = takeable(case.survey().items)
        assert len(todo) > 20
        done = case.revoke_all(todo)
        assert {one.key for one in todo} == set(done)
        after = case.survey(Credential.VERIFY)
        assert not after.blind
        left = {one.key for one in after.items if one.state is not HoldingState.GONE}
        assert not left & {one.key for one in todo}
        user, truth = case.account.native_id, case.rig.graph.truth
        groups = truth.sources(Link.MEMBER, user)
        names = {(truth.get(Table.GROUPS, key) or {}).get("displayName") for key in groups}
    assert names == {"IT (dynamic)", "Security Notices", "Newsletter"}


def test_everything_comes_back_backwards() -> None:
    """Undo in reverse puts back every holding that the card does not call lost."""
    with office(keep_mailbox="exported", auto_reply="Left") as case:
        before = case.survey().items
        todo = takeable(before)
        case.revoke_all(todo)
        card = case.actor.card()
        back = [
            one
            for one in todo
            if (support := card.support(one.kind)) and not support.not_restorable
        ]
        for _ in range(3):
            case.actor.restore(case.account, back)
            case.wait(timedelta(hours=2))
        now = {one.key for one in case.survey(Credential.VERIFY).items}
    assert not {one.key for one in back} - now


def test_removal_of_a_role_is_pending_until_the_schedule_says_so() -> None:
    """PIM works on a request later: nothing is called done on the answer to the request."""
    with office() as case:
        eligible = case.held("grant.role_eligible", "eligible: User")
        first = case.revoke(eligible)
        assert first.outcome is Outcome.PENDING
        assert first.pending_until
        assert case.rig.graph.truth.where(
            Table.ROLE_ELIGIBILITIES, principalId=case.account.native_id
        )
        assert case.revoke(eligible).outcome is Outcome.PENDING  # asked twice, refused once
        case.wait(timedelta(hours=1))
        assert case.revoke(eligible).outcome is Outcome.ALREADY


def test_a_package_left_standing_puts_its_group_back() -> None:
    """The fake behaves as entitlement management does, so the order is not decoration."""
    with office() as case:
        group = case.held("grant.group", "Atlas Package")
        assert case.revoke(group).outcome is Outcome.DONE
        case.wait(timedelta(hours=2))
        assert case.held("grant.group", "Atlas Package") == group
        assert case.revoke(case.held("grant.access_package")).outcome is Outcome.PENDING
        case.wait(timedelta(hours=2))
        assert case.revoke(group).outcome is Outcome.ALREADY


def test_only_the_persons_own_consents_go() -> None:
    """What an administrator granted for everybody stays."""
    with office() as case:
        truth = case.rig.graph.truth
        everybody = truth.where(Table.CONSENTS, consentType="AllPrincipals")
        assert everybody
        for one in [each for each in case.survey().items if each.kind == "grant.consent"]:
            assert case.revoke(one).outcome is Outcome.DONE
        truth = case.rig.graph.truth
        assert truth.where(Table.CONSENTS, consentType="AllPrincipals") == everybody
        assert not truth.where(Table.CONSENTS, principalId=case.account.native_id)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("IT (dynamic)", ("user.department", "attribute department", "minutes to a day")),
        ("Security Notices", ("Remove-DistributionGroupMember", "Exchange Online PowerShell")),
        ("Newsletter", ("Remove-DistributionGroupMember", "-Member")),
    ],
)
def test_what_graph_cannot_leave_is_a_task_with_its_command(
    label: str, words: tuple[str, ...]
) -> None:
    """The task says exactly what to do, nothing was sent, and it stays until it is seen gone."""
    with office() as case:
        holding = case.held("grant.group", label)
        assert all(word in holding.duty for word in words), holding.duty
        effect = case.revoke(holding)
        assert effect.outcome is Outcome.REFUSED
        assert effect.why == holding.duty
        deletes = [one for one in case.rig.graph.witness.requests if one.method == "DELETE"]
        assert not deletes
        case.unlink(Link.MEMBER, holding.native_id, case.account.native_id)
        assert case.revoke(holding).outcome is Outcome.ALREADY


def test_a_synced_group_is_the_directorys() -> None:
    """With Active Directory in the configuration it is waited for; without, it is a task."""
    with office("leaver", active_directory="corp") as case:
        holding = case.held("grant.group", "Domain Developers")
        assert not holding.duty
        effect = case.revoke(holding)
        assert effect.outcome is Outcome.PENDING
        assert "corp" in effect.why
    with office("leaver") as case:
        holding = case.held("grant.group", "Domain Developers")
        assert "Remove-ADGroupMember" in holding.duty
        assert case.revoke(holding).outcome is Outcome.REFUSED


def test_the_last_owner_is_refused_whatever_the_survey_said() -> None:
    """Law 5: who else owns it is looked up at the moment of the write."""
    with office() as case:
        mine = case.held("ownership.group", "Deploy Approvers")
        assert mine.sole
        shared = case.held("ownership.group", "Project Atlas")
        assert not shared.sole
        others = set(case.rig.graph.truth.targets(Link.OWNER, shared.native_id))
        for other in others - {case.account.native_id}:
            case.unlink(Link.OWNER, shared.native_id, other)
        for holding in (mine, shared):
            effect = case.revoke(holding)
            assert effect.outcome is Outcome.REFUSED
            assert "nobody else" in effect.why
        truth = case.rig.graph.truth
        assert truth.linked(Link.OWNER, mine.native_id, case.account.native_id)


def test_a_licence_waits_for_the_conversion_of_the_mailbox() -> None:
    """Neither the licence nor the group that gives one goes while it keeps a mailbox alive."""
    with office() as case:
        suite = next(
            row["skuId"] for row in case.rig.graph.truth.every(Table.PRODUCTS) if row["_exchange"]
        )
        given = [{"skuId": suite, "disabledPlans": []}]
        case.change(Table.USERS, case.account.native_id, _licences=given)
        group = case.held("grant.group", "Licences E5")
        case.change(Table.GROUPS, group.native_id, assignedLicenses=given)
        licence = case.held("grant.licence")
        conversion = case.held("duty.other")
        assert "Set-Mailbox" in conversion.duty
        for holding in (licence, group):
            effect = case.revoke(holding)
            assert (effect.outcome, "converted" in effect.why) == (Outcome.PENDING, True)
        case.change(Table.MAILBOXES, case.account.native_id, userPurpose="shared")
        assert "duty.other" not in case.kinds()
        for holding in (group, licence):
            assert case.revoke(holding).outcome is Outcome.DONE
        user = case.rig.graph.truth.get(Table.USERS, case.account.native_id)
    assert user is not None
    assert not user["_licences"]


def test_ownership_of_an_application_waits_for_its_secrets() -> None:
    """Graph shows what its owner may know only while they own it, so ownership goes last."""
    with office("leaver") as case:
        owned = next(
            one
            for one in case.survey().items
            if one.kind == "ownership.application" and not one.sole
        )
        known = [one for one in case.survey().items if one.kind == "secret_known"]
        secrets = [one for one in known if ":federated:" not in one.native_id]
        trusted = [one for one in known if one not in secrets]
        assert (len(secrets), len(trusted)) == (3, 1)
        assert "issuer and subject" in trusted[0].duty
        assert case.revoke(trusted[0]).outcome is Outcome.REFUSED
        assert all(one.native_id.rpartition(":")[2] in one.duty for one in secrets)
        waiting = case.revoke(owned)
        assert waiting.outcome is Outcome.PENDING
        application = owned.native_id.rpartition("/")[2]
        block(case)
        case.wait(timedelta(days=2))
        new = {"keyId": "0000aaaa-0000-4000-8000-000000000001", "displayName": "new"}
        made = {"startDateTime": f"{case.rig.now():%Y-%m-%dT%H:%M:%SZ}", "endDateTime": None}
        case.change(
            Table.APPLICATIONS, application, passwordCredentials=[{**new, **made}],
            keyCredentials=[],
        )  # fmt: skip
        left = [one for one in case.survey(Credential.VERIFY).items if one.kind == "secret_known"]
        assert [one.native_id for one in left] == [trusted[0].native_id]  # it has no date
        assert case.revoke(owned).outcome is Outcome.DONE
        assert not case.rig.graph.truth.linked(Link.OWNER, application, case.account.native_id)


def block(case: Office) -> None:
    """Contain the account, as it is by the time that anything is taken away."""
    bundle = [
        one
        for one in case.survey().items
        if one.kind.startswith("account.") or one.kind in {"session", "credential.password"}
    ]
    case.actor.contain(case.account, bundle)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.DONE_BUT_FAILING, 504),
        (FaultKind.DONE_BUT_FAILING, 502),
        (FaultKind.DONE_BUT_FAILING, 500),
        (FaultKind.DROPPED, 0),
    ],
)
def test_meetings_are_cancelled_once(kind: FaultKind, status: int) -> None:
    """An answer that is lost after the work was done does not send everybody a second mail."""
    with office() as case:
        meetings = case.held("ownership.schedule")
        assert meetings.label.startswith("2 meetings")
        path = "/users/*/events/*"
        case.rig.graph.faults.add(Fault(kind, method="POST", path=path, status=status, times=1))
        effect = case.revoke(meetings)
        assert effect.outcome is Outcome.PENDING
        assert effect.pending_until
        assert effect.pending_until >= case.rig.now() + timedelta(minutes=20)
        case.wait(timedelta(minutes=20))
        assert case.revoke(meetings).outcome is Outcome.DONE
        assert "ownership.schedule" not in case.kinds()
        told = [one["about"] for one in case.rig.graph.truth.every(Table.NOTICES)]
    assert len(told) == len(set(told)) == 2


def test_a_shut_out_reader_is_blind_and_says_of_what() -> None:
    """Each row names the right it misses; the rest is read all the same."""
    rights = {
        "EntitlementManagement.Read.All": "access packages",
        "Policy.Read.All": "conditional access policies",
        "MailboxSettings.Read": "the mailbox",
        "Files.Read.All": "the drive",
    }
    with office() as case:
        case.rig.graph.withdraw(App.VERIFIER, *rights)
        reading = case.survey(Credential.VERIFY)
        assert "grant.group" in {one.kind for one in reading.items}
    for what in rights.values():
        assert any(gap.startswith(what) for gap in reading.gaps), what
    assert reading.blind


def test_a_number_and_a_channel_are_given_up() -> None:
    """The number is free again, and the person is in no channel of the team."""
    with office() as case:
        number, channel = case.held("alias"), case.held("grant.acl")
        assert case.revoke(number).outcome in {Outcome.PENDING, Outcome.DONE}
        owner = case.held("ownership.resource")
        assert case.revoke(channel).outcome is Outcome.DONE
        assert case.revoke(owner).outcome is Outcome.ALREADY
        case.wait(timedelta(hours=1))
        assert case.revoke(number).outcome is Outcome.ALREADY
        assert not {"alias", "grant.acl", "ownership.resource"} & case.kinds()


def test_a_replica_that_lags_keeps_things_open_and_then_not() -> None:
    """For twenty minutes every read shows the old state: nothing is done, nothing is refused for
    good, nobody is told twice; afterwards all is gone, and was taken once.
    """
    with office(keep_mailbox="exported") as case:
        case.rig.graph.lag(replica=1200)
        todo = takeable(case.survey().items)
        first = {case.revoke(one).outcome for one in todo}
        assert first == {Outcome.PENDING}
        case.wait(timedelta(minutes=10))
        again = [case.revoke(one).outcome for one in todo if one.kind != "ownership.schedule"]
        assert Outcome.DONE not in again
        assert Outcome.ALREADY not in again
        case.wait(timedelta(hours=2))
        left = {one.key for one in case.survey(Credential.VERIFY).items}
        assert not left & {one.key for one in todo}
        told = [one["about"] for one in case.rig.graph.truth.every(Table.NOTICES)]
    assert len(told) == len(set(told)) == 2


def test_what_lay_in_a_mailbox_is_gone_with_it() -> None:
    """Somebody took the licence first: the rule is not refused, it is not there."""
    with office() as case:
        rule = next(one for one in case.survey().items if one.native_id.startswith("rule:"))
        meetings = case.held("ownership.schedule")
        case.change(Table.USERS, case.account.native_id, _licences=[])
        assert "data.mailbox" not in case.kinds()
        for holding in (rule, meetings):
            assert case.revoke(holding).outcome is Outcome.ALREADY
