"""What ``doctor`` asks of an organisation: reachability, accounts, canaries, rights, clock.

Reads only. The acting identity's rights are simulated by IAM itself where it answers that
(``simulate_principal_policy``), which changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from connectors._http.waiting import http_date
from connectors.aws import people
from connectors.aws.rows import Row
from connectors.aws.session import Object, Sessions
from connectors.contract import Probe
from connectors.faults import Fault

SKEW: Final = timedelta(minutes=4)
"""AWS refuses signatures that are five minutes off."""
_IAM_WRITES: Final = (
    "iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:UpdateAccessKey", "iam:DeleteAccessKey",
    "iam:DeleteLoginProfile", "iam:RemoveUserFromGroup", "iam:DetachUserPolicy", "iam:DeleteUser",
)  # fmt: skip


def probe(sessions: Sessions, rows: Sequence[Row]) -> Iterator[Probe]:
    """Yield one line per check."""
    settings = sessions.settings
    for place in settings.accounts:
        yield from _account(sessions, place)
    yield from _organisation(sessions)
    if settings.identity_center is not None:
        yield _center(sessions)
    yield Probe(
        "coverage",
        holds=True,
        detail=f"{len(rows)} rows, {len(settings.accounts)} accounts",
    )


def _account(sessions: Sessions, place: str) -> Iterator[Probe]:
    settings = sessions.settings
    try:
        who = sessions.call(place, "sts", "get_caller_identity")
    except Fault as fault:
        advice = "check the role's name and whom it trusts"
        yield Probe(f"account {place}", holds=False, detail=fault.code, advice=advice)
        return
    right = who.get("Account") == place
    yield Probe(
        f"account {place}",
        holds=right,
        detail="signed in" if right else "signed in to another account",
        advice="" if right else "home must name the account of the key",
    )
    yield _clock(sessions, place, who)
    yield _read(
        f"canary in {place}",
        lambda: sessions.call(place, "iam", "get_user", UserName=settings.canary),
        "make the canary user, or give iam:GetUser",
    )
    yield _read(
        f"users of {place}",
        lambda: next(
            iter(
                sessions.pages(
                    place,
                    "iam",
                    "get_account_authorization_details",
                    "UserDetailList",
                    Filter=["User"],
                )
            )
        ),
        "give iam:GetAccountAuthorizationDetails",
    )
    if not sessions.verifying:
        yield _rights(sessions, place, str(who.get("Arn", "")))


def _read(check: str, read: Any, advice: str) -> Probe:  # noqa: ANN401 - any read
    try:
        read()
    except Fault as fault:
        return Probe(check, holds=False, detail=fault.code, advice=advice)
    return Probe(check, holds=True, detail="read")


def _clock(sessions: Sessions, place: str, answer: Object) -> Probe:
    said = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))
    told = http_date(said)
    if told is None:
        return Probe(f"clock of {place}", holds=True, detail="AWS did not tell the time")
    off = abs(told - sessions.clock())
    holds = off < SKEW
    advice = "" if holds else "set this machine's clock: AWS refuses signatures five minutes off"
    return Probe(f"clock of {place}", holds, f"{off.total_seconds():.0f} s apart", advice)


def _rights(sessions: Sessions, place: str, arn: str) -> Probe:
    """Let IAM simulate what the acting role may do; where it does not answer, say so."""
    check = f"rights in {place}"
    source = _role_arn(arn)
    try:
        answer = sessions.call(
            place,
            "iam",
            "simulate_principal_policy",
            PolicySourceArn=source,
            ActionNames=list(_IAM_WRITES),
        )
    except Fault as fault:
        detail = f"not simulated ({fault.code}): a missing right shows at the first write"
        return Probe(check, holds=True, detail=detail)
    denied = [
        str(one.get("EvalActionName"))
        for one in answer.get("EvaluationResults", [])
        if one.get("EvalDecision") != "allowed"
    ]
    advice = f"the acting role needs {', '.join(denied)}" if denied else ""
    return Probe(check, not denied, f"{len(_IAM_WRITES) - len(denied)} simulated", advice)


def _role_arn(arn: str) -> str:
    """Turn the ARN of an assumed role into the role's: only that can be simulated."""
    parts = arn.split(":")
    if len(parts) == 6 and parts[2] == "sts" and parts[5].startswith("assumed-role/"):  # noqa: PLR2004 - the parts of an ARN
        role = parts[5].split("/")[1]
        return f"arn:{parts[1]}:iam::{parts[4]}:role/{role}"
    return arn


def _organisation(sessions: Sessions) -> Iterator[Probe]:
    """Compare the accounts that are configured with those that there are (Law 4)."""
    settings = sessions.settings
    if not settings.management_account:
        return
    check = "accounts of the organisation"
    try:
        listed = sessions.listed(
            settings.management_account, "organizations", "list_accounts", "Accounts"
        )
    except Fault as fault:
        advice = "give organizations:ListAccounts to the role in the management account"
        yield Probe(check, holds=False, detail=fault.code, advice=advice)
        return
    active = {str(one.get("Id")) for one in listed if one.get("Status") == "ACTIVE"}
    left_out = sorted(active - set(settings.accounts))
    advice = f"add to accounts: {', '.join(left_out)}" if left_out else ""
    yield Probe(check, not left_out, f"{len(active)} active", advice)
    if settings.quarantine_scp:
        policy = settings.quarantine_scp
        yield _read(
            "quarantine policy",
            lambda: sessions.call(
                settings.management_account, "organizations", "describe_policy", PolicyId=policy
            ),
            "make the policy that docs/connectors/aws.md shows, and name its id",
        )


def _center(sessions: Sessions) -> Probe:
    center = sessions.settings.identity_center
    assert center is not None  # noqa: S101 - the caller looked
    return _read(
        "canary in Identity Center",
        lambda: people.center_user(sessions, center, center.canary),
        "name a user that is there, or give identitystore:DescribeUser",
    )
