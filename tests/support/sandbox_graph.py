"""A tenant of the pretend company on a turned clock, and plain clients for it.

For tests of the fake Graph itself; connectors have their own rig.
"""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx

from deprovisioner.sandbox.graph import App, GraphServer, Tenant
from deprovisioner.sandbox.people import Person, people

START = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
A_WEEK = timedelta(days=7)


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


@dataclass
class World:
    """A running tenant with a client for each app."""

    graph: GraphServer
    clock: Clock
    act: httpx.Client
    verify: httpx.Client

    def user(self, who: str) -> str:
        """Return the id of somebody in the words of the tenant: `cloud_leaver`, `successor`."""
        person: Person = getattr(self.graph.tenant, who)
        return self.graph.tenant.user_id(person.employment_id)

    def group(self, name: str) -> str:
        """Return the id of a group."""
        return self.graph.tenant.group_id(name)

    def get(self, path: str, **headers: str) -> dict[str, Any]:
        """Read as the verifier, and expect success."""
        answer = self.verify.get(path, headers=headers)
        assert answer.status_code == 200, answer.text[:300]
        body: dict[str, Any] = answer.json()
        return body

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Read every page of a list as the verifier."""
        found: list[dict[str, Any]] = []
        link: str | None = path
        while link:
            body = self.get(link)
            found += body["value"]
            link = body.get("@odata.nextLink")
        return found

    def reference(self, key: str) -> dict[str, str]:
        """Make the body of a `$ref` request."""
        return {"@odata.id": f"{self.graph.base_url}/directoryObjects/{key}"}

    def client(self, app: App, lifetime: timedelta = A_WEEK) -> httpx.Client:
        """Open a client with a token of its own; the caller closes it."""
        return client(self.graph, app, lifetime)


@cache
def _no_authorities() -> ssl.SSLContext:
    """Loading the authorities takes longer than most tests, and nothing here speaks TLS."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client(graph: GraphServer, app: App, lifetime: timedelta = A_WEEK) -> httpx.Client:
    """Open a client with a token of its own; the caller closes it."""
    headers = {"Authorization": f"Bearer {graph.token(app, lifetime)}"}
    base = graph.base_url + "/"
    return httpx.Client(base_url=base, headers=headers, verify=_no_authorities())


def code(answer: httpx.Response) -> str:
    """Return the error code of a refusal."""
    return str(answer.json()["error"]["code"])


@contextmanager
def world() -> Iterator[World]:
    """Start a fresh tenant and stop it."""
    clock = Clock()
    with ExitStack() as running:
        graph = running.enter_context(GraphServer(Tenant(population()), clock=clock))
        act, verify = (running.enter_context(client(graph, app)) for app in App)
        yield World(graph, clock, act, verify)
