"""Row 1.3: pending invitations and access requests, which can be accepted later from anywhere.

Invitations go to an e-mail address: those to an address of this account are the person's. One to
an address that the account does not show cannot be told; the card says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

from connectors.contract import Effect, Holding, Json, Stage, Support, kind
from connectors.faults import Missing
from connectors.gitlab.answers import Object, number, text
from connectors.gitlab.rows import (
    Leaver,
    Row,
    RowCard,
    RowReading,
    everywhere,
    groups_of,
    place_name,
    projects_of,
    seen,
)
from connectors.gitlab.settings import Settings
from connectors.gitlab.steps import Look, Write, take

PENDING: Final = kind("grant.role_eligible")
_RIGHT: Final = "owner of the group, maintainer of the project, or an administrator"
_ROOTS: Final = {"group": "/groups", "project": "/projects"}


def _card(_settings: Settings) -> RowCard:
    support = Support(
        PENDING,
        frozenset({Stage.REVOKE}),
        rights=(_RIGHT,),
        not_restorable="an invitation or request: it is made again",
    )
    note = "Invitations to addresses that the account does not show cannot be told to be theirs."
    return RowCard(supports=(support,), notes=(note,))


def addresses(leaver: Leaver) -> tuple[frozenset[str], tuple[str, ...]]:
    """Read all e-mail addresses of the account."""
    (answer,) = leaver.gitlab.gather([(f"{leaver.path}/emails", None)])
    rows, gaps = seen(answer, "e-mail addresses", "an administrator")
    mails = [text(one, "email") for one in rows]
    mails += [text(leaver.user, name) for name in ("email", "public_email", "commit_email")]
    return frozenset(mail.casefold() for mail in mails if mail), gaps


def _read(leaver: Leaver) -> RowReading:
    if leaver.settings.owner:
        mails = frozenset({text(leaver.user, "email").casefold()}) - {""}
        reading = RowReading()
    else:
        mails, gaps = addresses(leaver)
        reading = RowReading(gaps=gaps)
    for name, places in (("group", groups_of(leaver)), ("project", projects_of(leaver))):
        asked, gaps = everywhere(leaver, places, "/access_requests", _RIGHT)
        mine = [
            _holding(leaver, f"request:{name}:{number(place, 'id')}", place)
            for place, one in asked
            if one.get("id") == leaver.id
        ]
        invited, more = everywhere(leaver, places, "/invitations", _RIGHT)
        mine += [
            _holding(leaver, f"invitation:{name}:{number(place, 'id')}:{mail}", place)
            for place, one in invited
            if (mail := text(one, "invite_email").casefold()) in mails
        ]
        reading += RowReading(tuple(mine), (*gaps, *more))
    return reading


def _holding(leaver: Leaver, native: str, place: Object) -> Holding:
    return leaver.holding(PENDING, native, f"{native.partition(':')[0]} of {place_name(place)}")


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look, leaver, one)) for one in holdings]


def _look(leaver: Leaver, holding: Holding) -> Look:
    what, name, home, *mail = holding.native_id.split(":", 3)
    root = f"{_ROOTS[name]}/{int(home)}"
    path = f"{root}/invitations" if what == "invitation" else f"{root}/access_requests"
    try:
        rows = leaver.gitlab.every(path)
    except Missing:
        return Look(reached=True, read_back={"place": "absent"})
    if what == "invitation":
        waits = any(text(one, "invite_email").casefold() == mail[0] for one in rows)
        write = Write("delete", f"{path}/{quote(mail[0], safe='')}")
    else:
        waits = any(one.get("id") == leaver.id for one in rows)
        write = Write("delete", f"{path}/{leaver.id}")
    shown: dict[str, Json] = {"waits": waits}
    return Look(not waits, shown, lambda: [write])


ROW: Final = Row(
    "invitations and access requests",
    frozenset({"invitation", "request"}),
    _card,
    _read,
    revoke=_revoke,
)
