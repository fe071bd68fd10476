"""Everything an operator can set, as frozen groups with a docstring per setting.

Read by the roof only. The docstrings are the documentation: ``config.reference`` prints them into
``docs/configuration.md``, and a test compares. Values come from one YAML file (``config.load``) or
from code (the demo, tests). Nothing here opens a file or reads a secret.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from config.correlation import Correlation
from config.group import Group
from connectors.secret import Secret
from policies.access_end import AccessEndError, find_zone

RESERVED_SYSTEM: Final = "hr"
HR_ROOMS: Final = {"rest": "connectors.hr.rest"}
"""Kinds of HR systems and the module of each, imported when one is configured."""
SYSTEM_NAME: Final = r"^[a-z0-9][a-z0-9_.-]{0,62}$"

Positive = Annotated[timedelta, Field(gt=timedelta(0))]


class Mode(StrEnum):
    """Whether the daemon may change anything outside."""

    OBSERVE = "observe"
    ACT = "act"


class Database(Group):
    """Where our own rows are."""

    url: str = ""
    """``sqlite:///PATH`` (one process) or ``postgresql://USER@HOST/NAME`` (several nodes). Empty:
    ``deprovisioner.db`` in the data directory, because one daemon on one machine is the usual
    case. A password in the URL is refused: it would be a secret in a settings file."""
    password: Secret | None = None
    """Password for PostgreSQL, by reference. Leave it out for SQLite, for peer authentication and
    for ``.pgpass``."""

    @field_validator("url")
    @classmethod
    def _no_password(cls, url: str) -> str:
        authority = url.partition("://")[2].partition("/")[0]
        if ":" in authority.rpartition("@")[0] or "password=" in url:
            raise ValueError("a password stands in the URL; use database.password")
        return url


class Http(Group):
    """The HTTP doors: TCP for HR systems and consoles, a Unix socket for the command line."""

    host: str = "127.0.0.1"
    """Address to listen on. Empty: no TCP at all, only the socket. Without TLS only loopback is
    allowed, because bearer tokens and personal data would cross the network in the clear."""
    port: int = Field(default=8420, ge=0, le=65535)
    """TCP port. 0: any free port (it is logged); useful in tests only."""
    certificate: Path | None = None
    """PEM file of the TLS certificate chain. Leave out to serve plain HTTP on loopback."""
    key: Path | None = None
    """PEM file of the TLS private key; needed exactly when ``certificate`` is set."""
    socket: Path | None = None
    """Unix socket of the command line, made with mode 0600. Left out: ``deprovisioner.sock`` in
    the data directory. It cannot be switched off: the embedded database belongs to one process,
    so a command beside a running daemon must speak to it."""

    @model_validator(mode="after")
    def _in_the_clear_on_loopback_only(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: set both or neither")
        if self.host and self.certificate is None and not is_loopback(self.host):
            raise ValueError("without TLS only loopback is served: set certificate and key")
        return self


class Webhooks(Group):
    """How deliveries to ``POST /v1/terminations`` prove where they come from."""

    secrets: tuple[Secret, ...] = ()
    """Standard Webhooks secrets (``whsec_`` and base64), by reference; each is tried, so that the
    old and the new one work together during a rotation. Empty: no webhook is accepted, only
    bearer tokens."""
    rotating: bool = False
    """While true an unknown signature is answered 503 (try again) instead of 401: several HR
    systems never repeat a delivery that was answered 4xx. Set it for the length of a rotation."""
    tolerance: Positive = timedelta(minutes=5)
    """How far the signed time may be from ours, both ways. Five minutes is what the Standard
    Webhooks specification recommends; a longer time widens the window for replays."""


class System(Group):
    """One outside system."""

    type: str
    """Kind of system: a word that ``deprovisioner connectors list`` prints, such as ``ldap``."""
    settings: BaseModel
    """Settings of the connector, its two credentials included: one acts, another verifies, so
    that a right taken away from one does not blind both. See ``docs/connectors``."""
    observe: bool = False
    """True: this system is surveyed and planned for, and never changed. For the weeks in which a
    new system is being trusted; a case cannot close over it while something is left to do."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Operations at once over all nodes. 4: a directory hardly notices, a person is done in
    seconds."""
    calls_per_second: float | None = Field(default=None, gt=0)
    """The system's own request limit. Left out: none; the system names no limit."""


