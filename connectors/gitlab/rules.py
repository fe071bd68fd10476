"""Rows 1.3: rules that name the person: protected branches, tags and environments, approvals.

They give no access to who is blocked, and are a deadlock: a required approver who can never
approve. Where nobody else is named, the successor is put in first and the entry is *sole* (Law 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

from connectors.contract import Account, Effect, Holding, Json, Kind, Stage, Support, kind
from connectors.gitlab.answers import Object, number, parts, text
from connectors.gitlab.rows import (
    Leaver,
    Places,
    Row,
    RowCard,
    RowReading,
    everywhere,
    groups_of,
    place_name,
    projects_of,
)
from connectors.gitlab.settings import Feature, Settings
from connectors.gitlab.steps import Look, Write, take

ACCESS: Final = kind("grant.acl")
APPROVAL: Final = kind("grant.policy")
_RIGHT: Final = "maintainer of the project, owner of the group, or an administrator"
_MEMBER: Final = (
    "GitLab names only members in a rule, and leaves others out in silence: make the successor a "
    "member of the project or group, then it is tried again"
)
_SOLE: Final = "nobody else may: put somebody in first"
_TAG_DUTY: Final = (
    "GitLab cannot change who may create a protected tag. Remove the protection and make it again "
    "without user {user}: DELETE and POST /projects/{project}/protected_tags (name {name})."
)
_INHERITED_DUTY: Final = (
    "This protection comes from a group: take user {user} out of it there (Settings > Repository "
    "> Protected branches of the group)."
)
_LEVELS: Final[Mapping[str, Mapping[str, str]]] = {
    "branch": {
        "push_access_levels": "allowed_to_push",
        "merge_access_levels": "allowed_to_merge",
        "unprotect_access_levels": "allowed_to_unprotect",
    },
    "tag": {"create_access_levels": ""},
    "environment": {
        "deploy_access_levels": "deploy_access_levels",
        "approval_rules": "approval_rules",
    },
}
"""For each protected thing: the lists that name people, and what changes each."""
_SUFFIXES: Final = {
    "branch": "/protected_branches",
    "tag": "/protected_tags",
    "environment": "/protected_environments",
    "group_environment": "/protected_environments",
    "approval": "/approval_rules",
    "group_approval": "/approval_rules",
}


def _card(settings: Settings) -> RowCard:
    stages = frozenset({Stage.REVOKE, Stage.TRANSFER})
    supports = [Support(ACCESS, stages, rights=(_RIGHT,))]
    if settings.has(Feature.APPROVAL_RULES):
        supports.append(Support(APPROVAL, stages, rights=(_RIGHT,)))
    return RowCard(supports=tuple(supports))


def _read(leaver: Leaver) -> RowReading:
    reading = RowReading()
    for name, places in _wanted(leaver):
        rows, gaps = everywhere(leaver, places, _SUFFIXES[name], _RIGHT)
        found = [_holding(leaver, name, place, rule) for place, rule in rows]
        reading += RowReading(tuple(one for one in found if one), gaps)
    return reading


def _wanted(leaver: Leaver) -> list[tuple[str, Places]]:
    projects, has = projects_of(leaver, "repository"), leaver.settings.has
    wanted = [("branch", projects), ("tag", projects)]
    if has(Feature.PROTECTED_ENVIRONMENTS):
        wanted += [("environment", projects_of(leaver, "environments"))]
        wanted += [("group_environment", groups_of(leaver))]
    if has(Feature.APPROVAL_RULES):
        wanted += [("approval", projects_of(leaver, "merge_requests"))]
        wanted += [("group_approval", groups_of(leaver))]
    return wanted


def _kind(name: str) -> Kind:
    return APPROVAL if name.endswith("approval") else ACCESS


def _plain(name: str) -> str:
    return name.removeprefix("group_")


def _holding(leaver: Leaver, name: str, place: Object, rule: Object) -> Holding | None:
    if not _names(name, rule, leaver.id):
        return None
    home = number(place, "id")
    key = str(number(rule, "id")) if _plain(name) == "approval" else text(rule, "name")
    duty = ""
    if name == "tag":
        duty = _TAG_DUTY.format(user=leaver.id, project=home, name=key)
    elif rule.get("inherited") is True:
        duty = _INHERITED_DUTY.format(user=leaver.id)
    return leaver.holding(
        _kind(name),
        f"{name}:{home}:{key}",
        f"{name} {text(rule, 'name')} of {place_name(place)}",
        sole=not duty and _is_sole(name, rule, leaver.id),
        restore={"lists": list(_names(name, rule, leaver.id))},
        duty=duty,
    )


def _names(name: str, rule: Object, who: int) -> list[str]:
    """List the members of a rule that name a user."""
    if _plain(name) == "approval":
        return ["users"] if any(one.get("id") == who for one in parts(rule, "users")) else []
    return [
        one
        for one in _LEVELS[_plain(name)]
        if any(entry.get("user_id") == who for entry in parts(rule, one))
    ]


def _is_sole(name: str, rule: Object, who: int) -> bool:
    """Nobody else is named in one of the lists, so that without this person nobody may."""
    if _plain(name) == "approval":
        needed = rule.get("approvals_required")
        others = [one for one in parts(rule, "users") if one.get("id") != who]
        return bool(needed) and not others and not parts(rule, "groups")
    return any(
        all(entry.get("user_id") == who for entry in parts(rule, one))
        for one in _names(name, rule, who)
    )


# ------------------------------------------------------------------------------------ changing


def _address(holding: Holding) -> tuple[str, str, str]:
    """Return the row's name, the path of the list, and the rule's key."""
    name, home, key = holding.native_id.split(":", 2)
    root = "/groups" if name.startswith("group_") else "/projects"
    return name, f"{root}/{int(home)}{_SUFFIXES[name]}", key


def _now(leaver: Leaver, holding: Holding) -> Object | None:
    name, path, key = _address(holding)
    by_id = _plain(name) == "approval"
    for rule in leaver.gitlab.every(path):
        if (str(rule.get("id")) if by_id else text(rule, "name")) == key:
            return rule
    return None


def _write(
    holding: Holding, rule: Object, *, add: int = 0, to: Sequence[str] = (), drop: int = 0
) -> Write:
    """Make the one request that puts a user into lists of a rule, or out of all of them."""
    name, path, key = _address(holding)
    where = f"{path}/{quote(key, safe='')}"
    if _plain(name) == "approval":
        users = [number(one, "id") for one in parts(rule, "users") if one.get("id") != drop]
        body: dict[str, Json] = {
            "name": text(rule, "name"),
            "approvals_required": rule.get("approvals_required"),
            "user_ids": [*users, add] if add and add not in users else users,
            "group_ids": [number(one, "id") for one in parts(rule, "groups")],
        }
        return Write("put", where, body)
    changes: dict[str, Json] = {}
    for one, word in _LEVELS[_plain(name)].items():
        entries = parts(rule, one)
        gone: list[Json] = [
            {"id": entry.get("id"), "_destroy": True}
            for entry in entries
            if drop and entry.get("user_id") == drop
        ]
        there = any(entry.get("user_id") == add for entry in entries)
        new: list[Json] = [{"user_id": add}] if add and one in to and not there else []
        if gone or new:
            changes[word] = [*gone, *new]
    return Write("patch" if name == "branch" else "put", where, changes)


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_out, leaver, one)) for one in holdings]


def _look_out(leaver: Leaver, holding: Holding) -> Look:
    rule, name = _now(leaver, holding), _address(holding)[0]
    if rule is None or not _names(name, rule, leaver.id):
        return Look(reached=True, read_back={"named": False})
    sole = _is_sole(name, rule, leaver.id)  # Law 5, asked now
    return Look(
        reached=False,
        read_back={"named": True},
        write=lambda: [_write(holding, rule, drop=leaver.id)],
        refuse=holding.duty or (_SOLE if sole else ""),
    )


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    who = int(successor.native_id)
    return [
        take(leaver, one, partial(_look_in, leaver, one, who), duty=_MEMBER, unmoved=_MEMBER)
        for one in holdings
    ]


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_in, leaver, one, leaver.id)) for one in holdings]


def _look_in(leaver: Leaver, holding: Holding, who: int) -> Look:
    """The same lists name ``who``; whoever else they name stays."""
    rule, name = _now(leaver, holding), _address(holding)[0]
    if rule is None:
        return Look(reached=False, read_back={"rule": "absent"}, refuse="the rule is not there")
    wanted = holding.restore.get("lists")
    lists = [str(one) for one in wanted] if isinstance(wanted, list | tuple) else []
    missing = [one for one in lists if one not in _names(name, rule, who)]
    return Look(
        not missing,
        {"named": not missing},
        lambda: [_write(holding, rule, add=who, to=missing)],
        refuse=holding.duty,
    )


ROW: Final = Row(
    "rules",
    frozenset(_SUFFIXES),
    _card,
    _read,
    revoke=_revoke,
    transfer=_transfer,
    restore=_restore,
)
