"""Group mode (gitlab.com): the account that we do not own, and credentials of enterprise users.

A group owner cannot block anybody. Access to the group ends with the membership; the account goes
on, with its forks and its personal namespace. Of enterprise users the group shows and revokes
tokens and SSH keys (``/groups/:id/manage``, Ultimate).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from connectors.contract import (
    AccountKind,
    Effect,
    Gap,
    Holding,
    Stage,
    Support,
    Verification,
    kind,
)
from connectors.gitlab.answers import Object, instant, number, text
from connectors.gitlab.credentials import SSH, TOKEN
from connectors.gitlab.rows import Leaver, Row, RowCard, RowReading, ids, seen
from connectors.gitlab.settings import Feature, Settings
from connectors.gitlab.steps import Look, Write, take

_OWNER: Final = "owner of the top-level group"
_CANNOT_BLOCK: Final = (
    "A group owner cannot block an account of gitlab.com. Block the person at the identity "
    "provider (SAML or SCIM); an enterprise user can be deleted: DELETE "
    "/groups/{group}/enterprise_users/:user_id."
)
_PERSONAL: Final = (
    "Ask the person for their personal access tokens, SSH keys, OAuth grants and forks of private "
    "projects: gitlab.com shows a group owner none of them, and forks stay with the account."
)
_LISTS: Final = {
    "managed_token": ("personal_access_tokens", TOKEN),
    "managed_key": ("ssh_keys", SSH),
}


def _card(settings: Settings) -> RowCard:
    none = frozenset[Stage]()
    duty = _CANNOT_BLOCK.format(group=settings.group)
    supports = [
        Support(kind(f"account.{one.value}"), none, verifies=Verification.NONE, duty=duty)
        for one in AccountKind
    ]
    gaps = [
        Gap(kind("session"), "a group owner cannot end sessions", duty),
        Gap(kind("data.repository"), "personal namespaces are not the group's", _PERSONAL),
    ]
    if settings.has(Feature.CREDENTIALS_INVENTORY):
        revoke = frozenset({Stage.REVOKE})
        lost = "what was revoked: its owner makes another one"
        supports += [
            Support(one, revoke, rights=(_OWNER, "Ultimate"), not_restorable=lost)
            for one in (TOKEN, SSH)
        ]
    else:
        why = "the credentials inventory is named absent"
        gaps.append(Gap(TOKEN, why, _PERSONAL))
    return RowCard(supports=tuple(supports), gaps=tuple(gaps))


def _read(leaver: Leaver) -> RowReading:
    """Read what the credentials inventory shows; the account itself is told by its memberships."""
    reading = RowReading()
    if not leaver.settings.has(Feature.CREDENTIALS_INVENTORY):
        return reading
    for name in _LISTS:
        (answer,) = leaver.gitlab.gather([(_path(leaver, name), _query(name))])
        rows, gaps = seen(answer, f"{_LISTS[name][0]} of enterprise users", "Ultimate")
        mine = [_holding(leaver, name, one) for one in rows if _is_theirs(leaver, one)]
        reading += RowReading(tuple(mine), gaps)
    return reading


def _path(leaver: Leaver, name: str) -> str:
    return f"/groups/{leaver.settings.group}/manage/{_LISTS[name][0]}"


def _query(name: str) -> dict[str, str | int | bool | Sequence[int]] | None:
    return {"state": "active"} if name == "managed_token" else None


def _is_theirs(leaver: Leaver, row: Object) -> bool:
    return row.get("user_id") == leaver.id and row.get("revoked") is not True


def _holding(leaver: Leaver, name: str, row: Object) -> Holding:
    label = text(row, "name") or text(row, "title")
    used = instant(row.get("last_used_at"))
    return leaver.holding(_LISTS[name][1], f"{name}:{number(row, 'id')}", label, last_used=used)


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look, leaver, one)) for one in holdings]


def _look(leaver: Leaver, holding: Holding) -> Look:
    name, key = holding.native_id.partition(":")[0], ids(holding)[0]
    rows = leaver.gitlab.every(_path(leaver, name), _query(name))
    left = any(one.get("id") == key and _is_theirs(leaver, one) for one in rows)
    return Look(
        not left, {"there": left}, lambda: [Write("delete", f"{_path(leaver, name)}/{key}")]
    )


ROW: Final = Row(
    "enterprise credentials",
    frozenset(_LISTS),
    _card,
    _read,
    revoke=_revoke,
    absent=lambda settings: not settings.owner,
)
