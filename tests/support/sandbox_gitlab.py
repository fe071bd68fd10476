"""A forge of the pretend company on a turned clock, and plain clients for it.

For tests of the fake GitLab itself; connectors have their own rig.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx

from deprovisioner.sandbox.gitlab import Account, Forge, ForgeServer
from deprovisioner.sandbox.people import Person, people

START = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)


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


@cache
def _no_authorities() -> ssl.SSLContext:
    """Loading the authorities takes longer than most tests, and nothing here speaks TLS."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class World:
    """A running forge and clients for its accounts."""

    gitlab: ForgeServer
    clock: Clock
    stack: ExitStack

    def client(
        self,
        account: Account | Person | str = Account.ACTOR,
        *scopes: str,
        transport: httpx.BaseTransport | None = None,
    ) -> httpx.Client:
        """Open a client with a token of its own."""
        return self.stack.enter_context(
            httpx.Client(
                base_url=self.gitlab.api + "/",
                headers={"PRIVATE-TOKEN": self.gitlab.token(account, *scopes)},
                transport=transport,
                verify=_no_authorities(),
            )
        )

    @property
    def leaver(self) -> int:
        """The leaver's id."""
        return self.gitlab.user_id(self.gitlab.forge.leaver)

    @property
    def successor(self) -> int:
        """The successor's id."""
        return self.gitlab.user_id(self.gitlab.forge.successor)


@contextmanager
def forge(*, further_users: int = 0, further_projects: int = 0) -> Iterator[World]:
    """Start one."""
    clock = Clock()
    with ExitStack() as stack:
        company = Forge(
            population(), further_users=further_users, further_projects=further_projects
        )
        gitlab = stack.enter_context(ForgeServer(company, clock=clock))
        yield World(gitlab, clock, stack)


def ask(
    client: httpx.Client,
    method: str,
    path: str,
    status: int,
    body: Mapping[str, object] | None = None,
    **headers: str,
) -> Any:
    """Send, expect a status, return what came."""
    answer = client.request(method, path.lstrip("/"), json=body, headers=headers)
    assert answer.status_code == status, (
        f"{method} {path}: {answer.status_code} {answer.text[:300]}"
    )
    kind = answer.headers.get("content-type", "")
    return answer.json() if kind.startswith("application/json") else answer.content