class Hr(Group):
    """The HR system that is asked again: daily, and right before anything irreversible (Law 7)."""

    type: str
    """Kind of HR system, such as ``rest``."""
    settings: BaseModel
    """Its settings; see ``docs/connectors``."""


class Vault(Group):
    """Where backups are kept, encrypted per case."""

    directory: Path
    """Folder of the encrypted objects, made with mode 0700. Put it on another disk than the data
    directory: a lost disk must not take backup and index together."""
    escrow: tuple[str, ...] = Field(min_length=1, max_length=2)
    """age recipients (``age1...``) that the key of each case is sealed to: one or two people's
    (security, legal). Their private halves stay off this machine, so that a stolen daemon cannot
    read old backups."""

    @field_validator("escrow")
    @classmethod
    def _can_be_sealed_to(cls, escrow: tuple[str, ...]) -> tuple[str, ...]:
        from connectors.vaults.age import is_recipient  # noqa: PLC0415 - only with a vault

        for number, key in enumerate(escrow, 1):
            if not is_recipient(key):
                message = f"escrow key {number} is no age public key: age1 and 58 characters"
                raise ValueError(f"{message}, as 'init' or age-keygen made it")
        if len(set(escrow)) < len(escrow):
            raise ValueError("the same escrow key stands here twice: name two people, or one")
        return escrow


class Evidence(Group):
    """The signed log of what was done."""

    origin: str = Field(min_length=1, max_length=200, pattern=r"^[^\s+]+$")
    """Name of the log, written into every checkpoint: ``example.com/deprovisioner``. Never change
    it: a log with a new name is a new log (``backup restore --new-log`` begins one)."""
    signing_key: Secret
    """Ed25519 signing key (``PRIVATE+KEY+...``), by reference; ``deprovisioner keys init`` makes
    it. Its name must be the origin."""
    sealing_key: Secret
    """32 random bytes in base64, by reference: wraps the key of each case. Whoever loses it loses
    the personal part of all records, so it belongs into the backup of the keys."""
    publish_directory: Path | None = None
    """Folder of the public, static files of the log (checkpoint and tiles). Left out: ``log`` in
    the data directory."""
    anchor: Path | None = None
    """A second copy of the newest checkpoint, which start and every publication compare against.
    Left out: ``anchor/checkpoint`` in the data directory; better on another disk, because a
    restored backup brings an anchor on the same disk back with it and the rollback goes unseen."""
    publish_every: Positive = timedelta(seconds=5)
    """Waiting records are signed and published this often. A case cannot close before its records
    are published, so a long time delays closing."""
    heartbeat: Positive = timedelta(hours=1)
    """An idle log says its newest checkpoint again this often, so that an idle log can be told
    from a dead one."""


class Guards(Group):
    """Guards that are on from the first day (Law 5)."""

    people_per_window: int = Field(default=10, ge=1)
    """How many people may be contained, revoked or destroyed within ``window``, counted for each
    of the three. More are held for two people's release. It cannot be switched off; 10 is a busy
    day of a company of a thousand."""
    window: Positive = timedelta(hours=24)
    """Length of the rolling window of ``people_per_window``."""
    protected: tuple[str, ...] = ()
    """Employment ids, native ids and login patterns (``svc-*``) that are never touched. Empty:
    nobody is protected; put the accounts there without which you cannot repair anything."""


class Pace(Group):
    """How long things may take and how often they are tried."""

    budget: Positive = timedelta(seconds=240)
    """An operation takes no new holding after this long and asks for a fresh try. Less than ten
    minutes, after which a running operation counts as lost."""
    backoff: Positive = timedelta(seconds=1)
    """Wait after the first failure of an operation; it doubles with each further one."""
    backoff_cap: Positive = timedelta(hours=1)
    """The wait between tries never grows beyond this."""
    give_up: int = Field(default=20, ge=1)
    """Failures in a row after which a person is asked. With the default waits that is about half
    a day of trying."""
    max_starts: int = Field(default=50, ge=1)
    """Starts of one operation after which a person is asked although no failure was seen: it
    keeps dying with the process."""
    breaker_after: int = Field(default=5, ge=1)
    """Failures in a row of one system, over all cases, that make the whole system rest."""
    breaker_rest: Positive = timedelta(seconds=60)
    """How long a system rests before it is tried again."""
    verify_gap: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(0))
    """Least time between the two reads that close a system. Zero: the second follows at once; for
    tests only, because a lagging replica would be read twice."""
    factor: float = Field(default=1.0, gt=0, le=1)
    """Shortens settle times and ``verify_gap`` in the pretend company. Leave it at 1 with real
    systems: their replicas do not hurry."""


