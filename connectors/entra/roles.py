"""Rows E30 to E33: directory roles, active and eligible, PIM for groups, roles on units.

Two rows, because eligible goes before active: a person who is still eligible activates again.
A role is known by what is assigned where (definition and scope), not by the id of an assignment:
undo makes a new assignment with a new id. Removal through PIM is a request that Graph works on
later; only the schedules and their instances say that it is gone. Not here: groups (``groups``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Effect, Holding, Json, Kind, Outcome, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.instants import instant
from connectors.entra.queries import asking, listed, literal, readable, text
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Feature, Settings
from connectors.entra.steps import Look, take, take_away

ROLE: Final = kind("grant.role")
ELIGIBLE_ROLE: Final = kind("grant.role_eligible")
_NEEDS_SOMEBODY: Final = frozenset(
    {"62e90394-69f5-4237-9190-012177145e10", "e8611ab8-c189-46e8-94e1-60213ab1f814"}
)
"""Global and Privileged Role Administrator: without either nobody can give roles (Law 5)."""
_SOLE: Final = "Give this role to somebody who stays: nobody else has it, so it is not taken away."
_DUTY: Final = "take the role away in the Entra admin centre, under the object id of the user"
_REASON: Final = "The person has left."
_UNITS: Final = "/administrativeUnits/"
_DIRECTORY: Final = "/roleManagement/directory"
_GROUPS: Final = "/identityGovernance/privilegedAccess/group"
_THROUGH_A_GROUP: Final = frozenset({"group", "inherited"})
_OVER: Final = frozenset({"revoked", "canceled", "denied", "failed"})
_TAKE: Final = frozenset({Stage.PRESERVE, Stage.REVOKE})


@dataclass(frozen=True, slots=True)
class Source:
    """One list of Graph that shows roles or group assignments, and how requests against it go."""

    path: str
    what: str
    right: str
    requests: str = ""

    @property
    def of_groups(self) -> bool:
        """PIM for groups: what is assigned is membership or ownership of a group."""
        return self.path.startswith(_GROUPS)


@dataclass(frozen=True, slots=True)
class Grant:
    """One role as read. ``requests`` is where PIM takes requests about it; empty without PIM."""

    native_id: str
    label: str
    image: Mapping[str, Json]
    requests: str = ""


_PLAIN: Final = Source(
    f"{_DIRECTORY}/roleAssignments", "directory roles", "RoleManagement.Read.Directory"
)
_SCOPED: Final = "scoped"


def _pim(eligible: bool) -> tuple[Source, ...]:  # noqa: FBT001 - which half of PIM
    word = "Eligibility" if eligible else "Assignment"
    what = "eligible roles" if eligible else "scheduled roles"
    requests = f"{_DIRECTORY}/role{word}ScheduleRequests"
    right = f"Role{word}Schedule.Read.Directory"
    return tuple(
        Source(f"{_DIRECTORY}/role{word}{name}", what, right, requests)
        for name in ("Schedules", "ScheduleInstances")
    )


def _group_pim(eligible: bool) -> tuple[Source, ...]:  # noqa: FBT001 - which half of PIM
    word = "eligibility" if eligible else "assignment"
    what = f"PIM for groups ({word})"
    right = f"Privileged{word.capitalize()}Schedule.Read.AzureADGroup"
    return tuple(
        Source(f"{_GROUPS}/{word}{name}", what, right, f"{_GROUPS}/{word}ScheduleRequests")
        for name in ("Schedules", "ScheduleInstances")
    )


def _sources(settings: Settings, of: Kind) -> tuple[Source, ...]:
    """Schedules also hold what begins later; instances hold what is in force now."""
    eligible = of == ELIGIBLE_ROLE
    plain = () if eligible else (_PLAIN,)
    roles = _pim(eligible) if settings.has(Feature.PIM) else ()
    groups = _group_pim(eligible) if settings.has(Feature.GROUP_PIM) else ()
    return (*plain, *roles, *groups)


# ------------------------------------------------------------------------------------- reading


def _read_eligible(leaver: Leaver) -> RowReading:
    reading, grants = _read(leaver, _sources(leaver.settings, ELIGIBLE_ROLE))
    return reading + RowReading(
        tuple(
            leaver.holding(
                ELIGIBLE_ROLE, one.native_id, f"eligible: {one.label}", restore=one.image
            )
            for one in grants.values()
        )
    )


def _read_active(leaver: Leaver) -> RowReading:
    reading, grants = _read(leaver, _sources(leaver.settings, ROLE))
    rows, gaps = readable(
        leaver.graph.gather([_scoped(leaver)])[0],
        "roles on administrative units",
        "Directory.Read.All",
    )
    units = {text(one.image, "directoryScopeId") for one in grants.values()}
    for one in _scoped_grants(rows):  # where both lists show a unit, the newer one is used
        if _UNITS + text(one.image, "administrativeUnitId") not in units:
            grants[one.native_id] = one
    alone = {one.native_id for one in grants.values() if _nobody_else(leaver, one.image)}
    holdings = (
        leaver.holding(
            ROLE,
            one.native_id,
            one.label,
            restore=one.image,
            sole=one.native_id in alone,
            duty=_SOLE if one.native_id in alone else "",
        )
        for one in grants.values()
    )
    return reading + RowReading(tuple(holdings), gaps)


def _read(leaver: Leaver, sources: Sequence[Source]) -> tuple[RowReading, dict[str, Grant]]:
    reading, grants = RowReading(), dict[str, Grant]()
    if not sources:
        return reading, grants
    answers = leaver.graph.gather([_list(leaver, source) for source in sources])
    for source, answer in zip(sources, answers, strict=True):
        rows, gaps = readable(answer, source.what, source.right)
        reading += RowReading(gaps=tuple(gap for gap in gaps if gap not in reading.gaps))
        _merge(grants, _grants(leaver, source, rows))
    return reading, grants


def _merge(grants: dict[str, Grant], more: Iterable[Grant]) -> None:
    """Join what several lists say of one grant: PIM knows until when, the plain list the id."""
    for one in more:
        known = grants.get(one.native_id)
        image = {**(known.image if known else {}), **one.image}
        if known and not ("start" in known.image and "start" in one.image):
            image.pop("start", None)  # one of them is in force already
        grants[one.native_id] = (
            one
            if known is None
            else Grant(
                one.native_id,
                known.label or one.label,
                image,
                one.requests or known.requests,
            )
        )


def _grants(leaver: Leaver, source: Source, rows: Sequence[Object]) -> Iterator[Grant]:
    for row in rows:
        through = text(row, "memberType").casefold() in _THROUGH_A_GROUP
        over = text(row, "status").casefold() in _OVER
        if through or over or text(row, "principalId") != leaver.id:
            continue  # through a group: the group is the holding
        end = text(row, "endDateTime") or text(row, "scheduleInfo", "expiration", "endDateTime")
        image: dict[str, Json] = {"end": end} if end else {}
        start = text(row, "startDateTime") or text(row, "scheduleInfo", "startDateTime")
        begins = instant(start)
        if begins is not None and begins > leaver.now():
            image["start"] = start
        if source == _PLAIN:
            image["assignment"] = text(row, "id")
        if text(row, "assignmentType").casefold() == "activated":
            image["activated"] = True
        names = ("groupId", "accessId") if source.of_groups else _ROLE_NAMES
        what = {name: text(row, name) for name in names if text(row, name)}
        image |= {**what, **({"pim": True} if source.requests else {})}
        yield Grant(_native(what), _label(row, what), image, source.requests)


_ROLE_NAMES: Final = ("roleDefinitionId", "directoryScopeId", "appScopeId")


def _native(what: Mapping[str, str]) -> str:
    if "groupId" in what:
        return f"group:{what['groupId']}:{what.get('accessId', 'member')}"
    scope = what.get("directoryScopeId") or what.get("appScopeId", "/")
    return f"role:{what.get('roleDefinitionId', '')}:{scope}"


def _label(row: Object, what: Mapping[str, str]) -> str:
    if "groupId" in what:
        name = text(row, "group", "displayName") or what["groupId"]
        return f"{what.get('accessId', 'member')} of {name}"
    name = text(row, "roleDefinition", "displayName") or what.get("roleDefinitionId", "")
    scope = what.get("directoryScopeId") or what.get("appScopeId", "/")
    return name if scope == "/" else f"{name} on {scope}"


def _scoped_grants(rows: Sequence[Object]) -> Iterator[Grant]:
    for row in rows:
        unit, role = text(row, "administrativeUnitId"), text(row, "roleId")
        image: dict[str, Json] = {
            "administrativeUnitId": unit, "roleId": role, "membership": text(row, "id"),
        }  # fmt: skip
        yield Grant(f"{_SCOPED}:{unit}:{role}", f"role {role} on unit {unit}", image)


def _list(leaver: Leaver, source: Source) -> RequestInformation:
    """Ask for what this person has. Graph filters by principal only (and needs the filter)."""
    name = "group" if source.of_groups else "roleDefinition"
    return asking(
        leaver.graph.raw("GET", source.path),
        where=f"principalId eq {literal(leaver.id)}",
        expand=name,
    )


def _scoped(leaver: Leaver) -> RequestInformation:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    return user.scoped_role_member_of.to_get_request_information()


def _nobody_else(leaver: Leaver, image: Mapping[str, Json]) -> bool:
    """Law 5, looked up at this moment: whether nobody else has a role that somebody must have."""
    role = text(image, "roleDefinitionId")
    if role not in _NEEDS_SOMEBODY or text(image, "directoryScopeId") not in {"", "/"}:
        return False
    everybody = asking(
        leaver.graph.raw("GET", _PLAIN.path),
        where=f"roleDefinitionId eq {literal(role)}",
        select=("id", "principalId"),
    )
    return all(text(row, "principalId") == leaver.id for row in listed(leaver.graph, everybody))


# ------------------------------------------------------------------------------------ changing


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_away(leaver, holding, partial(_look_gone, leaver, holding), duty=_DUTY)
        for holding in holdings
    ]


def _look_gone(leaver: Leaver, holding: Holding) -> Look:
    grant = _current(leaver, holding)
    shown: dict[str, Json] = {"assigned": grant is not None}
    if grant is None:
        return Look(reached=True, read_back=shown)
    if holding.kind == ROLE and _nobody_else(leaver, grant.image):
        return Look(reached=False, read_back=shown, refuse=_SOLE)
    return Look(
        reached=False, read_back=shown, write=lambda: [_removal(leaver, holding.native_id, grant)]
    )


def _current(leaver: Leaver, holding: Holding) -> Grant | None:
    """Read the lists again that may show this grant. Raises the faults of any of them."""
    if holding.native_id.startswith(f"{_SCOPED}:"):
        scoped = _scoped_grants(listed(leaver.graph, _scoped(leaver)))
        return next((one for one in scoped if one.native_id == holding.native_id), None)
    of_groups = holding.native_id.startswith("group:")
    grants: dict[str, Grant] = {}
    for source in _sources(leaver.settings, holding.kind):
        if source.of_groups is of_groups:
            rows = listed(leaver.graph, _list(leaver, source))
            _merge(grants, _grants(leaver, source, rows))
    return grants.get(holding.native_id)


def _removal(leaver: Leaver, native_id: str, grant: Grant) -> RequestInformation:
    graph, image = leaver.graph, grant.image
    if native_id.startswith(f"{_SCOPED}:"):
        unit = segment(text(image, "administrativeUnitId"))
        member = segment(text(image, "membership"))
        path = f"/directory/administrativeUnits/{unit}/scopedRoleMembers/{member}"
        return graph.raw("DELETE", path)
    if not grant.requests:
        return graph.raw("DELETE", f"{_PLAIN.path}/{segment(text(image, 'assignment'))}")
    return graph.raw("POST", grant.requests, _request(leaver, image, "adminRemove"))


def _request(leaver: Leaver, image: Mapping[str, Json], action: str) -> dict[str, Json]:
    names = ("groupId", "accessId") if "groupId" in image else _ROLE_NAMES
    what = {name: image[name] for name in names if name in image}
    return {"action": action, "principalId": leaver.id, "justification": _REASON, **what}


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [_put_back(leaver, holding) for holding in holdings]


def _put_back(leaver: Leaver, holding: Holding) -> Effect:
    image = holding.restore
    end = instant(image.get("end"))
    if end is not None and end <= leaver.now():
        # It would have ended by itself: putting it back would give more than there was.
        return Effect(holding.key, Outcome.ALREADY, {"ended": text(image, "end")})
    return take(leaver, holding, partial(_look_there, leaver, holding))


def _look_there(leaver: Leaver, holding: Holding) -> Look:
    there = _current(leaver, holding) is not None
    return Look(
        reached=there,
        read_back={"assigned": there},
        write=lambda: [_assignment(leaver, holding)],
    )


def _assignment(leaver: Leaver, holding: Holding) -> RequestInformation:
    graph, image = leaver.graph, holding.restore
    if holding.native_id.startswith(f"{_SCOPED}:"):
        path = f"/directory/administrativeUnits/{segment(text(image, 'administrativeUnitId'))}"
        member: dict[str, Json] = {
            "roleId": text(image, "roleId"), "roleMemberInfo": {"id": leaver.id},
        }  # fmt: skip
        return graph.raw("POST", f"{path}/scopedRoleMembers", member)
    if "pim" not in image:
        what = {name: image[name] for name in _ROLE_NAMES if name in image}
        return graph.raw("POST", _PLAIN.path, {"principalId": leaver.id, **what})
    end = image.get("end")
    expiration: dict[str, Json] = (
        {"type": "afterDateTime", "endDateTime": end} if end else {"type": "noExpiration"}
    )
    # What was to begin later begins later: putting it back gives nobody more than they had.
    start = max(instant(image.get("start")) or leaver.now(), leaver.now())
    schedule: dict[str, Json] = {"startDateTime": start.isoformat(), "expiration": expiration}
    sources = _sources(leaver.settings, holding.kind)
    path = next(
        one.requests for one in sources if one.requests and one.of_groups == ("groupId" in image)
    )
    body = {**_request(leaver, image, "adminAssign"), "scheduleInfo": schedule}
    return graph.raw("POST", path, body)


# ----------------------------------------------------------------------------------- the card


def _card_eligible(settings: Settings) -> RowCard:
    rights = (
        "RoleEligibilitySchedule.Read.Directory",
        "RoleEligibilitySchedule.ReadWrite.Directory (or .Remove.Directory, undo then by hand)",
        "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
    )
    absent = [one for one in (Feature.PIM, Feature.GROUP_PIM) if not settings.has(one)]
    return RowCard(
        (Support(ELIGIBLE_ROLE, _TAKE, rights=rights),),
        notes=tuple(f"Not read, because the setting absent says so: {one}." for one in absent),
    )


def _card_active(_settings: Settings) -> RowCard:
    rights = (
        "RoleManagement.ReadWrite.Directory",
        "RoleAssignmentSchedule.ReadWrite.Directory (or .Remove.Directory, undo then by hand)",
        "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
    )
    return RowCard((Support(ROLE, _TAKE, rights=rights, duty=_SOLE),))


def _no_pim(settings: Settings) -> bool:
    return not (settings.has(Feature.PIM) or settings.has(Feature.GROUP_PIM))


ELIGIBLE: Final = Row(
    "eligible roles", frozenset({ELIGIBLE_ROLE}), _card_eligible, _read_eligible,
    revoke=_revoke, restore=_restore, absent=_no_pim,
)  # fmt: skip
ACTIVE: Final = Row(
    "roles", frozenset({ROLE}), _card_active, _read_active,
    revoke=_revoke, restore=_restore, ends_sessions=True,
)  # fmt: skip
