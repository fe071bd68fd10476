"""The pretend company's GitLab on loopback, as the conformance suite and the GitLab tests want it.

The connector speaks to it over HTTP; the rig looks at its true state past it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast

from requests.adapters import BaseAdapter, HTTPAdapter

from connectors.conformance import Rig, Situation
from connectors.contract import (
    Account,
    Connector,
    Credential,
    Holding,
    IdentityKey,
    Json,
    Subject,
    gather,
)
from connectors.gitlab import CanaryUser, GitLabConnector, Settings
from connectors.gitlab.connector import ROWS
from connectors.gitlab.rows import Row
from connectors.secret import Secret
from deprovisioner.sandbox.gitlab import (
    CANARY,
    ENTRA_PROVIDER,
    TOP,
    Fault,
    FaultKind,
    Forge,
    ForgeServer,
    Record,
    Store,
    Table,
)
from deprovisioner.sandbox.gitlab import Account as Name
from deprovisioner.sandbox.people import Person, people

START = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
SHORT = timedelta(milliseconds=30)
"""What a test that waits for a slow answer really waits."""
_USERS = {Credential.ACT: Name.ACTOR, Credential.VERIFY: Name.VERIFIER}
_OWNERS = {Credential.ACT: Name.OWNER, Credential.VERIFY: Name.OWNER_VERIFIER}
_HISTORY = frozenset({Table.EVENTS, Table.AUDIT_EVENTS, Table.EXPORTS, Table.PIPELINES})
"""What was asked for and what happened, which nobody can take back."""
_PASSING = frozenset(
    {"id", "created_at", "updated_at", "last_activity_on", "current_sign_in_at", "_password"}
    | {"last_sign_in_at", "next_run_at", "fingerprint", "last_used_at", "last_used_ips"}
    | {"_password_set", "_created_by"}
)
"""Members that a write changes on its way, or that a thing gets anew when it comes back."""


@dataclass
class Clock:
    """A clock that a test turns."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        """Turn it on."""
        self.now += timedelta(**delta)


@cache
def population() -> tuple[Person, ...]:
    """Make the people once a process."""
    return people(1)


def subject_of(person: Person) -> Subject:
    """Write a person as HR knows them."""
    return Subject(
        employment_id=person.employment_id,
        person_id=person.person_id,
        employee_number=person.employee_number,
        emails=(person.work_email,),
        upn=person.upn,
        names=(person.display_name,),
        logins=(person.login,),
    )


@dataclass
class ForgeRig:
    """One leaver with a bit of everything, a successor, and three hundred colleagues."""

    gitlab: ForgeServer
    clock: Clock
    adapter: Callable[[], BaseAdapter] = HTTPAdapter
    rows: Sequence[Row] = ROWS
    more: Mapping[str, object] = field(default_factory=dict)
    unsupported: Mapping[Situation, str] = field(default_factory=dict)
    tokens: dict[Name, str] = field(default_factory=dict)
    leaver: int = 0
    """The leaver's user id; known beyond a deletion."""

    def __post_init__(self) -> None:
        self.leaver = self.gitlab.user_id(self.forge.leaver)
        self.tokens = {name: self.gitlab.token(name) for name in Name}

    @property
    def forge(self) -> Forge:
        """Who is who."""
        return self.gitlab.forge

    @property
    def subject(self) -> Subject:
        """The leaver."""
        return subject_of(self.forge.leaver)

    @property
    def successor(self) -> Subject:
        """Who takes over."""
        return subject_of(self.forge.successor)

    @property
    def stranger(self) -> Subject:
        """Somebody without an account."""
        return Subject("E-9999", employee_number="009999", logins=("nobody.here",))

    def token(self, name: Name) -> str:
        """Return a token of one of our users."""
        return self.tokens[name]

    def settings(self, **more: object) -> Settings:
        """Write the settings an operator would."""
        users = _OWNERS if {**self.more, **more}.get("mode") == "group" else _USERS

        def secret(credential: Credential) -> Secret:
            name = users[credential]
            return Secret.held(lambda: self.token(name), name.value)

        given: dict[str, object] = {
            "url": self.gitlab.url,
            "act": secret(Credential.ACT),
            "verify": secret(Credential.VERIFY),
            "canary": CanaryUser(
                id=self.gitlab.user_id(CANARY),
                username=CANARY,
                email=f"{CANARY}@example.com",
                project=self.gitlab.project_id(f"{TOP}/canaries"),
            ),
            "providers": {ENTRA_PROVIDER: IdentityKey.IMMUTABLE_ID},
            "protected": frozenset(self.gitlab.user_id(one.value) for one in users.values()),
        }
        return Settings.model_validate({**given, **self.more, **more})

    def connector(self, credential: Credential, *, page_size: int = 0) -> Connector:
        """Open a connector."""
        return self.opened(credential, page_size=page_size)

    def opened(self, credential: Credential, *, page_size: int = 0) -> GitLabConnector:
        """Open a connector."""
        more: dict[str, object] = {"page_size": min(page_size, 100)} if page_size else {}
        return GitLabConnector(
            "gitlab",
            self.settings(**more),
            credential,
            self.clock,
            adapter=self.adapter(),
            rows=self.rows,
        )

    def account(self, of: Subject | None = None) -> Account:
        """Find somebody, by default the leaver."""
        connector = self.opened(Credential.VERIFY)
        found = gather(connector.find(of or self.subject)).items
        connector.close()
        return next(one for one in found if one.confidence == 100)

    # ------------------------------------------------------------------------- the true state
    def witness(self) -> Mapping[str, Json]:
        """Read all state of the leaver past the connector."""
        return self._state(self.leaver)

    def bystanders(self) -> Mapping[str, Json]:
        """Read everybody but leaver and successor. What these share with the leaver is not told."""
        left_out = {self.leaver, self.gitlab.user_id(self.forge.successor)}
        mentions = self._mentions()
        users = [
            one
            for one in self.gitlab.truth.every(Table.USERS)
            if one["id"] not in left_out
            and one["_created_by"] != self.leaver
            and one["_kind"] != "ghost"
        ]
        return {
            f"user {one['id']}": [
                _plain(one),
                sorted(
                    f"{table} {count}"
                    for (who, table), count in mentions.items()
                    if who == one["id"]
                ),
            ]
            for one in users
        }

    def _mentions(self) -> Counter[tuple[int, str]]:
        found: Counter[tuple[int, str]] = Counter()
        for table in set(Table) - _HISTORY - {Table.USERS}:
            for record in self.gitlab.truth.every(table):
                found.update((who, table.value) for who in set(_users_in(record)))
        return found

    def _state(self, user: int) -> dict[str, Json]:
        truth = self.gitlab.truth
        record = truth.get(Table.USERS, user) or {}
        state: dict[str, Json] = {f"user {name}": value for name, value in _plain(record).items()}
        for table in set(Table) - _HISTORY - {Table.USERS}:
            named = [one for one in truth.every(table) if user in set(_users_in(one))]
            state[table.value] = sorted(str(sorted(_about(one, user).items())) for one in named)
        return state

    def vanish(self, holding: Holding) -> None:
        """Take one membership away as somebody else."""
        _, key = holding.native_id.split(":")

        def take(store: Store) -> None:
            view = store.view(store.clock())
            for one in view.where(Table.MEMBERS, _user=int(holding.account_id)):
                if one["_source"] == int(key):
                    store.drop(Table.MEMBERS, one["id"])

        self.gitlab.edit(take)

    def rename(self) -> None:
        """Marry the leaver; the old names go to a colleague's account."""
        truth = self.gitlab.truth
        old = truth.get(Table.USERS, self.leaver) or {}
        other = self.gitlab.user_id(self.forge.person(20))
        names = ("username", "email", "commit_email", "name")

        def marry(store: Store) -> None:
            new = {"username": "married", "name": "Somebody Married"}
            new |= {"email": "married@example.com", "commit_email": "married@example.com"}
            store.change(Table.USERS, self.leaver, **new)
            store.change(Table.USERS, other, **{name: old.get(name) for name in names})

        self.gitlab.edit(marry)

    # ----------------------------------------------------------------------------- situations
    @contextmanager
    def _trouble(self, situation: Situation) -> Iterator[None]:
        before = self.more
        if situation is Situation.UNREACHABLE:
            self.more = {**before, "url": "http://127.0.0.1:9"}
        elif situation is Situation.SLOW:
            self.more = {**before, "receive_timeout": SHORT}
            self.gitlab.faults.add(Fault(FaultKind.SLOW, seconds=1.5 * SHORT.total_seconds()))
        elif situation is Situation.TARGET_HIDDEN:
            self._administers(are=False)
        else:
            self.gitlab.faults.add(*self._faults(situation))
        try:
            yield
        finally:
            self.more = before
            self.gitlab.faults.clear()
            if situation is Situation.TARGET_HIDDEN:
                self._administers(are=True)

    def _administers(self, *, are: bool) -> None:
        user = self.gitlab.user_id(Name.VERIFIER.value)
        self.gitlab.edit(lambda store: store.change(Table.USERS, user, is_admin=are))

    def _faults(self, situation: Situation) -> list[Fault]:
        canary = frozenset({self.gitlab.user_id(CANARY)})
        return {
            Situation.CANARY_HIDDEN: [Fault(FaultKind.HIDDEN, ids=canary)],
            Situation.TRUNCATED: [
                Fault(FaultKind.CUT, method="GET"),
                Fault(FaultKind.TRUNCATED, path="/projects/*/export/download"),
            ],
            Situation.THROTTLED: [Fault(FaultKind.THROTTLED, retry_after=17)],
            Situation.DENIED: [Fault(FaultKind.EXPIRED)],
            Situation.GARBLED: [Fault(FaultKind.HTML)],
            Situation.SILENT: [
                Fault(FaultKind.IGNORED, method=method)
                for method in ("POST", "PUT", "PATCH", "DELETE")
            ],
        }[situation]

    def situation(self, situation: Situation) -> AbstractContextManager[None]:
        """Bring about a trouble for every connector on this GitLab."""
        return self._trouble(situation)

    def now(self) -> datetime:
        """Tell the turned clock's time."""
        return self.clock()

    def pass_time(self, until: datetime) -> None:
        """Turn the clock."""
        self.clock.now = max(self.clock.now, until)


