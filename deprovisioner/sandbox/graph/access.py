"""Who may call: two app registrations, their tokens, and what each was consented to.

`service` asks here for the caller of a request and whether a permission is there. A token is a
random text that lives for an hour on the tenant's clock. Consent that is withdrawn is missing at
once, also for tokens already issued (in the real service a token keeps its roles until it ends).
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from deprovisioner.sandbox.graph.errors import denied, unauthenticated
from deprovisioner.sandbox.graph.wording import words

TOKEN_LIFETIME = timedelta(hours=1)


class App(StrEnum):
    """The two app registrations of the sandbox: one acts, one verifies."""

    ACTOR = "actor"
    VERIFIER = "verifier"


VERIFIER_PERMISSIONS = words(
    """
    AccessReview.Read.All Application.Read.All AuditLog.Read.All Calendars.ReadBasic
    Channel.ReadBasic.All ChannelMember.Read.All Chat.ReadBasic.All Device.Read.All
    DeviceManagementManagedDevices.Read.All Directory.Read.All EntitlementManagement.Read.All
    Files.Read.All MailboxSettings.Read Policy.Read.All RoleManagementPolicy.Read.Directory
    PrivilegedAssignmentSchedule.Read.AzureADGroup
    PrivilegedEligibilitySchedule.Read.AzureADGroup RoleEligibilitySchedule.Read.Directory
    RoleAssignmentSchedule.Read.Directory RoleManagement.Read.Directory Tasks.Read.All
    Team.ReadBasic.All TeamMember.Read.All TeamsTelephoneNumber.Read.All User.Read.All
    UserAuthenticationMethod.Read.All LicenseAssignment.Read.All
    """
)
"""What a reader needs and nothing that writes."""

ACTOR_PERMISSIONS = VERIFIER_PERMISSIONS | words(
    """
    AdministrativeUnit.ReadWrite.All AgentIdentity.EnableDisable.All
    AgentIdentity.UpdateSponsors.All
    AgentIdentityBlueprint.UpdateSponsors.All AppRoleAssignment.ReadWrite.All
    Application.ReadWrite.All
    BitlockerKey.Read.All Calendars.ReadWrite ChannelMember.ReadWrite.All Contacts.Read
    DelegatedPermissionGrant.ReadWrite.All Device.ReadWrite.All DeviceLocalCredential.Read.All
    DeviceManagementManagedDevices.PrivilegedOperations.All
    DeviceManagementManagedDevices.ReadWrite.All EntitlementManagement.ReadWrite.All
    Files.ReadWrite.All Group.ReadWrite.All GroupMember.ReadWrite.All
    LicenseAssignment.ReadWrite.All
    Mail.Read MailboxItem.Export.All MailboxItem.Read.All MailboxFolder.Read.All
    MailboxSettings.ReadWrite PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup
    PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup RoleAssignmentSchedule.ReadWrite.Directory
    RoleEligibilitySchedule.ReadWrite.Directory RoleManagement.ReadWrite.Directory
    TeamMember.ReadWrite.All TeamsTelephoneNumber.ReadWrite.All User-PasswordProfile.ReadWrite.All
    User-OnPremisesSyncBehavior.ReadWrite.All User.DeleteRestore.All
    User.EnableDisableAccount.All User.Invite.All User.ManageIdentities.All User.ReadWrite.All
    User.RevokeSessions.All UserAuthenticationMethod.ReadWrite.All
    """
)
"""What the revoker needs for every row of the inventory."""


@dataclass(slots=True)
class Registration:
    """One app registration: its secret, its consented permissions, its directory roles."""

    name: App
    client_id: str
    secret: str
    permissions: set[str]
    directory_roles: set[str] = field(default_factory=set)
    """Names of directory roles that the app itself holds; admins can be disabled only with one."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token a request carries, and what it may do now."""

    app: App
    permissions: frozenset[str]
    directory_roles: frozenset[str]

    def has(self, *permissions: str) -> bool:
        """Tell whether one of the permissions is there."""
        return not self.permissions.isdisjoint(permissions)

    def need(self, *permissions: str) -> None:
        """Refuse (403) when none of the permissions is there."""
        if not self.has(*permissions):
            raise denied()


@dataclass(frozen=True, slots=True)
class _Token:
    app: App
    ends: datetime


def _digest(token: str) -> bytes:
    """Look tokens up by a digest: how long that takes tells nothing of the token."""
    return hashlib.sha256(token.encode()).digest()


class Registrations:
    """The app registrations and the tokens they were given."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        new_secret: Callable[[], str],
        new_id: Callable[[], str],
    ) -> None:
        self._clock, self._new_secret = clock, new_secret
        self._tokens: dict[bytes, _Token] = {}
        starting = {App.ACTOR: ACTOR_PERMISSIONS, App.VERIFIER: VERIFIER_PERMISSIONS}
        self._apps = {
            app: Registration(app, new_id(), new_secret(), set(permissions))
            for app, permissions in starting.items()
        }

    def of(self, app: App) -> Registration:
        """Return a registration."""
        return self._apps[app]

    def consent(self, app: App, *permissions: str) -> None:
        """Give permissions."""
        self._apps[app].permissions.update(permissions)

    def withdraw(self, app: App, *permissions: str) -> None:
        """Take permissions away, at once."""
        self._apps[app].permissions.difference_update(permissions)

    def token(self, app: App, lifetime: timedelta = TOKEN_LIFETIME) -> str:
        """Issue a new token."""
        token = self._new_secret()
        self._tokens[_digest(token)] = _Token(app, self._clock() + lifetime)
        return token

    def expire_tokens(self, app: App) -> None:
        """End every token of an app now; new ones can be had."""
        now = self._clock()
        for digest, token in self._tokens.items():
            if token.app is app:
                self._tokens[digest] = _Token(app, now)

    def for_secret(self, client_id: str, secret: str) -> str | None:
        """Issue a token to whoever knows an app's secret; None to everybody else."""
        for registration in self._apps.values():
            known = hmac.compare_digest(registration.secret.encode(), secret.encode())
            if registration.client_id == client_id and known:
                return self.token(registration.name)
        return None

    def caller(self, authorization: str) -> Caller:
        """Return whose token this is; raises GraphError 401."""
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise unauthenticated("Access token is empty.")
        token = self._tokens.get(_digest(text))
        if token is None:
            raise unauthenticated("CompactToken parsing failed with error code: 80049217")
        if token.ends <= self._clock():
            raise unauthenticated("Lifetime validation failed, the token is expired.")
        registration = self._apps[token.app]
        return Caller(
            token.app,
            frozenset(registration.permissions),
            frozenset(registration.directory_roles),
        )
