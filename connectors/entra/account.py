"""Rows E01 to E05: the account that signs in, its password, its sessions.

Called by the connector through :func:`row`. The three change together, in this order: block the
account, make the password unknown, end the sessions; each is read back by key. Guests have their
password at home, synced users theirs in Active Directory. Not here: authentication methods.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder

from connectors.contract import (
    Account,
    AccountKind,
    Effect,
    Export,
    Holding,
    HoldingState,
    Json,
    Outcome,
    Stage,
    Strength,
    Support,
    kind,
)
from connectors.entra.answers import Row as Object
from connectors.entra.graph import Graph, segment
from connectors.entra.instants import instant
from connectors.entra.privilege import not_ours
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Settings
from connectors.faults import Refused, Unauthorised

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
    "passwordProfile",
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

Chance = Callable[[int], bytes]
_PASSWORD_BYTES: Final = 48
_NO_PASSWORD: Final = "nobody knows the new password: issue another one"
_NO_SESSION: Final = "the person signs in again"
_LOST: Final = "the old password"
_MASTERED: Final = (
    "In Active Directory: Disable-ADAccount, then twice Set-ADAccountPassword -Reset with random "
    "values, for the account whose objectGUID is the base64 onPremisesImmutableId of this user. "
    "Without it the next synchronisation undoes the block in the cloud."
)
_RESET: Final = (
    "Reset the password where this person's domain is federated to: Graph does not take it here."
)


def row(chance: Chance) -> Row:
    """Make the row; ``chance`` gives the random bytes of a password that nobody knows."""
    return Row(
        name="E01-E05 account, password, sessions",
        kinds=frozenset({*ACCOUNTS.values(), PASSWORD, SESSION}),
        card=_card,
        read=_read,
        contain=partial(_contain, chance),
        restore=_restore,
        export=_export,
    )


def user_request(graph: Graph, user_id: str) -> RequestInformation:
    """Ask for the user object, by its immutable id."""
    query = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(select=list(SELECT))
    return graph.client.users.by_user_id(user_id).to_get_request_information(
        RequestConfiguration(query_parameters=query)
    )


def end_sessions(leaver: Leaver) -> str:
    """End all sessions once more; returns Graph's request id. Raises faults.

    Groups and roles stay in tokens for up to a day unless sessions end after the group was left
    (continuous access evaluation, "group membership").
    """
    builder = leaver.graph.client.users.by_user_id(leaver.id).revoke_sign_in_sessions
    return leaver.graph.send(builder.to_post_request_information()).request_id


def _card(settings: Settings) -> RowCard:
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
        not_restorable=_NO_PASSWORD,
    )
    session = Support(
        SESSION,
        frozenset({Stage.CONTAIN}),
        revokes=Strength.BOUNDED,
        revoke_bound=settings.access_token_life,
        rights=("User.RevokeSessions.All",),
        bundle=SIGN_IN,
        not_restorable=_NO_SESSION,
    )
    return RowCard((*accounts, password, session), notes=_notes(settings))


def _notes(settings: Settings) -> tuple[str, ...]:
    notes = [
        "Sessions of applications that keep their own cookie end in those applications only.",
        "Ending sessions does not reach a guest's home tenant; a guest's tokens end by themselves.",
        "A leaver's guest accounts in other tenants cannot be seen from this one.",
        "A deleted user can be restored for 30 days; deleting it for good is left to people.",
    ]
    if settings.active_directory:
        notes.append(f"Passwords of synced users are reported by {settings.active_directory}.")
    return tuple(notes)


# -------------------------------------------------------------------------------------- reading
def _read(leaver: Leaver) -> RowReading:
    user = leaver.user
    gaps = tuple(
        f"{name} of the user (needs User.Read.All)"
        for name in ("accountEnabled", "signInSessionsValidFromDateTime")
        if user.get(name) is None
    )
    state = _account_state(user)
    account = leaver.holding(
        ACCOUNTS[leaver.account.kind],
        leaver.id,
        str(user.get("userPrincipalName") or ""),
        state=state,
        restore={"accountEnabled": user.get("accountEnabled")},
    )
    return RowReading((account, *_password(leaver), *_session(leaver)), gaps)


def _account_state(user: Object) -> HoldingState:
    """Only JSON ``false`` is blocked: absent or null is a right that we lack."""
    return HoldingState.CONTAINED if user.get("accountEnabled") is False else HoldingState.LIVE


def _password(leaver: Leaver) -> tuple[Holding, ...]:
    if leaver.guest or (leaver.synced and leaver.settings.active_directory):
        return ()
    duty = _MASTERED if leaver.synced else ""
    state = _password_state(leaver.user)
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


def _password_state(user: Object) -> HoldingState:
    """A blocked account's password opens nothing; ours also has to be changed at next sign-in.

    Where Graph does not show ``passwordProfile``, the block alone has to do.
    """
    profile = user.get("passwordProfile")
    forced = profile.get("forceChangePasswordNextSignIn") if isinstance(profile, Mapping) else None
    synced = user.get("onPremisesSyncEnabled") is True
    blocked = _account_state(user) is HoldingState.CONTAINED
    if blocked and (forced is not False or synced):
        return HoldingState.CONTAINED
    return HoldingState.LIVE


def _session(leaver: Leaver) -> tuple[Holding, ...]:
    """Report what was issued, until the last of it has ended by itself."""
    state = _session_state(leaver.user)
    if leaver.guest and _account_state(leaver.user) is HoldingState.CONTAINED:
        return ()  # the block is all there is: no date shows when a guest's tokens end
    ended_at = instant(leaver.user.get("signInSessionsValidFromDateTime"))
    ends = None
    if state is HoldingState.CONTAINED and ended_at is not None:
        ends = ended_at + leaver.settings.access_token_life
        if ends <= leaver.now():
            return ()
    pre_image = {"signInSessionsValidFromDateTime": _valid_from(leaver.user)}
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


def _session_state(user: Object) -> HoldingState:
    """Sessions count as ended when the account is blocked and they ended after the password."""
    ended_at = instant(user.get("signInSessionsValidFromDateTime"))
    changed_at = instant(user.get("lastPasswordChangeDateTime"))
    blocked = _account_state(user) is HoldingState.CONTAINED
    if blocked and ended_at and (changed_at is None or ended_at >= changed_at):
        return HoldingState.CONTAINED
    return HoldingState.LIVE


def _valid_from(user: Object) -> str:
    return str(user.get("signInSessionsValidFromDateTime") or "")


def _export(leaver: Leaver, holdings: Sequence[Holding]) -> Iterator[Export]:
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


# ------------------------------------------------------------------------------------- changing
def _contain(chance: Chance, leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    """Block and scramble, then end sessions: the order in which nothing is opened again."""
    both_done = _block_and_scramble(chance, leaver, holdings)
    effects: dict[str, Effect] = {effect.holding_key: effect for effect in both_done}
    for holding in sorted(holdings, key=lambda one: (one.kind == SESSION, one.kind == PASSWORD)):
        if holding.key in effects:
            continue
        leaver = replace(leaver, user=leaver.graph.get(user_request(leaver.graph, leaver.id)))
        if holding.kind == SESSION:
            effects[holding.key] = _end(leaver, holding)
        elif holding.kind == PASSWORD:
            effects[holding.key] = _scramble(chance, leaver, holding)
        else:
            effects[holding.key] = _set_enabled(leaver, holding, enabled=False)
    return [effects[holding.key] for holding in holdings]


def _block_and_scramble(
    chance: Chance, leaver: Leaver, holdings: Sequence[Holding]
) -> Sequence[Effect]:
    """Do both in one request, so that no crash leaves a blocked account with its old password.

    Answers nothing where Graph refuses the two together: each is then tried by itself, because a
    password that is not ours to set must not keep the account open.
    """
    passwords = [holding for holding in holdings if holding.kind == PASSWORD]
    accounts = [holding for holding in holdings if holding.kind in ACCOUNTS.values()]
    before = leaver.user
    if not passwords or not accounts or leaver.synced or before.get("accountEnabled") is False:
        return ()
    body: Mapping[str, Json] = {"accountEnabled": False, "passwordProfile": _profile(chance)}
    try:
        request_id = _patch(leaver, body)
    except (Refused, Unauthorised):
        return ()
    after = leaver.graph.get(user_request(leaver.graph, leaver.id))
    moved = after.get("lastPasswordChangeDateTime") != before.get("lastPasswordChangeDateTime")
    blocked = _account_state(after) is HoldingState.CONTAINED
    return [
        Effect(one.key, Outcome.DONE, _shown(after), request_id, lost=lost)
        if blocked and moved
        else leaver.pending(one, _shown(after), request_id)
        for one, lost in ((accounts[0], ""), (passwords[0], _LOST))
    ]


def _set_enabled(leaver: Leaver, holding: Holding, *, enabled: bool) -> Effect:
    if leaver.user.get("accountEnabled") is enabled:
        return Effect(holding.key, Outcome.ALREADY, _shown(leaver.user))
    try:
        request_id = _patch(leaver, {"accountEnabled": enabled})
    except (Refused, Unauthorised) as fault:
        return not_ours(leaver, holding, fault, _by_hand(leaver, enabled=enabled))
    after = leaver.graph.get(user_request(leaver.graph, leaver.id))
    if after.get("accountEnabled") is not enabled:
        return leaver.pending(holding, _shown(after), request_id)
    return Effect(holding.key, Outcome.DONE, _shown(after), request_id)


def _scramble(chance: Chance, leaver: Leaver, holding: Holding) -> Effect:
    if leaver.synced:
        return Effect(holding.key, Outcome.REFUSED, why=_MASTERED)
    before = leaver.user.get("lastPasswordChangeDateTime")
    changed_since = before != holding.restore.get("lastPasswordChangeDateTime", before)
    contained = _password_state(leaver.user) is HoldingState.CONTAINED
    if contained and (changed_since or holding.state is HoldingState.CONTAINED):
        return Effect(holding.key, Outcome.ALREADY, _shown(leaver.user))
    try:
        request_id = _patch(leaver, {"passwordProfile": _profile(chance)})
    except (Refused, Unauthorised) as fault:
        return not_ours(leaver, holding, fault, _RESET)
    after = leaver.graph.get(user_request(leaver.graph, leaver.id))
    moved = after.get("lastPasswordChangeDateTime") != before
    if not moved or _password_state(after) is HoldingState.LIVE:
        return leaver.pending(holding, _shown(after), request_id)
    return Effect(holding.key, Outcome.DONE, _shown(after), request_id, lost=_LOST)


def _end(leaver: Leaver, holding: Holding) -> Effect:
    before = _valid_from(leaver.user)
    ended_since = before != holding.restore.get("signInSessionsValidFromDateTime", before)
    contained = _session_state(leaver.user) is HoldingState.CONTAINED
    if contained and (ended_since or holding.state is HoldingState.CONTAINED):
        return Effect(holding.key, Outcome.ALREADY, _shown(leaver.user))
    if leaver.guest:
        blocked = _account_state(leaver.user) is HoldingState.CONTAINED
        why = "" if blocked else "ending sessions does not reach a guest: block the account"
        said = Outcome.ALREADY if blocked else Outcome.REFUSED
        return Effect(holding.key, said, _shown(leaver.user), why=why)
    try:
        request_id = end_sessions(leaver)
    except (Refused, Unauthorised) as fault:
        command = f"Revoke-MgUserSignInSession -UserId {leaver.id}"
        return not_ours(leaver, holding, fault, f"End this person's sessions: {command}")
    after = leaver.graph.get(user_request(leaver.graph, leaver.id))
    if _valid_from(after) == before or _session_state(after) is HoldingState.LIVE:
        return leaver.pending(holding, _shown(after), request_id)
    lost = "the sessions: the person signs in again"
    return Effect(holding.key, Outcome.DONE, _shown(after), request_id, lost=lost)


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [_put_back(leaver, holding) for holding in holdings]


def _put_back(leaver: Leaver, holding: Holding) -> Effect:
    enabled = holding.restore.get("accountEnabled")
    if holding.kind == PASSWORD:
        return Effect(holding.key, Outcome.REFUSED, why=_NO_PASSWORD)
    if holding.kind == SESSION:
        return Effect(holding.key, Outcome.REFUSED, why=_NO_SESSION)
    if not isinstance(enabled, bool):
        return Effect(holding.key, Outcome.REFUSED, why="the pre-image does not say how it was")
    return _set_enabled(leaver, holding, enabled=enabled)


def _profile(chance: Chance) -> Mapping[str, Json]:
    """Make a password of all classes of characters that nobody knows."""
    password = "Aa1-" + base64.urlsafe_b64encode(chance(_PASSWORD_BYTES)).decode()
    return {"password": password, "forceChangePasswordNextSignIn": True}


def _patch(leaver: Leaver, body: Mapping[str, Json]) -> str:
    request = leaver.graph.raw("PATCH", f"/users/{segment(leaver.id)}", body)
    return leaver.graph.send(request).request_id


def _shown(user: Object) -> dict[str, Json]:
    """What stands in evidence of a user object: states and times, no names."""
    return {name: user.get(name) for name in _EVIDENCE}


def _by_hand(leaver: Leaver, *, enabled: bool) -> str:
    value = "$true" if enabled else "$false"
    return (
        "As Privileged Authentication Administrator: "
        f"Update-MgUser -UserId {leaver.id} -AccountEnabled:{value}"
    )


def account_key(account: Account) -> str:
    """Return the key of the holding that the account itself is."""
    return Holding(account.native_id, ACCOUNTS[account.kind], account.native_id).key
