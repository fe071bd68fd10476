"""Identity Center users on the double: quarantine by user id, and everything they were given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from connectors.aws import open_connector
from connectors.contract import Credential, HoldingState, Outcome, Subject, gather
from tests.support.aws_rig import CANARY, HOME, OTHER, REGION, AwsRig, hands
from tests.support.peers.moto import AwsDouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Account, Holding

pytestmark = pytest.mark.peers

PERSON = Subject(employment_id="E-1042", employee_number="001042", emails=("qzhao@example.com",))


@pytest.fixture(scope="module")
def shared() -> Iterator[AwsDouble]:
    """One double for the module."""
    with AwsDouble() as made:
        yield made


class Center:
    """An organisation with one person in Identity Center."""

    def __init__(self, double: AwsDouble, **changes: Any) -> None:
        double.empty()
        self.double = double
        for place in (HOME, OTHER):
            hands(double.moto_url, place, "iam").create_user(UserName=CANARY)
        self.admin = hands(double.moto_url, HOME, "sso-admin")
        instance = self.admin.list_instances()["Instances"][0]
        self.arn, self.store = instance["InstanceArn"], instance["IdentityStoreId"]
        self.people = hands(double.moto_url, HOME, "identitystore")
        self.canary = self.user("canary")
        self.person = self.user("qzhao")
        self.colleague = self.user("mchen")
        group = self.people.create_group(IdentityStoreId=self.store, DisplayName="platform")
        for one in (self.canary, self.person):
            self.people.create_group_membership(
                IdentityStoreId=self.store, GroupId=group["GroupId"], MemberId={"UserId": one}
            )
        made = self.admin.create_permission_set(InstanceArn=self.arn, Name="engineer")
        self.set = made["PermissionSet"]["PermissionSetArn"]
        for one in (self.person, self.colleague):
            self.admin.create_account_assignment(
                InstanceArn=self.arn, TargetId=OTHER, TargetType="AWS_ACCOUNT",
                PermissionSetArn=self.set, PrincipalType="USER", PrincipalId=one,
            )  # fmt: skip
        double.applications["arn:aws:sso::111111111111:application/a/wiki"] = {self.person}
        double.entitlements["ent-1"] = (self.person, f"arn:aws:iam::{OTHER}:role/deploy")
        center = {
            "account": HOME, "region": REGION, "instance_arn": self.arn,
            "identity_store_id": self.store, "canary": self.canary,
            "external_id": "employee_number", **changes.pop("center", {}),
        }  # fmt: skip
        absent = ["resource policies", "tagged ownerships"]
        self.rig = AwsRig(double, {"identity_center": center, "absent": absent, **changes})
        self.act = open_connector("aws", self.rig.settings(), Credential.ACT, self.rig.now)
        self.verify = open_connector("aws", self.rig.settings(), Credential.VERIFY, self.rig.now)
        self.account: Account = next(
            one for one in gather(self.act.find(PERSON)).items if one.login == "qzhao"
        )

    def user(self, login: str) -> str:
        made = self.people.create_user(
            IdentityStoreId=self.store, UserName=login, DisplayName=login.title(),
            Name={"GivenName": login, "FamilyName": login},
            Emails=[{"Value": f"{login}@example.com", "Primary": True}],
        )  # fmt: skip
        return str(made["UserId"])

    def survey(self, *kinds: str) -> list[Holding]:
        reading = gather(self.act.survey(self.account))
        assert not reading.blind, reading.blind
        return [one for one in reading.items if not kinds or one.kind in kinds]

    def inline(self) -> Any:
        got = self.admin.get_inline_policy_for_permission_set(
            InstanceArn=self.arn, PermissionSetArn=self.set
        )
        return json.loads(got["InlinePolicy"] or "{}")


GRANTS = {"grant.group", "grant.role", "grant.app_role", "grant.access_package"}


def test_everything_that_was_given_is_seen_taken_and_given_back(shared: AwsDouble) -> None:
    """Group, account, application and entitlement: gone for the verifier, and back on undo."""
    desk = Center(shared)
    given = desk.survey(*GRANTS)
    assert {one.kind for one in given} == GRANTS
    assert {one.outcome for one in desk.act.revoke(desk.account, given)} == {Outcome.DONE}
    seen = gather(desk.verify.survey(desk.account))
    assert not seen.blind
    assert not {one.kind for one in seen.items} & GRANTS
    assert {one.outcome for one in desk.act.revoke(desk.account, given)} == {Outcome.ALREADY}
    assert {one.outcome for one in desk.act.restore(desk.account, given)} == {Outcome.DONE}
    assert {one.key for one in desk.survey(*GRANTS)} == {one.key for one in given}
    assert desk.double.entitlements
    left = desk.admin.list_account_assignments_for_principal(
        InstanceArn=desk.arn, PrincipalId=desk.colleague, PrincipalType="USER"
    )
    assert len(left["AccountAssignments"]) == 1


def test_the_permission_set_denies_by_user_id_and_keeps_its_own_words(shared: AwsDouble) -> None:
    """Our statement joins what stands there and leaves it alone, before and after undo."""
    desk = Center(shared)
    own = {"Sid": "Own", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    desk.admin.put_inline_policy_to_permission_set(
        InstanceArn=desk.arn,
        PermissionSetArn=desk.set,
        InlinePolicy=json.dumps({"Version": "2012-10-17", "Statement": [own]}),
    )
    todo = desk.survey("account.person", "session")
    assert {one.outcome for one in desk.act.contain(desk.account, todo)} == {Outcome.DONE}
    statements = desk.inline()["Statement"]
    assert statements[0] == own
    assert statements[1]["Condition"] == {"StringEquals": {"identitystore:userId": [desk.person]}}
    assert desk.survey("account.person")[0].state is HoldingState.CONTAINED
    assert desk.survey("session") == []
    assert {one.outcome for one in desk.act.restore(desk.account, todo)} == {Outcome.DONE}
    assert desk.inline()["Statement"] == [own]


def test_a_deny_that_is_written_and_not_provisioned_is_pending(shared: AwsDouble) -> None:
    """Until every account has the permission set as it is now, nothing is contained (Law 1)."""
    desk = Center(shared)
    todo = desk.survey("account.person", "session")
    desk.double.provisioning_takes = 3
    assert {one.outcome for one in desk.act.contain(desk.account, todo)} == {Outcome.PENDING}
    desk.double.behind, desk.double.provisioning_takes = 0, 0
    assert {one.outcome for one in desk.act.contain(desk.account, todo)} == {Outcome.ALREADY}


def test_with_an_external_identity_provider_its_things_are_duties(shared: AwsDouble) -> None:
    """What SCIM would write again is not taken here: group and user are for people."""
    desk = Center(shared, center={"external": True})
    group = desk.survey("grant.group")
    assert group[0].duty
    assert desk.act.revoke(desk.account, group)[0].outcome is Outcome.REFUSED
    assert desk.act.destroy(desk.account).outcome is Outcome.REFUSED


def test_destroy_takes_what_was_given_and_then_the_user(shared: AwsDouble) -> None:
    """A deleted user would leave assignments orphaned, so they go first."""
    desk = Center(shared)
    assert desk.act.destroy(desk.account).outcome is Outcome.DONE
    left = desk.admin.list_account_assignments_for_principal(
        InstanceArn=desk.arn, PrincipalId=desk.person, PrincipalType="USER"
    )
    assert left["AccountAssignments"] == []
    assert gather(desk.verify.survey(desk.account)).items == ()
    assert desk.act.destroy(desk.account).outcome is Outcome.ALREADY


def test_without_any_quarantine_the_account_is_a_duty(shared: AwsDouble) -> None:
    """Identity Center has no call to disable somebody: then a person does, with the command."""
    desk = Center(shared, permission_set_deny=False)
    account = desk.survey("account.person")[0]
    assert account.state is HoldingState.LIVE
    assert "describe-user" in account.duty


def test_the_organisations_policy_lists_the_person_and_nobody_after_undo(
    shared: AwsDouble,
) -> None:
    """The list of the SCP is edited, other statements stay, and an empty list names nobody."""
    desk = Center(shared)
    root = hands(shared.moto_url, HOME, "organizations")
    root.create_organization(FeatureSet="ALL")
    ours = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Other", "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"},
            {"Effect": "Deny", "Action": "*", "Resource": "*",
             "Condition": {"StringEquals": {"identitystore:userId": ["nobody"]}}},
        ],
    }  # fmt: skip
    made = root.create_policy(
        Content=json.dumps(ours), Description="q", Name="q", Type="SERVICE_CONTROL_POLICY"
    )
    policy = made["Policy"]["PolicySummary"]["Id"]
    settings = desk.rig.settings(quarantine_scp=policy, management_account=HOME)
    act = open_connector("aws", settings, Credential.ACT, desk.rig.now)
    todo = [
        one
        for one in gather(act.survey(desk.account)).items
        if one.kind in {"account.person", "session"}
    ]
    assert {one.outcome for one in act.contain(desk.account, todo)} == {Outcome.DONE}

    def listed() -> Any:
        content = json.loads(root.describe_policy(PolicyId=policy)["Policy"]["Content"])
        assert content["Statement"][0] == ours["Statement"][0]
        return content["Statement"][1]["Condition"]["StringEquals"]["identitystore:userId"]

    assert listed() == [desk.person]
    assert {one.outcome for one in act.restore(desk.account, todo)} == {Outcome.DONE}
    assert listed() == ["nobody"]
