"""Who asks, and how far their arm reaches: tokens, scopes, levels in groups and projects.

Called by `service` for each request. A token of somebody who is blocked opens nothing; a private
group or project that the caller is not in does not exist for them.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from deprovisioner.sandbox.gitlab.errors import (
    forbidden,
    insufficient_scope,
    invalid_token,
    not_found,
    unauthorized,
)
from deprovisioner.sandbox.gitlab.store import Record, Table, View

_OWNER = 50
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CLOSED = {
    "blocked": "Your account has been blocked.",
    "ldap_blocked": "Your account has been blocked.",
    "banned": "Your account has been banned.",
    "blocked_pending_approval": "Your account is pending approval from your administrator and "
    "hence blocked.",
    "deactivated": "Your account has been deactivated by your administrator. Please log back in "
    "from a web browser to reactivate your account.",
}
"""States in which no token works, and what is said."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is, or whom it acts for under `sudo`."""

    user: Record
    token: Record
    real: Record
    """The person behind `sudo`; the same as `user` without it."""

    @property
    def is_administrator(self) -> bool:
        """Whether rights of an administrator are in force."""
        return bool(self.user.get("is_admin"))

    @property
    def id(self) -> int:
        """The user's id."""
        return int(self.user["id"])

    @property
    def name(self) -> str:
        """The username."""
        return str(self.user["username"])

    def level_in_group(self, view: View, group: Record) -> int:
        """Return the level in a group."""
        return _OWNER if self.is_administrator else group_levels(view, group).get(self.id, 0)

    def level_in_project(self, view: View, project: Record) -> int:
        """Return the level in a project."""
        return _OWNER if self.is_administrator else project_levels(view, project).get(self.id, 0)


def digest(secret: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def is_live(token: Record, now: datetime) -> bool:
    """Tell whether a token was neither revoked nor has expired."""
    ends = token.get("expires_at")
    return not token["revoked"] and (ends is None or str(ends) > now.date().isoformat())


def authenticate(view: View, secret: str, method: str, sudo: str) -> Caller:
    """Return the caller; raises Refusal 401, 403, 404 as GitLab does."""
    shown = digest(secret)
    found = [one for one in view.every(Table.TOKENS) if hmac.compare_digest(one["_digest"], shown)]
    if not secret or not found:
        raise unauthorized()
    token = found[0]
    if token["revoked"]:
        raise invalid_token("Token was revoked. You have to re-authorize from the user.")
    if not is_live(token, view.instant):
        raise invalid_token(
            "Token is expired. You can either do re-authorization or token refresh."
        )
    user = view.get(Table.USERS, token["user_id"])
    if user is None:
        raise unauthorized()
    if user["state"] in _CLOSED:
        raise forbidden(_CLOSED[user["state"]])
    scopes = frozenset(token["scopes"])
    if not scopes & ({"api"} if method in _WRITES else {"api", "read_api"}):
        raise insufficient_scope("api" if method in _WRITES else "api read_api")
    return _acting(view, user, token, sudo) if sudo else Caller(user, token, user)


def _acting(view: View, user: Record, token: Record, sudo: str) -> Caller:
    if "sudo" not in token["scopes"]:
        raise insufficient_scope("sudo")
    if not user.get("is_admin"):
        raise forbidden("Must be admin to use sudo")
    other = view.get(Table.USERS, int(sudo)) if sudo.isdigit() else None
    other = other or view.first(Table.USERS, username=sudo)
    if other is None:
        raise not_found(f"User with ID or username '{sudo}'")
    if other["state"] in _CLOSED:
        raise forbidden(_CLOSED[other["state"]])
    return Caller(other, token, user)


def ancestors(view: View, group: Record) -> Iterator[Record]:
    """Yield a group and everything above it."""
    current: Record | None = group
    while current is not None:
        yield current
        above = current.get("parent_id")
        current = view.get(Table.GROUPS, above) if above else None


def descendants(view: View, group: Record) -> list[Record]:
    """Return a group and everything below it."""
    found = [group]
    for one in found:
        found += [row for row in view.every(Table.GROUPS) if row.get("parent_id") == one["id"]]
    return found


def members_of(view: View, kind: str, source: int) -> list[Record]:
    """Return the direct memberships in force, `kind` being `Group` or `Project`."""
    today = view.instant.date().isoformat()
    return [
        row
        for row in view.where(Table.MEMBERS, _source=source, _source_type=kind)
        if not row["expires_at"] or row["expires_at"] > today
    ]


def group_levels(view: View, group: Record) -> dict[int, int]:
    """Return the level of everybody who is in a group: direct, inherited, through shares."""
    known = view.levels.get(group["id"])
    if known is not None:
        return known
    levels: dict[int, int] = {}
    for one in ancestors(view, group):
        _merge(levels, view, "Group", one["id"])
    view.levels[group["id"]] = levels
    return levels


def project_levels(view: View, project: Record) -> dict[int, int]:
    """Return the level of everybody who is in a project; the owner of a namespace is Owner."""
    levels: dict[int, int] = {}
    _merge(levels, view, "Project", project["id"])
    if project["_owner"] is not None:
        levels[project["_owner"]] = _OWNER
    group = view.get(Table.GROUPS, project["_group"]) if project["_group"] else None
    for user, level in (group_levels(view, group) if group else {}).items():
        levels[user] = max(level, levels.get(user, 0))
    return levels


def _merge(levels: dict[int, int], view: View, kind: str, source: int) -> None:
    for row in members_of(view, kind, source):
        levels[row["_user"]] = max(row["access_level"], levels.get(row["_user"], 0))
    for share in view.where(Table.SHARES, _source=source, _source_type=kind):
        invited = members_of(view, "Group", share["_invited"])
        for row in invited:
            level = min(row["access_level"], share["group_access_level"])
            levels[row["_user"]] = max(level, levels.get(row["_user"], 0))


def group_found(view: View, caller: Caller, text: str) -> tuple[Record, int]:
    """Return a group by id or path and the caller's level; raises Refusal 404."""
    group = _by_id_or(view, Table.GROUPS, text, "full_path")
    if group is None:
        raise not_found("Group")
    level = caller.level_in_group(view, group)
    if not level and group["visibility"] == "private":
        raise not_found("Group")
    return group, level


def project_found(view: View, caller: Caller, text: str) -> tuple[Record, int]:
    """Return a project by id or path and the caller's level; raises Refusal 404."""
    project = _by_id_or(view, Table.PROJECTS, text, "path_with_namespace")
    if project is None:
        raise not_found("Project")
    level = caller.level_in_project(view, project)
    if not level and project["visibility"] == "private":
        raise not_found("Project")
    return project, level


def _by_id_or(view: View, table: Table, text: str, name: str) -> Record | None:
    if text.isdigit():
        return view.get(table, int(text))
    wanted = text.casefold()
    return next((row for row in view.every(table) if row[name].casefold() == wanted), None)
