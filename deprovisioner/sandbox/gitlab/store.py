"""Everything the fake GitLab holds, every version of it, so that a replica can show the past.

Written by the areas of the fake (one request at a time, see `service`), read through a `View` at an
instant: the primary is the view of now. It knows no rule of GitLab.
"""

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count
from typing import Any

Record = dict[str, Any]
"""An object as JSON, with an integer `id`. Members with an underscore in front never leave."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


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


@dataclass(frozen=True, slots=True)
class Written:
    """One change of the state: who, when, where, what was there and what is there now."""

    at: datetime
    by: str
    table: Table
    key: int
    before: Record | None
    after: Record | None


_Versions = list[tuple[datetime, Record | None]]
_INDEXED = frozenset({"_user", "_project", "_group", "_source", "user_id", "username"})


class Store:
    """All versions of everything; `listen` hears each change."""

    def __init__(self, clock: Callable[[], datetime], listen: Callable[[Written], None]) -> None:
        self.clock, self._listen = clock, listen
        self.author = "the instance"
        self.is_muted = False
        self._now: datetime | None = BEGINNING
        self._rows: dict[Table, dict[int, _Versions]] = {table: {} for table in Table}
        self._ids = {table: count(place * 1000 + 1) for place, table in enumerate(Table)}
        self._holding: dict[tuple[Table, str, object], dict[int, None]] = {}

    def at(self, instant: datetime | None) -> None:
        """Stamp what follows with this instant; with None, by the clock again."""
        self._now = instant

    @property
    def now(self) -> datetime:
        """The instant that writes are stamped with."""
        return self._now or self.clock()

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Let writes succeed and change nothing."""
        self.is_muted = True
        try:
            yield
        finally:
            self.is_muted = False

    def add(self, table: Table, **members: Any) -> Record:  # noqa: ANN401 - JSON
        """Make a record with the next id of its table."""
        record = {"id": next(self._ids[table]), **members}
        self._write(table, record["id"], record)
        return record

    def change(self, table: Table, key: int, **members: Any) -> Record:  # noqa: ANN401 - JSON
        """Replace members of a record; raises KeyError on a stranger."""
        old = self._last(table, key)
        if old is None:
            raise KeyError(key)
        new = {**old, **members}
        self._write(table, key, new)
        return new

    def drop(self, table: Table, key: int) -> None:
        """Take a record away; nothing happens where none is."""
        if self._last(table, key) is not None:
            self._write(table, key, None)

    def view(self, instant: datetime) -> "View":
        """Return the state at an instant."""
        return View(self, instant)

    def _last(self, table: Table, key: int) -> Record | None:
        versions = self._rows[table].get(key)
        return versions[-1][1] if versions else None

    def _write(self, table: Table, key: int, new: Record | None) -> None:
        if self.is_muted:
            return
        for name in _INDEXED.intersection(new or ()):
            self._holding.setdefault((table, name, (new or {})[name]), {})[key] = None
        before, now = self._last(table, key), self.now
        self._rows[table].setdefault(key, []).append((now, new))
        self._listen(Written(now, self.author, table, key, before, new))


class View:
    """The state at one instant. Records are shared: never change one."""

    def __init__(self, store: Store, instant: datetime) -> None:
        self._store, self.instant = store, instant
        self.levels: dict[int, dict[int, int]] = {}
        """Who has which level in a group, worked out once for each view (`access`)."""

    def get(self, table: Table, key: int) -> Record | None:
        """Return a record, None where there is none."""
        versions = self._store._rows[table].get(key, ())  # noqa: SLF001 - one room
        for written, record in reversed(versions):
            if written <= self.instant:
                return record
        return None

    def every(self, table: Table) -> Iterator[Record]:
        """Yield the records of a table, by id."""
        for key in list(self._store._rows[table]):  # noqa: SLF001 - one room
            record = self.get(table, key)
            if record is not None:
                yield record

    def where(self, table: Table, **members: Any) -> list[Record]:  # noqa: ANN401 - JSON
        """Return the records whose members have these values, by id."""
        wanted = members.items()
        return [
            record
            for record in self._candidates(table, members)
            if all(record.get(name) == value for name, value in wanted)
        ]

    def first(self, table: Table, **members: Any) -> Record | None:  # noqa: ANN401 - JSON
        """Return the first record whose members have these values."""
        return next(iter(self.where(table, **members)), None)

    def _candidates(self, table: Table, members: Record) -> Iterator[Record]:
        for name in sorted(_INDEXED.intersection(members)):
            holding = self._store._holding  # noqa: SLF001 - one room
            known = sorted(holding.get((table, name, members[name]), ()))
            found = (self.get(table, one) for one in known)
            return (record for record in found if record is not None)
        return self.every(table)


class Agenda:
    """What the background workers will do later."""

    def __init__(self, store: Store) -> None:
        self._store, self._numbers = store, count()
        self._waiting: list[tuple[datetime, int, str, Callable[[], None]]] = []

    def after(self, delay: timedelta, action: Callable[[], None]) -> None:
        """Do something later, in the name of whoever asks now."""
        if not self._store.is_muted:
            due = self._store.now + delay
            heapq.heappush(self._waiting, (due, next(self._numbers), self._store.author, action))

    def settle(self) -> None:
        """Do what is due, stamped with the instant at which it was."""
        now = self._store.clock()
        while self._waiting and self._waiting[0][0] <= now:
            due, _, author, action = heapq.heappop(self._waiting)
            self._store.author = author
            self._store.at(due)
            action()
        self._store.at(None)


def stamp(instant: datetime) -> str:
    """Return an instant as GitLab writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
