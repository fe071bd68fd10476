"""What an operator says about one Entra tenant. Loaded by the roof, read by the connector."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Credential
from connectors.entra.clouds import CLOUDS, Cloud, CloudName
from connectors.secret import Secret


class Feature(StrEnum):
    """What a tenant may not have (no licence, not used). Named in ``absent``, it is not read."""

    PIM = "privileged identity management"
    GROUP_PIM = "privileged identity management for groups"
    ACCESS_PACKAGES = "entitlement management"
    INTUNE = "intune"
    EXCHANGE = "exchange"
    ONEDRIVE = "onedrive"
    TEAMS = "teams"
    TELEPHONY = "teams telephone numbers"
    AGENTS = "agent identities"


class KeepMailbox(StrEnum):
    """What must be seen of a mailbox before a licence that carries it is taken away.

    ``SHARED``: that it was converted to a shared mailbox, which lives on without a licence.
    ``EXPORTED``: nothing; the backup suffices, and Exchange deletes the mailbox after 30 days.
    """

    SHARED = "shared"
    EXPORTED = "exported"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class App(_Model):
    """An app registration of ours: exactly one of ``secret``, ``certificate`` and ``token``.

    ``certificate`` is a PEM that holds certificate and private key. ``token`` is a bearer token
    that somebody else obtained, and only goes to a sandbox on this machine.
    """

    client_id: str
    secret: Secret | None = None
    certificate: Secret | None = None
    token: Secret | None = None

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> App:
        given = [one for one in (self.secret, self.certificate, self.token) if one is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of secret, certificate and token")
        return self


class CanaryUser(_Model):
    """A user that is there on purpose: every read must see it, by id and in the search index.

    It has an ``employee_id`` that no person has, is blocked from signing in, and is a member of
    one group named ``group``, so that a right that was taken away shows (Law 2).
    """

    id: str
    employee_id: str
    group: str


class Settings(_Model):
    """One tenant.

    ``absent``: features this tenant does not have; they are not read and named on the card.
    ``protected``: object ids that are never changed (break-glass, synchronisation, our own).
    ``admin_logins``: patterns like ``adm-{login}`` for second accounts, candidates only.
    ``active_directory``: the name of the system of this configuration that masters synced users;
    empty where none does, then what must be done in AD is a duty of a person.
    ``access_token_life``: how long a token that was issued before may work. 28 hours with
    continuous access evaluation, whose resources learn of the block within minutes; one hour is
    the default life of every other token.
    ``sync_cycle``: of Entra Connect; a block is believed after two of them, whoever masters the
    directory. Zero where nothing is synchronised into this tenant.
    ``lag``: after which a replica that still answers the old state is asked again.
    ``patience``: after which what waits for a person's work in the tenant is looked at again.
    ``keep_mailbox``: what must be seen of the mailbox before its licence goes.
    ``auto_reply``: what the mailbox answers from then on; empty leaves the answering to people.
    ``read_sharing_links``: list every shared file of the drive, which reads the whole drive.
    ``read_calendar_permissions``: off where Graph does not let an application read them.
    ``settle``: how long after the last write a verification read may begin.
    ``answer_timeout``: in which one answer must have ended, files aside: it may drip for ever.
    ``ca_file``: whose certificates are believed in place of the machine's (a proxy that looks in).
    ``proxy``: the one way out; the environment's is not read, so without it the way is direct.
    ``base_url``: a sandbox on the loopback interface, and nothing else.
    """

    tenant: str
    act: App
    verify: App
    canary: CanaryUser
    cloud: CloudName = CloudName.GLOBAL
    base_url: str = ""
    absent: frozenset[Feature] = frozenset()
    protected: frozenset[str] = frozenset()
    admin_logins: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    active_directory: str = ""
    access_token_life: timedelta = timedelta(hours=28)
    sync_cycle: timedelta = timedelta(minutes=30)
    lag: timedelta = timedelta(minutes=2)
    patience: timedelta = timedelta(hours=1)
    keep_mailbox: KeepMailbox = KeepMailbox.SHARED
    auto_reply: str = Field(default="", max_length=2000)
    read_sharing_links: bool = True
    read_calendar_permissions: bool = True
    settle: timedelta = timedelta(minutes=20)
    page_size: int = Field(default=999, ge=1, le=999)
    connect_timeout: timedelta = timedelta(seconds=10)
    receive_timeout: timedelta = timedelta(seconds=60)
    answer_timeout: timedelta = Field(default=timedelta(minutes=5), gt=timedelta(0))
    ca_file: Path | None = None
    proxy: str = Field(default="", pattern=r"^(https?://[^/@\s]+)?$")
    max_answer_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)

    @model_validator(mode="after")
    def _two_identities(self) -> Settings:
        if self.act.client_id.casefold() == self.verify.client_id.casefold():
            raise ValueError("act and verify must be two app registrations: one checks the other")
        return self

    @model_validator(mode="after")
    def _sandbox_is_on_this_machine(self) -> Settings:
        parts = urlsplit(self.base_url)
        local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if self.base_url and not local:
            raise ValueError("base_url is for a sandbox on the loopback interface; choose a cloud")
        if not self.base_url and (self.act.token or self.verify.token):
            raise ValueError("a given token is for a sandbox; use a certificate or a secret")
        return self

    @property
    def serves(self) -> Cloud:
        """The cloud with its capabilities."""
        return CLOUDS[self.cloud]

    def app(self, credential: Credential) -> App:
        """Return the app registration that a credential is."""
        return self.act if credential is Credential.ACT else self.verify

    def has(self, feature: Feature) -> bool:
        """Tell whether the tenant has a feature."""
        return feature not in self.absent
