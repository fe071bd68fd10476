"""What an operator says about one GitLab. Loaded by the roof, read by the connector."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Credential, IdentityKey
from connectors.secret import Secret

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Mode(StrEnum):
    """What our tokens are: an administrator of an instance, or owner of a top-level group."""

    INSTANCE = "instance"
    GROUP = "group"


class Feature(StrEnum):
    """What a GitLab may not have (no licence, not used). Named in ``absent``, it is not read."""

    APPROVAL_RULES = "approval rules"
    PROTECTED_ENVIRONMENTS = "protected environments"
    AGENTS = "kubernetes agents"
    GROUP_HOOKS = "group webhooks"
    CREDENTIALS_INVENTORY = "credentials inventory"
    ENTERPRISE_USERS = "enterprise users"
    SAML = "group saml"
    SCIM = "group scim"
    SERVICE_ACCOUNTS = "service accounts"
    SNIPPETS = "snippets"
    REPOSITORIES = "repositories"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CanaryUser(_Model):
    """A user that is there on purpose and that nobody signs in with (blocked).

    ``email`` is shown to administrators only, so that a right that was taken away is seen.
    ``project`` is the id of a project that the canary is a direct member of (Law 2). In group mode
    only ``id``, ``username`` and ``project`` count, and it is a direct member of the group.
    """

    id: int
    username: str
    project: int
    email: str = ""


class Settings(_Model):
    """One GitLab.

    ``act`` and ``verify`` are access tokens of two different users; ``sudo``: ``act`` has that
    scope, without which schedules and deploy keys cannot become somebody else's.
    ``group``: id of the top-level group in group mode.
    ``employee_attribute``: key of the custom attribute with the HR number.
    ``providers``: what the ``extern_uid`` of an identity provider is: ``immutable_id`` (an id that
    another system of this configuration reports), ``employee_number``, ``upn`` or ``mail``. The
    provider of SAML of a group is called ``group_saml``, that of SCIM ``scim``.
    ``admin_logins``: patterns like ``adm-{login}``, candidates only.
    ``protected``: user ids that are never changed (break-glass, our own).
    ``webhook_hosts``: hosts that webhooks and mirrors may go to; all others are shown for review.
    ``max_projects``: of more than that the survey says that it did not see them.
    ``takeover_patience``: how long the block waits until schedules and keys were taken over.
    ``settle``: how long after the last write a verification may begin; workers run behind the API.
    ``lag``: after which what was accepted and is still read as before is asked again.
    """

    url: str = "https://gitlab.com"
    mode: Mode = Mode.INSTANCE
    act: Secret
    verify: Secret
    canary: CanaryUser
    sudo: bool = True
    group: int = 0
    employee_attribute: str = Field(default="employee_number", pattern=r"^[A-Za-z0-9_.-]{1,100}$")
    providers: Mapping[str, IdentityKey] = Field(default_factory=dict)
    admin_logins: tuple[str, ...] = ()
    absent: frozenset[Feature] = frozenset()
    protected: frozenset[int] = frozenset()
    webhook_hosts: frozenset[str] = frozenset()
    max_projects: int = Field(default=2000, ge=1)
    takeover_patience: timedelta = timedelta(hours=2)
    settle: timedelta = timedelta(minutes=10)
    lag: timedelta = timedelta(minutes=2)
    ca_file: str = ""
    page_size: int = Field(default=100, ge=1, le=100)
    concurrency: int = Field(default=6, ge=1, le=16)
    connect_timeout: timedelta = timedelta(seconds=10)
    receive_timeout: timedelta = timedelta(seconds=60)
    max_answer_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    max_export_bytes: int = Field(default=64 * 1024 * 1024 * 1024, ge=1024)

    @model_validator(mode="after")
    def _address(self) -> Self:
        parts = urlsplit(self.url)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("url is the address of GitLab alone, such as https://gitlab.example")
        encrypted = parts.scheme == "https" and bool(parts.hostname)
        if not encrypted and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("url must be https: our tokens can do everything")
        return self

    @model_validator(mode="after")
    def _group_is_named(self) -> Self:
        if (self.mode is Mode.GROUP) != bool(self.group):
            raise ValueError("group is the id of the top-level group, in mode group and only there")
        return self

    @model_validator(mode="after")
    def _two_tokens(self) -> Self:
        if self.act.reference == self.verify.reference:
            raise ValueError("act and verify must be two tokens of two users: one checks the other")
        return self

    def token(self, credential: Credential) -> Secret:
        """Return the token that a credential is."""
        return self.act if credential is Credential.ACT else self.verify

    def has(self, feature: Feature) -> bool:
        """Tell whether this GitLab has a feature."""
        return feature not in self.absent

    @property
    def owner(self) -> bool:
        """Whether we are owner of a group and not an administrator."""
        return self.mode is Mode.GROUP