class Limits(Group):
    """Dates that the core keeps towards HR and people."""

    hr_every: Positive = timedelta(days=1)
    """HR is asked again this often while a case waits: several HR systems take a termination back
    without saying so."""
    hr_before_revoke: Positive = timedelta(minutes=10)
    """HR's answer must be younger than this when something irreversible begins."""
    question_deadline: Positive = timedelta(days=2)
    """A question to a person is escalated after this long."""
    verified_for: Positive = timedelta(hours=24)
    """How long a verification read counts: what is older when a case could close is read again.
    Shorter is stricter and reads more; it is more than twice ``pace.verify_gap``."""


class LogLevel(StrEnum):
    """Least severe event that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    JSON = "json"
    CONSOLE = "console"


class Log(Group):
    """Log lines on standard error: events with fields, never personal data (Law 10)."""

    level: LogLevel = LogLevel.INFO
    """Least severe event that is written. Logging cannot be switched off; ``error`` is nearly
    silent."""
    format: LogFormat = LogFormat.JSON
    """``json``: one object per line, for machines. ``console``: for a person at a terminal."""


class Settings(Group):
    """The whole configuration."""

    data_directory: Path
    """Folder of everything the daemon writes for itself, made with mode 0700. It must be on a
    local disk: SQLite loses data on network file systems."""
    mode: Mode = Mode.OBSERVE
    """``observe``: survey and plan, never change anything. ``act``: do it. Observe is the default,
    because a wrongly cut person is the second worst thing that can happen."""
    time_zone: str = "UTC"
    """IANA zone of dates that come without one. Set it to where most people work: a date becomes
    an instant by it."""
    policies: Path | None = None
    """Folder of the policy files. Left out: only the policies that are shipped, which is where a
    new installation begins."""
    drain: Positive = timedelta(seconds=30)
    """On SIGTERM running operations may finish for this long; what is cut short is done again at
    the next start. Keep it below the service manager's own stop timeout."""
    database: Database = Field(default_factory=Database)
    http: Http = Field(default_factory=Http)
    webhooks: Webhooks = Field(default_factory=Webhooks)
    systems: Mapping[Annotated[str, Field(pattern=SYSTEM_NAME)], System] = Field(min_length=1)
    hr: Hr | None = None
    vault: Vault | None = None
    evidence: Evidence
    guards: Guards = Field(default_factory=Guards)
    pace: Pace = Field(default_factory=Pace)
    limits: Limits = Field(default_factory=Limits)
    correlation: Correlation = Field(default_factory=Correlation)
    log: Log = Field(default_factory=Log)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            find_zone(name)
        except AccessEndError as error:
            raise ValueError(str(error)) from error
        return name

    @field_validator("systems")
    @classmethod
    def _no_reserved_name(cls, systems: Mapping[str, System]) -> Mapping[str, System]:
        if RESERVED_SYSTEM in systems:
            raise ValueError(f"a system cannot be called '{RESERVED_SYSTEM}': HR has that name")
        return systems

    @model_validator(mode="after")
    def _two_reads_stay_fresh(self) -> Self:
        if self.limits.verified_for <= 2 * self.pace.verify_gap:
            raise ValueError("limits.verified_for must be more than twice pace.verify_gap")
        return self

    @model_validator(mode="after")
    def _correlation_names_systems(self) -> Self:
        named = {name for rule in self.correlation.rules for name in rule.systems}
        unknown = sorted((named | set(self.correlation.one_account)) - set(self.systems))
        if unknown:
            raise ValueError(f"correlation names a system that is not configured: {unknown[0]}")
        return self

    @property
    def database_url(self) -> str:
        """The URL with its default filled in; the password is not in it."""
        return self.database.url or f"sqlite:///{self.data_directory / 'deprovisioner.db'}"

    @property
    def socket_path(self) -> Path:
        """Where the command line finds the daemon."""
        return self.http.socket or self.data_directory / "deprovisioner.sock"

    @property
    def publish_directory(self) -> Path:
        """Where the static files of the log go."""
        return self.evidence.publish_directory or self.data_directory / "log"

    @property
    def anchor_path(self) -> Path:
        """Where the second copy of the newest checkpoint goes."""
        return self.evidence.anchor or self.data_directory / "anchor" / "checkpoint"


def is_loopback(host: str) -> bool:
    """Say whether an address never leaves this machine; names are not resolved, only localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
