"""Rows of an IAM user on the strict double: each guard has a trouble that shows when it is gone."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from connectors.aws import AwsConnector, open_connector
from connectors.aws.quarantine import POLICY
from connectors.contract import Credential, HoldingState, Outcome, gather
from connectors.faults import Fault, Malformed, Refused, Transient
from tests.support.aws_rig import CANARY, HOME, AwsRig, hands, held
from tests.support.peers.moto import Asked, AwsDouble, Made, error, xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Account, Holding, Reading

pytestmark = pytest.mark.peers

IAM_ONLY = {"absent": ["resource policies", "tagged ownerships", "cloudtrail"]}


@pytest.fixture(scope="module")
def shared() -> Iterator[AwsDouble]:
    """One double for the module."""
    with AwsDouble() as made:
        yield made


class Desk:
    """A furnished world with the connector of both identities."""

    def __init__(self, double: AwsDouble, **more: Any) -> None:
        double.empty()
        self.double = double
        self.rig = AwsRig(double, {**IAM_ONLY, **more})
        self.rig.furnish()
        self.act = self.open(Credential.ACT)
        self.account: Account = gather(self.act.find(self.rig.subject)).items[0]

    def open(self, credential: Credential, **changes: Any) -> AwsConnector:
        return open_connector("aws", self.rig.settings(**changes), credential, self.rig.now)

    def survey(self, connector: AwsConnector | None = None) -> Reading[Holding]:
        return gather((connector or self.act).survey(self.account))

    def of(self, *kinds: str) -> list[Holding]:
        reading = self.survey()
        assert not reading.blind, reading.blind
        return [one for one in reading.items if one.kind in kinds]

    def quarantine(self) -> None:
        effects = self.act.contain(self.account, self.of("account.person", "session"))
        assert {one.outcome for one in effects} == {Outcome.DONE}


@pytest.fixture
def desk(shared: AwsDouble) -> Desk:
    """A fresh world in which only IAM is read."""
    return Desk(shared)


def refusing(action: str, code: str, status: int = 403) -> Any:
    """Make AWS refuse one action."""
    return lambda asked: error(status, code) if asked.action == action else None


def test_what_was_issued_before_is_told_until_its_last_instant(desk: Desk) -> None:
    """After the deny, sessions of roles may live on: until when is read back, and then they go."""
    before = desk.rig.now()
    desk.quarantine()
    session = desk.of("session")[0]
    assert session.state is HoldingState.CONTAINED
    assert session.residual_until is not None
    due = before + timedelta(hours=12)
    assert abs(session.residual_until - due) < timedelta(minutes=1)
    later = open_connector(
        "aws", desk.rig.settings(), Credential.VERIFY, lambda: due + timedelta(minutes=2)
    )
    assert "session" not in {one.kind for one in desk.survey(later).items}


def test_a_weakened_quarantine_is_no_quarantine(desk: Desk) -> None:
    """Somebody put a condition into our policy: the account is live again, and contained anew."""
    desk.quarantine()
    weak = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"a": "b"}}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [weak]})
    desk.rig.iam.put_user_policy(UserName="qzhao", PolicyName=POLICY, PolicyDocument=document)
    assert desk.of("account.person")[0].state is HoldingState.LIVE
    desk.quarantine()


def test_where_no_inline_policy_fits_the_managed_one_is_attached(desk: Desk) -> None:
    """IAM limits inline policies of a user: the deny then comes as AWSDenyAll, and goes on undo."""
    arn = "arn:aws:iam::aws:policy/AWSDenyAll"
    attached: list[str] = []

    def full(asked: Asked) -> Made | None:
        if asked.action == "PutUserPolicy":
            return error(409, "LimitExceeded")
        if asked.action == "AttachUserPolicy":
            attached.append(str(asked.arguments["PolicyArn"]))
            return xml(asked.action)
        if asked.action == "DetachUserPolicy":
            attached.remove(str(asked.arguments["PolicyArn"]))
            return xml(asked.action)
        if asked.action == "ListAttachedUserPolicies":
            members = "".join(
                f"<member><PolicyName>x</PolicyName><PolicyArn>{one}</PolicyArn></member>"
                for one in attached
            )
            inside = (
                f"<AttachedPolicies>{members}</AttachedPolicies><IsTruncated>false</IsTruncated>"
            )
            return xml(asked.action, inside)
        return None

    desk.double.instead.append(full)
    todo = desk.of("account.person", "session")
    assert desk.act.contain(desk.account, todo)[0].outcome is Outcome.DONE
    assert attached == [arn]
    assert not [one for one in desk.of("grant.policy") if arn in one.native_id]
    assert desk.act.restore(desk.account, todo)[0].outcome is Outcome.DONE
    assert attached == []


def test_delete_user_empties_first_and_an_unknown_blocker_is_asked_again(desk: Desk) -> None:
    """AWS names something that no row knows: pending with the reason, quarantined again."""
    desk.quarantine()
    desk.rig.iam.remove_user_from_group(GroupName="admins", UserName="qzhao")
    desk.double.unknown_below.add("qzhao")
    effect = desk.act.destroy(desk.account)
    assert effect.outcome is Outcome.PENDING
    assert "no row knows" in effect.why
    assert desk.of("account.person")[0].state is HoldingState.CONTAINED
    desk.double.unknown_below.clear()
    assert desk.act.destroy(desk.account).outcome is Outcome.DONE
    assert desk.act.destroy(desk.account).outcome is Outcome.ALREADY


def test_the_last_administrator_is_not_deleted(desk: Desk) -> None:
    """Destroying empties groups too: the guarded one still refuses (Law 5)."""
    with pytest.raises(Refused):
        desk.act.destroy(desk.account)
    groups = desk.rig.iam.list_groups_for_user(UserName="qzhao")["Groups"]
    assert "admins" in {one["GroupName"] for one in groups}


def test_the_boundary_goes_last(desk: Desk) -> None:
    """While a policy or a group is there, taking the boundary away would widen rights."""
    desk.rig.bound()
    policies = desk.of("grant.policy")
    boundary = next(one for one in policies if one.native_id.startswith("boundary:"))
    assert policies[-1] == boundary
    assert desk.act.revoke(desk.account, [boundary])[0].outcome is Outcome.PENDING
    assert desk.double.boundaries
    desk.rig.iam.remove_user_from_group(GroupName="admins", UserName="qzhao")
    others = [*desk.of("grant.group"), *policies[:-1]]
    desk.act.revoke(desk.account, others)
    assert desk.act.revoke(desk.account, [boundary])[0].outcome is Outcome.DONE
    assert desk.act.restore(desk.account, [boundary])[0].outcome is Outcome.DONE
    assert desk.double.boundaries


def test_a_missing_right_is_a_gap_and_the_rest_is_still_contained(desk: Desk) -> None:
    """One list is denied: the survey is blind and says which, and what was seen can be stopped."""
    desk.double.instead.append(refusing("ListSSHPublicKeys", "AccessDenied"))
    reading = desk.survey()
    assert "ssh public keys" in reading.blind
    todo = [one for one in reading.items if one.kind in {"account.person", "session"}]
    assert desk.act.contain(desk.account, todo)[0].outcome is Outcome.DONE


def test_one_account_that_cannot_be_read_hides_nobody_in_the_others(desk: Desk) -> None:
    """The second account refuses our role: found in the first, and the find is blind."""
    refuse = "arn:aws:iam::222222222222"

    def closed(asked: Asked) -> Made | None:
        other = refuse in str(asked.arguments.get("RoleArn", ""))
        return error(403, "AccessDenied") if asked.action == "AssumeRole" and other else None

    desk.double.instead.append(closed)
    reading = gather(desk.open(Credential.VERIFY).find(desk.rig.subject))
    assert [one.login for one in reading.items] == ["qzhao"]
    assert reading.blind
    assert "222222222222" in reading.gaps[0]


@pytest.mark.parametrize(
    "answered",
    ["<Nothing/>", "<Users></Users><IsTruncated>true</IsTruncated>"],
    ids=["no list", "more without a marker"],
)
def test_a_list_that_is_none_or_is_cut_is_never_empty(desk: Desk, answered: str) -> None:
    """The library makes nothing of both: here they are Malformed (Law 2)."""
    desk.double.instead.append(
        lambda asked: xml(asked.action, answered) if asked.action == "ListAccessKeys" else None
    )
    with pytest.raises(Malformed):
        desk.survey()


def test_an_account_whose_canary_is_another_is_not_written_to(desk: Desk) -> None:
    """The canary, protected ids and users that carry our own key are refused (Law 5)."""
    canary = replace(desk.account, login=CANARY, native_id=f"{HOME}:{_id_of(desk, CANARY)}")
    with pytest.raises(Refused):
        desk.act.contain(canary, [])
    protected = desk.open(Credential.ACT, protected=[desk.rig.ids["qzhao"]])
    with pytest.raises(Refused):
        protected.contain(desk.account, [])
    key = desk.rig.iam.list_access_keys(UserName="qzhao")["AccessKeyMetadata"][0]["AccessKeyId"]
    ours = {"role": "act", "access_key_id": key, "secret_access_key": held("x")}
    with pytest.raises(Refused):
        desk.open(Credential.ACT, act=ours).contain(desk.account, [])


def _id_of(desk: Desk, name: str) -> str:
    return str(desk.rig.iam.get_user(UserName=name)["User"]["UserId"])


def test_throttled_writes_are_not_repeated_by_the_library(desk: Desk) -> None:
    """The library's own retries are off: one call goes out, and the wait is told."""
    key = desk.of("credential.access_key")[:1]
    desk.double.instead.append(
        lambda asked: error(400, "Throttling") if asked.action == "UpdateAccessKey" else None
    )
    desk.double.calls.clear()
    with pytest.raises(Transient):
        desk.act.contain(desk.account, key)
    assert desk.double.calls.count(("iam", "UpdateAccessKey")) == 1


