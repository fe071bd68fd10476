"""Rows 1.2: personal and impersonation tokens, SSH and GPG keys.

A block freezes them, and an unblock gives all of them back, so they are revoked one by one. Reports
every token that is active, however old or unused (lessons: age filters never apply to a leaver).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connectors.contract import Effect, Holding, Json, Stage, Support, kind
from connectors.gitlab.answers import Object, instant, number, text
from connectors.gitlab.rows import Leaver, Row, RowCard, RowReading, ids, seen
from connectors.gitlab.settings import Settings
from connectors.gitlab.steps import Look, Write, absent, revoked_token, take

TOKEN: Final = kind("credential.api_token")
SSH: Final = kind("credential.ssh_key")
GPG: Final = kind("credential.gpg_key")
_ADMIN: Final = "administrator, scope api"
_LOST: Final = "the token: its owner makes another one"
_KEYS: Final = {"ssh": "keys", "gpg": "gpg_keys"}


def _card(_settings: Settings) -> RowCard:
    revoke = frozenset({Stage.REVOKE})
    return RowCard(
        supports=(
            Support(TOKEN, revoke, rights=(_ADMIN,), not_restorable=_LOST),
            Support(SSH, revoke, rights=(_ADMIN,)),
            Support(GPG, revoke, rights=(_ADMIN,)),
        ),
        notes=(
            "GPG keys are deleted and not revoked: revoking would turn signed commits unverified.",
        ),
    )


def _read(leaver: Leaver) -> RowReading:
    answers = leaver.gitlab.gather(
        [
            ("/personal_access_tokens", {"user_id": leaver.id, "state": "active"}),
            (f"{leaver.path}/impersonation_tokens", {"state": "active"}),
            (f"{leaver.path}/keys", None),
            (f"{leaver.path}/gpg_keys", None),
        ]
    )
    names = ("personal access tokens", "impersonation tokens", "SSH keys", "GPG keys")
    rows, gaps = list[Sequence[Object]](), tuple[str, ...]()
    for answer, name in zip(answers, names, strict=True):
        found, missing = seen(answer, name, _ADMIN)
        rows.append(found)
        gaps += missing
    # A filter that a server ignored answers with everybody's: only this person's count.
    own = [one for one in rows[0] if one.get("user_id") == leaver.id]
    holdings = [_token(leaver, "pat", one) for one in own if _works(one)]
    holdings += [_token(leaver, "impersonation", one) for one in rows[1] if _works(one)]
    holdings += [_key(leaver, "ssh", one) for one in rows[2]]
    holdings += [_key(leaver, "gpg", one) for one in rows[3]]
    return RowReading(tuple(holdings), gaps)


def _works(token: Object) -> bool:
    return token.get("revoked") is not True and token.get("active") is not False


def _token(leaver: Leaver, name: str, token: Object) -> Holding:
    return leaver.holding(
        TOKEN,
        f"{name}:{number(token, 'id')}",
        text(token, "name"),
        state=leaver.frozen,
        restore={"scopes": token.get("scopes")},
        last_used=instant(token.get("last_used_at")),
    )


def _key(leaver: Leaver, name: str, key: Object) -> Holding:
    image: dict[str, Json] = {"key": text(key, "key")}
    if name == "ssh":
        image |= {"title": text(key, "title"), "usage_type": key.get("usage_type")}
        image |= {"expires_at": key.get("expires_at")}
    return leaver.holding(
        SSH if name == "ssh" else GPG,
        f"{name}:{number(key, 'id')}",
        text(key, "title") or f"{name} key",
        state=leaver.frozen,
        restore=image,
        last_used=instant(key.get("last_used_at")),
    )


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [_revoke_one(leaver, one) for one in holdings]


def _revoke_one(leaver: Leaver, holding: Holding) -> Effect:
    name, key = holding.native_id.partition(":")[0], ids(holding)[0]
    if name in _KEYS:
        return absent(leaver, holding, f"{leaver.path}/{_KEYS[name]}/{key}")
    path = f"/personal_access_tokens/{key}"
    if name == "impersonation":
        path = f"{leaver.path}/impersonation_tokens/{key}"
    return revoked_token(leaver, holding, path, lost=_LOST)


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, lambda one=one: _look_back(leaver, one)) for one in holdings]  # type: ignore[misc]


def _look_back(leaver: Leaver, holding: Holding) -> Look:
    """Add the same public key again; it gets another id, and is known by what it is."""
    name = holding.native_id.partition(":")[0]
    if name not in _KEYS:
        return Look(reached=False, refuse="a token that was revoked does not come back")
    path = f"{leaver.path}/{_KEYS[name]}"
    wanted = _material(str(holding.restore.get("key") or ""))
    found = any(_material(text(one, "key")) == wanted for one in leaver.gitlab.every(path))
    body = {name: one for name, one in holding.restore.items() if one}
    return Look(found, {"there": found}, lambda: [Write("post", path, body)])


def _material(key: str) -> str:
    """Return what makes a key the same: type and material of SSH, the whole text of GPG."""
    return key.strip() if key.startswith("-") else " ".join(key.split()[:2])


ROW: Final = Row(
    "tokens and keys",
    frozenset({"pat", "impersonation", "ssh", "gpg"}),
    _card,
    _read,
    revoke=_revoke,
    restore=_restore,
    absent=lambda settings: settings.owner,
)
