"""What people of the pretend company do in its tenant when a duty asks them to, one deed each.

Called by ``duties``, which finds the deed that the words of a duty ask for. A deed changes the
world behind the daemon's back, as a person with PowerShell or a portal would, then looks whether it
is so now: the answer is what was seen, never that something was tried. It never asks the daemon.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from deprovisioner.sandbox.directory.witness import Change
from deprovisioner.sandbox.forest import writing
from deprovisioner.sandbox.forest.domain import Domain
from deprovisioner.sandbox.graph import GraphServer, Link, Record, Store, Table, View
from deprovisioner.sandbox.graph.drive import permission
from deprovisioner.sandbox.graph.objects import stamp
from deprovisioner.sandbox.people import Person

_AUTHOR: Final = "a person"
_FORMER: Final = b"Former staff"
_OUR_PIPELINES: Final = "ci.example.com"
_QUIET: Final = timedelta(seconds=2)
"""Since sessions were last ended: whoever was still in may know a secret made before that."""
_GRANTS: Final = (
    Table.ROLE_ELIGIBILITIES, Table.ROLE_ASSIGNMENTS, Table.GROUP_ELIGIBILITIES,
    Table.GROUP_ASSIGNMENTS,
)  # fmt: skip
_LIFE: Final = timedelta(days=180)
_NAMES: Final = uuid.UUID("8d1b2b8e-8a55-4f53-9d5d-6a4f2a0f6c11")


@dataclass(frozen=True, slots=True)
class Office:
    """Where people work: the tenant, the domain that masters it, and who leaves for whom."""

    graph: GraphServer
    domain: Domain
    leaver: Person
    successor: Person
    clock: Callable[[], datetime]
    safe: list[str] = field(default_factory=list)
    """Recovery keys and passwords of devices that were taken back."""

    @property
    def leaver_id(self) -> str:
        """The leaver's object id."""
        return self.graph.tenant.user_id(self.leaver.employment_id)

    @property
    def successor_id(self) -> str:
        """The successor's object id."""
        return self.graph.tenant.user_id(self.successor.employment_id)

    def edit(self, change: Callable[[Store], object]) -> View:
        """Change the tenant as a person; what it is like afterwards."""
        self.graph.edit(change, author=_AUTHOR)
        return self.graph.truth


Asked = re.Match[str]
Deed = Callable[[Office, Asked], bool]
"""Do what a duty asks; tell whether the world is so now. Doing it again does no harm."""


def leave_list(office: Office, asked: Asked) -> bool:
    """Take somebody out of a distribution list."""
    group, member = asked["group"], asked["member"]
    after = office.edit(lambda store: store.unlink(Link.MEMBER, group, member))
    return not after.linked(Link.MEMBER, group, member)


def change_attribute(office: Office, asked: Asked) -> bool:
    """Change what a rule reads, in Active Directory; the tenant follows after a synchronisation."""
    domain, guid = office.domain, office.leaver.object_guid
    administrator = domain.store.state().items[domain.administrator]
    name = f"<GUID={guid}>"
    change = Change("replace", asked["attribute"], (_FORMER,))
    writing.modify(domain, writing.Asked(administrator, encrypted=True), name, [change])
    view = office.graph.truth
    meant = [
        group for group in view.every(Table.GROUPS) if group["membershipRule"] == asked["rule"]
    ]
    return not any(view.linked(Link.MEMBER, group["id"], office.leaver_id) for group in meant)


def retire(office: Office, asked: Asked) -> bool:
    """Retire a device in Intune: it is there, removes the company's data and is gone."""
    device = asked["device"]
    after = office.edit(lambda store: store.drop(Table.MANAGED_DEVICES, device))
    return after.get(Table.MANAGED_DEVICES, device) is None


def take_back(office: Office, asked: Asked) -> bool:
    """Take a machine back: what opens its disk goes into the safe, then its object is deleted."""
    device = office.graph.truth.get(Table.DEVICES, asked["device"])
    if device is None:
        return True
    key, number = device["id"], device["deviceId"]

    def delete(store: Store) -> None:
        view = store.view(store.now)
        for table in (Table.RECOVERY_KEYS, Table.LOCAL_CREDENTIALS):
            for row in view.where(table, _device=number):
                office.safe.append(str(row.get("key") or row.get("credentials")))
                store.drop(table, row["id"])
        for link in (Link.REGISTERED_OWNER, Link.REGISTERED_USER):
            for person in view.targets(link, key):
                store.unlink(link, key, person)
        store.drop(Table.DEVICES, key)

    return office.edit(delete).get(Table.DEVICES, key) is None


def replace_secret(office: Office, asked: Asked) -> bool:
    """Make a new secret or certificate, deploy it, remove the known one; not before all is over."""
    application, key = asked["application"], asked["key"]
    if not _everything_ended(office):
        return False

    def change(store: Store) -> None:
        there = store.view(store.now).get(Table.APPLICATIONS, application) or {}
        for name in ("passwordCredentials", "keyCredentials"):
            known = [row for row in there.get(name, ()) if row["keyId"] == key]
            others = [row for row in there.get(name, ()) if row["keyId"] != key]
            if known:
                rows = [*others, *(_another(row, office.clock()) for row in known)]
                store.change(Table.APPLICATIONS, application, **{name: rows})

    after = office.edit(change).get(Table.APPLICATIONS, application) or {}
    held = (*after.get("passwordCredentials", ()), *after.get("keyCredentials", ()))
    return key not in {row["keyId"] for row in held}