def test_a_trust_that_changed_in_between_is_not_overwritten(desk: Desk) -> None:
    """There is no etag: somebody's edit between our read and our write stays, and we come again."""
    trust = next(one for one in desk.of("grant.trust") if "deploy" in one.label)
    reads = []

    def meddle(asked: Asked) -> None:
        if asked.action == "GetRole":
            reads.append(asked)
            if len(reads) == 2:
                edited = desk.rig.other.get_role(RoleName="deploy")["Role"]
                document = edited["AssumeRolePolicyDocument"]
                document["Statement"][0]["Sid"] = "Edited"
                desk.rig.other.update_assume_role_policy(
                    RoleName="deploy", PolicyDocument=json.dumps(document)
                )

    desk.double.instead.append(meddle)
    assert desk.act.revoke(desk.account, [trust])[0].outcome is Outcome.PENDING
    assert desk.act.revoke(desk.account, [trust])[0].outcome is Outcome.DONE
    left = desk.rig.other.get_role(RoleName="deploy")["Role"]["AssumeRolePolicyDocument"]
    assert left["Statement"][0]["Sid"] == "Edited"


def test_role_sessions_are_denied_and_the_deny_goes_on_undo(shared: AwsDouble) -> None:
    """With role_sessions everyone the role denies what was issued before; undo takes it off."""
    desk = Desk(shared, role_sessions="everyone")
    trust = next(one for one in desk.of("grant.trust") if "deploy" in one.label)
    assert desk.act.contain(desk.account, [trust])[0].outcome is Outcome.DONE
    names = desk.rig.other.list_role_policies(RoleName="deploy")["PolicyNames"]
    got = desk.rig.other.get_role_policy(RoleName="deploy", PolicyName=names[0])
    condition = got["PolicyDocument"]["Statement"][0]["Condition"]
    assert list(condition["DateLessThan"]) == ["aws:TokenIssueTime"]
    assert desk.act.restore(desk.account, [trust])[0].outcome is Outcome.DONE
    assert not desk.rig.other.list_role_policies(RoleName="deploy")["PolicyNames"]


