"""Groups and policies of an IAM user, and the permissions boundary.

The boundary is reported last and waits for all the others: while one of them is there, taking the
boundary away would widen what the person may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from connectors.aws.documents import digest, parsed, same, written
from connectors.aws.quarantine import POLICY, deny_everything_arn
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
from connectors.aws.settings import Settings
from connectors.contract import Effect, Holding, Stage, Support, kind

GROUP: Final = kind("grant.group")
POLICY_KIND: Final = kind("grant.policy")
_TAKE: Final = frozenset({Stage.PRESERVE, Stage.REVOKE})
_ATTACHED, _INLINE, _BOUNDARY = "attached:", "inline:", "boundary:"


# ---------------------------------------------------------------------------------------- groups
def _groups(leaver: Leaver) -> dict[str, str]:
    """Read the groups, id to name."""
    listed = leaver.iam_list("list_groups_for_user", "Groups")
    return {text(one, "GroupId"): text(one, "GroupName") for one in listed}


def _is_last(leaver: Leaver, group: str) -> bool:
    """Tell whether a guarded group would be left without member (Law 5)."""
    if group not in leaver.settings.guarded_groups:
        return False
    listed = leaver.sessions.listed(leaver.place, "iam", "get_group", "Users", GroupName=group)
    return all(one.get("UserId") == leaver.id for one in listed)


def _read_groups(leaver: Leaver) -> RowReading:
    def read() -> Iterator[Holding]:
        for native_id, name in _groups(leaver).items():
            sole = _is_last(leaver, name)
            yield leaver.holding(GROUP, native_id, name, sole=sole, restore={"group": name})

    return partly(read, "groups", "iam:ListGroupsForUser, iam:GetGroup")


def _leave(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        name = _groups(leaver).get(holding.native_id, "")
        last = "the last member: hand the group over first" if _is_last(leaver, name) else ""
        return Look(
            not name,
            {"member": bool(name)},
            lambda: leaver.iam("remove_user_from_group", GroupName=name),
            refuse=last,
        )

    return take(leaver, holding, look)


def _join(leaver: Leaver, holding: Holding, who: Leaver) -> Effect:
    def look() -> Look:
        member = holding.native_id in _groups(who)
        name = _groups(leaver).get(holding.native_id) or stored(holding, "group")
        return Look(
            member, {"member": member}, lambda: who.iam("add_user_to_group", GroupName=name)
        )

    return take(leaver, holding, look)


def _rejoin(leaver: Leaver, holding: Holding) -> Effect:
    return _join(leaver, holding, leaver)


def _groups_card(settings: Settings) -> RowCard:
    rights = ("iam:RemoveUserFromGroup", "iam:AddUserToGroup")
    note = f"Groups whose last member is handed over first: {', '.join(settings.guarded_groups)}."
    return RowCard(
        (Support(GROUP, _TAKE | {Stage.TRANSFER}, rights=rights),),
        notes=(note,) if settings.guarded_groups else (),
    )


GROUPS_ROW: Final = Row(
    "groups",
    frozenset({GROUP}),
    _groups_card,
    _read_groups,
    revoke=_leave,
    restore=_rejoin,
    transfer=_join,
)


# -------------------------------------------------------------------------------------- policies
def _attached(leaver: Leaver) -> list[str]:
    """Read the managed policies, without the one that our quarantine may have attached."""
    listed = leaver.iam_list("list_attached_user_policies", "AttachedPolicies")
    ours = deny_everything_arn(leaver.settings)
    return [arn for one in listed if (arn := text(one, "PolicyArn")) != ours]


def _inline(leaver: Leaver) -> dict[str, dict[str, Any]]:
    """Read the inline policies but ours, by name."""
    found = {}
    for name in leaver.iam_list("list_user_policies", "PolicyNames"):
        if name == POLICY:
            continue
        answer = unless_missing(lambda name=name: leaver.iam("get_user_policy", PolicyName=name))  # type: ignore[misc]
        if answer is not None:
            found[str(name)] = parsed(answer.get("PolicyDocument"))
    return found


def _boundary(leaver: Leaver) -> str:
    user = leaver.iam("get_user").get("User", {})
    return str(user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""))


def _read_policies(leaver: Leaver) -> RowReading:
    def read() -> Iterator[Holding]:
        for arn in _attached(leaver):
            yield leaver.holding(POLICY_KIND, _ATTACHED + arn, arn, restore={"arn": arn})
        for name, document in _inline(leaver).items():
            yield leaver.holding(
                POLICY_KIND,
                _INLINE + digest(name),
                name,
                restore={"name": name, "document": written(document)},
            )
        if arn := _boundary(leaver):
            yield leaver.holding(POLICY_KIND, _BOUNDARY + arn, arn, restore={"arn": arn})

    return partly(read, "policies", "iam:ListUserPolicies, iam:ListAttachedUserPolicies")


def _revoke_policy(leaver: Leaver, holding: Holding) -> Effect:
    form, _, name = holding.native_id.partition(":")
    look = {"attached": _attached_gone, "inline": _inline_gone, "boundary": _boundary_gone}[form]
    return take(leaver, holding, lambda: look(leaver, name))


def _attached_gone(leaver: Leaver, arn: str) -> Look:
    there = arn in _attached(leaver)
    return Look(
        not there, {"attached": there}, lambda: leaver.iam("detach_user_policy", PolicyArn=arn)
    )


def _inline_gone(leaver: Leaver, wanted: str) -> Look:
    name = next((one for one in _inline(leaver) if digest(one) == wanted), "")
    return Look(
        not name, {"inline": bool(name)}, lambda: leaver.iam("delete_user_policy", PolicyName=name)
    )


def _boundary_gone(leaver: Leaver, arn: str) -> Look:
    there = _boundary(leaver) == arn
    others = there and bool(_attached(leaver) or _inline(leaver) or _groups(leaver))
    return Look(
        not there,
        {"boundary": there},
        lambda: leaver.iam("delete_user_permissions_boundary"),
        wait="the boundary goes after groups and policies: without it they would allow more"
        if others
        else "",
    )


def _restore_policy(leaver: Leaver, holding: Holding) -> Effect:
    form = holding.native_id.partition(":")[0]
    look = {"attached": _attached_back, "inline": _inline_back, "boundary": _boundary_back}[form]
    return take(leaver, holding, lambda: look(leaver, holding))


def _attached_back(leaver: Leaver, holding: Holding) -> Look:
    arn = stored(holding, "arn")
    there = arn in _attached(leaver)
    return Look(there, {"attached": there}, lambda: leaver.iam("attach_user_policy", PolicyArn=arn))


def _inline_back(leaver: Leaver, holding: Holding) -> Look:
    name, document = stored(holding, "name"), stored(holding, "document")
    now = _inline(leaver).get(name)
    return Look(
        now is not None and same(now, document),
        {"inline": now is not None},
        lambda: leaver.iam("put_user_policy", PolicyName=name, PolicyDocument=document),
    )


def _boundary_back(leaver: Leaver, holding: Holding) -> Look:
    arn = stored(holding, "arn")
    there = _boundary(leaver) == arn
    return Look(
        there,
        {"boundary": there},
        lambda: leaver.iam("put_user_permissions_boundary", PermissionsBoundary=arn),
    )


def _policies_card(_settings: Settings) -> RowCard:
    rights = (
        "iam:DetachUserPolicy",
        "iam:DeleteUserPolicy",
        "iam:DeleteUserPermissionsBoundary",
        "iam:AttachUserPolicy",
        "iam:PutUserPolicy",
        "iam:PutUserPermissionsBoundary",
    )
    return RowCard((Support(POLICY_KIND, _TAKE, rights=rights),))


POLICIES_ROW: Final = Row(
    "policies",
    frozenset({POLICY_KIND}),
    _policies_card,
    _read_policies,
    revoke=_revoke_policy,
    restore=_restore_policy,
)