def _another(known: Record, now: datetime) -> Record:
    ends = stamp(now + _LIFE)
    key = str(uuid.uuid5(_NAMES, known["keyId"]))
    return {**known, "keyId": key, "startDateTime": stamp(now), "endDateTime": ends}


def _everything_ended(office: Office) -> bool:
    """Whether the leaver is blocked, holds no group or role, and no session ended just now."""
    view, who = office.graph.truth, office.leaver_id
    user = view.get(Table.USERS, who) or {}
    ended = datetime.fromisoformat(user["signInSessionsValidFromDateTime"])
    rest = [row for table in _GRANTS for row in view.where(table, principalId=who)]
    out = not view.sources(Link.MEMBER, who) and not rest
    return user["accountEnabled"] is False and out and office.clock() - ended > _QUIET


def look_at_trust(office: Office, asked: Asked) -> bool:
    """Look where a federated credential leads; delete it unless to a pipeline of the company."""
    found = office.graph.truth.get(Table.FEDERATED_CREDENTIALS, asked["credential"])
    if found is None or urlsplit(found["issuer"]).hostname == _OUR_PIPELINES:
        return True
    after = office.edit(lambda store: store.drop(Table.FEDERATED_CREDENTIALS, found["id"]))
    return after.get(Table.FEDERATED_CREDENTIALS, found["id"]) is None


def leave_policy(office: Office, asked: Asked) -> bool:
    """Take somebody out of the lists of a policy."""
    return _named_instead(office, asked, "")


def name_another(office: Office, asked: Asked) -> bool:
    """Name the successor where a policy, review or package names the leaver."""
    return _named_instead(office, asked, office.successor_id)


def _named_instead(office: Office, asked: Asked, other: str) -> bool:
    key, user = asked["id"], asked["user"]

    def change(store: Store) -> None:
        there = store.view(store.now).get(Table.POLICIES, key)
        if there is not None:
            store.put(Table.POLICIES, _instead(there, user, other))

    after = office.edit(change).get(Table.POLICIES, key)
    return user not in str(after)


def _instead(value: Any, user: str, other: str) -> Any:  # noqa: ANN401 - JSON
    """Write a JSON value again with another name in it, or with none when ``other`` is empty."""
    if isinstance(value, str):
        return value.replace(user, other)
    if isinstance(value, Mapping):
        return {name: _instead(one, user, other) for name, one in value.items()}
    if isinstance(value, list):
        kept = [one for one in value if other or one != user]
        return [_instead(one, user, other) for one in kept]
    return value


def see_reports(office: Office, _asked: Asked) -> bool:
    """Look whether nobody reports to the leaver any more: the domain's connector sees to it."""
    return not office.graph.truth.sources(Link.MANAGER, office.leaver_id)


def set_up_meetings(office: Office, _asked: Asked) -> bool:
    """Set the leaver's meetings up again, in the successor's calendar."""
    store_of = office.graph.truth
    mine = [row for row in store_of.where(Table.EVENTS, _user=office.leaver_id) if _organised(row)]

    def set_up(store: Store) -> None:
        for row in mine:
            store.put(Table.EVENTS, _of_successor(office, row))

    after = office.edit(set_up)
    return all(after.get(Table.EVENTS, _of_successor(office, row)["id"]) for row in mine)


def _organised(row: Record) -> bool:
    return row["isOrganizer"] is True and not row["isCancelled"]


def _of_successor(office: Office, row: Record) -> Record:
    person = office.successor
    who = {"address": person.work_email, "name": person.display_name}
    name = f"{row['subject']}, with {person.display_name}"
    mine = {"id": str(uuid.uuid5(_NAMES, row["id"])), "_user": office.successor_id}
    unique = {"iCalUId": str(uuid.uuid5(_NAMES, row["iCalUId"]))}
    return {**row, **mine, **unique, "organizer": {"emailAddress": who}, "subject": name}


def open_drive(office: Office, _asked: Asked) -> bool:
    """Give the successor access to the leaver's OneDrive, at its root."""
    drives = office.graph.truth.where(Table.DRIVES, _user=office.leaver_id)
    who = {"id": office.successor_id, "displayName": office.successor.display_name}
    given = [
        permission(str(uuid.uuid5(_NAMES, one["id"])), one["_root"], who, ["write"])
        for one in drives
    ]

    def give(store: Store) -> None:
        for one in given:
            store.put(Table.DRIVE_PERMISSIONS, one)

    after = office.edit(give)
    return all(after.get(Table.DRIVE_PERMISSIONS, one["id"]) for one in given)


def hide_mailbox(office: Office, _asked: Asked) -> bool:
    """Hide the mailbox from the address list. Nothing forwards by address, and no hold is due."""
    who = office.leaver_id
    after = office.edit(lambda store: store.change(Table.USERS, who, showInAddressList=False))
    return (after.get(Table.USERS, who) or {}).get("showInAddressList") is False


def convert_mailbox(office: Office, asked: Asked) -> bool:
    """Make a mailbox a shared one, so that it lives on without a licence."""
    key = asked["mailbox"]
    after = office.edit(lambda store: store.change(Table.MAILBOXES, key, userPurpose="shared"))
    return (after.get(Table.MAILBOXES, key) or {}).get("userPurpose") == "shared"