def test_a_credential_report_that_disagrees_blinds_the_verifier(desk: Desk) -> None:
    """The lists show nothing live, a fresh report shows a key at work: the read closes nothing."""
    desk.quarantine()
    desk.act.contain(desk.account, desk.of("credential.access_key"))
    arn = desk.rig.arns["qzhao"]
    row = "user,arn,password_enabled,access_key_1_active,access_key_2_active\n"
    desk.double.instead.append(_reporting(row + f"qzhao,{arn},false,true,false\n", _soon()))
    verifier = desk.open(Credential.VERIFY)
    assert "first access key still at work" in desk.survey(verifier).blind
    desk.double.instead[:] = [_reporting(row + f"qzhao,{arn},false,false,false\n", _soon())]
    assert not desk.survey(verifier).blind


def test_an_old_report_confirms_nothing(desk: Desk) -> None:
    """A cached report is from before the cut: ignored, or blind where the operator wants one."""
    desk.quarantine()
    content = f"user,arn,access_key_1_active\nqzhao,{desk.rig.arns['qzhao']},true\n"
    desk.double.instead.append(_reporting(content, "2026-01-01T00:00:00Z"))
    assert not desk.survey(desk.open(Credential.VERIFY)).blind
    strict = desk.open(Credential.VERIFY, credential_report="required")
    assert "after the quarantine" in desk.survey(strict).blind


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _reporting(content: str, made_at: str) -> Any:
    text = base64.b64encode(content.encode()).decode()
    inside = (
        f"<Content>{text}</Content><ReportFormat>text/csv</ReportFormat>"
        f"<GeneratedTime>{made_at}</GeneratedTime>"
    )
    return lambda asked: (
        xml(asked.action, inside) if asked.action == "GetCredentialReport" else None
    )


