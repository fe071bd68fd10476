"""What an operator says about one SCIM target. Loaded by the roof, read by the connector."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.contract import AccountKind, Credential, IdentityKey
from connectors.secret import Secret

WATCHED: Final = ("roles", "entitlements", "x509Certificates")
"""Multi-valued attributes of a user that give access (RFC 7643 section 4.1.2)."""
EMPLOYEE_NUMBER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
OUTSIDE: Final = ("sessions", "api_tokens", "owned_objects", "manager")
"""What a product may have and SCIM does not show: gaps of the card, unless it has none of it."""
_UNUSED: Final = frozenset({*WATCHED, *OUTSIDE, "groups", "password"})
_CERTAIN: Final = frozenset({"externalId", EMPLOYEE_NUMBER})


class Form(StrEnum):
    """How this product takes a change of a resource.

    ``auto``: as ServiceProviderConfig says, PATCH with a path first. ``path``: ``path`` names what
    changes, a value filter selects what is removed (RFC 7644 section 3.5.2). ``pathless``: the
    value is an object of attributes; a list is sent whole. ``list``: what is removed is listed in
    ``value`` (some clients of old do so). ``put``: the whole resource is replaced.
    """

    AUTO = "auto"
    PATH = "path"
    PATHLESS = "pathless"
    LIST = "list"
    PUT = "put"


class Booleans(StrEnum):
    """How truth is written to this product: JSON ``false``, or the text ``"False"``."""

    JSON = "json"
    TEXT = "text"


class Delete(StrEnum):
    """What DELETE of a user means in this product."""

    REMOVES = "removes"
    DEACTIVATES = "deactivates"
    NEVER = "never"


class MemberName(StrEnum):
    """What this product writes into ``value`` of a group's members.

    RFC 7643 section 4.2 wants the user's ``id``; some write ``userName``, which is used again.
    """

    ID = "id"
    USER_NAME = "userName"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CanaryObjects(_Model):
    """A user who never leaves, by ``id`` or by ``external_id``, and a group they are in.

    The user shows every attribute that is watched and not named ``unused``; a read in which they
    are not seen is blind. ``group`` is the group's id.
    """

    id: str = ""
    external_id: str = ""
    group: str = ""

    @model_validator(mode="after")
    def _one_name(self) -> CanaryObjects:
        if bool(self.id) == bool(self.external_id):
            raise ValueError("name the canary by id or by external_id")
        return self


class Settings(_Model):
    """One SCIM target.

    ``url`` ends where ``/Users`` begins. ``act`` and ``verify`` are two bearer tokens.
    ``certain``: attributes that prove whose account it is, with what HR calls them; compared
    character by character. ``unused``: what nobody in this target has (``groups``, ``roles``,
    ``entitlements``, ``x509Certificates``, ``password``); used after all, it makes reads blind.
    Also of what SCIM cannot show: ``sessions``, ``api_tokens``, ``owned_objects``, ``manager``.
    ``users`` and ``members``: how changes of users and of group members are sent. ``list`` is only
    ever sent where it is named here: a server that does not know it empties the whole group.
    ``member_name``: what stands in a group's members. ``page_size``: zero does not ask for one.
    ``filters``: off where the product answers nonsense to a filter; then everybody is read.
    ``delete``: only where DELETE ``removes`` does destroy exist; elsewhere it is a duty.
    ``scramble_password``: contain also sets a random password. Undo then issues a new one.
    ``session_lifetime``: how long a session that was open may outlive the deactivation; printed as
    residual access. None says nothing about it. ``user_types``: accounts by ``userType`` that are
    not a person's own. ``settle``: how long reads may show what was before a write.
    ``timeout`` bounds each call as a whole.
    """

    url: str
    act: Secret
    verify: Secret
    canary: CanaryObjects
    certain: Mapping[str, IdentityKey] = Field(
        default={"externalId": IdentityKey.EMPLOYEE_NUMBER}, min_length=1
    )
    unused: tuple[str, ...] = ()
    users: Form = Form.AUTO
    members: Form = Form.AUTO
    member_name: MemberName = MemberName.ID
    booleans: Booleans = Booleans.JSON
    filters: bool = True
    delete: Delete = Delete.NEVER
    scramble_password: bool = True
    session_lifetime: timedelta | None = None
    user_types: Mapping[str, AccountKind] = Field(default_factory=dict)
    ca_file: Path | None = None
    settle: timedelta = timedelta(seconds=5)
    page_size: int = Field(default=100, ge=0, le=1_000)
    max_entries: int = Field(default=1_000_000, ge=1)
    max_answer_bytes: int = Field(default=16 * 1024 * 1024, ge=1_024)
    timeout: timedelta = Field(default=timedelta(seconds=30), gt=timedelta(0))

    @field_validator("url")
    @classmethod
    def _safe_address(cls, address: str) -> str:
        url = httpx.URL(address)
        if url.scheme != "https" and not (url.scheme == "http" and url.host in _LOOPBACK):
            raise ValueError("url starts with https:// (http:// on loopback only)")
        if url.query or url.fragment or url.userinfo:
            raise ValueError("url has no query, fragment or password in it")
        return address.rstrip("/")

    @field_validator("certain")
    @classmethod
    def _certain_attributes(cls, certain: Mapping[str, IdentityKey]) -> Mapping[str, IdentityKey]:
        if unknown := set(certain) - _CERTAIN:
            message = f"{sorted(unknown)} proves nobody; known: {sorted(_CERTAIN)}"
            raise ValueError(message)
        return certain

    @model_validator(mode="after")
    def _whole(self) -> Settings:
        if unknown := set(self.unused) - _UNUSED:
            message = f"unused: {sorted(unknown)} is not watched; known: {sorted(_UNUSED)}"
            raise ValueError(message)
        if self.act.reference == self.verify.reference:
            raise ValueError("act and verify must be two tokens: one checks the other")
        if not self.canary.group and "groups" not in self.unused:
            raise ValueError("canary.group is needed, or name groups as unused")
        return self

    def token(self, credential: Credential) -> Secret:
        """Return the token a credential speaks with."""
        return self.act if credential is Credential.ACT else self.verify

    def uses(self, attribute: str) -> bool:
        """Say whether anybody in this target has it."""
        return attribute not in self.unused
