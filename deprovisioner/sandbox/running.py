"""The sandbox, running: start here. A directory, an HR system and their controls on free loopback
ports; where they are wanted an Active Directory domain and an Entra tenant, which a pretend Entra
Connect keeps in step with the domain.

Called by `deprovisioner demo`, by acceptance tests and by benchmarks:

    with Sandbox() as sandbox:
        leaver = sandbox.company.demo_leaver()
        connect(sandbox.directory_url, sandbox.company.act)

Everything random (passwords, tokens, the webhook secret) is made when the sandbox is made, and
gone with it.
"""

import base64
import secrets
import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from deprovisioner.sandbox.company import Company
from deprovisioner.sandbox.control import Control
from deprovisioner.sandbox.directory.faults import FaultPanel
from deprovisioner.sandbox.directory.server import Certificate, DirectoryServer
from deprovisioner.sandbox.directory.witness import Witness
from deprovisioner.sandbox.doors.sites import DoorSites
from deprovisioner.sandbox.fake_directory import (
    DEFAULT_OPTIONS,
    DirectoryOptions,
    fake_directory,
)
from deprovisioner.sandbox.forest.content import company_domain
from deprovisioner.sandbox.forest.domain import HOST
from deprovisioner.sandbox.forest.server import ForestServer
from deprovisioner.sandbox.graph import GraphServer, Tenant
from deprovisioner.sandbox.human_resources import HumanResources
from deprovisioner.sandbox.loopback_tls import loopback_certificate
from deprovisioner.sandbox.openldap import OpenLdap
from deprovisioner.sandbox.sender import Sender
from deprovisioner.sandbox.service.hosting import Started
from deprovisioner.sandbox.synchronisation import Synchronisation


class DirectoryKind(StrEnum):
    """Who plays the directory (`make demo DIRECTORY=...`)."""

    FAKE = "fake"
    SLAPD = "slapd"


class DomainKind(StrEnum):
    """Who plays the Active Directory domain."""

    NONE = "none"
    FAKE = "fake"


class TenantKind(StrEnum):
    """Who plays the Entra tenant."""

    NONE = "none"
    FAKE = "fake"


class DoorKind(StrEnum):
    """Who plays the door sites."""

    NONE = "none"
    FAKE = "fake"


HURRY = 0.01
"""How much of its usual time the tenant takes for what it does later."""
SYNC_CYCLE = timedelta(seconds=1)
"""Between two synchronisations of the tenant with the domain; 30 minutes in a real company."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The sandbox's tokens, made at start."""

    human_resources_token: str
    control_token: str
    webhook_secret: str


