"""Row 1.3: memberships of groups and projects; those with Owner level are ownerships.

The last owner is handed over first and never removed as it is (Law 5). Members are removed with
``skip_subresources``, so that each membership is an effect of its own. Where nobody can block
(group mode), removing the membership is how access is contained.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from connectors.contract import (
    Account,
    Effect,
    Holding,
    HoldingState,
    Json,
    OrderException,
    Stage,
    Support,
    kind,
)
from connectors.faults import Fault, Missing
from connectors.gitlab.account import kind_of
from connectors.gitlab.answers import Object, number, part, text
from connectors.gitlab.rows import (
    BLOCKED,
    Leaver,
    Row,
    RowCard,
    RowReading,
    place_name,
    seen,
    takeover,
)
from connectors.gitlab.settings import Settings
from connectors.gitlab.steps import Look, Write, take, there

GROUP: Final = kind("ownership.group")
PROJECT: Final = kind("ownership.project")
GRANT: Final = kind("grant.group")
OWNER: Final = 50
_TOKEN_USER: Final = re.compile(r"(group|project)_\d+_bot")
"""Names of the users that stand for access tokens: they own nothing that a person could take."""
_ROOTS: Final = {"group": "/groups", "project": "/projects"}
_INVITED: Final = (
    "The person comes in through an invited group: {places}. Take the invitation back (DELETE "
    "/groups/:id/share/:group_id or /projects/:id/share/:group_id), or have the owner of the "
    "invited group remove the person there."
)
_SOLE: Final = "nobody else owns it: hand it over first"


def _card(settings: Settings) -> RowCard:
    rights = ("owner of the group",) if settings.owner else ("administrator, scope api",)
    stages = {Stage.TRANSFER, Stage.REVOKE}
    grant = {Stage.REVOKE, Stage.CONTAIN} if settings.owner else {Stage.REVOKE}
    order = (takeover(settings),)
    keep = OrderException(
        Stage.PRESERVE, Stage.TRANSFER, "a move may lose data: export first", order[0].deadline
    )
    return RowCard(
        supports=(
            Support(GROUP, frozenset(stages), rights=rights, order=order),
            Support(PROJECT, frozenset(stages), rights=rights, order=(*order, keep)),
            Support(GRANT, frozenset(grant), rights=rights),
        ),
        notes=(
            "Inherited membership ends where it was given: it is shown there, not in each project.",
            "GitLab removes at most 60 members per minute of one group or project.",
        ),
    )


def _read(leaver: Leaver) -> RowReading:
    """Read direct memberships, with their level as it is."""
    if leaver.settings.owner:
        return _read_from_places(leaver)
    (answer,) = leaver.gitlab.gather([(f"{leaver.path}/memberships", None)])
    rows, gaps = seen(answer, "memberships", "an administrator")
    names = {"Namespace": "group", "Project": "project"}
    wanted = [(names.get(text(row, "source_type"), ""), number(row, "source_id")) for row in rows]
    if any(not name for name, _ in wanted):
        gaps += ("a membership of an unknown kind of thing",)
    places = _by_id(leaver)
    asked = [one for one in wanted if one[0] and not _personal(leaver, places.get(one, {}))]
    return RowReading(gaps=gaps) + _details(leaver, asked)


def _read_from_places(leaver: Leaver) -> RowReading:
    """A group owner may not ask for a person's memberships: every place is asked for the person.

    Nobody can block the account, so it counts as contained when it is member of nothing here.
    """
    reading = _details(leaver, list(_by_id(leaver)))
    through = () if reading.holdings or reading.gaps else _comes_in(leaver)
    inside = bool(reading.holdings or reading.gaps or through)
    account = leaver.holding(
        kind_of(leaver.account),
        "account",
        "account",
        state=HoldingState.LIVE if inside else HoldingState.CONTAINED,
        duty=_INVITED.format(places=", ".join(through)) if through else "",
    )
    return RowReading((account,)) + reading


def _comes_in(leaver: Leaver) -> tuple[str, ...]:
    """Law 1: whoever comes in through an invited group is no direct member, and is inside."""
    asked = [f"{_ROOTS[name]}/{key}" for name, key in _by_id(leaver)]
    answers = leaver.gitlab.objects([(f"{one}/members/all/{leaver.id}", None) for one in asked])
    pairs = zip(asked, answers, strict=True)
    return tuple(one for one, answer in pairs if not isinstance(answer, Missing))


def _by_id(leaver: Leaver) -> dict[tuple[str, int], Object]:
    named = [("group", one) for one in leaver.groups]
    named += [("project", one) for one in leaver.projects]
    return {(name, number(one, "id")): one for name, one in named}


def _personal(leaver: Leaver, project: Object) -> bool:
    """A project in the person's own namespace is a row of its own: nobody can leave it."""
    return part(project, "namespace").get("kind") == "user" and is_theirs(leaver, project)


def is_theirs(leaver: Leaver, project: Object) -> bool:
    """Tell whether a project lies in the person's own namespace."""
    namespace = part(project, "namespace")
    if namespace.get("kind") != "user":
        return False
    own = leaver.user.get("namespace_id")
    owner = part(project, "owner").get("id")
    return namespace.get("id") == own if own else owner == leaver.id


