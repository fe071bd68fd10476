"""Row 1.1 and the password: the account of an instance, blocked by an administrator.

``block`` is one bit: it freezes what needs the account and revokes nothing, so credentials are
rows of their own. Never here: ``ban`` (hides what the successor needs), ``deactivate`` (ends with
the next sign-in), ``hard_delete`` (takes solely owned groups along).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from connectors.contract import (
    Account,
    AccountKind,
    Effect,
    Holding,
    HoldingState,
    Json,
    Kind,
    Stage,
    Support,
    Verification,
    kind,
)
from connectors.faults import Refused, Unauthorised
from connectors.gitlab import schedules
from connectors.gitlab.answers import FORBIDDEN, instant, text
from connectors.gitlab.rows import BLOCKED, Leaver, Row, RowCard, RowReading
from connectors.gitlab.settings import Settings
from connectors.gitlab.steps import Look, Write, take, there

PASSWORD: Final = kind("credential.password")
SESSION: Final = kind("session")
ACCOUNTS: Final[tuple[Kind, ...]] = tuple(kind(f"account.{one.value}") for one in AccountKind)
_PENDING: Final = "blocked_pending_approval"
_SIGN_IN: Final = "sign-in"
_RANDOM_BYTES: Final = 48
_REJECT: Final = (
    "This account waits for an administrator's approval and cannot be blocked; any administrator "
    "could approve it later. Reject it, which deletes it: POST /users/{id}/reject."
)
_LDAP: Final = "blocked by LDAP: enable the person there; GitLab follows with the next sync"


def kind_of(account: Account) -> Kind:
    """Return the kind of the account's own holding."""
    return kind(f"account.{account.kind.value}")


def account_key(account: Account) -> str:
    """Return the key of the account's own holding."""
    return Holding(account.native_id, kind_of(account), "account").key


