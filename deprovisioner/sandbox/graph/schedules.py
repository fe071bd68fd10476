"""Privileged identity management: schedules, their instances, and requests that take effect later.

Four families behave alike (directory roles and groups, active and eligible), so they are one table.
The answer to a request is not the effect: it says `Revoked` or `Provisioned` at once, and the
instances follow after `Delays.roles`. An active assignment that was activated from an eligible one
comes back while the person is enabled and the eligibility is left.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from deprovisioner.sandbox.graph import objects, roles
from deprovisioner.sandbox.graph.errors import GraphError, bad_request, not_found
from deprovisioner.sandbox.graph.query import Expansion, Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, World
from deprovisioner.sandbox.graph.store import Link, Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.wording import words

_TOO_SHORT = timedelta(minutes=5)
_OPTIONS = words("$select $filter $top $skiptoken $count $expand")
_ACCESS = {"member": Link.MEMBER, "owner": Link.OWNER}


@dataclass(frozen=True, slots=True)
class Family:
    """One of the four: where its records are and what its resources are called."""

    base: str
    """`/roleManagement/directory/role` or the like: what the words below are appended to."""
    word: str
    """`Assignment` or `Eligibility`."""
    type: str
    """The name that its resource types begin with."""
    table: Table
    requests: Table
    what: tuple[str, ...]
    """The members that say what is held."""
    read: tuple[str, ...]
    write: tuple[str, ...]
    remove: tuple[str, ...]

    @property
    def active(self) -> bool:
        """An assignment and not an eligibility."""
        return self.word == "Assignment"

    @property
    def of_roles(self) -> bool:
        """Directory roles and not groups."""
        return "roleDefinitionId" in self.what

    def path(self, ending: str) -> str:
        """Return the path of a collection."""
        word = self.word if self.of_roles else self.word.lower()
        return f"{self.base}{word}{ending}"

    def kind(self, ending: str) -> Kind:
        """Return the type of a collection's items."""
        eq = words("eq in")
        names = ("principalId", "status", *self.what)
        return Kind(f"{self.type}{self.word}{ending}", _MEMBERS, basic=dict.fromkeys(names, eq))


_MEMBERS = words(
    """
    accessId action appScopeId assignmentScheduleId assignmentType completedDateTime createdDateTime
    createdUsing directoryScopeId eligibilityScheduleId endDateTime groupId id isValidationOnly
    justification memberType modifiedDateTime principalId roleAssignmentOriginId
    roleAssignmentScheduleId roleDefinitionId roleEligibilityScheduleId scheduleInfo startDateTime
    status targetScheduleId
    """
)
_ROLES, _GROUP = "/roleManagement/directory/role", "/identityGovernance/privilegedAccess/group/"
_ROLE_WHAT, _GROUP_WHAT = ("roleDefinitionId", "directoryScopeId"), ("groupId", "accessId")


def _family(
    base: str, word: str, table: Table, requests: Table, *, permission: str, read: str
) -> Family:
    of_roles = base == _ROLES
    end = "Directory" if of_roles else "AzureADGroup"
    return Family(
        base,
        word,
        "unifiedRole" if of_roles else "privilegedAccessGroup",
        table,
        requests,
        _ROLE_WHAT if of_roles else _GROUP_WHAT,
        (f"{permission}.Read.{end}", f"{permission}.ReadWrite.{end}", *read.split()),
        (f"{permission}.ReadWrite.{end}", *read.split()[1:]),
        (f"{permission}.Remove.{end}",),
    )


_BOTH = "RoleManagement.Read.Directory RoleManagement.ReadWrite.Directory"
FAMILIES = (
    _family(_ROLES, "Assignment", Table.ROLE_ASSIGNMENTS, Table.ROLE_REQUESTS,
            permission="RoleAssignmentSchedule", read=_BOTH),
    _family(_ROLES, "Eligibility", Table.ROLE_ELIGIBILITIES, Table.ROLE_REQUESTS,
            permission="RoleEligibilitySchedule", read=_BOTH),
    _family(_GROUP, "Assignment", Table.GROUP_ASSIGNMENTS, Table.GROUP_REQUESTS,
            permission="PrivilegedAssignmentSchedule", read=""),
    _family(_GROUP, "Eligibility", Table.GROUP_ELIGIBILITIES, Table.GROUP_REQUESTS,
            permission="PrivilegedEligibilitySchedule", read=""),
)  # fmt: skip


def _held(record: Record, family: Family) -> Record:
    shown = {name: record[name] for name in ("principalId", *family.what)}
    return {**shown, "appScopeId": None} if family.of_roles else shown


def _member_type(family: Family) -> str:
    return "Direct" if family.of_roles else "direct"


