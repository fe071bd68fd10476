"""On ministack with AUTH=true: does a contained person's key really stop, and come back on undo?

moto lets inactive keys in, so this cannot be shown there.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from connectors.aws import Settings, open_connector
from connectors.contract import Credential, HoldingState, Outcome, Stage, Subject, gather
from tests.support.aws_rig import held
from tests.support.peers.ministack import Ministack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.aws import AwsConnector
    from connectors.contract import Account, Holding

pytestmark = pytest.mark.peers

HOME = "000000000000"
PERSON = Subject(employment_id="E-1042", employee_number="001042", logins=("qzhao",))
ALLOW = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}],
    }
)
LACKING = ("service-specific credentials", "ssh public keys", "signing certificates")


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    """One ministack for the module; every test makes its own person."""
    server = Ministack(tmp_path_factory.mktemp("ministack"))
    server.start()
    yield server
    server.stop()


def client(url: str, key: str, secret: str) -> Any:
    """An IAM client with somebody's own key."""
    return boto3.session.Session().client(
        "iam",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


class Office:
    """A person with a key, and the connector with both identities."""

    def __init__(self, url: str) -> None:
        """Make them anew."""
        self.root = client(url, "test", "test")
        self._clear()
        tags = [{"Key": "employee-number", "Value": "001042"}]
        self.root.create_user(UserName="qzhao", Path="/people/", Tags=tags)
        self.root.create_user(UserName="deprovisioner-canary")
        self.root.put_user_policy(UserName="qzhao", PolicyName="own", PolicyDocument=ALLOW)
        made = self.root.create_access_key(UserName="qzhao")["AccessKey"]
        self.key = made["AccessKeyId"]
        self.theirs = client(url, self.key, made["SecretAccessKey"])
        settings = Settings.model_validate(
            {
                "accounts": [HOME],
                "act": {"role": "act", "access_key_id": "test", "secret_access_key": held("test"),
                        "home": HOME},
                "verify": {"role": "verify", "access_key_id": "test", "home": HOME,
                           "secret_access_key": held("test")},
                "canary": "deprovisioner-canary",
                "endpoint_url": url,
                "absent": LACKING,
                "lag": "PT0S",
            }
        )  # fmt: skip
        self.connectors: dict[Credential, AwsConnector] = {
            one: open_connector("aws", settings, one, lambda: datetime.now(UTC))
            for one in Credential
        }
        self.account: Account = gather(self.connectors[Credential.ACT].find(PERSON)).items[0]

    def _clear(self) -> None:
        for user in self.root.list_users()["Users"]:
            name = user["UserName"]
            for one in self.root.list_access_keys(UserName=name)["AccessKeyMetadata"]:
                self.root.delete_access_key(UserName=name, AccessKeyId=one["AccessKeyId"])
            for policy in self.root.list_user_policies(UserName=name)["PolicyNames"]:
                self.root.delete_user_policy(UserName=name, PolicyName=policy)
            self.root.delete_user(UserName=name)

    def survey(self, credential: Credential = Credential.VERIFY) -> tuple[Holding, ...]:
        """Read what the person holds; it must not be blind."""
        reading = gather(self.connectors[credential].survey(self.account))
        assert not reading.blind, reading.blind
        return reading.items

    def works(self) -> str:
        """Try the person's key; the code with which it is refused, or nothing."""
        try:
            self.theirs.list_users()
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""


@pytest.fixture
def office(ministack: Ministack) -> Office:
    """A fresh person."""
    return Office(ministack.url)


def of_kind(holdings: tuple[Holding, ...], *kinds: str) -> list[Holding]:
    return [one for one in holdings if one.kind in kinds]


def test_the_deny_alone_stops_the_live_key_and_undo_lets_it_in_again(office: Office) -> None:
    """The quarantine needs no change to the key: the key is refused, and works after undo."""
    assert office.works() == ""
    act = office.connectors[Credential.ACT]
    quarantine = of_kind(office.survey(Credential.ACT), "account.person", "session")
    effects = act.contain(office.account, quarantine)
    assert {one.outcome for one in effects} == {Outcome.DONE}
    assert office.works() == "AccessDenied"
    states = {str(one.kind): one.state for one in office.survey()}
    assert states["account.person"] is HoldingState.CONTAINED
    assert states["credential.access_key"] is HoldingState.LIVE
    assert {one.outcome for one in act.restore(office.account, quarantine)} == {Outcome.DONE}
    assert office.works() == ""


def test_an_inactive_key_is_refused_by_itself_and_works_after_undo(office: Office) -> None:
    """Making the key inactive stops it without the deny, and activating it brings it back."""
    act = office.connectors[Credential.ACT]
    keys = of_kind(office.survey(Credential.ACT), "credential.access_key")
    assert act.contain(office.account, keys)[0].outcome is Outcome.DONE
    assert office.works() == "InvalidClientTokenId"
    assert act.restore(office.account, keys)[0].outcome is Outcome.DONE
    assert office.works() == ""


def test_the_whole_way_ends_with_a_dead_key_and_no_user(office: Office) -> None:
    """Contain, revoke, destroy: the key is dead at each step, and the user is gone in the end."""
    act = office.connectors[Credential.ACT]
    card = act.card()
    for stage, change in ((Stage.CONTAIN, act.contain), (Stage.REVOKE, act.revoke)):
        todo = [
            one
            for one in office.survey(Credential.ACT)
            if (support := card.support(one.kind)) and stage in support.stages
        ]
        effects = change(office.account, todo)
        assert Outcome.REFUSED not in {one.outcome for one in effects}, effects
        assert office.works() in {"InvalidClientTokenId", "AccessDenied"}
    assert act.destroy(office.account).outcome is Outcome.DONE
    assert office.survey() == ()
    assert office.works() == "InvalidClientTokenId"


def test_a_fresh_credential_report_agrees_after_the_cut(office: Office) -> None:
    """The verifier reads the report that was made after the quarantine, and it is not blind."""
    act = office.connectors[Credential.ACT]
    todo = of_kind(
        office.survey(Credential.ACT), "account.person", "session", "credential.access_key"
    )
    act.contain(office.account, todo[:2])
    act.contain(office.account, todo[2:])
    live = [one.kind for one in office.survey() if one.state is HoldingState.LIVE]
    assert "credential.access_key" not in live
    assert live == ["grant.policy"]