def _plain(record: Record) -> dict[str, Json]:
    plain = {name: value for name, value in record.items() if name not in _PASSING}
    if "identities" in plain:
        plain["identities"] = sorted(map(str, plain["identities"]))
    return plain


_NAMES = frozenset(
    {"_user", "user_id", "_owner", "_author", "_assignees", "_reviewers", "_approvers", "_made_by"}
)


def _about(record: Record, user: int) -> dict[str, Json]:
    """What of a record is about one user: who else a list names may change without them."""
    plain = dict(_plain(record))
    for name, value in plain.items():
        if isinstance(value, list) and all(isinstance(one, int) for one in value):
            plain[name] = [one for one in value if one == user] if name in _NAMES else value
        elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
            entries = cast("list[dict[str, Json]]", value)
            plain[name] = len([one for one in entries if one.get("user_id") == user])
    return plain


def _users_in(value: Any, name: str = "") -> Iterator[int]:
    """Find every user id in a record, by the names of members that hold one."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _users_in(one, key)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _users_in(one, name)
    elif isinstance(value, int) and not isinstance(value, bool) and name in _NAMES:
        yield value


def _export_all(rig: ForgeRig) -> None:
    """Ask for the exports, which GitLab makes in the background."""
    connector = rig.opened(Credential.ACT)
    try:
        for project in ("dotfiles", "service", "notes"):
            key = rig.gitlab.project_id(f"{rig.forge.leaver.login}/{project}")
            connector._gitlab.send("post", f"/projects/{key}/export")
    finally:
        connector.close()
    rig.clock.forward(minutes=2)


def _prepare(rig: ForgeRig) -> None:
    """Do what people do before: images are copied, both are members of the company's group."""
    own = [f"{rig.forge.leaver.login}/{name}" for name in ("dotfiles", "service", "notes")]
    projects = {rig.gitlab.project_id(path) for path in own}
    top = rig.gitlab.group_id(TOP)

    def change(store: Store) -> None:
        for one in list(store.view(store.clock()).every(Table.REGISTRY)):
            if one["_project"] in projects:
                store.drop(Table.REGISTRY, one["id"])
        for user in (rig.leaver, rig.gitlab.user_id(rig.forge.successor)):
            store.add(
                Table.MEMBERS,
                access_level=30,
                created_at="2026-01-01T00:00:00.000Z",
                expires_at=None,
                _source=top,
                _source_type="Group",
                _user=user,
                _created_by=1,
            )

    rig.gitlab.edit(change)


@contextmanager
def forge(
    adapter: Callable[[], BaseAdapter] = HTTPAdapter,
    rows: Sequence[Row] = ROWS,
    *,
    prepared: bool = False,
    **more: object,
) -> Iterator[ForgeRig]:
    """Start a fresh GitLab and stop it."""
    clock = Clock()
    with ForgeServer(Forge(population()), clock=clock) as gitlab:
        gitlab.limits.downloads = 0  # an administrator's setting: our leaver has three projects
        rig = ForgeRig(gitlab, clock, adapter, rows, more)
        if prepared:
            _prepare(rig)
            _export_all(rig)
        yield rig


def opens(
    adapter: Callable[[], BaseAdapter] = HTTPAdapter, rows: Sequence[Row] = ROWS, **more: object
) -> Callable[[], AbstractContextManager[Rig]]:
    """Make fresh GitLabs for the conformance suite."""

    @contextmanager
    def open_rig() -> Iterator[Rig]:
        with forge(adapter, rows, prepared=True, **more) as rig:
            yield cast("Rig", rig)

    return open_rig
