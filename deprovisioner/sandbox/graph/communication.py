"""What the leavers have in Exchange, OneDrive and Teams.

Called by `hosting` after people, groups and licences are there.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from deprovisioner.sandbox.graph import calendar, drive, teams
from deprovisioner.sandbox.graph.objects import stamp
from deprovisioner.sandbox.graph.store import Link, Record, Store, Table
from deprovisioner.sandbox.graph.tenant import Tenant, identifier
from deprovisioner.sandbox.people import Person

TEAM = "Project Atlas"


def load(store: Store, tenant: Tenant, now: datetime) -> None:
    """Make mailboxes, drives, the team, numbers and sign-ins."""
    _team(store, tenant, now)
    for number, person in enumerate(
        (tenant.leaver, tenant.cloud_leaver, tenant.privileged_leaver, tenant.successor)
    ):
        user = tenant.user_id(person.employment_id)
        _mailbox(store, person, user, now)
        _drive(store, person, user, now)
        if person != tenant.successor:
            _rules_and_meetings(store, tenant, person, user, now)
            _shared_files(store, tenant, user)
            _number(store, user, number)
        sign_in = _sign_in(person, user, now)
        store.put(Table.SIGN_INS, sign_in)


# -------------------------------------------------------------------------------------- Exchange


def _mailbox(store: Store, person: Person, user: str, now: datetime) -> None:
    inbox = identifier(f"inbox {user}")
    record: Record = {
        "id": user,
        "archiveFolder": f"{inbox}-archive",
        "automaticRepliesSetting": {
            "status": "disabled",
            "externalAudience": "all",
            "internalReplyMessage": "",
            "externalReplyMessage": "",
        },
        "dateFormat": "yyyy-MM-dd",
        "timeFormat": "HH:mm",
        "timeZone": person.site.time_zone,
        "language": {"locale": "en-US", "displayName": "English (United States)"},
        "userPurpose": "user",
        "_inbox": inbox,
        "_mailbox": f"MBX:{identifier(f'mailbox {user}')}@tenant",
    }
    store.put(Table.MAILBOXES, record)
    for number in range(1, 4):
        store.put(Table.MESSAGES, _message(person, user, inbox, number, now))


def _message(person: Person, user: str, inbox: str, number: int, now: datetime) -> Record:
    when = stamp(now - timedelta(days=number))
    sender = _recipient("customer@partner.example", "Customer")
    return {
        "id": identifier(f"message {number} {user}"),
        "subject": f"Contract {number} für {person.display_name}",
        "from": sender,
        "sender": sender,
        "toRecipients": [_recipient(person.work_email, person.display_name)],
        "ccRecipients": [],
        "bccRecipients": [],
        "body": {"contentType": "text", "content": f"Please see contract {number}, 谢谢.\n"},
        "bodyPreview": f"Please see contract {number}",
        "internetMessageId": f"<{number}.{person.login}@partner.example>",
        "createdDateTime": when,
        "lastModifiedDateTime": when,
        "receivedDateTime": when,
        "sentDateTime": when,
        "hasAttachments": False,
        "importance": "normal",
        "isDraft": False,
        "isRead": True,
        "categories": [],
        "parentFolderId": inbox,
        "_user": user,
    }


def _recipient(address: str, name: str) -> Record:
    return {"emailAddress": {"address": address, "name": name}}


def _rules_and_meetings(
    store: Store, tenant: Tenant, person: Person, user: str, now: datetime
) -> None:
    store.put(
        Table.MESSAGE_RULES,
        {
            "id": identifier(f"rule {user}"),
            "displayName": "to my own address",
            "sequence": 1,
            "isEnabled": True,
            "isReadOnly": False,
            "hasError": False,
            "conditions": {"subjectContains": ["contract"]},
            "actions": {
                "forwardTo": [_recipient(f"{person.login}@home.example", "Me")],
                "stopProcessingRules": True,
            },
            "_user": user,
        },
    )
    successor = tenant.successor
    address = {"address": successor.work_email, "name": successor.display_name}
    key = identifier(f"calendar permission {user}")
    store.put(Table.CALENDAR_PERMISSIONS, calendar.permission(key, user, address, "write"))
    default = calendar.permission(f"{key}-default", user, {"address": None}, "freeBusyRead")
    default["emailAddress"] = {"name": "My Organization"}
    store.put(Table.CALENDAR_PERMISSIONS, {**default, "isRemovable": False})
    other = tenant.user_id(successor.employment_id)
    for name, weekly in (("weekly", True), ("review", False)):
        for record in _meeting(name, person, user, successor, other, now, weekly=weekly):
            store.put(Table.EVENTS, record)
    for record in _meeting("invited", successor, other, person, user, now, weekly=False):
        store.put(Table.EVENTS, record)


def _meeting(
    name: str,
    organiser: Person,
    organiser_id: str,
    attendee: Person,
    attendee_id: str,
    now: datetime,
    *,
    weekly: bool,
) -> Iterator[Record]:
    start = now.replace(minute=0, second=0, microsecond=0) + timedelta(days=7)
    key = f"meeting {name} {organiser_id} {attendee_id}"
    record: Record = {
        "subject": f"{name} of {organiser.login}",
        "start": calendar.written(start),
        "end": calendar.written(start + timedelta(hours=1)),
        "type": "seriesMaster" if weekly else "singleInstance",
        "recurrence": _weekly(start) if weekly else None,
        "seriesMasterId": None,
        "iCalUId": identifier(f"ical {key}"),
        "isCancelled": False,
        "isAllDay": False,
        "isDraft": False,
        "hasAttachments": False,
        "categories": [],
        "importance": "normal",
        "sensitivity": "normal",
        "showAs": "busy",
        "organizer": _recipient(organiser.work_email, organiser.display_name),
        "attendees": [
            {
                **_recipient(attendee.work_email, attendee.display_name),
                "type": "required",
                "status": {"response": "accepted", "time": "0001-01-01T00:00:00Z"},
            }
        ],
    }
    mine = {"id": identifier(f"{key} organiser"), "isOrganizer": True, "_user": organiser_id}
    yield {**record, **mine}
    theirs = {"id": identifier(f"{key} attendee"), "isOrganizer": False, "_user": attendee_id}
    yield {**record, **theirs}


def _weekly(start: datetime) -> Record:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    pattern = {
        "type": "weekly",
        "interval": 1,
        "daysOfWeek": [days[start.weekday()]],
        "firstDayOfWeek": "sunday",
        "month": 0,
        "dayOfMonth": 0,
        "index": "first",
    }
    period = {
        "type": "noEnd",
        "startDate": start.date().isoformat(),
        "endDate": "0001-01-01",
        "recurrenceTimeZone": "UTC",
        "numberOfOccurrences": 0,
    }
    return {"pattern": pattern, "range": period}


# -------------------------------------------------------------------------------------- OneDrive


def _drive(store: Store, person: Person, user: str, now: datetime) -> None:
    key, root = f"b!{identifier(f'drive {user}')}", identifier(f"root {user}")
    record: Record = {
        "id": key,
        "name": "OneDrive",
        "driveType": "business",
        "owner": {"user": {"id": user, "displayName": person.display_name}},
        "createdDateTime": stamp(now - timedelta(days=400)),
        "quota": {"state": "normal", "total": 1099511627776, "used": 2048},
        "webUrl": f"https://example-my.sharepoint.example/personal/{person.login}",
        "_user": user,
        "_root": root,
    }
    store.put(Table.DRIVES, record)
    top = _file(user, "root", None, now, key)
    store.put(Table.DRIVE_ITEMS, {**top, "id": root, "folder": {"childCount": 2}, "root": {}})
    folder = identifier(f"file Contracts {user}")
    contracts = _file(user, "Contracts", root, now, key)
    store.put(Table.DRIVE_ITEMS, {**contracts, "folder": {"childCount": 1}})
    store.put(Table.DRIVE_ITEMS, _file(user, "notes.txt", root, now, key, b"notes\n"))
    text = "合同 contract text\n".encode()
    store.put(Table.DRIVE_ITEMS, _file(user, "contract.txt", folder, now, key, text))
    owner = {"id": user, "displayName": person.display_name}
    made = drive.permission(identifier(f"owner {user}"), root, owner, ["owner"])
    store.put(Table.DRIVE_PERMISSIONS, made)
    store.change(Table.DRIVE_ITEMS, folder, shared={"scope": "users"})


def _file(
    user: str, name: str, parent: str | None, now: datetime, key: str, content: bytes | None = None
) -> Record:
    record: Record = {
        "id": identifier(f"file {name} {user}"),
        "name": name,
        "size": len(content or b""),
        "eTag": f'"{{{identifier(f"tag {name} {user}")}}},1"',
        "createdDateTime": stamp(now - timedelta(days=50)),
        "lastModifiedDateTime": stamp(now - timedelta(days=5)),
        "parentReference": {"driveId": key, "id": parent} if parent else {"driveId": key},
        "webUrl": f"https://example-my.sharepoint.example/{identifier(f'file {name} {user}')}",
        "_drive": key,
        "_parent": parent,
        "_ticket": identifier(f"ticket {name} {user}"),
    }
    if content is not None:
        record.update(file={"mimeType": "text/plain", "hashes": {}}, _content=content)
    return record


def _shared_files(store: Store, tenant: Tenant, user: str) -> None:
    notes = identifier(f"file notes.txt {user}")
    link = {"type": "view", "scope": "anonymous", "webUrl": "https://share.example/s/abc"}
    key = identifier(f"anonymous {user}")
    record: Record = {"id": key, "roles": ["read"], "link": link, "_item": notes}
    store.put(Table.DRIVE_PERMISSIONS, {**record, "shareId": f"u!{key}"})
    store.change(Table.DRIVE_ITEMS, notes, shared={"scope": "anonymous"})
    successor = tenant.successor
    other = {
        "id": tenant.user_id(successor.employment_id),
        "displayName": successor.display_name,
    }
    folder = identifier(f"file Contracts {user}")
    made = drive.permission(identifier(f"shared {user}"), folder, other, ["write"])
    store.put(Table.DRIVE_PERMISSIONS, made)


# ----------------------------------------------------------------------------------------- Teams


def _team(store: Store, tenant: Tenant, now: datetime) -> None:
    key = tenant.group_id(TEAM)
    record: Record = {
        "id": key,
        "displayName": TEAM,
        "description": None,
        "isArchived": False,
        "visibility": "private",
        "createdDateTime": stamp(now - timedelta(days=300)),
        "tenantId": tenant.id,
    }
    store.put(Table.TEAMS, record)
    store.link(Link.OWNER, key, tenant.user_id(tenant.successor.employment_id))
    for name, kind in (("General", "standard"), ("Negotiations", "private")):
        channel = f"19:{identifier(f'channel {name}')}@thread.tacv2"
        made: Record = {"id": channel, "displayName": name, "membershipType": kind}
        made.update(createdDateTime=stamp(now - timedelta(days=300)), _team=key)
        store.put(Table.CHANNELS, made)
        if kind == "private":
            _private(store, tenant, channel)


def _private(store: Store, tenant: Tenant, channel: str) -> None:
    for person, given in (
        (tenant.leaver, ["owner"]),
        (tenant.cloud_leaver, ["owner"]),
        (tenant.successor, []),
    ):
        user = tenant.user_id(person.employment_id)
        record: Record = {
            "id": teams.member_id(channel, user),
            "displayName": person.display_name,
            "userId": user,
            "email": person.work_email,
            "roles": given,
            "visibleHistoryStartDateTime": "0001-01-01T00:00:00Z",
            "_channel": channel,
        }
        store.put(Table.CHANNEL_MEMBERS, record)


def _number(store: Store, user: str, number: int) -> None:
    telephone = f"+86215555{number:04d}"
    store.put(
        Table.NUMBERS,
        {
            "id": telephone,
            "telephoneNumber": telephone,
            "numberType": "callingPlan",
            "activationState": "activated",
            "assignmentStatus": "userAssigned",
            "assignmentTargetId": user,
            "isoCountryCode": "CN",
            "city": "Shanghai",
        },
    )


def _sign_in(person: Person, user: str, now: datetime) -> Record:
    return {
        "id": identifier(f"sign-in {user}"),
        "createdDateTime": stamp(now - timedelta(hours=4)),
        "userId": user,
        "userDisplayName": person.display_name,
        "userPrincipalName": person.work_email,
        "appDisplayName": "Office 365",
        "isInteractive": True,
        "ipAddress": "192.0.2.10",
    }
