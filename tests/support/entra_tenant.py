"""A pretend tenant behind a loopback Graph, as the conformance suite and the Entra tests want it.

The connector speaks to it over HTTP; the rig looks at the tenant's true state past it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from threading import BoundedSemaphore
from typing import cast

import httpx

from connectors.conformance import Rig, Situation
from connectors.contract import Account, Connector, Credential, Holding, Json, Subject, gather
from connectors.entra import App as Registration
from connectors.entra import CanaryUser, EntraConnector, Settings
from connectors.entra.connector import ROWS
from connectors.entra.rows import Row
from connectors.secret import Secret
from deprovisioner.sandbox.graph import (
    App,
    Fault,
    FaultKind,
    GraphServer,
    Link,
    Store,
    Table,
    Tenant,
)
from deprovisioner.sandbox.people import Person, people

START = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
BASE = tuple(row for row in ROWS if row.name.startswith(("E01", "1.2", "E40")))
"""Account, methods and devices: what contain works on."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HISTORY = frozenset(
    {Table.ROLE_REQUESTS, Table.GROUP_REQUESTS, Table.PACKAGE_REQUESTS, Table.SIGN_INS}
)
"""What was asked for, which nobody can take back."""
APPS = {Credential.ACT: App.ACTOR, Credential.VERIFY: App.VERIFIER}
SHORT = timedelta(milliseconds=50)
"""What a test that waits for a slow answer really waits."""


