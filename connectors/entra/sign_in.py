"""Rows E01 to E05 as they are changed: block, scramble, end sessions, and open again.

Called by the connector through :func:`row`. The three go together, in this order, so that nothing
is opened again in between; each is read back by key (Law 1). ``account`` says what counts as done.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from connectors.contract import Effect, Holding, HoldingState, Json, Outcome
from connectors.entra.account import (
    ACCOUNTS,
    MASTERED_ABROAD,
    NOT_KNOWN,
    NOT_SIGNED_IN,
    PASSWORD,
    SESSION,
    account_state,
    card,
    export,
    password_state,
    read,
    session_state,
    shown,
    user_request,
    valid_from,
)
from connectors.entra.graph import segment
from connectors.entra.privilege import not_ours
from connectors.entra.rows import Leaver, Row
from connectors.faults import Refused, Unauthorised

Chance = Callable[[int], bytes]
_PASSWORD_BYTES: Final = 48
_LOST: Final = "the old password"
_RESET: Final = (
    "Reset the password where this person's domain is federated to: Graph does not take it here."
)


def row(chance: Chance) -> Row:
    """Make the row; ``chance`` gives the random bytes of a password that nobody knows."""
    return Row(
        name="E01-E05 account, password, sessions",
        kinds=frozenset({*ACCOUNTS.values(), PASSWORD, SESSION}),
        card=card,
        read=read,
        contain=partial(_contain, chance),
        restore=_restore,
        export=export,
    )


def end_sessions(leaver: Leaver) -> str:
    """End all sessions once more; returns Graph's request id. Raises faults.

    Groups and roles stay in tokens for up to a day unless sessions end after the group was left
    (continuous access evaluation, "group membership").
    """
    builder = leaver.graph.client.users.by_user_id(leaver.id).revoke_sign_in_sessions
    return leaver.graph.send(builder.to_post_request_information()).request_id


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
    blocked = account_state(after) is HoldingState.CONTAINED
    return [
        Effect(one.key, Outcome.DONE, shown(after), request_id, lost=lost)
        if blocked and moved
        else leaver.pending(one, shown(after), request_id)
        for one, lost in ((accounts[0], ""), (passwords[0], _LOST))
    ]


def _set_enabled(leaver: Leaver, holding: Holding, *, enabled: bool) -> Effect:
    if leaver.user.get("accountEnabled") is enabled:
        return Effect(holding.key, Outcome.ALREADY, shown(leaver.user))
    try:
        request_id = _patch(leaver, {"accountEnabled": enabled})
    except (Refused, Unauthorised) as fault:
        return not_ours(leaver, holding, fault, _by_hand(leaver, enabled=enabled))
    after = leaver.graph.get(user_request(leaver.graph, leaver.id))
    if after.get("accountEnabled") is not enabled:
        return leaver.pending(holding, shown(after), request_id)
    return Effect(holding.key, Outcome.DONE, shown(after), request_id)


def _scramble(chance: Chance, leaver: Leaver, holding: Holding) -> Effect:
    if leaver.synced:
        return Effect(holding.key, Outcome.REFUSED, why=MASTERED_ABROAD)
    before = leaver.user.get("lastPasswordChangeDateTime")
    changed_since = before != holding.restore.get("lastPasswordChangeDateTime", before)
    contained = password_state(leaver.user) is HoldingState.CONTAINED
    if contained and (changed_since or holding.state is HoldingState.CONTAINED):
        return Effect(holding.key, Outcome.ALREADY, shown(leaver.user))
    try:
        request_id = _patch(leaver, {"passwordProfile": _profile(chance)})
    except (Refused, Unauthorised) as fault:
        return not_ours(leaver, holding, fault, _RESET)
    after = leaver.graph.get(user_request(leaver.graph, leaver.id))
    moved = after.get("lastPasswordChangeDateTime") != before
    if not moved or password_state(after) is HoldingState.LIVE:
        return leaver.pending(holding, shown(after), request_id)
    return Effect(holding.key, Outcome.DONE, shown(after), request_id, lost=_LOST)


def _end(leaver: Leaver, holding: Holding) -> Effect:
    before = valid_from(leaver.user)
    ended_since = before != holding.restore.get("signInSessionsValidFromDateTime", before)
    contained = session_state(leaver.user) is HoldingState.CONTAINED
    if contained and (ended_since or holding.state is HoldingState.CONTAINED):
        return Effect(holding.key, Outcome.ALREADY, shown(leaver.user))
    if leaver.guest:
        blocked = account_state(leaver.user) is HoldingState.CONTAINED
        why = "" if blocked else "ending sessions does not reach a guest: block the account"
        said = Outcome.ALREADY if blocked else Outcome.REFUSED
        return Effect(holding.key, said, shown(leaver.user), why=why)
    try:
        request_id = end_sessions(leaver)
    except (Refused, Unauthorised) as fault:
        command = f"Revoke-MgUserSignInSession -UserId {leaver.id}"
        return not_ours(leaver, holding, fault, f"End this person's sessions: {command}")
    after = leaver.graph.get(user_request(leaver.graph, leaver.id))
    if valid_from(after) == before or session_state(after) is HoldingState.LIVE:
        return leaver.pending(holding, shown(after), request_id)
    lost = "the sessions: the person signs in again"
    return Effect(holding.key, Outcome.DONE, shown(after), request_id, lost=lost)


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [_put_back(leaver, holding) for holding in holdings]


def _put_back(leaver: Leaver, holding: Holding) -> Effect:
    enabled = holding.restore.get("accountEnabled")
    if holding.kind == PASSWORD:
        return Effect(holding.key, Outcome.REFUSED, why=NOT_KNOWN)
    if holding.kind == SESSION:
        return Effect(holding.key, Outcome.REFUSED, why=NOT_SIGNED_IN)
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


def _by_hand(leaver: Leaver, *, enabled: bool) -> str:
    value = "$true" if enabled else "$false"
    return (
        "As Privileged Authentication Administrator: "
        f"Update-MgUser -UserId {leaver.id} -AccountEnabled:{value}"
    )
