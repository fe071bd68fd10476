"""Calendars: meetings with their organiser, occurrences of a series, and who may see them.

The rules kept: a view needs both its ends; only the organiser's own mailbox can cancel, an attendee
gets a 400; a cancelled meeting is gone from the calendar, and mail goes out each time, which is why
a lost answer must not be repeated blindly.
"""

from datetime import UTC, datetime, timedelta

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import bad_request
from deprovisioner.sandbox.graph.mail import mailbox, missing
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import Kind
from deprovisioner.sandbox.graph.wording import words

EVENT = Kind(
    "event",
    words(
        """
        attendees body bodyPreview categories createdDateTime end hasAttachments iCalUId id
        importance isAllDay isCancelled isDraft isOnlineMeeting isOrganizer lastModifiedDateTime
        location organizer recurrence sensitivity seriesMasterId showAs start subject type
        """
    ),
    basic={"isOrganizer": words("eq"), "type": words("eq"), "id": words("eq")},
)
PERMISSION = Kind(
    "calendarPermission",
    words("allowedRoles emailAddress id isInsideOrganization isRemovable role"),
)
CALENDAR = Kind(
    "calendar",
    words("canEdit canShare canViewPrivateItems id isDefaultCalendar isRemovable name owner"),
)
_OPTIONS = words("$select $filter $top $skiptoken $count")
_VIEW_OPTIONS = _OPTIONS | words("startDateTime endDateTime")
_MOST_OCCURRENCES = 1000


def _own(view: View, call: Call) -> list[Record]:
    return view.where(Table.EVENTS, _user=mailbox(view, call.path["user"])["id"])


def _events(call: Call) -> Reply:
    items = [Typed(EVENT, row) for row in _own(call.view, call)]
    return Listing(EVENT, items, "events", directory=False, default=10, options=_OPTIONS)


def _one(view: View, call: Call) -> Record:
    for row in _own(view, call):
        if row["id"] == call.path["event"]:
            return row
    raise missing()


def _event(call: Call) -> Reply:
    return Item(Typed(EVENT, _one(call.view, call)), "events/$entity")


def _view(call: Call) -> Reply:
    start, end = (_edge(call, name) for name in ("startDateTime", "endDateTime"))
    found: list[Record] = []
    for row in _own(call.view, call):
        found += [one for one in _occurrences(row, end) if start <= _instant(one["start"]) < end]
    items = [Typed(EVENT, row) for row in found]
    return Listing(EVENT, items, "calendarView", directory=False, default=10, options=_VIEW_OPTIONS)


def _edge(call: Call, name: str) -> datetime:
    text = call.query.options.get(name, "")
    try:
        edge = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(
            "This request requires a time window specified by the query string parameters "
            "StartDateTime and EndDateTime.",
            "ErrorInvalidParameter",
        ) from None
    return edge if edge.tzinfo else edge.replace(tzinfo=UTC)


def _instant(when: Record) -> datetime:
    return datetime.fromisoformat(when["dateTime"]).replace(tzinfo=UTC)


def _occurrences(row: Record, end: datetime) -> list[Record]:
    """Return a single meeting, or the weekly occurrences of a series up to an instant."""
    if row["type"] != "seriesMaster":
        return [row]
    weeks = int(row["recurrence"]["pattern"]["interval"])
    first, last, found = _instant(row["start"]), _instant(row["end"]), []
    for number in range(_MOST_OCCURRENCES):
        shift = timedelta(weeks=weeks * number)
        if first + shift >= end:
            break
        one = {
            **row,
            "id": f"{row['id']}.{number}",
            "type": "occurrence",
            "seriesMasterId": row["id"],
            "recurrence": None,
            "start": written(first + shift),
            "end": written(last + shift),
        }
        found.append(one)
    return found


def written(instant: datetime) -> Record:
    """Return an instant as calendars write it."""
    return {"dateTime": instant.strftime("%Y-%m-%dT%H:%M:%S.0000000"), "timeZone": "UTC"}


def _cancel(call: Call) -> Reply:
    found = _one(call.world.truth, call)
    if not found["isOrganizer"]:
        raise bad_request(
            "Your request can't be completed. You need to be an organizer to cancel a meeting.",
            "ErrorInvalidRequest",
        )
    _called_off(call, found)
    return Answer(202)


def _delete(call: Call) -> Reply:
    found = _one(call.world.truth, call)
    if found["isOrganizer"]:
        _called_off(call, found)
    else:
        call.world.store.drop(Table.EVENTS, found["id"])
    return Answer(204)


