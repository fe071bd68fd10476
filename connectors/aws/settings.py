"""What an operator says about one AWS organisation. Loaded by the roof, read by the connector."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Credential
from connectors.secret import Secret

_ACCOUNT: Final = re.compile(r"^[0-9]{12}$")


class Feature(StrEnum):
    """What an organisation or partition may not have. Named in ``absent``, it is not read."""

    SERVICE_CREDENTIALS = "service-specific credentials"
    SSH_KEYS = "ssh public keys"
    SIGNING_CERTIFICATES = "signing certificates"
    APPLICATIONS = "identity center applications"
    ACCOUNT_ACCESS = "account access manager"
    RESOURCE_POLICIES = "resource policies"
    TAGS = "tagged ownerships"
    CLOUDTRAIL = "cloudtrail"


class RoleSessions(StrEnum):
    """What contain does about sessions of roles whose trust names the person.

    ``NOTHING``: they run out by themselves. ``SOURCE_IDENTITY``: those whose source identity is
    the person's user name are denied; the organisation must enforce it. ``EVERYONE``: sessions of
    the role issued before are denied for everybody, who then assume it anew.
    """

    NOTHING = "nothing"
    SOURCE_IDENTITY = "source identity"
    EVERYONE = "everyone"


class ExternalId(StrEnum):
    """What the identity provider writes as ``externalId`` of an Identity Center user."""

    IMMUTABLE_ID = "immutable_id"
    EMPLOYEE_NUMBER = "employee_number"
    PERSON_ID = "person_id"


class CredentialReport(StrEnum):
    """How the credential report is used by the verifying identity.

    ``WHEN_FRESH``: where it was made after the quarantine it must agree. ``REQUIRED``: without a
    report made after the quarantine the read is blind (AWS caches reports for up to four hours).
    """

    OFF = "off"
    WHEN_FRESH = "when fresh"
    REQUIRED = "required"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Identity(_Model):
    """One of our two identities: a key by reference, or what the machine has (``ambient``).

    ``role`` is assumed in every account but ``home``; empty ``home`` assumes it everywhere.
    ``source_identity`` is set on the sessions we make, so that CloudTrail tells them apart.
    """

    role: str
    access_key_id: str = ""
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    ambient: bool = False
    home: str = ""
    source_identity: str = ""

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Identity:
        given = bool(self.access_key_id) and self.secret_access_key is not None
        half = bool(self.access_key_id) != (self.secret_access_key is not None)
        if half or given == self.ambient:
            raise ValueError("give access_key_id and secret_access_key, or ambient: true")
        return self


class IdentityCenter(_Model):
    """The Identity Center of the organisation. Calls go to ``account`` in ``region``.

    ``canary``: user id of a user that is there on purpose and a member of one group.
    ``external``: users and groups come from an identity provider by SCIM; then memberships and
    users are changed there, and here only seen to be gone.
    ``external_id``: what its ``externalId`` is; an object id taken for an HR number would make
    everybody somebody else.
    ``portal_session``: how long the access portal keeps somebody signed in.
    """

    account: str
    region: str
    instance_arn: str
    identity_store_id: str
    canary: str
    external: bool = False
    external_id: ExternalId = ExternalId.IMMUTABLE_ID
    portal_session: timedelta = timedelta(hours=8)


class Settings(_Model):
    """One organisation, or one account.

    ``accounts``: every account that is read (``aws organizations list-accounts``); doctor compares.
    ``canary``: the name of an IAM user that every account has on purpose.
    ``employee_number_tag``, ``person_id_tag``, ``mail_tag``, ``owner_tag``: tags of IAM users and,
    the last one, of resources. ``regions``: where resources, keys and CloudTrail are read.
    ``quarantine_scp``: id of a policy of ours that is attached to root or OU; contain adds the
    person to its list. ``permission_set_deny``: contain denies the person in the inline policy of
    every permission set that gives them anything.
    ``protected``: immutable user ids that are never changed (break-glass, our own).
    ``guarded_groups``: names of groups whose last member is handed over first (administrators).
    ``session_life``: the longest a session that was issued before may work.
    ``lag``: after which a write that is still read as before is asked again.
    ``settle``: how long after the last write a verification read may begin.
    ``endpoint_url``: a sandbox on the loopback interface, and nothing else.
    """

    accounts: tuple[str, ...] = Field(min_length=1, max_length=5000)
    act: Identity
    verify: Identity
    canary: str
    partition: str = "aws"
    sign_in_region: str = "us-east-1"
    regions: tuple[str, ...] = ("us-east-1",)
    identity_center: IdentityCenter | None = None
    quarantine_scp: str = ""
    management_account: str = ""
    permission_set_deny: bool = True
    role_sessions: RoleSessions = RoleSessions.SOURCE_IDENTITY
    credential_report: CredentialReport = CredentialReport.WHEN_FRESH
    absent: frozenset[Feature] = frozenset()
    protected: frozenset[str] = frozenset()
    guarded_groups: tuple[str, ...] = ()
    services: tuple[str, ...] = ("svc-*", "BedrockAPIKey-*")
    admin_logins: tuple[str, ...] = ()
    employee_number_tag: str = "employee-number"
    person_id_tag: str = "person-id"
    mail_tag: str = "email"
    owner_tag: str = "Owner"
    session_life: timedelta = timedelta(hours=12)
    lag: timedelta = timedelta(seconds=15)
    settle: timedelta = timedelta(minutes=5)
    look_back: timedelta = timedelta(days=90)
    page_size: int = Field(default=100, ge=1, le=1000)
    max_pages: int = Field(default=10_000, ge=1)
    clients: int = Field(default=128, ge=4)
    connect_timeout: timedelta = timedelta(seconds=5)
    read_timeout: timedelta = timedelta(seconds=20)
    endpoint_url: str = ""

    @model_validator(mode="after")
    def _two_identities(self) -> Settings:
        if self.act.role == self.verify.role and (
            self.act.access_key_id == self.verify.access_key_id
        ):
            raise ValueError("act and verify must be two identities: one checks the other")
        return self

    @model_validator(mode="after")
    def _accounts_are_accounts(self) -> Settings:
        named = [*self.accounts, self.management_account or self.accounts[0]]
        if self.identity_center:
            named.append(self.identity_center.account)
        if any(not _ACCOUNT.match(one) for one in named):
            raise ValueError("an account id has twelve digits")
        if len(set(self.accounts)) != len(self.accounts):
            raise ValueError("an account is named twice")
        return self

    @model_validator(mode="after")
    def _quarantine_has_a_place(self) -> Settings:
        if self.quarantine_scp and not self.management_account:
            raise ValueError("quarantine_scp needs management_account")
        return self

    @model_validator(mode="after")
    def _sandbox_is_on_this_machine(self) -> Settings:
        parts = urlsplit(self.endpoint_url)
        local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if self.endpoint_url and not local:
            raise ValueError("endpoint_url is for a sandbox on the loopback interface")
        if self.endpoint_url and (self.act.ambient or self.verify.ambient):
            raise ValueError("the machine's own identity never goes to a sandbox")
        return self

    def identity(self, credential: Credential) -> Identity:
        """Return the identity that a credential is."""
        return self.act if credential is Credential.ACT else self.verify

    def has(self, feature: Feature) -> bool:
        """Tell whether the organisation has a feature."""
        return feature not in self.absent