# ------------------------------------------------------------------------------------ cloudtrail
def _event(name: str, person: str, at: float, **asked: str) -> dict[str, Any]:
    identity = {"type": "IAMUser", "principalId": person}
    body = {"userIdentity": identity, "requestParameters": asked}
    return {
        "EventId": name,
        "EventName": name,
        "EventTime": at,
        "Username": "qzhao",
        "CloudTrailEvent": json.dumps(body),
    }


def test_activity_is_the_persons_own_and_after_the_moment(desk: Desk) -> None:
    """An event of who had the name before is not theirs; what came before the end is not told."""
    now, mine = time.time(), desk.rig.ids["qzhao"]
    desk.double.events += [
        _event("CreateAccessKey", mine, now),
        _event("DeleteBucket", "AIDASOMEBODYELSE", now),
        _event("GetObject", mine, now - 7200),
    ]
    since = datetime.now(UTC) - timedelta(hours=1)
    reading = gather(desk.open(Credential.VERIFY).activity(desk.account, since))
    assert not reading.blind
    assert [one.what.split()[0] for one in reading.items] == ["CreateAccessKey"]


def test_a_secret_that_was_read_is_a_duty_until_it_is_changed(shared: AwsDouble) -> None:
    """Rotation is seen by the date of the new value, after the person's last look."""
    desk = Desk(shared, absent=["resource policies", "tagged ownerships"])
    secrets = hands(shared.moto_url, HOME, "secretsmanager")
    arn = secrets.create_secret(Name="db", SecretString="one")["ARN"]
    looked = time.time() + 1
    shared.events.append(_event("GetSecretValue", desk.rig.ids["qzhao"], looked, secretId=arn))
    known = desk.of("secret_known")
    assert [arn in one.native_id and arn in one.duty for one in known] == [True]
    shared.events[0]["EventTime"] = time.time() - 60
    secrets.put_secret_value(SecretId=arn, SecretString="two")
    assert desk.of("secret_known") == []


def test_nothing_but_faults_and_no_names_when_moto_lacks_a_call(desk: Desk) -> None:
    """A server that lacks a call sends an HTML page: doctor says so and changes nothing."""
    before = desk.rig.witness()
    lines = list(desk.act.probe())
    assert all(one.holds for one in lines), lines
    assert desk.rig.witness() == before
    desk.double.instead.append(lambda _asked: error(403, "InvalidClientTokenId"))
    broken = desk.open(Credential.VERIFY)
    assert not next(iter(broken.probe())).holds
    with pytest.raises(Fault):
        gather(broken.find(desk.rig.subject))
