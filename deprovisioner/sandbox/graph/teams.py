"""Teams: members that mirror the group behind, private channels with their own, phone numbers.

The rules kept: a team's owners are its group's, after a lag; the last owner stays; who leaves the
team leaves its private channels; a number is given up later than the answer says.
"""

import base64

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import GraphError, bad_request
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Link, Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.wording import words

TEAM = Kind(
    "team",
    words("createdDateTime description displayName id isArchived tenantId visibility webUrl"),
)
MEMBER = Kind(
    "aadUserConversationMember",
    words("displayName email id roles tenantId userId visibleHistoryStartDateTime"),
    basic={"roles": words("any-eq"), "userId": words("eq")},
)
CHANNEL = Kind(
    "channel",
    words("createdDateTime description displayName email id membershipType tenantId webUrl"),
    basic={"membershipType": words("eq"), "displayName": words("eq startswith")},
)
NUMBER = Kind(
    "teamsAdministration.numberAssignment",
    words(
        "activationState assignmentCategory assignmentStatus assignmentTargetId capabilities city "
        "id isoCountryCode numberSource numberType operatorId telephoneNumber"
    ),
    basic={
        "assignmentTargetId": words("eq"),
        "telephoneNumber": words("eq"),
        "assignmentStatus": words("eq"),
    },
)
_OPTIONS = words("$select $filter $top $skiptoken")


def _missing() -> GraphError:
    return GraphError(404, "NotFound", "No team or member found with that id.")


def _team(view: View, call: Call) -> Record:
    found = view.get(Table.TEAMS, call.path["team"])
    if found is None or view.get(Table.GROUPS, call.path["team"]) is None:
        raise _missing()
    return found