def _assignment_type(record: Record, family: Family) -> Record:
    if not family.active:
        return {}
    kind = str(record.get("_type") or "Assigned")
    return {"assignmentType": kind if family.of_roles else kind.lower()}


def schedule_of(record: Record, family: Family) -> Record:
    """Return the schedule that a record is shown as."""
    start, end = record.get("_start"), record.get("_end")
    expiration = {
        "type": "afterDateTime" if end else "noExpiration",
        "endDateTime": end,
        "duration": None,
    }
    return {
        "id": record["id"],
        **_held(record, family),
        **_assignment_type(record, family),
        "createdDateTime": start,
        "modifiedDateTime": None,
        "memberType": _member_type(family),
        "status": "Provisioned",
        "scheduleInfo": {"startDateTime": start, "recurrence": None, "expiration": expiration},
    }


def instance_of(record: Record, family: Family) -> Record:
    """Return the instance that a record is shown as."""
    prefix = "role" + family.word if family.of_roles else family.word.lower()
    return {
        "id": f"{record['id']}-instance",
        f"{prefix}ScheduleId": record["id"],
        **_held(record, family),
        **_assignment_type(record, family),
        "startDateTime": record.get("_start"),
        "endDateTime": record.get("_end"),
        "memberType": _member_type(family),
    }


def _rows(view: View, family: Family) -> Iterator[Record]:
    return (row for row in view.every(family.table) if roles.alive(row, view))


def _listed(family: Family, ending: str) -> Callable[[Call], Reply]:
    kind = family.kind(ending)
    show = instance_of if ending.endswith("Instance") else schedule_of

    def listed(call: Call) -> Reply:
        items = [Typed(kind, show(row, family)) for row in _rows(call.view, family)]
        context = family.path(ending)[1:] + "s"
        return Listing(
            kind,
            items,
            context,
            directory=False,
            expansions=_expansions(family),
            options=_OPTIONS,
        )

    return listed


def _expansions(family: Family) -> dict[str, Expansion]:
    if family.of_roles:
        return {"roleDefinition": roles.definition_of, "principal": roles.principal_of}
    return {"group": _group_of, "principal": roles.principal_of}


def _group_of(view: View, record: Record) -> object:
    found = view.get(Table.GROUPS, record["groupId"])
    return None if found is None else {name: found[name] for name in ("id", "displayName")}


# ------------------------------------------------------------------------------------- requests


def _requests(family: Family) -> Callable[[Call], Reply]:
    kind = family.kind("ScheduleRequest")

    def listed(call: Call) -> Reply:
        rows = call.view.where(family.requests, _word=family.word)
        items = [Typed(kind, row) for row in rows]
        context = family.path("ScheduleRequests")[1:]
        return Listing(kind, items, context, directory=False, options=_OPTIONS)

    return listed


def _request(family: Family) -> Callable[[Call], Reply]:
    kind = family.kind("ScheduleRequest")

    def shown(call: Call) -> Reply:
        found = objects.record(call.view, family.requests, call.path["request"])
        return Item(Typed(kind, found), f"{family.path('ScheduleRequests')[1:]}/$entity")

    return shown


def _cancel(family: Family) -> Callable[[Call], Reply]:
    def cancelled(call: Call) -> Reply:
        found = objects.record(call.world.truth, family.requests, call.path["request"])
        if found["_done"]:
            raise bad_request("The request is completed and cannot be canceled.", "InvalidRequest")
        call.world.store.change(family.requests, found["id"], status="Canceled", _done=True)
        return Answer(204)

    return cancelled


def _ask(family: Family) -> Callable[[Call], Reply]:
    kind = family.kind("ScheduleRequest")

    def asked(call: Call) -> Reply:
        action = call.body.get("action")
        if action not in {"adminRemove", "adminAssign"}:
            raise bad_request(f"Action '{action}' is not for an app.", "InvalidAction")
        if action == "adminAssign" and not call.caller.has(*family.write):
            call.caller.need(*family.write)
        held = {name: call.text(name) for name in ("principalId", *family.what)}
        found = _found(call.world.truth, family, held)
        if action == "adminRemove":
            record = _removal(call, family, held, found)
        else:
            record = _grant(call, family, held, found)
        context = f"{family.path('ScheduleRequests')[1:]}/$entity"
        return Item(Typed(kind, record), context, status=201)

    return asked


def _found(view: View, family: Family, held: Record) -> Record | None:
    for row in _rows(view, family):
        if all(row.get(name) == value for name, value in held.items()):
            return row
    return None


