"""An Identity Center user: quarantine by user id, memberships, assignments, entitlements.

There is no operation that disables a user or ends a session. What stops one are denies by
``identitystore:userId``, which never changes: in the organisation's policy (``scp``), and in the
inline policy of every permission set that gives the person anything, provisioned again. Sessions of
roles that were issued before are asked for each request, so both reach them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from connectors.aws import scp
from connectors.aws.documents import Document, parsed, statements, written
from connectors.aws.quarantine import BUNDLE, ISSUED, SESSION
from connectors.aws.rows import (
    Leaver,
    Look,
    Row,
    RowCard,
    RowReading,
    partly,
    take,
    text,
)
from connectors.aws.session import Object
from connectors.aws.settings import IdentityCenter, Settings
from connectors.contract import Effect, Holding, HoldingState, Json, Kind, Stage, Support, kind
from connectors.faults import Refused

PERSON: Final = kind("account.person")
SID: Final = "DeprovisionerQuarantine"
MAX_POLICY: Final = 10_240
_LATEST: Final = "LATEST_PERMISSION_SET_NOT_PROVISIONED"
_DUTY: Final = (
    "Disable the user in the identity provider (SCIM active=false) or in the Identity Center "
    "console (Users, the user, Disable user access), and end their active sessions there. Check: "
    "aws identitystore describe-user --identity-store-id {store} --user-id {user} shows DISABLED."
)


def center(settings: Settings) -> IdentityCenter:
    """Return the Identity Center. Raises :class:`~connectors.faults.Refused` without one."""
    if settings.identity_center is None:
        raise Refused("no Identity Center is configured", code="aws:center")
    return settings.identity_center


def admin(leaver: Leaver, operation: str, **arguments: object) -> Object:
    """Make one call to sso-admin."""
    of = center(leaver.settings)
    return leaver.sessions.call(
        of.account, "sso-admin", operation, of.region, InstanceArn=of.instance_arn, **arguments
    )


def admin_list(leaver: Leaver, operation: str, member: str, **arguments: object) -> list[Any]:
    """Read a whole list of sso-admin."""
    of = center(leaver.settings)
    return leaver.sessions.listed(
        of.account,
        "sso-admin",
        operation,
        member,
        of.region,
        InstanceArn=of.instance_arn,
        **arguments,
    )


def assignments(leaver: Leaver) -> list[Any]:
    """Read everything that is assigned to the person, directly or through groups."""
    return admin_list(
        leaver,
        "list_account_assignments_for_principal",
        "AccountAssignments",
        PrincipalId=leaver.id,
        PrincipalType="USER",
    )


def permission_sets(leaver: Leaver) -> list[str]:
    """Read the permission sets that give the person anything."""
    found = (text(one, "PermissionSetArn") for one in assignments(leaver))
    return list(dict.fromkeys(found))


# ---------------------------------------------------------------------------- the deny in a set
def _policy(leaver: Leaver, permission_set: str) -> Document:
    answer = admin(leaver, "get_inline_policy_for_permission_set", PermissionSetArn=permission_set)
    found = answer.get("InlinePolicy")
    return parsed(found) if found else {"Version": "2012-10-17", "Statement": []}


def _denied(document: Mapping[str, Any]) -> list[str]:
    for one in statements(document):
        if one.get("Sid") == SID and one.get("Effect") == "Deny" and one.get("Action") == "*":
            said = one.get("Condition", {}).get("StringEquals", {}).get(scp.CENTER_USER, [])
            return [said] if isinstance(said, str) else list(said)
    return []


def _with(document: Document, listed: list[str]) -> Document:
    kept = [one for one in statements(document) if one.get("Sid") != SID]
    deny = {
        "Sid": SID,
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringEquals": {scp.CENTER_USER: listed}},
    }
    return {**document, "Statement": [*kept, deny] if listed else kept}


def _is_provisioned(leaver: Leaver, permission_set: str) -> bool:
    """Read whether every account has the set as it is now: until then the deny is only written."""
    behind = admin_list(
        leaver,
        "list_accounts_for_provisioned_permission_set",
        "AccountIds",
        PermissionSetArn=permission_set,
        ProvisioningStatus=_LATEST,
    )
    return not behind


def _deny(leaver: Leaver, permission_set: str, *, add: bool) -> Object:
    """Write the deny into one set, or out of it, and have it provisioned everywhere."""
    document = _policy(leaver, permission_set)
    others = [one for one in _denied(document) if one != leaver.id]
    listed = [*others, leaver.id] if add else others
    made = _with(document, listed)
    content = written(made)
    if len(content) > MAX_POLICY:
        raise Refused("the permission set's inline policy is full", code="aws:set-size")
    if not made["Statement"]:
        admin(leaver, "delete_inline_policy_from_permission_set", PermissionSetArn=permission_set)
    elif (leaver.id in _denied(document)) is not add:
        admin(
            leaver,
            "put_inline_policy_to_permission_set",
            PermissionSetArn=permission_set,
            InlinePolicy=content,
        )
    return admin(
        leaver,
        "provision_permission_set",
        PermissionSetArn=permission_set,
        TargetType="ALL_PROVISIONED_ACCOUNTS",
    )


def _sets_left(leaver: Leaver, *, add: bool, sets: list[str]) -> list[str]:
    """Return the sets that do not yet say, in every account, what they should."""
    return [
        one
        for one in sets
        if (leaver.id in _denied(_policy(leaver, one))) is not add
        or not _is_provisioned(leaver, one)
    ]


# ------------------------------------------------------------------------------------- the row
def _stops(settings: Settings) -> bool:
    return bool(settings.quarantine_scp) or settings.permission_set_deny


def _is_denied(leaver: Leaver) -> bool:
    settings = leaver.settings
    if not _stops(settings):
        return False
    if not scp.looked(leaver.sessions, scp.CENTER_USER, leaver.id, add=True).reached:
        return False
    sets = permission_sets(leaver) if settings.permission_set_deny else []
    return not _sets_left(leaver, add=True, sets=sets)


def _read(leaver: Leaver) -> RowReading:
    return partly(
        lambda: _holdings(leaver),
        "permission sets",
        "sso:ListAccountAssignmentsForPrincipal, sso:GetInlinePolicyForPermissionSet",
    )


def _holdings(leaver: Leaver) -> Iterator[Holding]:
    denied = _is_denied(leaver)
    disabled = leaver.user.get("UserStatus") == "DISABLED"
    sets: list[Json] = [*permission_sets(leaver)]
    image: dict[str, Json] = {"contained": denied, "permission_sets": sets}
    duty = "" if _stops(leaver.settings) or disabled else _duty(leaver)
    yield leaver.holding(
        PERSON,
        leaver.account.native_id,
        leaver.login,
        state=HoldingState.CONTAINED if denied or disabled else HoldingState.LIVE,
        restore=image,
        duty=duty,
    )
    if not denied:
        yield leaver.holding(SESSION, ISSUED, "issued sessions", restore=image, duty=duty)


def _duty(leaver: Leaver) -> str:
    return _DUTY.format(store=leaver.place, user=leaver.id)


def _contain(leaver: Leaver, holding: Holding) -> Effect:
    if not _stops(leaver.settings):
        raise Refused(_DUTY.format(store="STORE", user="USER"), code="aws:no-quarantine")

    def look() -> Look:
        listed = scp.looked(leaver.sessions, scp.CENTER_USER, leaver.id, add=True)
        sets = permission_sets(leaver) if leaver.settings.permission_set_deny else []
        return _looked(leaver, listed, sets, add=True)

    return take(leaver, holding, look)


def _looked(leaver: Leaver, listed: Look, sets: list[str], *, add: bool) -> Look:
    left = _sets_left(leaver, add=add, sets=sets)

    def write() -> Object:
        answer: Object = {} if listed.reached else listed.write()
        for one in left:
            answer = _deny(leaver, one, add=add)
        return answer

    return Look(
        listed.reached and not left,
        {**listed.read_back, "permission_sets_left": len(left)},
        write,
    )


def _restore(leaver: Leaver, holding: Holding) -> Effect:
    if holding.restore.get("contained") is not False:
        raise Refused("it was contained before", code="aws:pre-image")
    before = holding.restore.get("permission_sets")
    known = [str(one) for one in before] if isinstance(before, list | tuple) else []

    def look() -> Look:
        listed = scp.looked(leaver.sessions, scp.CENTER_USER, leaver.id, add=False)
        now = permission_sets(leaver) if leaver.settings.permission_set_deny else []
        sets = list(dict.fromkeys([*known, *now])) if leaver.settings.permission_set_deny else []
        return _looked(leaver, listed, sets, add=False)

    return take(leaver, holding, look)


def _card(settings: Settings) -> RowCard:
    if settings.identity_center is None:
        return RowCard()
    stages = {Stage.CONTAIN, Stage.PRESERVE} if _stops(settings) else {Stage.PRESERVE}
    if not settings.identity_center.external:
        stages |= {Stage.DESTROY}
    rights = (
        "sso:PutInlinePolicyToPermissionSet",
        "sso:ProvisionPermissionSet",
        "identitystore:DeleteUser",
        *scp.rights(settings),
    )
    portal = settings.identity_center.portal_session
    return RowCard(
        (Support(PERSON, frozenset(stages), rights=rights, bundle=BUNDLE),),
        notes=(
            (
                "Identity Center has no call that ends a session: a portal session may last "
                f"{portal}, and whatever it fetches is denied."
            ),
            (
                "A session of a permission set that was taken away before the survey is only "
                "reached by quarantine_scp."
            ),
        ),
    )


KINDS: Final[frozenset[Kind]] = frozenset({PERSON, SESSION})
ROW: Final = Row(
    "identity center quarantine",
    KINDS,
    _card,
    _read,
    contain=_contain,
    restore=_restore,
    together=True,
)