def _called_off(call: Call, found: Record) -> None:
    """Take a meeting out of every calendar and tell each attendee, every time."""
    store, view = call.world.store, call.world.truth
    for row in view.where(Table.EVENTS, iCalUId=found["iCalUId"]):
        store.drop(Table.EVENTS, row["id"])
    for attendee in found["attendees"]:
        notice = {"id": call.world.new_id(), "to": attendee["emailAddress"]["address"]}
        store.put(Table.NOTICES, {**notice, "about": found["iCalUId"]})


# ---------------------------------------------------------------------------------- permissions


def _permissions(call: Call) -> Reply:
    key = mailbox(call.view, call.path["user"])["id"]
    rows = call.view.where(Table.CALENDAR_PERMISSIONS, _user=key)
    items = [Typed(PERMISSION, row) for row in rows]
    return Listing(PERMISSION, items, "calendarPermissions", directory=False, options=_OPTIONS)


def _one_permission(view: View, call: Call) -> Record:
    key = mailbox(view, call.path["user"])["id"]
    found = view.get(Table.CALENDAR_PERMISSIONS, call.path["permission"])
    if found is None or found["_user"] != key:
        raise missing()
    return found


def _permission(call: Call) -> Reply:
    found = _one_permission(call.view, call)
    return Item(Typed(PERMISSION, found), "calendarPermissions/$entity")


def _give(call: Call) -> Reply:
    key = mailbox(call.world.truth, call.path["user"])["id"]
    address, role = call.body.get("emailAddress"), call.text("role")
    if not isinstance(address, dict) or not address.get("address"):
        raise bad_request("'emailAddress' is required.", "ErrorInvalidRequest")
    record = permission(call.world.new_id(), key, address, role)
    call.world.store.put(Table.CALENDAR_PERMISSIONS, record)
    return Item(Typed(PERMISSION, record), "calendarPermissions/$entity", status=201)


def permission(key: str, user: str, address: Record, role: str) -> Record:
    """Return a permission on a user's calendar."""
    return {
        "id": key,
        "emailAddress": {"address": address["address"], "name": address.get("name")},
        "role": role,
        "allowedRoles": ["none", "freeBusyRead", "limitedRead", "read", "write"],
        "isInsideOrganization": True,
        "isRemovable": True,
        "_user": user,
    }


def _change(call: Call) -> Reply:
    found = _one_permission(call.world.truth, call)
    changed = call.world.store.change(
        Table.CALENDAR_PERMISSIONS, found["id"], role=call.text("role")
    )
    return Item(Typed(PERMISSION, changed), "calendarPermissions/$entity")


def _take(call: Call) -> Reply:
    found = _one_permission(call.world.truth, call)
    if not found["isRemovable"]:
        raise bad_request("This permission cannot be removed.", "ErrorInvalidRequest")
    call.world.store.drop(Table.CALENDAR_PERMISSIONS, found["id"])
    return Answer(204)


def _calendars(call: Call) -> Reply:
    key = mailbox(call.view, call.path["user"])["id"]
    user = objects.user(call.view, key)
    record: Record = {
        "id": f"calendar-{key}",
        "name": "Calendar",
        "isDefaultCalendar": True,
        "isRemovable": False,
        "canEdit": True,
        "canShare": True,
        "canViewPrivateItems": True,
        "owner": {"name": user["displayName"], "address": user["mail"]},
    }
    items = [Typed(CALENDAR, record)]
    return Listing(CALENDAR, items, "calendars", directory=False, options=_OPTIONS)


_READ = "Calendars.ReadBasic Calendars.Read Calendars.ReadWrite"
_PERMISSIONS = "/users/{user}/calendar/calendarPermissions"

ROUTES: tuple[Route, ...] = (
    *routes(
        _READ,
        ("GET", "/users/{user}/events", _events),
        ("GET", "/users/{user}/events/{event}", _event),
        ("GET", "/users/{user}/calendarView", _view),
        ("GET", "/users/{user}/calendars", _calendars),
        ("GET", _PERMISSIONS, _permissions),
        ("GET", f"{_PERMISSIONS}/{{permission}}", _permission),
        outlook=True,
    ),
    *routes(
        "Calendars.ReadWrite",
        ("POST", "/users/{user}/events/{event}/cancel", _cancel),
        ("DELETE", "/users/{user}/events/{event}", _delete),
        ("POST", _PERMISSIONS, _give),
        ("PATCH", f"{_PERMISSIONS}/{{permission}}", _change),
        ("DELETE", f"{_PERMISSIONS}/{{permission}}", _take),
        outlook=True,
    ),
)
