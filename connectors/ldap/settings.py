"""What an operator says about one LDAP directory. Loaded by the roof, read by the connector."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors._directory.endpoint import Endpoint, check_url
from connectors._directory.session import Bounds
from connectors.contract import Credential
from connectors.secret import Secret


class Product(StrEnum):
    """The servers this connector knows. ``auto`` asks the server's root entry."""

    AUTO = "auto"
    OPENLDAP = "openldap"
    THREE_EIGHT_NINE = "389ds"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Login(_Model):
    """An identity of ours in the directory: its DN and where its password lies."""

    dn: str
    password: Secret


class CanaryObject(_Model):
    """A known object every read must see in the same session, with attributes it must show.

    A survey in which one of them is not seen is blind, and so is one of which no canary shows each
    attribute that is watched (``connectors.ldap.coverage``) and not named ``unused``.
    """

    dn: str
    attributes: tuple[str, ...] = ()


class Settings(_Model):
    """One directory.

    ``canaries`` together show every attribute that a survey watches, except those that ``unused``
    names: this directory has none of them. Both are checked; what is missing makes reads blind.
    ``verify_urls``: further servers (replicas) that verification reads as well, each completely.
    ``people``: where accounts are; empty means below ``base``. ``admins`` and ``services``: bases
    whose accounts are of that kind. ``admin_logins``: patterns like ``adm-{login}`` for second
    accounts, found as candidates only.
    ``default_password_policy``: DN of OpenLDAP's ``ppolicy_default``, which no client can read
    without rights on ``cn=config``; without it a lock is only believed when a bind proves it.
    ``read_access_rules`` and ``read_sessions``: our identities may read ``olcAccess`` or ``aci``,
    and the monitor; otherwise the capability card names the gap and the duty.
    ``idle_timeout``: the server's own (``olcIdleTimeout``); bounds sessions, which LDAP cannot end.
    ``kerberos_ticket_life``: how long a ticket issued before containment may work.
    ``settle``: how long replication and referential integrity may lag behind a write.
    """

    url: str
    act: Login
    verify: Login
    base: str
    canaries: tuple[CanaryObject, ...] = Field(min_length=1)
    unused: tuple[str, ...] = ()
    verify_urls: tuple[str, ...] = ()
    ca_file: Path | None = None
    start_tls: bool = False
    allow_clear_text: bool = False
    product: Product = Product.AUTO
    people: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    account_filter: str = (
        "(|(objectClass=person)(objectClass=posixAccount)(objectClass=account)"
        "(objectClass=simpleSecurityObject))"
    )
    employee_attribute: str = "employeeNumber"
    login_attribute: str = "uid"
    mail_attributes: tuple[str, ...] = ("mail",)
    admin_logins: tuple[str, ...] = ()
    default_password_policy: str = ""
    nologin_shell: str = "/usr/sbin/nologin"
    read_access_rules: bool = False
    config_base: str = "cn=config"
    read_sessions: bool = False
    monitor_base: str = "cn=Monitor"
    idle_timeout: timedelta | None = None
    kerberos_ticket_life: timedelta = timedelta(hours=10)
    settle: timedelta = timedelta(seconds=5)
    page_size: int = Field(default=500, ge=1, le=100_000)
    max_entries: int = Field(default=1_000_000, ge=1)
    connect_timeout: timedelta = timedelta(seconds=10)
    receive_timeout: timedelta = timedelta(seconds=60)

    @model_validator(mode="after")
    def _addresses_are_safe(self) -> Settings:
        for url in (self.url, *self.verify_urls):
            check_url(url, encrypted=self.start_tls, allow_clear_text=self.allow_clear_text)
        return self

    @model_validator(mode="after")
    def _two_identities(self) -> Settings:
        if self.act.dn.casefold() == self.verify.dn.casefold():
            raise ValueError("act and verify must be two identities: one checks the other")
        return self

    @property
    def account_bases(self) -> tuple[str, ...]:
        """Where accounts are looked for."""
        return (*(self.people or (self.base,)), *self._outside(self.admins + self.services))

    def endpoints(self, credential: Credential) -> tuple[Endpoint, ...]:
        """Return the servers a credential speaks to; only verification reads replicas."""
        login = self.act if credential is Credential.ACT else self.verify
        further = self.verify_urls if credential is Credential.VERIFY else ()
        return tuple(
            Endpoint(
                url=url,
                bind_dn=login.dn,
                password=login.password,
                ca_file=self.ca_file,
                start_tls=self.start_tls,
                allow_clear_text=self.allow_clear_text,
                connect_timeout=self.connect_timeout,
                receive_timeout=self.receive_timeout,
            )
            for url in (self.url, *further)
        )

    @property
    def bounds(self) -> Bounds:
        """How much one read may bring."""
        return Bounds(self.page_size, self.max_entries)

    def _outside(self, bases: tuple[str, ...]) -> tuple[str, ...]:
        people = tuple(base.casefold() for base in (self.people or (self.base,)))
        return tuple(
            base
            for base in bases
            if not any(
                base.casefold() == top or base.casefold().endswith("," + top) for top in people
            )
        )
