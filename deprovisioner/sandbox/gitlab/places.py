"""Groups, projects and who is in them.

Called by `hosting` after `populace`. The top-level group has three owners; `lab` has one, the
leaver; the leaver's own namespace holds a project of theirs and a fork of a private one.
"""

import base64
import hashlib
from datetime import datetime, timedelta

from deprovisioner.sandbox.gitlab.forge import CANARY, TOP, Account, Forge
from deprovisioner.sandbox.gitlab.store import Record, Store, Table, stamp
from deprovisioner.sandbox.people import Person

_TEAMS = {
    "R&D/Platform": "platform",
    "R&D/Product": "product",
    "R&D/Quality": "quality",
    "Operations/IT": "infrastructure",
}
"""Units with a group of their own below the top; everybody in them is Developer there."""
PROJECTS = (
    "platform/service", "platform/deployer", "platform/build/images", "product/website",
    "product/app", "quality/suite", "infrastructure/monitoring",
)  # fmt: skip


class Builder:
    """Makes groups, projects and memberships by name."""

    def __init__(self, store: Store, forge: Forge, now: datetime) -> None:
        self.store, self.forge, self.now = store, forge, now
        self.created = stamp(now - timedelta(days=700))
        view = store.view(now)
        self.users: dict[str, int] = {row["username"]: row["id"] for row in view.every(Table.USERS)}
        self.groups: dict[str, int] = {
            row["full_path"]: row["id"] for row in view.every(Table.GROUPS)
        }
        self.projects: dict[str, int] = {
            row["path_with_namespace"]: row["id"] for row in view.every(Table.PROJECTS)
        }

    def user(self, who: Person | str) -> int:
        """Return a user's id."""
        return self.users[who if isinstance(who, str) else who.login]

    def group(self, path: str, **more: object) -> int:
        """Make a group below one that is there already."""
        above, _, name = path.rpartition("/")
        members: Record = {
            "name": name.capitalize(),
            "path": name,
            "full_path": path,
            "full_name": " / ".join(part.capitalize() for part in path.split("/")),
            "description": "",
            "visibility": "private",
            "web_url": f"https://gitlab.example.com/groups/{path}",
            "created_at": self.created,
            "parent_id": self.groups[above] if above else None,
            "marked_for_deletion_on": None,
            "request_access_enabled": True,
            "_runners_token": None,
        }
        self.groups[path] = self.store.add(Table.GROUPS, **{**members, **more})["id"]
        return self.groups[path]

    def project(self, path: str, **more: object) -> int:
        """Make a project in a group, or in the namespace of a person."""
        above, _, name = path.rpartition("/")
        members: Record = {
            "name": name,
            "path": name,
            "path_with_namespace": path,
            "name_with_namespace": path.replace("/", " / "),
            "description": "",
            "created_at": self.created,
            "updated_at": self.created,
            "last_activity_at": stamp(self.now - timedelta(days=1)),
            "default_branch": "main",
            "visibility": "private",
            "web_url": f"https://gitlab.example.com/{path}",
            "ssh_url_to_repo": f"git@gitlab.example.com:{path}.git",
            "http_url_to_repo": f"https://gitlab.example.com/{path}.git",
            "archived": False,
            "empty_repo": False,
            "marked_for_deletion_on": None,
            "marked_for_deletion_at": None,
            "creator_id": self.users.get(above, 1),
            "builds_access_level": "enabled",
            "repository_access_level": "enabled",
            "merge_requests_access_level": "enabled",
            "_group": self.groups.get(above),
            "_owner": None if above in self.groups else self.users[above],
            "_forked_from": None,
            "_commit": hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest(),
            "_runners_token": None,
        }
        self.projects[path] = self.store.add(Table.PROJECTS, **{**members, **more})["id"]
        return self.projects[path]

    def member(self, path: str, who: Person | str, level: int, expires: str | None = None) -> None:
        """Make somebody a direct member of a group or project."""
        is_group = path in self.groups
        self.store.add(
            Table.MEMBERS,
            access_level=level,
            created_at=self.created,
            expires_at=expires,
            _source=self.groups[path] if is_group else self.projects[path],
            _source_type="Group" if is_group else "Project",
            _user=self.user(who),
            _created_by=1,
        )

    def file(self, project: str, path: str, text: str) -> None:
        """Put a file on the default branch."""
        content = text.encode()
        self.store.add(
            Table.FILES,
            file_name=path.rpartition("/")[2],
            file_path=path,
            size=len(content),
            encoding="base64",
            content=base64.b64encode(content).decode(),
            content_sha256=hashlib.sha256(content).hexdigest(),
            execute_filemode=False,
            _project=self.projects[project],
        )


