"""A house over the memory connector, with doors: what tests of the roof speak to over real sockets.

``running_doors`` serves a house at rest (no engine: nothing runs, everything answers);
``running_daemon`` is the whole daemon. Secrets are invented here and die with the test.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from config.settings import Database, Evidence, Http, Mode, Pace, Settings, System, Vault, Webhooks
from connectors.memory import MemoryWorld
from connectors.memory import Settings as MemorySettings
from connectors.secret import Secret
from deprovisioner.api.app import make_app
from deprovisioner.api.serving import Doors
from deprovisioner.daemon import Daemon
from deprovisioner.intake.canonical import SubjectData, TerminationData, compose
from deprovisioner.intake.signature import sign
from deprovisioner.wiring import House, open_house, utc_now
from reconcile.event import Action
from reconcile.evidence.keys import SigningKey
from reconcile.principals import Role

ORIGIN = "example.com/test-log"
OLD_KEY, NEW_KEY = secrets.token_bytes(32), secrets.token_bytes(32)
MEDIA_TYPE = "application/cloudevents+json"


def held(value: str) -> Secret:
    return Secret.held(lambda: value, "test")


def webhook_secret(key: bytes) -> Secret:
    return held("whsec_" + base64.b64encode(key).decode())


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Settings that act at once on one memory world named after the folder."""
    signing = SigningKey.generate(ORIGIN, secrets.token_bytes).encode()
    sealing = base64.b64encode(secrets.token_bytes(32)).decode()
    values: dict[str, Any] = {
        "data_directory": folder / "data",
        "mode": Mode.ACT,
        "http": Http(port=0),
        "webhooks": Webhooks(secrets=(webhook_secret(OLD_KEY), webhook_secret(NEW_KEY))),
        "systems": {
            "door": System(type="memory", settings=MemorySettings(world=str(folder))),
        },
        "evidence": Evidence(
            origin=ORIGIN,
            signing_key=held(signing),
            sealing_key=held(sealing),
            publish_every=timedelta(milliseconds=100),
        ),
        "pace": Pace(verify_gap=timedelta(0)),
    }
    return Settings(**(values | changes))


def database_at(url: str) -> Database:
    """The settings for a URL; a password in it goes where a password belongs."""
    parts = urlsplit(url)
    if parts.password is None:
        return Database(url=url)
    without = url.replace(f":{parts.password}@", "@", 1)
    return Database(url=without, password=held(unquote(parts.password)))


def vault_in(folder: Path) -> Vault:
    """A vault whose escrow key nobody keeps."""
    import pyrage  # noqa: PLC0415 - only where backups are made

    escrow = str(pyrage.x25519.Identity.generate().to_public())
    return Vault(directory=folder / "vault", escrow=(escrow,))


@dataclass
class Visitor:
    """Somebody who speaks to a house over TCP; closes its clients at the end."""

    house: House
    port: int
    clients: list[httpx.Client] = field(default_factory=list)

    def as_(self, role: Role | None, name: str = "") -> httpx.Client:
        """A client with a fresh token of a role; without one when the role is None."""
        headers = {}
        if role is not None:
            token = self.house.desk.issue_token(name or f"{role}-1", role)
            headers["Authorization"] = f"Bearer {token}"
        client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)
        self.clients.append(client)
        return client

    def deliver(
        self, raw: bytes, key: bytes = OLD_KEY, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Post a signed delivery; ``headers`` replace what a right one would have."""
        signed = sign(key, f"msg_{secrets.token_hex(4)}", utc_now(), raw)
        return self.as_(None).post(
            "/v1/terminations",
            content=raw,
            headers={"Content-Type": MEDIA_TYPE, **signed, **(headers or {})},
        )

    def close(self) -> None:
        """Let go of every connection."""
        for client in self.clients:
            client.close()


def event(
    action: Action = Action.IMMEDIATE,
    *,
    employment: str = "E-1042",
    subject_changes: Mapping[str, str] | None = None,
    **data: Any,
) -> bytes:
    """A canonical event; ``subject_changes`` may be wrong on purpose."""
    subject = SubjectData(employment_id=employment, employee_number="1042")
    subject = subject.model_copy(update=dict(subject_changes or {}))
    termination = TerminationData(action=action, subject=subject, **data)
    return compose(
        termination,
        source_event_id=f"evt_{secrets.token_hex(6)}",
        at=utc_now(),
        source="urn:hr:people:tenant1",
    )


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem document; fails when it is none."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert document["status"] == response.status_code
    kind: str = document["type"]
    return response.status_code, kind.removeprefix("urn:deprovisioner:problem:")


@contextmanager
def memory_world(folder: Path) -> Iterator[MemoryWorld]:
    """The world that :func:`settings_for` names."""
    world = MemoryWorld(clock=utc_now)
    MemoryWorld.register(str(folder), world)
    try:
        yield world
    finally:
        MemoryWorld.forget(str(folder))


@contextmanager
def running_doors(folder: Path, *, body_seconds: float = 20.0, **changes: Any) -> Iterator[Visitor]:
    """A house at rest behind its doors."""
    settings = settings_for(folder, **changes)
    with memory_world(folder), open_house(settings, at_rest=True) as house:
        doors = Doors(
            make_app(house, body_seconds=body_seconds), settings.http, settings.socket_path
        )
        doors.open()
        visitor = Visitor(house, doors.port)
        try:
            yield visitor
        finally:
            visitor.close()
            doors.close()


@contextmanager
def running_daemon(folder: Path, **changes: Any) -> Iterator[Visitor]:
    """The whole daemon, in this process."""
    with open_house(settings_for(folder, **changes)) as house:
        daemon = Daemon(house)
        daemon.start()
        visitor = Visitor(house, daemon.doors.port)
        try:
            yield visitor
        finally:
            visitor.close()
            assert daemon.stop(timedelta(seconds=20))
