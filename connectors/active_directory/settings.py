"""What an operator says about one Active Directory domain. Loaded by the roof, read by the room."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors._directory.endpoint import LOOPBACK, Endpoint, check_url
from connectors._directory.session import Bounds
from connectors.contract import Credential
from connectors.secret import Secret

DOMAIN_USERS: Final = 513
_NEUTRAL: Final = frozenset({DOMAIN_USERS, 514})
_FIRST_OWN: Final = 1000
"""Below are the groups every domain is made with, Domain Admins (512) among them."""
_LOGIN: Final = "{login}"
_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Login(_Model):
    """An identity of ours in the domain: user principal name or DN, and where its password lies."""

    user: str = Field(min_length=1)
    password: Secret


class CanaryObject(_Model):
    """A known object every read must see in the same session, with attributes it must show.

    ``dn`` is its DN or ``<GUID=...>``, which survives a move. A survey in which one is not seen is
    blind, and so is one of which no canary shows each attribute that ``coverage`` watches and
    ``unused`` does not name.
    """

    dn: str
    attributes: tuple[str, ...] = ()


class Settings(_Model):
    """One domain.

    ``url``: the domain controller that is written to; ``ldaps://`` or, with ``start_tls``,
    ``ldap://``. The certificate must carry its host name.
    ``base``: the domain's DN, ``DC=corp,DC=example``.
    ``controllers``: where a controller is reached, by its ``dNSHostName`` (``dc2.corp.example:
    ldaps://127.0.0.2``); its certificate must carry the *name*. All controllers are discovered in
    the configuration partition and each is read by verification; one that is not named here is
    reached at ``ldaps://`` (or StartTLS) and its name. One named here and not found in the domain
    is read too.
    ``allow_clear_text``: for a pretend domain on loopback only; a real one refuses passwords there.
    ``people``: where accounts are; empty means below ``base``. ``admins``, ``services``: bases
    whose accounts are of that kind. ``admin_logins``, ``service_logins``: patterns like
    ``adm-{login}``, found as candidates only.
    ``protected``: objectGUIDs or SIDs that are never touched (break-glass); krbtgt, built-in
    administrators, ``MSOL_*``, ``Sync_*`` and our own identities are protected without it.
    ``neutral_group``: RID of the primary group an account gets when it leaves another one, and
    keeps: Domain Users, Domain Guests, or a group of your own.
    ``leavers_ou``: DN of the unit that leavers are moved to at revoke; empty: not moved. Mind the
    scope of a cloud sync: a user who leaves it is deleted in the cloud.
    ``read_access_rules``: read the security descriptor of every object below ``access_bases``
    (empty: ``base``) that ``access_filter`` selects, and report each entry that names a person.
    Off, it is a gap on the card and a duty of every case.
    ``change_access_rules``: also rewrite those descriptors; off, each is a duty.
    ``only_domain``: the forest has this one domain and no trusts; every read checks it. Otherwise
    groups of other domains are a gap on the card.
    ``lift_deletion_protection``: ``destroy`` may remove the entry "protect from accidental
    deletion"; otherwise it refuses such an account.
    ``push_replication``: after a write ask every other controller to fetch the object now. Its
    answer is noted and never trusted.
    ``settle``: how long replication may take; a verification that comes earlier sees old state.
    ``kerberos_ticket_life``, ``old_password_life``: how long a service ticket issued before, and
    the old password over NTLM, may still work.
    """

    url: str
    act: Login
    verify: Login
    base: str
    canaries: tuple[CanaryObject, ...] = Field(min_length=1)
    unused: tuple[str, ...] = ()
    controllers: Mapping[str, str] = Field(default_factory=dict)
    ca_file: Path | None = None
    start_tls: bool = False
    allow_clear_text: bool = False
    people: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    account_filter: str = "(&(objectCategory=person)(objectClass=user))"
    employee_attributes: tuple[str, ...] = Field(("employeeID", "employeeNumber"), min_length=1)
    admin_logins: tuple[str, ...] = ()
    service_logins: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    neutral_group: int = DOMAIN_USERS
    leavers_ou: str = ""
    read_access_rules: bool = True
    access_bases: tuple[str, ...] = ()
    access_filter: str = "(objectClass=*)"
    change_access_rules: bool = False
    only_domain: bool = False
    nologin_shell: str = "/usr/sbin/nologin"
    lift_deletion_protection: bool = False
    push_replication: bool = True
    settle: timedelta = timedelta(minutes=15)
    kerberos_ticket_life: timedelta = timedelta(hours=10)
    old_password_life: timedelta = timedelta(minutes=60)
    page_size: int = Field(default=500, ge=1, le=1000)
    max_entries: int = Field(default=1_000_000, ge=1)
    connect_timeout: timedelta = timedelta(seconds=10)
    receive_timeout: timedelta = timedelta(seconds=60)

    @model_validator(mode="after")
    def _addresses_are_safe(self) -> Settings:
        for url in (self.url, *self.controllers.values()):
            clear = self.allow_clear_text and urlsplit(url).hostname in LOOPBACK
            check_url(url, encrypted=self.start_tls, allow_clear_text=clear)
            if urlsplit(url).scheme == "ldap" and not (self.start_tls or clear):
                raise ValueError("ldap:// needs start_tls: a domain takes no password in the clear")
        for name in self.controllers:
            if not _HOST_NAME.fullmatch(name):
                raise ValueError("controllers are named by host name, as dNSHostName has them")
        return self

    @model_validator(mode="after")
    def _neutral_group_gives_nothing(self) -> Settings:
        if self.neutral_group not in _NEUTRAL and self.neutral_group < _FIRST_OWN:
            raise ValueError("neutral_group is 513, 514 or a group of your own (1000 and above)")
        return self

    @model_validator(mode="after")
    def _two_identities(self) -> Settings:
        if self.act.user.casefold() == self.verify.user.casefold():
            raise ValueError("act and verify must be two identities: one checks the other")
        return self

    @model_validator(mode="after")
    def _patterns_have_a_login(self) -> Settings:
        if any(_LOGIN not in pattern for pattern in (*self.admin_logins, *self.service_logins)):
            raise ValueError("a pattern for second accounts contains {login}")
        return self

    @property
    def account_bases(self) -> tuple[str, ...]:
        """Where accounts are looked for, each once."""
        bases = self.people or (self.base,)
        return (*bases, *self._outside(bases))

    @property
    def bounds(self) -> Bounds:
        """How much one read may bring."""
        return Bounds(self.page_size, self.max_entries)

    def endpoint(self, credential: Credential) -> Endpoint:
        """Return the controller that is written to, as one of our identities sees it."""
        return self._endpoint(credential, self.url, "")

    def endpoint_of(self, credential: Credential, name: str) -> Endpoint:
        """Return one controller by its ``dNSHostName``, at its address where one is given."""
        known = {host.casefold(): url for host, url in self.controllers.items()}
        scheme = "ldap" if self.start_tls else "ldaps"
        return self._endpoint(credential, known.get(name.casefold(), f"{scheme}://{name}"), name)

    def _endpoint(self, credential: Credential, url: str, name: str) -> Endpoint:
        login = self.act if credential is Credential.ACT else self.verify
        return Endpoint(
            url=url,
            bind_dn=login.user,
            password=login.password,
            ca_file=self.ca_file,
            start_tls=self.start_tls and urlsplit(url).scheme == "ldap",
            allow_clear_text=self.allow_clear_text,
            certificate_name=name,
            connect_timeout=self.connect_timeout,
            receive_timeout=self.receive_timeout,
        )

    def _outside(self, bases: tuple[str, ...]) -> tuple[str, ...]:
        folded = tuple(base.casefold() for base in bases)
        return tuple(
            base
            for base in self.admins + self.services
            if not any(
                base.casefold() == top or base.casefold().endswith("," + top) for top in folded
            )
        )
