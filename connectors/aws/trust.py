"""Roles, in every account, whose trust policy names the person.

Nothing of them notices that the user is gone, and once it is, AWS writes its id where its ARN was
and refuses the old document on undo: so trust is edited before the user goes. Contain may also
deny sessions of the role that were issued before (``role_sessions``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from functools import partial
from typing import Any, Final

from connectors.aws.documents import (
    Document,
    admits,
    beside,
    digest,
    mentions,
    parsed,
    same,
    without_in_trust,
    written,
)
from connectors.aws.rows import (
    Leaver,
    Look,
    Row,
    RowCard,
    RowReading,
    partly,
    stored,
    take,
    text,
    unless_missing,
)
from connectors.aws.session import Object
from connectors.aws.settings import RoleSessions, Settings
from connectors.contract import Effect, Holding, HoldingState, Stage, Support, kind
from connectors.faults import Missing

TRUST: Final = kind("grant.trust")
_MANAGED: Final = ("/aws-reserved/", "/aws-service-role/")
_DUTY: Final = (
    "A condition of the trust policy names the person. Edit it: aws iam get-role --role-name {role}"
    " (account {place}), then aws iam update-assume-role-policy --role-name {role} "
    "--policy-document file://trust.json"
)


def _roles(leaver: Leaver, place: str) -> Iterator[dict[str, Any]]:
    for page in leaver.sessions.pages(
        place, "iam", "get_account_authorization_details", "RoleDetailList", Filter=["Role"]
    ):
        yield from page


def _read(leaver: Leaver) -> RowReading:
    reading = RowReading()
    for place in leaver.settings.accounts:
        reading += partly(
            partial(_read_account, leaver, place),
            f"roles of account {place}",
            "iam:GetAccountAuthorizationDetails",
        )
    return reading


def _read_account(leaver: Leaver, place: str) -> Iterator[Holding]:
    names = leaver.names
    for role in _roles(leaver, place):
        document = parsed(role.get("AssumeRolePolicyDocument"))
        named = mentions(document, names)
        if not named and not admits(document, names):
            continue
        name = text(role, "RoleName")
        yield leaver.holding(
            TRUST,
            f"{place}:{text(role, 'RoleId')}",
            f"{name} in {place}",
            state=_state(leaver, role),
            restore={"role": name, "document": written(document)},
            duty=_DUTY.format(role=name, place=place) if named else "",
        )


def _state(leaver: Leaver, role: Mapping[str, Any]) -> HoldingState:
    if leaver.settings.role_sessions is RoleSessions.NOTHING:
        return HoldingState.LIVE
    listed = role.get("RolePolicyList", [])
    ours = any(one.get("PolicyName") == _policy_name(leaver) for one in listed)
    return HoldingState.CONTAINED if ours else HoldingState.LIVE


def _policy_name(leaver: Leaver) -> str:
    return f"deprovisioner-sessions-{digest(leaver.account.native_id)[:16]}"


# ---------------------------------------------------------------------------------------- writes
def _role(leaver: Leaver, holding: Holding) -> tuple[str, Object | None]:
    """Read the role by its immutable id; the remembered name is only where to look first."""
    place, _, role_id = holding.native_id.partition(":")
    name = str(holding.restore.get("role", ""))
    call = leaver.sessions.call
    if name:
        answer = unless_missing(lambda: call(place, "iam", "get_role", RoleName=name))
        role = answer.get("Role", {}) if answer else {}
        if role.get("RoleId") == role_id:
            return place, role
    found = (one for one in _roles(leaver, place) if one.get("RoleId") == role_id)
    return place, next(found, None)


def _update(leaver: Leaver, place: str, role: Object, before: Document, after: Document) -> Object:
    """Write a trust policy over the one that was read: there is no etag, so it is read again."""
    call, name = leaver.sessions.call, text(role, "RoleName")
    now = call(place, "iam", "get_role", RoleName=name).get("Role", {})
    if not same(now.get("AssumeRolePolicyDocument"), before):
        return {}  # somebody else was at it: the re-read says so, and the next call starts anew
    return call(
        place,
        "iam",
        "update_assume_role_policy",
        RoleName=name,
        PolicyDocument=written(after),
    )


def _revoke(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        place, role = _role(leaver, holding)
        if role is None:
            return Look(reached=True, read_back={"role": "absent"})
        document = parsed(role.get("AssumeRolePolicyDocument"))
        there = admits(document, leaver.names)
        after = without_in_trust(document, leaver.names)
        return Look(
            not there,
            {"trusted": there},
            lambda: _update(leaver, place, role, document, after),
            refuse=_kept_by_aws(role) if there else "",
        )

    return take(leaver, holding, look)


def _kept_by_aws(role: Object) -> str:
    managed = str(role.get("Path", "")).startswith(_MANAGED)
    return "AWS manages this role: change it where it is made" if managed else ""


def _restore(leaver: Leaver, holding: Holding) -> Effect:
    wanted = parsed(stored(holding, "document"))

    def look() -> Look:
        place, role = _role(leaver, holding)
        if role is None:
            return Look(reached=False, refuse="the role is gone")
        document = parsed(role.get("AssumeRolePolicyDocument"))
        quiet = _sessions_policy(leaver, place, role) is None
        return Look(
            same(document, wanted) and quiet,
            {"trusted": admits(document, leaver.names)},
            lambda: _back(leaver, place, role, (document, wanted)),
        )

    return take(leaver, holding, look)


def _back(leaver: Leaver, place: str, role: Object, documents: tuple[Document, Document]) -> Object:
    answer: Object = {}
    if _sessions_policy(leaver, place, role) is not None:
        answer = leaver.sessions.call(
            place,
            "iam",
            "delete_role_policy",
            RoleName=text(role, "RoleName"),
            PolicyName=_policy_name(leaver),
        )
    before, wanted = documents
    return answer if same(before, wanted) else _update(leaver, place, role, before, wanted)


def _transfer(leaver: Leaver, holding: Holding, successor: Leaver) -> Effect:
    def look() -> Look:
        place, role = _role(leaver, holding)
        if role is None:
            return Look(reached=False, refuse="the role is gone")
        document = parsed(role.get("AssumeRolePolicyDocument"))
        there = admits(document, successor.names)
        after = beside(document, leaver.names, successor.names)
        return Look(
            there, {"trusted": there}, lambda: _update(leaver, place, role, document, after)
        )

    return take(leaver, holding, look)


# ------------------------------------------------------------------------------- issued sessions
def _sessions_policy(leaver: Leaver, place: str, role: Object) -> Document | None:
    answer = unless_missing(
        lambda: leaver.sessions.call(
            place,
            "iam",
            "get_role_policy",
            RoleName=text(role, "RoleName"),
            PolicyName=_policy_name(leaver),
        )
    )
    return parsed(answer.get("PolicyDocument")) if answer else None


def _denial(leaver: Leaver) -> Document:
    """Deny sessions of the role: the person's, or all that were issued until now."""
    now = leaver.sessions.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = (
        {"DateLessThan": {"aws:TokenIssueTime": now}}
        if leaver.settings.role_sessions is RoleSessions.EVERYONE
        else {"StringEquals": {"aws:SourceIdentity": leaver.login}}
    )
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [deny]}


