"""Everything the fake GitLab holds, every version of it, so that a replica can show the past.

Written by the areas of the fake (one request at a time, see `service`), read through a `View` at an
instant: the primary is the view of now. It knows no rule of GitLab.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from typing import Any

from deprovisioner.sandbox.service.versions import (
    BEGINNING,
    Record,
    VersionedStore,
    VersionedView,
    Written,
)

__all__ = ["BEGINNING", "Record", "Store", "Table", "View", "stamp"]


class Table(StrEnum):
    """Where records live; each counts its own ids, far from those of the others."""

    USERS = "users"
    EMAILS = "emails"
    SSH_KEYS = "ssh_keys"
    GPG_KEYS = "gpg_keys"
    TOKENS = "tokens"
    """Personal, impersonation, project and group access tokens; `_kind` tells which."""
    GROUPS = "groups"
    PROJECTS = "projects"
    MEMBERS = "members"
    SHARES = "shares"
    """A group invited into a group or project."""
    INVITATIONS = "invitations"
    ACCESS_REQUESTS = "access_requests"
    DEPLOY_KEYS = "deploy_keys"
    DEPLOY_KEY_PROJECTS = "deploy_key_projects"
    DEPLOY_TOKENS = "deploy_tokens"
    SCHEDULES = "schedules"
    TRIGGERS = "triggers"
    PIPELINES = "pipelines"
    JOB_TOKEN_ENTRIES = "job_token_entries"
    VARIABLES = "variables"
    SECURE_FILES = "secure_files"
    RUNNERS = "runners"
    HOOKS = "hooks"
    INTEGRATIONS = "integrations"
    REMOTE_MIRRORS = "remote_mirrors"
    PULL_MIRRORS = "pull_mirrors"
    AGENTS = "agents"
    AGENT_TOKENS = "agent_tokens"
    APPLICATIONS = "applications"
    GRANTS = "grants"
    """OAuth grants of persons to applications; no answer ever shows them."""
    APPROVAL_RULES = "approval_rules"
    PROTECTED_BRANCHES = "protected_branches"
    PROTECTED_TAGS = "protected_tags"
    PROTECTED_ENVIRONMENTS = "protected_environments"
    MERGE_REQUESTS = "merge_requests"
    ISSUES = "issues"
    FILES = "files"
    SNIPPETS = "snippets"
    EXPORTS = "exports"
    REGISTRY = "registry"
    PAGES_DOMAINS = "pages_domains"
    SSH_CERTIFICATES = "ssh_certificates"
    GROUP_IDENTITIES = "group_identities"
    """SAML and SCIM identities of a group; `_kind` tells which."""
    EVENTS = "events"
    AUDIT_EVENTS = "audit_events"


_INDEXED = frozenset({"_user", "_project", "_group", "_source", "user_id", "username"})


class Store(VersionedStore[Table, int]):
    """All versions of everything; `listen` hears each change. Objects have an integer `id`."""

    def __init__(
        self, clock: Callable[[], datetime], listen: Callable[[Written[int]], None]
    ) -> None:
        super().__init__(Table, clock, listen, author="the instance", indexed=_INDEXED)
        self._ids = {table: count(place * 1000 + 1) for place, table in enumerate(Table)}

    def add(self, table: Table, **members: Any) -> Record:  # noqa: ANN401 - JSON
        """Make a record with the next id of its table."""
        record = {"id": next(self._ids[table]), **members}
        self._put(table, record["id"], record)
        return record

    def view(self, instant: datetime) -> "View":
        """Return the state at an instant."""
        return View(self, instant)


class View(VersionedView[Table, int]):
    """The state at one instant; records come by id. They are shared: never change one."""

    def __init__(self, store: Store, instant: datetime) -> None:
        super().__init__(store, instant)
        self.levels: dict[int, dict[int, int]] = {}
        """Who has which level in a group, worked out once for each view (`access`)."""

    def _ordered(self, keys: list[int]) -> list[int]:
        return sorted(keys)


def stamp(instant: datetime) -> str:
    """Return an instant as GitLab writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