def _joined(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    groups = call.view.sources(Link.MEMBER, key)
    rows = (call.view.get(Table.TEAMS, group) for group in groups)
    items = [Typed(TEAM, row) for row in rows if row is not None]
    return Listing(TEAM, items, "teams", directory=False, options=words("$select"))


def _get(call: Call) -> Reply:
    return Item(Typed(TEAM, _team(call.view, call)), "teams/$entity")


def member_id(place: str, user: str) -> str:
    """Return the id of a membership: it says where and who, as the real one does."""
    return base64.urlsafe_b64encode(f"MCMjMiMj{place}##{user}".encode()).decode().rstrip("=")


def _people(call: Call, view: View, team: str) -> list[Record]:
    lagging = call.world.store.view(view.instant - call.world.delays.team_owners)
    owners = set(lagging.targets(Link.OWNER, team))
    members = dict.fromkeys([*view.targets(Link.MEMBER, team), *view.targets(Link.OWNER, team)])
    people = []
    for key in members:
        user = view.get(Table.USERS, key)
        if user is not None:
            people.append(_person(team, user, ["owner"] if key in owners else []))
    return people


def _person(place: str, user: Record, given: list[str]) -> Record:
    return {
        "id": member_id(place, user["id"]),
        "displayName": user["displayName"],
        "userId": user["id"],
        "email": user.get("mail"),
        "roles": given,
        "visibleHistoryStartDateTime": "0001-01-01T00:00:00Z",
    }


def _members(call: Call) -> Reply:
    team = _team(call.view, call)
    items = [Typed(MEMBER, row) for row in _people(call, call.view, team["id"])]
    return Listing(MEMBER, items, "members", mixed=True, directory=False, options=_OPTIONS)


def _one(call: Call, view: View) -> Record:
    for row in _people(call, view, _team(view, call)["id"]):
        if row["id"] == call.path["member"]:
            return row
    raise _missing()


def _member(call: Call) -> Reply:
    return Item(Typed(MEMBER, _one(call, call.view)), "members/$entity", mixed=True)


def _wanted_roles(call: Call) -> list[str]:
    wanted = call.body.get("roles")
    if not isinstance(wanted, list) or not set(wanted) <= {"owner"}:
        raise bad_request("Invalid role specified for member.", "BadRequest")
    return wanted


def _bound_user(call: Call) -> Record:
    link = call.body.get("user@odata.bind")
    if not isinstance(link, str):
        raise bad_request("Bind requests expect a user.", "BadRequest")
    key = link.rstrip("/").rpartition("/")[2].removeprefix("users('").removesuffix("')")
    return objects.user(call.world.truth, key)


def _add(call: Call) -> Reply:
    team, user, wanted = _team(call.world.truth, call), _bound_user(call), _wanted_roles(call)
    call.world.store.link(Link.MEMBER, team["id"], user["id"])
    if wanted:
        call.world.store.link(Link.OWNER, team["id"], user["id"])
    record = _person(team["id"], user, wanted)
    return Item(Typed(MEMBER, record), "members/$entity", mixed=True, status=201)


def _change(call: Call) -> Reply:
    wanted, found = _wanted_roles(call), _one(call, call.world.truth)
    team, user = call.path["team"], found["userId"]
    if wanted:
        call.world.store.link(Link.OWNER, team, user)
    else:
        _refuse_last_owner(call, team, user)
        call.world.store.unlink(Link.OWNER, team, user)
    changed = {**found, "roles": wanted}
    return Item(Typed(MEMBER, changed), "members/$entity", mixed=True)


def _refuse_last_owner(call: Call, team: str, user: str) -> None:
    if call.world.truth.targets(Link.OWNER, team) == [user]:
        raise bad_request("The last owner of a team cannot be removed.", "BadRequest")


def _remove(call: Call) -> Reply:
    found, team = _one(call, call.world.truth), call.path["team"]
    user = found["userId"]
    _refuse_last_owner(call, team, user)
    call.world.store.unlink(Link.OWNER, team, user)
    call.world.store.unlink(Link.MEMBER, team, user)
    for channel in call.world.truth.where(Table.CHANNELS, _team=team):
        call.world.store.drop(Table.CHANNEL_MEMBERS, member_id(channel["id"], user))
    return Answer(204)


# ------------------------------------------------------------------------------------- channels


def _channels(call: Call) -> Reply:
    team = _team(call.view, call)
    items = [Typed(CHANNEL, row) for row in call.view.where(Table.CHANNELS, _team=team["id"])]
    return Listing(CHANNEL, items, "channels", directory=False, options=_OPTIONS)


def _channel(view: View, call: Call) -> Record:
    found = view.get(Table.CHANNELS, call.path["channel"])
    if found is None or found["_team"] != _team(view, call)["id"]:
        raise _missing()
    return found


def _channel_members(call: Call) -> Reply:
    found = _channel(call.view, call)
    if found["membershipType"] == "standard":
        rows = _people(call, call.view, found["_team"])
    else:
        rows = call.view.where(Table.CHANNEL_MEMBERS, _channel=found["id"])
    items = [Typed(MEMBER, row) for row in rows]
    return Listing(MEMBER, items, "members", mixed=True, directory=False, options=_OPTIONS)


def _private(call: Call) -> Record:
    found = _channel(call.world.truth, call)
    if found["membershipType"] == "standard":
        raise bad_request("Members of a standard channel are the team's.", "BadRequest")
    return found


def _add_to_channel(call: Call) -> Reply:
    found, user, wanted = _private(call), _bound_user(call), _wanted_roles(call)
    if not call.world.truth.linked(Link.MEMBER, found["_team"], user["id"]):
        raise bad_request("The user is not a member of the team.", "BadRequest")
    record = {**_person(found["id"], user, wanted), "_channel": found["id"]}
    call.world.store.put(Table.CHANNEL_MEMBERS, record)
    return Item(Typed(MEMBER, record), "members/$entity", mixed=True, status=201)


def _one_in_channel(call: Call) -> Record:
    found = _private(call)
    member = call.world.truth.get(Table.CHANNEL_MEMBERS, call.path["member"])
    if member is None or member["_channel"] != found["id"]:
        raise _missing()
    return member


def _refuse_last_in_channel(call: Call, member: Record) -> None:
    rows = call.world.truth.where(Table.CHANNEL_MEMBERS, _channel=member["_channel"])
    others = [row for row in rows if "owner" in row["roles"] and row["id"] != member["id"]]
    if "owner" in member["roles"] and not others:
        raise bad_request("The last owner of a channel cannot be removed.", "BadRequest")


def _change_in_channel(call: Call) -> Reply:
    member, wanted = _one_in_channel(call), _wanted_roles(call)
    if not wanted:
        _refuse_last_in_channel(call, member)
    changed = call.world.store.change(Table.CHANNEL_MEMBERS, member["id"], roles=wanted)
    return Item(Typed(MEMBER, changed), "members/$entity", mixed=True)


def _remove_from_channel(call: Call) -> Reply:
    member = _one_in_channel(call)
    _refuse_last_in_channel(call, member)
    call.world.store.drop(Table.CHANNEL_MEMBERS, member["id"])
    return Answer(204)


# -------------------------------------------------------------------------------------- numbers


def _numbers(call: Call) -> Reply:
    items = [Typed(NUMBER, row) for row in call.view.every(Table.NUMBERS)]
    context = "admin/teams/telephoneNumberManagement/numberAssignments"
    return Listing(NUMBER, items, context, directory=False, options=_OPTIONS)


def _unassign(call: Call) -> Reply:
    wanted = call.text("telephoneNumber")
    rows = call.world.truth.where(Table.NUMBERS, telephoneNumber=wanted)
    if not rows or rows[0]["assignmentTargetId"] is None:
        raise bad_request("The number is not assigned.", "BadRequest")
    key = rows[0]["id"]

    def give_up() -> None:
        call.world.store.change(
            Table.NUMBERS, key, assignmentTargetId=None, assignmentStatus="unassigned"
        )

    call.world.agenda.after(call.world.delays.numbers, give_up)
    base = f"{call.world.base_url}/admin/teams/telephoneNumberManagement/operations"
    return Answer(202, headers={"Location": f"{base}('{call.world.new_id()}')"})


_TEAM, _CHANNEL = "/teams/{team}", "/teams/{team}/channels/{channel}/members"
_NUMBERS = "/admin/teams/telephoneNumberManagement/numberAssignments"

ROUTES: tuple[Route, ...] = (
    *routes(
        "Team.ReadBasic.All Directory.Read.All TeamSettings.Read.All",
        ("GET", "/users/{user}/joinedTeams", _joined),
        ("GET", _TEAM, _get),
    ),
    *routes(
        "TeamMember.Read.All TeamMember.ReadWrite.All",
        ("GET", f"{_TEAM}/members", _members),
        ("GET", f"{_TEAM}/members/{{member}}", _member),
    ),
    *routes(
        "TeamMember.ReadWrite.All",
        ("POST", f"{_TEAM}/members", _add),
        ("PATCH", f"{_TEAM}/members/{{member}}", _change),
        ("DELETE", f"{_TEAM}/members/{{member}}", _remove),
    ),
    *routes(
        "Channel.ReadBasic.All ChannelSettings.Read.All ChannelSettings.ReadWrite.All",
        ("GET", f"{_TEAM}/channels", _channels),
    ),
    *routes(
        "ChannelMember.Read.All ChannelMember.ReadWrite.All", ("GET", _CHANNEL, _channel_members)
    ),
    *routes(
        "ChannelMember.ReadWrite.All",
        ("POST", _CHANNEL, _add_to_channel),
        ("PATCH", f"{_CHANNEL}/{{member}}", _change_in_channel),
        ("DELETE", f"{_CHANNEL}/{{member}}", _remove_from_channel),
    ),
    *routes(
        "TeamsTelephoneNumber.Read.All TeamsTelephoneNumber.ReadWrite.All",
        ("GET", _NUMBERS, _numbers),
    ),
    *routes(
        "TeamsTelephoneNumber.ReadWrite.All",
        ("POST", f"{_NUMBERS}/unassignNumber", _unassign),
        ("POST", f"{_NUMBERS}/microsoft.graph.teamsAdministration.unassignNumber", _unassign),
    ),
)