def load(store: Store, forge: Forge, now: datetime) -> None:
    """Make everything that people are members of."""
    make = Builder(store, forge, now)
    leaver, successor = forge.leaver.login, forge.successor.login
    make.group(TOP)
    for below in (*_TEAMS.values(), "platform/build", "partners"):
        make.group(f"{TOP}/{below}")
    make.group("lab")
    make.group("guild")
    for path in PROJECTS:
        make.project(f"{TOP}/{path}")
    make.project("lab/experiment")
    make.project("guild/wiki")
    make.project(f"{TOP}/canaries", description="Read by every survey")
    origin = make.projects[f"{TOP}/platform/service"]
    make.project(f"{leaver}/dotfiles")
    make.project(f"{leaver}/service", _forked_from=origin)
    make.project(f"{leaver}/notes", visibility="public")
    make.project(f"{successor}/sandbox")
    make.project(f"{forge.bystander.login}/scratch")
    for number in range(forge.further_projects):
        make.project(f"{TOP}/further-{number:05d}")
    _members(make)
    _files(make)


def _members(make: Builder) -> None:
    forge = make.forge
    for who in (Account.OWNER.value, Account.OWNER_VERIFIER.value, forge.second_owner):
        make.member(TOP, who, 50)
    make.member(TOP, CANARY, 10)
    make.member(f"{TOP}/canaries", CANARY, 20)
    for person in forge.people:
        team = _TEAMS.get(person.org_unit)
        if team:
            leads = person in {forge.leaver, forge.successor}
            make.member(f"{TOP}/{team}", person, 40 if leads else 30)
    make.member("lab", forge.leaver, 50)
    make.member("lab", forge.successor, 30)
    make.member("guild", forge.leaver, 50)
    make.member("guild", forge.second_owner, 50)
    make.member("guild/wiki", forge.bystander, 30)
    make.member(f"{TOP}/platform/build", forge.leaver, 50)
    make.member(f"{TOP}/product/website", forge.leaver, 40, "2027-12-31")
    make.member(f"{TOP}/platform/deployer", forge.bystander, 40)
    make.member(f"{TOP}/partners", "dana.partner", 30)
    make.member(f"{forge.leaver.login}/dotfiles", forge.successor, 30)
    make.store.add(
        Table.SHARES,
        group_access_level=30,
        expires_at=None,
        _source=make.groups[f"{TOP}/product"],
        _source_type="Group",
        _invited=make.groups["lab"],
    )
    make.store.add(
        Table.SHARES,
        group_access_level=30,
        expires_at=None,
        _source=make.projects[f"{TOP}/quality/suite"],
        _source_type="Project",
        _invited=make.groups[f"{TOP}/platform"],
    )


def _files(make: Builder) -> None:
    leaver, bystander = make.forge.leaver.login, make.forge.bystander.login
    make.file(f"{TOP}/platform/service", "README.md", "# service\n")
    make.file(f"{TOP}/platform/service", "CODEOWNERS", f"* @{leaver} @{bystander}\n/docs @{TOP}\n")
    make.file(f"{TOP}/product/website", ".gitlab/CODEOWNERS", f"[web]\n*.css @{leaver}\n")
    make.file(f"{TOP}/product/app", "docs/CODEOWNERS", f"* @{bystander}\n")
