"""Row 1.3: project and group access tokens that the person made. They survive the block.

The token stands for a user of its own (a bot), and only that user's ``created_by`` tells who made
it, to administrators only. What its maker cannot be told of stays a duty (the card's gaps).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connectors.contract import Effect, Holding, Json, Stage, Support, kind
from connectors.faults import Fault
from connectors.gitlab.answers import Object, instant, number, part, text
from connectors.gitlab.rows import (
    Leaver,
    Row,
    RowCard,
    RowReading,
    everywhere,
    groups_of,
    ids,
    place_name,
    projects_of,
    seen,
)
from connectors.gitlab.settings import Settings
from connectors.gitlab.steps import revoked_token

TOKEN: Final = kind("credential.access_key")
_RIGHT: Final = "maintainer of the project, owner of the group, or an administrator"
_LOST: Final = "the token: whoever used it needs a new one"
_ROOTS: Final = {"project_token": "/projects", "group_token": "/groups"}


def _card(_settings: Settings) -> RowCard:
    support = Support(TOKEN, frozenset({Stage.REVOKE}), rights=(_RIGHT,), not_restorable=_LOST)
    note = (
        "Access tokens of projects and groups are shown with their last use: rotate what is in use "
        "uses (POST /projects/{id}/access_tokens/{token}/rotate) before it is revoked."
    )
    return RowCard(supports=(support,), notes=(note,))


def _read(leaver: Leaver) -> RowReading:
    found: list[tuple[str, Object, Object]] = []
    gaps: tuple[str, ...] = ()
    active = {"state": "active"}
    for name, places in (
        ("project_token", projects_of(leaver)),
        ("group_token", groups_of(leaver)),
    ):
        rows, missing = everywhere(leaver, places, "/access_tokens", _RIGHT, active)
        gaps += missing
        found += [(name, place, token) for place, token in rows if token.get("revoked") is not True]
    makers, more = _makers(leaver, {number(token, "user_id") for _, _, token in found})
    mine = [one for one in found if makers.get(number(one[2], "user_id")) == leaver.id]
    return RowReading(tuple(_holding(leaver, *one) for one in mine), (*gaps, *more))


def _makers(leaver: Leaver, bots: set[int]) -> tuple[dict[int, Json], tuple[str, ...]]:
    order = sorted(bots)
    answers = leaver.gitlab.objects([(f"/users/{one}", None) for one in order])
    makers: dict[int, Json] = {}
    gaps: tuple[str, ...] = ()
    for bot, answer in zip(order, answers, strict=True):
        if isinstance(answer, Fault):
            gaps += seen(answer, "makers of access tokens", "an administrator")[1]
            continue
        if "created_by" not in answer:  # Law 2: not shown is not nobody
            gaps += ("makers of access tokens (needs an administrator)",)
        makers[bot] = part(answer, "created_by").get("id")
    return makers, tuple(dict.fromkeys(gaps))


def _holding(leaver: Leaver, name: str, place: Object, token: Object) -> Holding:
    return leaver.holding(
        TOKEN,
        f"{name}:{number(place, 'id')}:{number(token, 'id')}",
        f"{text(token, 'name')} of {place_name(place)}",
        restore={"scopes": token.get("scopes"), "access_level": token.get("access_level")},
        last_used=instant(token.get("last_used_at")),
    )


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    effects = []
    for one in holdings:
        place, token = ids(one)
        root = _ROOTS[one.native_id.partition(":")[0]]
        path = f"{root}/{place}/access_tokens/{token}"
        effects.append(revoked_token(leaver, one, path, lost=_LOST))
    return effects


ROW: Final = Row(
    "project and group access tokens",
    frozenset(_ROOTS),
    _card,
    _read,
    revoke=_revoke,
    absent=lambda settings: settings.owner,
)