class Sandbox(Started):
    """The running company; a context manager. `company` may be shared by several in turn."""

    def __init__(
        self,
        company: Company | None = None,
        *,
        kind: DirectoryKind = DirectoryKind.FAKE,
        domain: DomainKind = DomainKind.NONE,
        tenant: TenantKind = TenantKind.NONE,
        doors: DoorKind = DoorKind.NONE,
        options: DirectoryOptions = DEFAULT_OPTIONS,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._clock = clock or _now
        self.company = company or new_company(self._clock)
        self.kind, self.domain_kind, self.tenant_kind = kind, domain, tenant
        self.secrets = _new_secrets()
        self._doors = DoorSites(self.company, self._clock) if doors is DoorKind.FAKE else None
        self._options = options
        self._running = ExitStack()
        self._fake: DirectoryServer | None = None
        self._real: OpenLdap | None = None
        self._domain: ForestServer | None = None
        self._domain_certificate: Certificate | None = None
        self._graph: GraphServer | None = None
        self.human_resources = HumanResources(
            self.company.people, self.secrets.human_resources_token
        )
        self.sender = Sender(self.secrets.webhook_secret, self._clock, _new_event_id)
        self._control: Control | None = None

    def start(self) -> None:
        """Start everything; on a failure what was started is stopped again."""
        with ExitStack() as starting:
            self._start_directory(starting)
            if self.domain_kind is DomainKind.FAKE:
                self._start_domain(starting)
            if self.tenant_kind is TenantKind.FAKE:
                self._start_tenant(starting)
            if self._doors is not None:
                self._doors.start(starting)
            self._control = Control(self.human_resources, self._fake, self.secrets.control_token)
            for server in (self.human_resources.server, self._control.server):
                server.start()
                starting.callback(server.stop)
            self._running = starting.pop_all()

    def stop(self) -> None:
        """Stop everything, in the opposite order."""
        self._running.close()

    @property
    def directory_url(self) -> str:
        """`ldap://…` or `ldaps://…` of the directory."""
        server = self._fake or self._real
        if server is None:
            raise RuntimeError("the sandbox is not started")
        return server.url

    @property
    def domain(self) -> ForestServer:
        """The domain controller; raises RuntimeError without one."""
        if self._domain is None:
            raise RuntimeError("no Active Directory domain is running")
        return self._domain

    @property
    def domain_ca_file(self) -> Path:
        """The authority that signed the domain controller's certificate, as PEM."""
        if self._domain_certificate is None:
            raise RuntimeError("no Active Directory domain is running")
        return Path(self._domain_certificate.certificate_file)

    @property
    def graph(self) -> GraphServer:
        """The Entra tenant behind Graph; raises RuntimeError without one."""
        if self._graph is None:
            raise RuntimeError("no Entra tenant is running")
        return self._graph

    @property
    def doors(self) -> DoorSites | None:
        """The door sites, where there are any."""
        return self._doors

    @property
    def human_resources_url(self) -> str:
        """Base URL of the HR system; employments are below `/employments`."""
        return self.human_resources.server.url

    @property
    def control_url(self) -> str:
        """Base URL of the control endpoint."""
        if self._control is None:
            raise RuntimeError("the sandbox is not started")
        return self._control.server.url

    @property
    def fake(self) -> DirectoryServer:
        """The fake directory; raises RuntimeError with a real one."""
        if self._fake is None:
            raise RuntimeError("no fake directory is running")
        return self._fake

    @property
    def faults(self) -> FaultPanel:
        """The switchboard of the fake directory."""
        return self.fake.directory.faults

    @property
    def witness(self) -> Witness:
        """What the fake directory saw of writes."""
        return self.fake.directory.witness

    def _start_domain(self, starting: ExitStack) -> None:
        folder = starting.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-domain-"))
        certificate = loopback_certificate(Path(folder), [HOST], self._clock())
        domain = company_domain(
            self.company, self._clock, uuid.uuid4, lambda: secrets.token_urlsafe(18)
        )
        self._domain = ForestServer(domain, certificate=certificate)
        self._domain_certificate = certificate
        self._domain.start()
        starting.callback(self._domain.stop)

    def _start_tenant(self, starting: ExitStack) -> None:
        self._graph = GraphServer(Tenant(self.company.people), clock=self._clock)
        delays = self._graph.delays
        for delay in fields(delays):
            setattr(delays, delay.name, getattr(delays, delay.name) * HURRY)
        self._graph.start()
        starting.callback(self._graph.stop)
        if self._domain is not None:
            carrier = Synchronisation(self._domain.domain, self._graph, SYNC_CYCLE)
            carrier.start()
            starting.callback(carrier.stop)

    def _start_directory(self, starting: ExitStack) -> None:
        if self.kind is DirectoryKind.SLAPD:
            folder = starting.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-slapd-"))
            self._real = OpenLdap(
                self.company,
                Path(folder),
                size_limit=self._options.size_limit,
                services_unlimited=self._options.services_unlimited,
            )
            self._real.start()
            starting.callback(self._real.stop)
            return
        self._fake = fake_directory(
            self.company, clock=self._clock, new_id=uuid.uuid4, options=self._options
        )
        self._fake.start()
        starting.callback(self._fake.stop)


def new_company(clock: Callable[[], datetime], seed: int = 1) -> Company:
    """Make the company with fresh passwords and certificates valid for a month from now."""
    return Company(
        secret=lambda: secrets.token_urlsafe(18),
        certificate=lambda name: _certificate(name, clock()),
        seed=seed,
    )


def _certificate(common_name: str, now: datetime) -> bytes:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now,
        not_valid_after=now + timedelta(days=30),
    )
    return builder.sign(key, None).public_bytes(Encoding.DER)


def _new_secrets() -> Secrets:
    webhook = base64.b64encode(secrets.token_bytes(32)).decode()
    return Secrets(secrets.token_urlsafe(32), secrets.token_urlsafe(32), f"whsec_{webhook}")


def _new_event_id() -> str:
    return f"evt_{uuid.uuid4().hex}"


def _now() -> datetime:
    return datetime.now(UTC)