def _removal(call: Call, family: Family, held: Record, found: Record | None) -> Record:
    if found is None:
        word = "RoleAssignmentDoesNotExist" if family.of_roles else "ResourceDoesNotExist"
        raise bad_request("The Role assignment does not exist.", word)
    _refuse_too_short(call, found)
    request = _record(call, family, held, "Revoked")

    def carry_out() -> None:
        if _still_open(call.world, family, request["id"]):
            _end(call.world, family, found)
            _come_back(call.world, family, found)

    call.world.agenda.after(call.world.delays.roles, carry_out)
    return request


def _refuse_too_short(call: Call, found: Record) -> None:
    started, activated = found.get("_start"), found.get("_type") == "Activated"
    if activated and started and started > objects.stamp(call.world.now - _TOO_SHORT):
        raise GraphError(
            400, "ActiveDurationTooShort", "An activation must last for five minutes at least."
        )


def _grant(call: Call, family: Family, held: Record, found: Record | None) -> Record:
    if found is not None:
        raise bad_request("The Role assignment already exists.", "RoleAssignmentExists")
    if call.world.truth.directory_object(held["principalId"]) is None:
        raise not_found(held["principalId"])
    start, end = _period(call)
    request = _record(call, family, held, "Provisioned")
    record: Record = {"id": call.world.new_id(), **held, "_start": start, "_end": end}

    def carry_out() -> None:
        if _still_open(call.world, family, request["id"]):
            begin(call.world, family, {**record, "_type": "Assigned"})

    call.world.agenda.after(call.world.delays.roles, carry_out)
    return request


def _period(call: Call) -> tuple[str, str | None]:
    info = call.body.get("scheduleInfo")
    if not isinstance(info, dict):
        raise bad_request("A value is required for property 'scheduleInfo'.", "InvalidRequest")
    expiration = info.get("expiration") or {}
    end = expiration.get("endDateTime")
    if expiration.get("type") not in {"noExpiration", "afterDateTime"}:
        raise bad_request("The expiration is not understood.", "InvalidRequest")
    return str(info.get("startDateTime") or objects.stamp(call.world.now)), end


def _record(call: Call, family: Family, held: Record, status: str) -> Record:
    record: Record = {
        "id": call.world.new_id(),
        "action": call.body["action"],
        "status": status,
        **held,
        "createdDateTime": objects.stamp(call.world.now),
        "justification": call.body.get("justification"),
        "_word": family.word,
        "_done": False,
    }
    call.world.store.put(family.requests, record)
    return record


def _still_open(world: World, family: Family, key: str) -> bool:
    found = world.truth.get(family.requests, key)
    if found is None or found["_done"]:
        return False
    done = objects.stamp(world.now)
    world.store.change(family.requests, key, _done=True, completedDateTime=done)
    return True


def begin(world: World, family: Family, record: Record) -> None:
    """Make a schedule stand; an active one takes effect in the role or group."""
    if family.of_roles and family.active:
        roles.assign(world.store, record)
        return
    world.store.put(family.table, record)
    if family.active:
        link = _ACCESS[record["accessId"]]
        world.store.link(link, record["groupId"], record["principalId"])


def _end(world: World, family: Family, record: Record) -> None:
    if family.of_roles and family.active:
        roles.take_away(world.store, record)
        return
    world.store.drop(family.table, record["id"])
    if family.active:
        link = _ACCESS[record["accessId"]]
        world.store.unlink(link, record["groupId"], record["principalId"])


def _come_back(world: World, family: Family, record: Record) -> None:
    """Let an enabled person activate again what is still eligible."""
    if not family.active or record.get("_type") != "Activated":
        return
    other = FAMILIES[FAMILIES.index(family) + 1]
    held = {name: record[name] for name in ("principalId", *family.what)}

    def activate() -> None:
        view = world.truth
        user = view.get(Table.USERS, record["principalId"])
        if user is not None and user["accountEnabled"] and _found(view, other, held):
            begin(world, family, {**record, "_start": objects.stamp(world.now)})

    world.agenda.after(world.delays.activation, activate)


def _routes() -> Iterator[Route]:
    for family in FAMILIES:
        asked = family.path("ScheduleRequests")
        yield Route("GET", family.path("Schedules"), _listed(family, "Schedule"), family.read)
        yield Route(
            "GET",
            family.path("ScheduleInstances"),
            _listed(family, "ScheduleInstance"),
            family.read,
        )
        yield Route("GET", asked, _requests(family), family.read)
        yield Route("POST", asked, _ask(family), (*family.write, *family.remove))
        if family.of_roles:
            yield Route("GET", f"{asked}/{{request}}", _request(family), family.read)
        yield Route("POST", f"{asked}/{{request}}/cancel", _cancel(family), family.write)


ROUTES: tuple[Route, ...] = tuple(_routes())
