"""What an Identity Center user is given: groups, accounts, applications, roles by entitlement.

Assignments are taken before the user goes: a deleted user leaves them orphaned. Deleting one is
asynchronous, so it is pending until a list does not show it any more. With an external identity
provider memberships come from there, and would come back: a duty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from connectors.aws import scp
from connectors.aws.center import admin, admin_list, assignments, center
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
)
from connectors.aws.session import Object
from connectors.aws.settings import Feature, Settings
from connectors.contract import Effect, Holding, Stage, Support, kind
from connectors.faults import Refused

GROUP: Final = kind("grant.group")
ROLE: Final = kind("grant.role")
APPLICATION: Final = kind("grant.app_role")
ENTITLEMENT: Final = kind("grant.access_package")
_TAKE: Final = frozenset({Stage.PRESERVE, Stage.REVOKE})
_FREEZE_AND_TAKE: Final = _TAKE | {Stage.CONTAIN}
_EXTERNAL: Final = (
    "Groups come from the identity provider and would come back: take the person out of the group "
    "there, and see here that it is gone."
)


# ---------------------------------------------------------------------------------------- groups
def _store(leaver: Leaver, operation: str, **arguments: object) -> Object:
    of = center(leaver.settings)
    store = of.identity_store_id
    return leaver.sessions.call(
        of.account, "identitystore", operation, of.region, IdentityStoreId=store, **arguments
    )


def _memberships(leaver: Leaver) -> dict[str, str]:
    """Read the memberships, group id to membership id."""
    of = center(leaver.settings)
    listed = leaver.sessions.listed(
        of.account,
        "identitystore",
        "list_group_memberships_for_member",
        "GroupMemberships",
        of.region,
        IdentityStoreId=of.identity_store_id,
        MemberId={"UserId": leaver.id},
    )
    return {text(one, "GroupId"): text(one, "MembershipId") for one in listed}


def _read_groups(leaver: Leaver) -> RowReading:
    external = center(leaver.settings).external

    def read() -> Iterator[Holding]:
        for group in _memberships(leaver):
            name = str(_store(leaver, "describe_group", GroupId=group).get("DisplayName", ""))
            yield leaver.holding(
                GROUP, group, name, restore={"group": group}, duty=_EXTERNAL if external else ""
            )

    return partly(read, "groups", "identitystore:ListGroupMembershipsForMember, DescribeGroup")


def _leave(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        membership = _memberships(leaver).get(holding.native_id, "")
        return Look(
            not membership,
            {"member": bool(membership)},
            lambda: _store(leaver, "delete_group_membership", MembershipId=membership),
            refuse=_EXTERNAL if center(leaver.settings).external else "",
        )

    return take(leaver, holding, look)


def _join(leaver: Leaver, holding: Holding, who: Leaver) -> Effect:
    def look() -> Look:
        member = holding.native_id in _memberships(who)
        return Look(
            member,
            {"member": member},
            lambda: _store(
                leaver,
                "create_group_membership",
                GroupId=holding.native_id,
                MemberId={"UserId": who.id},
            ),
        )

    return take(leaver, holding, look)


def _rejoin(leaver: Leaver, holding: Holding) -> Effect:
    return _join(leaver, holding, leaver)


def _groups_card(settings: Settings) -> RowCard:
    if settings.identity_center is None:
        return RowCard()
    rights = ("identitystore:DeleteGroupMembership", "identitystore:CreateGroupMembership")
    return RowCard((Support(GROUP, _TAKE | {Stage.TRANSFER}, rights=rights),))


GROUPS_ROW: Final = Row(
    "identity center groups",
    frozenset({GROUP}),
    _groups_card,
    _read_groups,
    revoke=_leave,
    restore=_rejoin,
    transfer=_join,
)


def delete_user(leaver: Leaver) -> Object:
    """Delete the user itself; assignments go before, or they stay orphaned."""
    listed = scp.looked(leaver.sessions, scp.CENTER_USER, leaver.id, add=False)
    if not listed.reached:
        listed.write()  # the list is short, and the id is never used again
    return _store(leaver, "delete_user", UserId=leaver.id)


# ----------------------------------------------------------------------------------- assignments
def _direct(leaver: Leaver) -> dict[str, tuple[str, str]]:
    """Read what is assigned to the person themselves; what a group gives goes with the group."""
    found = {}
    for one in assignments(leaver):
        if one.get("PrincipalId", leaver.id) == leaver.id:
            place, permission_set = text(one, "AccountId"), text(one, "PermissionSetArn")
            found[f"{place}:{permission_set}"] = (place, permission_set)
    return found


def _read_assignments(leaver: Leaver) -> RowReading:
    def read() -> Iterator[Holding]:
        for native_id, (place, permission_set) in _direct(leaver).items():
            label = f"{permission_set.rsplit('/', 1)[-1]} in {place}"
            yield leaver.holding(ROLE, native_id, label, restore={"account": place})

    return partly(read, "account assignments", "sso:ListAccountAssignmentsForPrincipal")


def _assignment(leaver: Leaver, native_id: str) -> dict[str, object]:
    place, _, permission_set = native_id.partition(":")
    return {
        "TargetId": place,
        "TargetType": "AWS_ACCOUNT",
        "PermissionSetArn": permission_set,
        "PrincipalType": "USER",
        "PrincipalId": leaver.id,
    }


def _started(answer: Object, member: str) -> Object:
    """Hear what AWS says of a piece of work that it began: FAILED is a refusal (Law 1)."""
    status: Any = answer.get(member) or {}
    if status.get("Status") == "FAILED":
        raise Refused("Identity Center could not do it", code="aws:FAILED")
    return answer


def _unassign(leaver: Leaver, holding: Holding) -> Effect:
    def write() -> Object:
        answer = admin(
            leaver, "delete_account_assignment", **_assignment(leaver, holding.native_id)
        )
        return _started(answer, "AccountAssignmentDeletionStatus")

    def look() -> Look:
        there = holding.native_id in _direct(leaver)
        return Look(not there, {"assigned": there}, write)

    return take(leaver, holding, look)


def _assign(leaver: Leaver, holding: Holding) -> Effect:
    def write() -> Object:
        answer = admin(
            leaver, "create_account_assignment", **_assignment(leaver, holding.native_id)
        )
        return _started(answer, "AccountAssignmentCreationStatus")

    def look() -> Look:
        there = holding.native_id in _direct(leaver)
        return Look(there, {"assigned": there}, write)

    return take(leaver, holding, look)


def _assignments_card(settings: Settings) -> RowCard:
    if settings.identity_center is None:
        return RowCard()
    rights = ("sso:DeleteAccountAssignment", "sso:CreateAccountAssignment")
    return RowCard((Support(ROLE, _TAKE, rights=rights),))


ASSIGNMENTS_ROW: Final = Row(
    "account assignments",
    frozenset({ROLE}),
    _assignments_card,
    _read_assignments,
    revoke=_unassign,
    restore=_assign,
)


# ---------------------------------------------------------------------------------- applications
def _applications(leaver: Leaver) -> list[str]:
    listed = admin_list(
        leaver,
        "list_application_assignments_for_principal",
        "ApplicationAssignments",
        PrincipalId=leaver.id,
        PrincipalType="USER",
    )
    return [
        text(one, "ApplicationArn")
        for one in listed
        if one.get("PrincipalId", leaver.id) == leaver.id
    ]


def _read_applications(leaver: Leaver) -> RowReading:
    def read() -> Iterator[Holding]:
        for arn in _applications(leaver):
            label = arn.rsplit("/", 1)[-1]
            yield leaver.holding(APPLICATION, arn, label, restore={"application": arn})

    return partly(read, "applications", "sso:ListApplicationAssignmentsForPrincipal")


def _of_application(leaver: Leaver, operation: str, arn: str) -> Object:
    of = center(leaver.settings)
    return leaver.sessions.call(
        of.account,
        "sso-admin",
        operation,
        of.region,
        ApplicationArn=arn,
        PrincipalId=leaver.id,
        PrincipalType="USER",
    )


def _application(leaver: Leaver, holding: Holding, *, given: bool) -> Effect:
    verb = "create" if given else "delete"

    def look() -> Look:
        there = holding.native_id in _applications(leaver)
        return Look(
            there is given,
            {"assigned": there},
            lambda: _of_application(leaver, f"{verb}_application_assignment", holding.native_id),
        )

    return take(leaver, holding, look)


def _applications_card(settings: Settings) -> RowCard:
    if settings.identity_center is None or not settings.has(Feature.APPLICATIONS):
        return RowCard()
    rights = ("sso:DeleteApplicationAssignment", "sso:CreateApplicationAssignment")
    return RowCard((Support(APPLICATION, _FREEZE_AND_TAKE, rights=rights),))


def _take_application(leaver: Leaver, holding: Holding) -> Effect:
    return _application(leaver, holding, given=False)


def _give_application(leaver: Leaver, holding: Holding) -> Effect:
    return _application(leaver, holding, given=True)


APPLICATIONS_ROW: Final = Row(
    "identity center applications",
    frozenset({APPLICATION}),
    _applications_card,
    _read_applications,
    contain=_take_application,  # no deny reaches an application, so contain takes it away
    revoke=_take_application,
    restore=_give_application,
    absent=lambda settings: not settings.has(Feature.APPLICATIONS),
)


# ---------------------------------------------------------------------- account access entitlements
def _entitlements(leaver: Leaver) -> dict[str, tuple[str, str, str]]:
    """Read the roles given by entitlement: name to application, entitlement id and role.

    A second channel beside assignments, which do not show it.
    """
    of = center(leaver.settings)
    listed = leaver.sessions.listed
    found = {}
    principal = {"principal": {"identityCenter": {"userId": leaver.id}}}
    for application in listed(
        of.account, "account-access", "list_applications", "applications", of.region
    ):
        arn = text(application, "applicationArn")
        for one in listed(
            of.account,
            "account-access",
            "list_entitlements",
            "entitlements",
            of.region,
            applicationArn=arn,
            filter={"principalRole": principal},
        ):
            role = text(one.get("entitlement", {}).get("principalRole", {}), "roleArn")
            found[f"{arn}|{role}"] = (arn, text(one, "entitlementId"), role)
    return found


def _read_entitlements(leaver: Leaver) -> RowReading:
    def read() -> Iterator[Holding]:
        for native_id, (_, _, role) in _entitlements(leaver).items():
            yield leaver.holding(ENTITLEMENT, native_id, role, restore={"role": role})

    return partly(read, "account access", "account-access:ListApplications, ListEntitlements")


def _access(leaver: Leaver, operation: str, **arguments: object) -> Object:
    of = center(leaver.settings)
    return leaver.sessions.call(of.account, "account-access", operation, of.region, **arguments)


def _take_entitlement(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        found = _entitlements(leaver).get(holding.native_id)
        application, entitlement, _ = found or ("", "", "")
        return Look(
            found is None,
            {"entitled": found is not None},
            lambda: _access(
                leaver,
                "delete_entitlement",
                applicationArn=application,
                entitlementId=entitlement,
            ),
        )

    return take(leaver, holding, look)


def _give_entitlement(leaver: Leaver, holding: Holding) -> Effect:
    role = stored(holding, "role")
    application = holding.native_id.partition("|")[0]
    given = {"principal": {"identityCenter": {"userId": leaver.id}}, "roleArn": role}

    def look() -> Look:
        there = holding.native_id in _entitlements(leaver)
        return Look(
            there,
            {"entitled": there},
            lambda: _access(
                leaver,
                "create_entitlement",
                applicationArn=application,
                entitlement={"principalRole": given},
            ),
        )

    return take(leaver, holding, look)


def _entitlements_card(settings: Settings) -> RowCard:
    if settings.identity_center is None or not settings.has(Feature.ACCOUNT_ACCESS):
        return RowCard()
    rights = ("account-access:DeleteEntitlement", "account-access:CreateEntitlement")
    return RowCard((Support(ENTITLEMENT, _FREEZE_AND_TAKE, rights=rights),))


ENTITLEMENTS_ROW: Final = Row(
    "account access",
    frozenset({ENTITLEMENT}),
    _entitlements_card,
    _read_entitlements,
    contain=_take_entitlement,  # no permission set stands between, so no deny of ours does
    revoke=_take_entitlement,
    restore=_give_entitlement,
    absent=lambda settings: not settings.has(Feature.ACCOUNT_ACCESS),
)