@dataclass
class Clock:
    """A clock that a test turns."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        """Turn it on."""
        self.now += timedelta(seconds=seconds)


class DatedTransport(httpx.BaseTransport):
    """Lets the tenant's answers carry the turned clock's date, where a server puts the real one."""

    def __init__(self, inner: httpx.BaseTransport, clock: Clock) -> None:
        self.inner, self.clock = inner, clock

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.inner.handle_request(request)
        response.headers["date"] = format_datetime(self.clock(), usegmt=True)
        return response

    def close(self) -> None:
        self.inner.close()


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


def settings_for(graph: GraphServer, **more: object) -> Settings:
    """Write the settings an operator would, for the pretend tenant."""
    tenant = graph.tenant

    def app(which: App) -> Registration:
        secret = Secret.held(lambda: graph.token(which), which.value)
        return Registration(client_id=which.value, token=secret)

    given: dict[str, object] = {
        "tenant": tenant.id,
        "act": app(App.ACTOR),
        "verify": app(App.VERIFIER),
        "canary": CanaryUser(
            id=tenant.canary_id, employee_id=tenant.canary_employee_id, group=tenant.canary_group
        ),
        "base_url": graph.url,
        "admin_logins": ("adm-{login}",),
        "protected": frozenset({tenant.break_glass_id}),
        "settle": timedelta(minutes=20),
    }
    return Settings.model_validate({**given, **more})


@dataclass
class EntraRig:
    """One cloud-only leaver with a bit of everything, a successor, and three hundred colleagues."""

    graph: GraphServer
    clock: Clock
    transport: Callable[[], httpx.BaseTransport] = httpx.HTTPTransport
    rows: Sequence[Row] = ROWS
    more: Mapping[str, object] = field(default_factory=dict)
    unsupported: Mapping[Situation, str] = field(default_factory=dict)

    @property
    def leaver_id(self) -> str:
        """The leaver's object id."""
        return self.graph.tenant.user_id(self.graph.tenant.cloud_leaver.employment_id)

    @property
    def subject(self) -> Subject:
        """The leaver."""
        return subject_of(self.graph.tenant.cloud_leaver)

    @property
    def successor(self) -> Subject:
        """Who takes over."""
        return subject_of(self.graph.tenant.successor)

    @property
    def stranger(self) -> Subject:
        """Somebody without an account."""
        return Subject("E-9999", employee_number="009999", logins=("nobody",))

    def settings(self, **more: object) -> Settings:
        """Settings of this world."""
        return settings_for(self.graph, **{**self.more, **more})

    def connector(self, credential: Credential, *, page_size: int = 0) -> Connector:
        """Open a connector on the tenant."""
        more: dict[str, object] = {"page_size": min(page_size, 999)} if page_size else {}
        transport = DatedTransport(self.transport(), self.clock)
        settings = self.settings(**more)
        return EntraConnector(
            "entra", settings, credential, self.clock, transport=transport, rows=self.rows
        )

    def account(self) -> Account:
        """Find the leaver with the verifying identity."""
        connector = self.connector(Credential.VERIFY)
        found = gather(connector.find(self.subject)).items
        connector.close()
        return next(account for account in found if account.native_id == self.leaver_id)

    # ------------------------------------------------------------------------- the true state
    def witness(self) -> Mapping[str, Json]:
        """Read all state of the leaver past the connector."""
        return self._state(self.leaver_id, self._mentions())

    def bystanders(self) -> Mapping[str, Json]:
        """Read everybody but leaver and successor. What the leaver and they share is not theirs."""
        successor = self.graph.tenant.user_id(self.graph.tenant.successor.employment_id)
        left_out, mentions = {self.leaver_id, successor}, Counter[tuple[str, str]]()
        everybody = [user["id"] for user in self.graph.truth.every(Table.USERS)]
        return {key: self._state(key, mentions) for key in everybody if key not in left_out}

    def _mentions(self) -> Counter[tuple[str, str]]:
        """Count how often each object id is named in each table, whatever the record's own id."""
        truth, found = self.graph.truth, Counter[tuple[str, str]]()
        for table in set(Table) - _HISTORY:
            for record in truth.every(table):
                if record.get("state") == "expired":  # a package that was handed back
                    continue
                found.update((table.value, one) for one in set(_ID.findall(str(record))))
        return found

    def _state(self, key: str, mentions: Counter[tuple[str, str]]) -> dict[str, Json]:
        truth = self.graph.truth
        user = dict(truth.get(Table.USERS, key) or {})
        for name in ("signInSessionsValidFromDateTime", "lastPasswordChangeDateTime", "_password"):
            user.pop(name, None)
        state: dict[str, Json] = {f"user {name}": value for name, value in user.items()}
        for link in (Link.MEMBER, Link.OWNER, Link.SPONSOR, Link.REGISTERED_OWNER, Link.MANAGER):
            ours = {self.leaver_id} if key != self.leaver_id else set()
            state[f"{link} of"] = cast("Json", sorted(set(truth.sources(link, key)) - ours))
        for device in truth.sources(Link.REGISTERED_OWNER, key):
            record = truth.get(Table.DEVICES, device) or {}
            state[f"device {device}"] = record.get("accountEnabled")
        for (table, named), count in mentions.items():
            if named == key:
                state[f"named in {table}"] = count
        return state

    def vanish(self, holding: Holding) -> None:
        """Take one holding away as somebody else."""

        def take(store: Store) -> None:
            if holding.kind == "device":
                store.drop(Table.DEVICES, holding.native_id)
                return
            _, definition, scope = holding.native_id.split(":")
            now = store.view(store.clock())
            for record in now.where(Table.ROLE_ELIGIBILITIES, principalId=holding.account_id):
                if (record["roleDefinitionId"], record["directoryScopeId"]) == (definition, scope):
                    store.drop(Table.ROLE_ELIGIBILITIES, record["id"])

        self.graph.edit(take)

    def rename(self) -> None:
        """Marry the leaver; the old name goes to a colleague's account."""
        old = self.graph.truth.get(Table.USERS, self.leaver_id) or {}
        names = ("userPrincipalName", "mail", "mailNickname", "proxyAddresses", "otherMails")
        other = self.graph.tenant.user_id(self.graph.tenant.people[20].employment_id)

        def marry(store: Store) -> None:
            store.change(Table.USERS, other, **{name: old.get(name) for name in names})
            new = {
                "userPrincipalName": "married@example.com",
                "mail": "married@example.com",
                "mailNickname": "married",
                "proxyAddresses": ["SMTP:married@example.com"],
                "otherMails": [],
            }
            store.change(Table.USERS, self.leaver_id, **new)

        self.graph.edit(marry)

    # ----------------------------------------------------------------------------- situations
    @contextmanager
    def _trouble(self, situation: Situation) -> Iterator[None]:
        if situation is Situation.UNREACHABLE:
            self.more = {**self.more, "base_url": "http://127.0.0.1:9"}
        elif situation is Situation.SLOW:
            self.more = {**self.more, "receive_timeout": SHORT}
            self.graph.faults.add(Fault(FaultKind.SLOW, seconds=1.5 * SHORT.total_seconds()))
        elif situation is Situation.TARGET_HIDDEN:
            self.graph.withdraw(App.VERIFIER, "Directory.Read.All", "User.Read.All")
        else:
            self.graph.faults.add(*self._faults(situation))
        before = {name: self.more.get(name) for name in ("base_url", "receive_timeout")}
        try:
            yield
        finally:
            self.more = {name: one for name, one in self.more.items() if name not in before}
            self.graph.faults.clear()
            if situation is Situation.TARGET_HIDDEN:
                self.graph.consent(App.VERIFIER, "Directory.Read.All", "User.Read.All")

    def _faults(self, situation: Situation) -> list[Fault]:
        canary = frozenset({self.graph.tenant.canary_id})
        return {
            Situation.CANARY_HIDDEN: [Fault(FaultKind.HIDDEN, ids=canary)],
            Situation.TRUNCATED: [Fault(FaultKind.DROPPED, method="GET")],
            Situation.THROTTLED: [Fault(FaultKind.THROTTLED, retry_after=17)],
            Situation.DENIED: [Fault(FaultKind.EXPIRED)],
            Situation.GARBLED: [Fault(FaultKind.HTML)],
            Situation.SILENT: [
                Fault(FaultKind.IGNORED, method=method) for method in ("POST", "PATCH", "DELETE")
            ],
        }[situation]

    def situation(self, situation: Situation) -> AbstractContextManager[None]:
        """Bring about a trouble for every connector on this tenant."""
        return self._trouble(situation)

    def now(self) -> datetime:
        """Tell the turned clock's time."""
        return self.clock()

    def pass_time(self, until: datetime) -> None:
        """Turn the clock."""
        self.clock.now = max(self.clock.now, until)