def _details(leaver: Leaver, asked: Sequence[tuple[str, int]]) -> RowReading:
    paths = [(f"{_ROOTS[name]}/{key}/members/{leaver.id}", None) for name, key in asked]
    members = leaver.gitlab.objects(paths)
    found: list[tuple[str, int, Object]] = []
    gaps: tuple[str, ...] = ()
    for (name, key), member in zip(asked, members, strict=True):
        if isinstance(member, Missing) and leaver.settings.owner:
            continue  # every place was asked, and the person is in few of them
        if isinstance(member, Fault):
            gaps += seen(member, f"members of a {name}", "an administrator")[1]
            continue
        found.append((name, key, member))
    owned = [(name, key) for name, key, member in found if _level(member) >= OWNER]
    others = leaver.gitlab.gather(
        [(f"{_ROOTS[name]}/{key}/members/all", None) for name, key in owned]
    )
    sole: dict[tuple[str, int], bool] = {}
    for place, answer in zip(owned, others, strict=True):
        rows, missing = seen(answer, "owners", "an administrator")
        gaps += missing
        sole[place] = not missing and not other_owners(leaver, rows)
    places = _by_id(leaver)
    holdings = [
        _holding(leaver, name, key, member, places.get((name, key), {}), sole=sole.get((name, key)))
        for name, key, member in found
    ]
    return RowReading(tuple(holdings), tuple(dict.fromkeys(gaps)))


def other_owners(leaver: Leaver, members: Sequence[Object]) -> list[int]:
    """List who else owns it and can act: blocked people and token users keep nothing alive."""
    return [
        number(one, "id")
        for one in members
        if _level(one) >= OWNER and one.get("id") != leaver.id
        if text(one, "state") not in BLOCKED and not _TOKEN_USER.match(text(one, "username"))
    ]


def _level(member: Object) -> int:
    return number(member, "access_level")


def _holding(
    leaver: Leaver, name: str, key: int, member: Object, place: Object, *, sole: bool | None
) -> Holding:
    owner = _level(member) >= OWNER
    of = GRANT if not owner else GROUP if name == "group" else PROJECT
    image: dict[str, Json] = {
        "access_level": _level(member),
        "expires_at": member.get("expires_at"),
    }
    role = part(member, "member_role").get("id")
    if role:
        image["member_role_id"] = role
    return leaver.holding(
        of,
        f"{name}:{key}",
        f"{place_name(place) if place else key} (level {_level(member)})",
        state=HoldingState.LIVE if leaver.settings.owner else leaver.frozen,
        sole=bool(sole),
        restore=image,
    )


def _place(holding: Holding) -> str:
    name, _, key = holding.native_id.partition(":")
    return f"{_ROOTS[name]}/{int(key)}"


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    who = int(successor.native_id)
    return [take(leaver, one, partial(_look_handed, leaver, one, who)) for one in holdings]


def _look_handed(leaver: Leaver, holding: Holding, who: int) -> Look:
    """Give the successor the level that the leaver has: Owner, direct and without an end."""
    if holding.kind == GRANT:
        return Look(reached=False, refuse="a membership is not handed over: the successor asks")
    return _look_member(leaver, f"{_place(holding)}/members", who, {"access_level": OWNER})


def _look_member(leaver: Leaver, members: str, who: int, image: dict[str, Json]) -> Look:
    member = there(leaver.gitlab, f"{members}/{who}")
    level = _level(member) if member else 0
    wanted = number(image, "access_level")
    body = {name: one for name, one in image.items() if one is not None}
    write = Write("put", f"{members}/{who}", body)
    if member is None:  # POST of somebody who is a member answers 409, PUT of nobody 404
        write = Write("post", members, {"user_id": who, **body})
    return Look(level >= wanted, {"access_level": level}, lambda: [write])


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_left, leaver, one)) for one in holdings]


def _look_left(leaver: Leaver, holding: Holding) -> Look:
    place = _place(holding)
    path = f"{place}/members/{leaver.id}"
    member = there(leaver.gitlab, path)
    if member is None:
        return Look(reached=True, read_back={"member": False})
    if _level(member) >= OWNER:
        owners = leaver.gitlab.every(f"{place}/members/all")
        if not other_owners(leaver, owners):  # Law 5, asked now and not when it was surveyed
            return Look(reached=False, read_back={"member": True}, refuse=_SOLE)
    body = {"skip_subresources": True, "unassign_issuables": False}
    away = Write("delete", path, query=body)
    return Look(reached=False, read_back={"member": True}, write=lambda: [away])


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take(
            leaver,
            one,
            partial(_look_member, leaver, f"{_place(one)}/members", leaver.id, dict(one.restore)),
        )
        for one in holdings
    ]


def row(*, group_mode: bool) -> Row:
    """Make the row: in group mode removing a membership is how it is contained as well."""
    return Row(
        "memberships",
        frozenset({*_ROOTS, "account"}) if group_mode else frozenset(_ROOTS),
        _card,
        _read,
        contain=_revoke if group_mode else None,
        revoke=_revoke,
        restore=_restore,
        transfer=_transfer,
        absent=lambda settings: settings.owner is not group_mode,
    )
