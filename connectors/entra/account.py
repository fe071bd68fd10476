"""Rows E01 to E05 as they are read: the account that signs in, its password, its sessions.

Called by ``sign_in``, which changes them, and by the connector for the user object. Guests have
their password at home, synced users theirs in Active Directory. Not here: authentication methods.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder

from connectors.contract import (
    Account,
    AccountKind,
    Export,
    Holding,
    HoldingState,
    Json,
    Stage,
    Strength,
    Support,
    kind,
)
from connectors.entra.answers import Row as Object
from connectors.entra.graph import Graph
from connectors.entra.instants import instant
from connectors.entra.rows import Leaver, RowCard, RowReading
from connectors.entra.settings import Settings

SESSION: Final = kind("session")
PASSWORD: Final = kind("credential.password")
ACCOUNTS: Final = {each: kind(f"account.{each}") for each in AccountKind}
SIGN_IN: Final = "sign-in"
"""The bundle: what was blocked must not sign in with a session that outlives the password."""
SELECT: Final = [
    "id",
    "userPrincipalName",
    "displayName",
    "mail",
    "mailNickname",
    "otherMails",
    "proxyAddresses",
    "employeeId",
    "accountEnabled",
    "userType",
    "externalUserState",
    "isResourceAccount",
    "createdDateTime",
    "signInSessionsValidFromDateTime",
    "lastPasswordChangeDateTime",
    "onPremisesSyncEnabled",
    "onPremisesLastSyncDateTime",
    "onPremisesImmutableId",
    "onPremisesSamAccountName",
    "licenseAssignmentStates",
    "assignedLicenses",
    "authorizationInfo",
]
"""Everything that a row needs of the user object, read once for all of them."""

_EVIDENCE: Final = (
    "accountEnabled",
    "lastPasswordChangeDateTime",
    "signInSessionsValidFromDateTime",
    "onPremisesSyncEnabled",
    "onPremisesLastSyncDateTime",
)

NOT_KNOWN: Final = "nobody knows the new password: issue another one"
NOT_SIGNED_IN: Final = "the person signs in again"
BLOCKED_BEFORE: Final = (
    "An account that somebody blocked before the case keeps its password, because Graph does not "
    "show whose it is. Before anybody unblocks it: Update-MgUser -UserId <id> -PasswordProfile "
    "@{Password='<random>'; ForceChangePasswordNextSignIn=$true}."
)
MASTERED_ABROAD: Final = (
    "In Active Directory: Disable-ADAccount, then twice Set-ADAccountPassword -Reset with random "
    "values, for the account whose objectGUID is the base64 onPremisesImmutableId of this user. "
    "Without it the next synchronisation undoes the block in the cloud."
)


def user_request(graph: Graph, user_id: str) -> RequestInformation:
    """Ask for the user object, by its immutable id."""
    query = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(select=list(SELECT))
    return graph.client.users.by_user_id(user_id).to_get_request_information(
        RequestConfiguration(query_parameters=query)
    )


def card(settings: Settings) -> RowCard:
    account_stages = frozenset({Stage.CONTAIN, Stage.PRESERVE, Stage.DESTROY})
    blocking = ("User.EnableDisableAccount.All", "User.Read.All")
    accounts = [
        Support(of, account_stages, rights=(*blocking, "User.DeleteRestore.All"), bundle=SIGN_IN)
        for of in ACCOUNTS.values()
    ]
    password = Support(
        PASSWORD,
        frozenset({Stage.CONTAIN}),
        rights=("User-PasswordProfile.ReadWrite.All",),
        bundle=SIGN_IN,
        not_restorable=NOT_KNOWN,
    )
    session = Support(
        SESSION,
        frozenset({Stage.CONTAIN}),
        revokes=Strength.BOUNDED,
        revoke_bound=settings.access_token_life,
        rights=("User.RevokeSessions.All",),
        bundle=SIGN_IN,
        not_restorable=NOT_SIGNED_IN,
    )
    return RowCard((*accounts, password, session), notes=_notes(settings))


def _notes(settings: Settings) -> tuple[str, ...]:
    notes = [
        "Sessions of applications that keep their own cookie end in those applications only.",
        _guests(settings),
        BLOCKED_BEFORE,
        "A leaver's guest accounts in other tenants cannot be seen from this one.",
        "A deleted user can be restored for 30 days; deleting it for good is left to people.",
        "Until then a new case of the same person cannot see what it still has, and stays open.",
        "A cloud that refuses to search deleted users shows none.",
    ]
    if settings.active_directory:
        notes.append(f"Passwords of synced users are reported by {settings.active_directory}.")
    return tuple(notes)


def _guests(settings: Settings) -> str:
    hours = f"{settings.access_token_life.total_seconds() / 3600:g} hours"
    return (
        "Ending sessions does not reach a guest's home tenant, where the person signs in as ever; "
        "no date of ours shows a guest's last token. After the block, tokens that were issued "
        f"before may work for up to {hours}; what a guest does until then: "
        "Get-MgAuditLogSignIn -Filter \"userId eq '<id of the guest>'\"."
    )


# -------------------------------------------------------------------------------------- reading
def read(leaver: Leaver) -> RowReading:
    user = leaver.user
    gaps = tuple(
        f"{name} of the user (needs User.Read.All)"
        for name in ("accountEnabled", "signInSessionsValidFromDateTime")
        if user.get(name) is None
    )
    state = account_state(user)
    account = leaver.holding(
        ACCOUNTS[leaver.account.kind],
        leaver.id,
        str(user.get("userPrincipalName") or ""),
        state=state,
        restore={"accountEnabled": user.get("accountEnabled")},
    )
    return RowReading((account, *_password(leaver), *_session(leaver)), gaps)


def account_state(user: Object) -> HoldingState:
    """Only JSON ``false`` is blocked: absent or null is a right that we lack."""
    return HoldingState.CONTAINED if user.get("accountEnabled") is False else HoldingState.LIVE


def _password(leaver: Leaver) -> tuple[Holding, ...]:
    if leaver.guest or (leaver.synced and leaver.settings.active_directory):
        return ()
    duty = MASTERED_ABROAD if leaver.synced else ""
    state = password_state(leaver.user)
    pre_image = {"lastPasswordChangeDateTime": leaver.user.get("lastPasswordChangeDateTime")}
    return (
        leaver.holding(
            PASSWORD,
            "password",
            "password",
            state=state,
            restore=pre_image,
            duty=duty if state is HoldingState.LIVE else "",
        ),
    )


def password_state(user: Object) -> HoldingState:
    """A blocked account's password opens nothing, and no block of ours comes without a new one.

    Graph shows when a password was changed, never whether it is still the person's.
    """
    return account_state(user)


def _session(leaver: Leaver) -> tuple[Holding, ...]:
    """Report what was issued, until the last of it has ended by itself."""
    state = session_state(leaver.user)
    if leaver.guest and account_state(leaver.user) is HoldingState.CONTAINED:
        return ()  # the block is all there is: no date shows when a guest's tokens end
    ended_at = instant(leaver.user.get("signInSessionsValidFromDateTime"))
    ends = None
    if state is HoldingState.CONTAINED and ended_at is not None:
        ends = ended_at + leaver.settings.access_token_life
        if ends <= leaver.now():
            return ()
    pre_image = {"signInSessionsValidFromDateTime": valid_from(leaver.user)}
    return (
        leaver.holding(
            SESSION,
            "sign-in-sessions",
            "sign-in sessions and tokens",
            state=state,
            restore=pre_image,
            residual_until=ends,
        ),
    )


def session_state(user: Object) -> HoldingState:
    """Sessions count as ended when the account is blocked and they ended after the password."""
    ended_at = instant(user.get("signInSessionsValidFromDateTime"))
    changed_at = instant(user.get("lastPasswordChangeDateTime"))
    blocked = account_state(user) is HoldingState.CONTAINED
    if blocked and ended_at and (changed_at is None or ended_at >= changed_at):
        return HoldingState.CONTAINED
    return HoldingState.LIVE


def valid_from(user: Object) -> str:
    return str(user.get("signInSessionsValidFromDateTime") or "")


def export(leaver: Leaver, holdings: Sequence[Holding]) -> Iterator[Export]:
    """Write down the user object as Graph shows it, with the groups and roles it is in."""
    if not any(holding.kind in ACCOUNTS.values() for holding in holdings):
        return
    yield Export("user.json", "application/json", iter([_document(leaver.user)]))
    member_of = leaver.graph.client.users.by_user_id(leaver.id).member_of
    pages = leaver.graph.pages(member_of.to_get_request_information())
    lines = (_document(row) + b"\n" for page in pages for row in page)
    yield Export("memberships.jsonl", "application/jsonl", lines)


def _document(value: Object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def shown(user: Object) -> dict[str, Json]:
    """What stands in evidence of a user object: states and times, no names."""
    return {name: user.get(name) for name in _EVIDENCE}


def account_key(account: Account) -> str:
    """Return the key of the holding that the account itself is."""
    return Holding(account.native_id, ACCOUNTS[account.kind], account.native_id).key