def _share_mailbox(store: Store, user: str) -> None:
    store.change(Table.MAILBOXES, user, userPurpose="shared")


@contextmanager
def tenant(
    transport: Callable[[], httpx.BaseTransport] = httpx.HTTPTransport,
    rows: Sequence[Row] = ROWS,
    more: Mapping[str, object] | None = None,
) -> Iterator[EntraRig]:
    """Start a fresh tenant and stop it."""
    clock = Clock()
    with GraphServer(Tenant(population()), clock=clock) as graph:
        rig = EntraRig(graph, clock, transport, rows, more or {})
        # A licence only goes when somebody has made the mailbox a shared one (a person's task).
        graph.edit(lambda store: _share_mailbox(store, rig.leaver_id))
        yield rig


def opens(
    transport: Callable[[], httpx.BaseTransport] = httpx.HTTPTransport,
    more: Mapping[str, object] | None = None,
    *,
    patient_mailboxes: bool = False,
) -> Callable[[], AbstractContextManager[Rig]]:
    """Make fresh tenants for the conformance suite.

    ``patient_mailboxes``: surveys side by side may ask one mailbox more than four things at once.
    Outlook refuses that, which is right, and not what a check of instances is about.
    """

    @contextmanager
    def open_rig() -> Iterator[Rig]:
        with tenant(transport, more=more) as rig:
            if patient_mailboxes:
                rig.graph.service._mailboxes = BoundedSemaphore(100)
            yield rig

    return open_rig