def row(random: Callable[[int], bytes]) -> Row:
    """Make the row; ``random`` draws the bytes of a password that nobody must ever know."""

    def contain(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
        return _contain(leaver, holdings, random)

    return Row(
        "account",
        frozenset({"account", "password", "session"}),
        _card,
        _read,
        contain=contain,
        restore=_restore,
        absent=lambda settings: settings.owner,
    )


def _card(_settings: Settings) -> RowCard:
    rights = ("administrator, scope api",)
    accounts = [
        Support(each, frozenset({Stage.CONTAIN, Stage.DESTROY}), rights=rights, bundle=_SIGN_IN)
        for each in ACCOUNTS
    ]
    contain = frozenset({Stage.CONTAIN})
    return RowCard(
        supports=(
            *accounts,
            Support(
                PASSWORD,
                contain,
                verifies=Verification.ACKNOWLEDGED,
                rights=rights,
                not_restorable="the old password: the person sets a new one",
                bundle=_SIGN_IN,
            ),
            Support(
                SESSION,
                contain,
                verifies=Verification.ACKNOWLEDGED,
                rights=rights,
                not_restorable="open sessions and cancelled pipelines",
                bundle=_SIGN_IN,
            ),
        ),
        notes=(
            "GitLab lists nobody's web sessions: a block ends them, as every request asks for it.",
            "Unblocking gives back every token, key and grant that was not revoked meanwhile.",
            "A deletion leaves contributions to the Ghost user; hard_delete is never used.",
        ),
    )


def state_of(user_state: str) -> HoldingState:
    """Say what an account can still do. Deactivated ends with the next sign-in, so it is live."""
    return HoldingState.CONTAINED if user_state in BLOCKED else HoldingState.LIVE


def _read(leaver: Leaver) -> RowReading:
    state = text(leaver.user, "state")
    duty = _REJECT.format(id=leaver.id) if state == _PENDING else ""
    used = instant(leaver.user.get("last_activity_on"))
    image: dict[str, Json] = {"state": state}
    runs = [] if leaver.verifying else schedules.active(leaver)
    account = leaver.holding(
        kind_of(leaver.account),
        "account",
        "account",
        state=state_of(state),
        restore={**image, "schedules": runs},
        duty=duty,
        last_used=used,
    )
    password = leaver.holding(
        PASSWORD, "password", "password", state=leaver.frozen, restore=image, duty=duty
    )
    if leaver.blocked:
        return RowReading((account, password))
    web = leaver.holding(SESSION, "session", "web sessions", restore=image, duty=duty)
    return RowReading((account, password, web))


def _contain(
    leaver: Leaver, holdings: Sequence[Holding], random: Callable[[int], bytes]
) -> Sequence[Effect]:
    """Scramble first, then block: a blocked account is then one whose password nobody knows."""
    scramble = any(one.kind == PASSWORD for one in holdings)
    effect = take(leaver, holdings[0], lambda: _look(leaver, random, scramble=scramble))
    return [replace(effect, holding_key=one.key) for one in holdings]


def _look(leaver: Leaver, random: Callable[[int], bytes], *, scramble: bool) -> Look:
    user = there(leaver.gitlab, leaver.path)
    state = text(user, "state") if user else ""
    if user is None:
        return Look(reached=True, read_back={"user": "absent"})
    shown: dict[str, Json] = {"state": state}
    if state == _PENDING:
        # ``block`` answers 201 here and does nothing; approving later would open the account.
        return Look(reached=False, read_back=shown, refuse=_REJECT.format(id=leaver.id))

    def writes() -> list[Write]:
        if scramble:
            _scramble(leaver, random)
        return [Write("post", f"{leaver.path}/block")]

    return Look(state in BLOCKED, shown, writes)


def _scramble(leaver: Leaver, random: Callable[[int], bytes]) -> None:
    """Give a password that nobody knows. Refused (mastered elsewhere): the block still comes."""
    secret = base64.b85encode(random(_RANDOM_BYTES)).decode()
    try:
        leaver.gitlab.send("put", leaver.path, {"password": secret})
    except Refused:
        return
    except Unauthorised as fault:
        if fault.code != FORBIDDEN:
            raise


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, lambda one=one: _look_back(leaver, one)) for one in holdings]  # type: ignore[misc]


def _look_back(leaver: Leaver, holding: Holding) -> Look:
    """Unblock who was not blocked before. Everything frozen and not revoked works again.

    Schedules that the block's worker disabled are set active again, once the account is open.
    """
    was = holding.restore.get("state")
    user = there(leaver.gitlab, leaver.path)
    state = text(user, "state") if user else ""
    shown: dict[str, Json] = {"state": state}
    if user is None:
        return Look(reached=False, read_back={"user": "absent"}, refuse="the account was deleted")
    if was in BLOCKED:
        return Look(reached=True, read_back=shown)
    if state in BLOCKED:
        verb = "unban" if state == "banned" else "unblock"
        refuse = _LDAP if state == "ldap_blocked" else ""
        opening = Write("post", f"{leaver.path}/{verb}")
        again = schedules.disabled(leaver, holding.restore.get("schedules"))
        return Look(reached=False, read_back=shown, write=lambda: [opening, *again], refuse=refuse)
    again = schedules.disabled(leaver, holding.restore.get("schedules"))
    return Look(not again, {**shown, "disabled schedules": len(again)}, lambda: again)


def destroy(leaver: Leaver) -> Effect:
    """Delete the user and read that it is gone; GitLab works on it for a while. Raises faults."""
    account = Holding(leaver.account.native_id, kind_of(leaver.account), "account")

    def look() -> Look:
        gone = there(leaver.gitlab, leaver.path) is None
        shown: dict[str, Json] = {"user": "absent" if gone else "there"}
        return Look(gone, shown, lambda: [Write("delete", leaver.path)])

    return take(leaver, account, look, duty="hand over what only this person owns, then delete")