def _contain(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        place, role = _role(leaver, holding)
        if role is None:
            return Look(reached=True, read_back={"role": "absent"})
        there = _sessions_policy(leaver, place, role) is not None
        return Look(
            there,
            {"sessions_denied": there},
            lambda: _deny_sessions(leaver, place, role),
            refuse="" if there else _kept_by_aws(role),
        )

    try:
        return take(leaver, holding, look)
    except Missing:
        return take(leaver, holding, look)  # the role went between look and write: look again


def _deny_sessions(leaver: Leaver, place: str, role: Object) -> Object:
    return leaver.sessions.call(
        place,
        "iam",
        "put_role_policy",
        RoleName=text(role, "RoleName"),
        PolicyName=_policy_name(leaver),
        PolicyDocument=written(_denial(leaver)),
    )


def _card(settings: Settings) -> RowCard:
    stages = {Stage.PRESERVE, Stage.TRANSFER, Stage.REVOKE}
    rights = ["iam:GetRole", "iam:UpdateAssumeRolePolicy"]
    if settings.role_sessions is not RoleSessions.NOTHING:
        stages |= {Stage.CONTAIN}
        rights += ["iam:PutRolePolicy", "iam:DeleteRolePolicy"]
    notes = {
        RoleSessions.NOTHING: "Sessions of roles that were assumed before run out by themselves.",
        RoleSessions.SOURCE_IDENTITY: "Sessions of roles are only denied where the organisation "
        "enforces that sts:SourceIdentity is the user name.",
        RoleSessions.EVERYONE: "Containing a role's trust ends the sessions that anybody has in "
        "the role; they assume it again.",
    }
    return RowCard(
        (Support(TRUST, frozenset(stages), rights=tuple(rights)),),
        notes=(notes[settings.role_sessions],),
    )


ROW: Final = Row(
    "role trust",
    frozenset({TRUST}),
    _card,
    _read,
    contain=_contain,
    revoke=_revoke,
    restore=_restore,
    transfer=_transfer,
)
