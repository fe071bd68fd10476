"""The AWS card and settings: everything is declared, nothing loads that could lie."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped]
    ClientError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from pydantic import ValidationError

from connectors.aws import Settings, open_connector
from connectors.aws.answers import faults
from connectors.aws.connector import CENTER_ROWS, IAM_ROWS
from connectors.aws.doctor import _role_arn
from connectors.aws.documents import parsed
from connectors.aws.quarantine import deny_all, is_deny_all, kind_of
from connectors.aws.uploaded import named
from connectors.contract import Credential, Stage
from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised

CENTER = {
    "account": "111111111111",
    "region": "us-east-1",
    "instance_arn": "arn:aws:sso:::instance/ssoins-1",
    "identity_store_id": "d-1234567890",
    "canary": "user-canary",
}


def values(**changes: Any) -> dict[str, Any]:
    return {
        "accounts": ["111111111111"],
        "act": {"role": "act", "ambient": True},
        "verify": {"role": "verify", "ambient": True},
        "canary": "deprovisioner-canary",
        **changes,
    }


def settings(**changes: Any) -> Settings:
    return Settings.model_validate(values(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"accounts": ["1"]},
        {"accounts": ["111111111111", "111111111111"]},
        {"verify": {"role": "act", "ambient": True}},
        {"act": {"role": "act"}},
        {"act": {"role": "act", "access_key_id": "A"}},
        {"endpoint_url": "https://iam.example.com"},
        {"endpoint_url": "http://127.0.0.1:1"},
        {"quarantine_scp": "p-1"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_settings_that_could_harm_do_not_load(changes: dict[str, Any]) -> None:
    """One identity for both, a foreign endpoint, the machine's own keys to a sandbox."""
    with pytest.raises(ValidationError):
        settings(**changes)


def test_every_row_is_on_the_card_with_what_it_can_do() -> None:
    """No kind is read without a line on the card, no stage is offered that is not declared."""
    made = settings(identity_center=CENTER)
    for row in (*IAM_ROWS, *CENTER_ROWS):
        supports = {one.kind: one for one in row.card(made).supports}
        for stage, change in ((Stage.CONTAIN, row.contain), (Stage.REVOKE, row.revoke)):
            offered = any(stage in one.stages for one in supports.values())
            assert offered is (change is not None), (row.name, stage)
        assert row.kinds - {"session"} <= set(supports), row.name


def test_what_is_not_read_is_a_gap_with_commands() -> None:
    """Every gap says what a person runs or asks, and each kind has one gap only."""
    card = open_connector("aws", settings(), Credential.ACT, lambda: datetime.now(UTC)).card()
    kinds = [gap.kind for gap in card.gaps]
    assert len(kinds) == len(set(kinds))
    assert all(len(gap.duty) > 60 for gap in card.gaps)
    assert {"grant.acl", "secret_known", "ownership.resource", "credential.ssh_key"} <= set(kinds)


def test_named_absent_is_a_note_and_not_read() -> None:
    """What the operator says is not there is named on the card."""
    made = settings(absent=["tagged ownerships"])
    card = open_connector("aws", made, Credential.ACT, lambda: datetime.now(UTC)).card()
    assert any("tagged ownerships" in note for note in card.notes)
    assert card.support("ownership.resource") is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "status", "due"),
    [
        ("AccessDenied", 403, Unauthorised),
        ("InvalidClientTokenId", 403, Unauthorised),
        ("ExpiredToken", 400, Unauthorised),
        ("Throttling", 400, Transient),
        ("EntityTemporarilyUnmodifiable", 409, Transient),
        ("SomethingNew", 503, Transient),
        ("NoSuchEntity", 404, Missing),
        ("DeleteConflict", 409, Refused),
        ("404", 404, Malformed),
        ("", 400, Malformed),
    ],
)
def test_each_code_carries_its_decision(code: str, status: int, due: type[Fault]) -> None:
    """The fault follows from AWS's code, and its text names nobody."""
    response = {
        "Error": {"Code": code, "Message": "User qzhao"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": "9"}},
    }
    with pytest.raises(due) as raised, faults("iam:get_user"):
        raise ClientError(response, "GetUser")
    assert "qzhao" not in str(raised.value)
    if isinstance(raised.value, Transient):
        assert raised.value.retry_after.total_seconds() == 9


def test_no_answer_decides_nothing() -> None:
    """Timeouts and closed ports are tried again; nonsense is not."""
    for error in (EndpointConnectionError(endpoint_url="x"), ReadTimeoutError(endpoint_url="x")):
        with pytest.raises(Transient), faults("iam:get_user"):
            raise error
    with pytest.raises(Malformed), faults("iam:get_user"):
        raise KeyError("Credentials")


def test_the_quarantine_denies_without_condition_and_tells_when() -> None:
    """A condition could let something by, so only an unconditional deny counts."""
    document = parsed(deny_all(datetime(2026, 11, 25, 3, 4, 5, tzinfo=UTC)))
    assert is_deny_all(document)
    assert document["Statement"][0]["Sid"] == "Since20261125T030405Z"
    document["Statement"][0]["Condition"] = {"DateLessThan": {"aws:TokenIssueTime": "2026"}}
    assert not is_deny_all(document)


def test_an_upload_is_named_by_what_it_says() -> None:
    """Comments and line ends do not make another key; another key does."""
    assert named("ssh-rsa AAAA bob@laptop\n") == named("ssh-rsa AAAA")
    assert named("ssh-rsa AAAA") != named("ssh-rsa AAAB")
    assert named("-----BEGIN-----\nAA\n") == named("-----BEGIN-----\r\nAA")


def test_services_and_administrators_are_told_by_name() -> None:
    """Hidden Bedrock users and patterns of the operator are not persons."""
    made = settings(admin_logins=["adm-{login}"])
    assert kind_of("BedrockAPIKey-x1", made) == "service"
    assert kind_of("adm-qzhao", made) == "admin"
    assert kind_of("qzhao", made) == "person"


def test_the_role_behind_a_session_is_simulated() -> None:
    """simulate-principal-policy takes roles, not sessions of them."""
    session = "arn:aws-cn:sts::111111111111:assumed-role/act/deprovisioner-act"
    assert _role_arn(session) == "arn:aws-cn:iam::111111111111:role/act"
    user = "arn:aws:iam::111111111111:user/x"
    assert _role_arn(user) == user
