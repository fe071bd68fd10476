"""Row 1.5 and E34: memberships and ownerships of groups, and membership of administrative units.

What Graph cannot change is reported with who can: a dynamic group changes with the attribute its
rule reads, a synced group in Active Directory, a distribution list in Exchange. A member is taken
out by ``/$ref`` only; without it Graph deletes the user. Ownership is reported before membership,
because an owner who left is still a member. Not here: channels of teams (``teams``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Account, Effect, Holding, Json, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.licences import convert_first, keeps_a_mailbox
from connectors.entra.queries import (
    asking,
    found,
    listed,
    membership,
    parts,
    readable,
    text,
    texts,
    type_of,
)
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Settings
from connectors.entra.steps import Look, take, take_away

GROUP: Final = kind("grant.group")
OWNERSHIP: Final = kind("ownership.group")
_UNIT: Final = "unit:"
_ENDS: Final = ("id", "groupTypes", "mailEnabled", "onPremisesSyncEnabled")
"""What :func:`end_of` needs of a group."""
_SELECT: Final = (
    *_ENDS, "displayName", "isAssignableToRole", "membershipRule", "membershipType",
    "isMemberManagementRestricted",
)  # fmt: skip
_ATTRIBUTE: Final = re.compile(r"\buser\.([A-Za-z0-9_.]+)")
_ADDRESS: Final = re.compile(r"[\"'][^\"']*@[^\"']*[\"']")
_LONGEST_RULE: Final = 400
_NOBODY_ELSE: Final = "Make somebody who stays owner of this group: nobody else owns it."
_RESTRICTED: Final = (
    "Membership of this administrative unit is managed by its own administrators: ask one of them "
    "to remove the user (object id {user}) from it."
)
_MANAGED_THERE: Final = (
    "This group is mastered in Active Directory: name another manager there (Set-ADGroup "
    "-ManagedBy), then wait for the next synchronisation."
)
_DUTY: Final = "a group assignable to roles needs RoleManagement.ReadWrite.Directory as well"


class End(StrEnum):
    """Who can take somebody out of a group."""

    GRAPH = "graph"
    RULE = "rule"
    ACTIVE_DIRECTORY = "active directory"
    EXCHANGE = "exchange"


def end_of(row: Object) -> End:
    """Tell by the group object who can change its members."""
    if row.get("onPremisesSyncEnabled") is True:
        return End.ACTIVE_DIRECTORY
    types = {one.casefold() for one in texts(row, "groupTypes")}
    if "dynamicmembership" in types or text(row, "membershipType").casefold() == "dynamic":
        return End.RULE
    if row.get("mailEnabled") is True and "unified" not in types:
        return End.EXCHANGE
    return End.GRAPH


# ------------------------------------------------------------------------------------- reading


def _read(leaver: Leaver) -> RowReading:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    members = asking(
        user.member_of.to_get_request_information(),
        select=_SELECT,
        top=leaver.settings.page_size,
    )
    owned = asking(user.owned_objects.to_get_request_information(), top=leaver.settings.page_size)
    member_of, owns = leaver.graph.gather([members, owned])
    rows, gaps = readable(member_of, "group memberships", "Directory.Read.All")
    objects, more = readable(owns, "owned objects", "User.Read.All")
    groups = [row for row in objects if type_of(row) == "group"]
    reading = _ownerships(leaver, groups) + RowReading(gaps=gaps + more)
    hidden = [row for row in rows if _is_hidden(row)]
    if hidden:  # Law 2: an object that shows its id alone may be any kind of group
        reading += RowReading(gaps=(f"{len(hidden)} memberships (needs Directory.Read.All)",))
    memberships = (_membership(leaver, row) for row in rows if type_of(row) in _KNOWN)
    return reading + RowReading(tuple(memberships))


_KNOWN: Final = frozenset({"group", "administrativeUnit"})


def _is_hidden(row: Object) -> bool:
    """Without the right, Graph shows an object of which every member but the id is null."""
    return type_of(row) not in {*_KNOWN, "directoryRole"} or not text(row, "displayName")


def _membership(leaver: Leaver, row: Object) -> Holding:
    unit = type_of(row) == "administrativeUnit"
    native = f"{_UNIT}{text(row, 'id')}" if unit else text(row, "id")
    return leaver.holding(
        GROUP,
        native,
        f"unit {text(row, 'displayName')}" if unit else text(row, "displayName"),
        restore={"group": text(row, "id"), "end": end_of(row).value},
        duty=_duty(leaver, row, of_unit=unit),
    )


def _duty(leaver: Leaver, row: Object, *, of_unit: bool) -> str:
    """What a person has to do where Graph cannot; empty where it can, or the sync will."""
    match end_of(row):
        case End.RULE:
            return _rule_duty(leaver, text(row, "membershipRule"))
        case End.ACTIVE_DIRECTORY:
            return "" if leaver.settings.active_directory else _directory_duty(text(row, "id"))
        case End.EXCHANGE:
            return _exchange_duty(text(row, "id"), leaver.id)
        case End.GRAPH:
            restricted = of_unit and row.get("isMemberManagementRestricted") is True
            return _RESTRICTED.format(user=leaver.id) if restricted else ""


def _rule_duty(leaver: Leaver, rule: str) -> str:
    shown = _ADDRESS.sub('"..."', rule)[:_LONGEST_RULE]  # Law 10: words of a task name nobody
    attributes = sorted({match.group(1) for match in _ATTRIBUTE.finditer(rule)})
    where = "in Active Directory" if leaver.synced else "on the user in Entra"
    change = ", ".join(attributes) or "that the rule reads"
    return (
        "The members of this group follow a rule, so nobody can be taken out of it. Rule: "
        f"{shown or 'not readable'}. Change the attribute {change} of this person {where} so that "
        "the rule does not hold, or change the rule. Its evaluation takes minutes to a day."
    )


def _directory_duty(group: str) -> str:
    return (
        "This group is mastered in Active Directory: take the person out of it there "
        "(Remove-ADGroupMember), then wait for the next synchronisation. In Entra it is the group "
        f"with object id {group}."
    )


def _exchange_duty(group: str, user: str) -> str:
    return (
        "Graph cannot change a distribution list or mail-enabled security group. In Exchange "
        f'Online PowerShell: Remove-DistributionGroupMember -Identity "{group}" -Member "{user}" '
        "-BypassSecurityGroupManagerCheck -Confirm:$false"
    )


def _owner_duty(leaver: Leaver, row: Object) -> str:
    match end_of(row):
        case End.ACTIVE_DIRECTORY:
            return "" if leaver.settings.active_directory else _MANAGED_THERE
        case End.EXCHANGE:
            return (
                "Graph cannot change who owns a distribution list. In Exchange Online PowerShell: "
                f'Set-DistributionGroup -Identity "{text(row, "id")}" -ManagedBy @{{Add="<object '
                f'id of the successor>"; Remove="{leaver.id}"}} -BypassSecurityGroupManagerCheck'
            )
        case _:
            return ""


def _ownerships(leaver: Leaver, groups: Sequence[Object]) -> RowReading:
    answers = leaver.graph.gather([_owners_of(leaver, text(row, "id")) for row in groups])
    reading = RowReading()
    for row, answer in zip(groups, answers, strict=True):
        owners, gaps = readable(answer, "owners of groups", "GroupMember.Read.All")
        sole = not gaps and not _others(leaver, owners)
        image: dict[str, Json] = {"group": text(row, "id"), "end": end_of(row).value}
        holding = leaver.holding(
            OWNERSHIP,
            text(row, "id"),
            text(row, "displayName"),
            sole=sole,
            restore=image,
            duty=_owner_duty(leaver, row),
        )
        reading += RowReading((holding,), gaps)
    return reading


def _owners_of(leaver: Leaver, group: str) -> RequestInformation:
    owners = leaver.graph.client.groups.by_group_id(group).owners
    return asking(owners.to_get_request_information(), select=("id",))


def _others(leaver: Leaver, owners: Sequence[Object]) -> list[str]:
    """Other people who own it: Graph keeps the last owner that is a user, not an application."""
    users = [row for row in owners if type_of(row) in {"user", ""}]
    return [text(row, "id") for row in users if text(row, "id") != leaver.id]


# ------------------------------------------------------------------------------------ changing


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_handed, leaver, one, successor)) for one in holdings]


def _look_handed(leaver: Leaver, holding: Holding, successor: Account) -> Look:
    """The successor owns it; of a Microsoft 365 group also as a member, or Teams shows no owner."""
    group, who = holding.native_id, successor.native_id
    owners = _others(leaver, listed(leaver.graph, _owners_of(leaver, group)))
    row = leaver.graph.get(_group(leaver, group))
    if holding.duty or end_of(row) is not End.GRAPH:
        wait = None if holding.duty else _after_the_sync(leaver)
        return Look(reached=who in owners, refuse=holding.duty, wait=wait)
    teamed = "unified" in {one.casefold() for one in texts(row, "groupTypes")}
    member = not teamed or found(leaver.graph, membership(leaver.graph, group, who)) is not None
    body = leaver.graph.reference("users", who)

    def additions() -> list[RequestInformation]:
        wanted = [("owners", who in owners), ("members", member)]
        paths = [f"/groups/{group}/{name}/$ref" for name, there in wanted if not there]
        return [leaver.graph.raw("POST", path, body) for path in paths]

    shown: dict[str, Json] = {"is owner": who in owners, "is member": member}
    return Look(who in owners and member, shown, additions, adds=True)


def _group(leaver: Leaver, group: str) -> RequestInformation:
    item = leaver.graph.client.groups.by_group_id(group)
    return asking(item.to_get_request_information(), select=_ENDS)


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_away(
            leaver,
            one,
            partial(_look_disowned if one.kind == OWNERSHIP else _look_left, leaver, one),
            duty=_DUTY,
        )
        for one in holdings
    ]


def _look_disowned(leaver: Leaver, holding: Holding) -> Look:
    owners = listed(leaver.graph, _owners_of(leaver, holding.native_id))
    mine = any(text(row, "id") == leaver.id for row in owners)
    shown: dict[str, Json] = {"is owner": mine, "owners": len(owners)}
    if mine and not _others(leaver, owners):  # Law 5: looked up now, not when surveyed
        return Look(reached=False, read_back=shown, refuse=_NOBODY_ELSE)
    if mine and not holding.duty and _ends_in_active_directory(leaver, holding):
        return Look(reached=False, read_back=shown, wait=_after_the_sync(leaver))
    link = leaver.graph.client.groups.by_group_id(holding.native_id).owners
    gone = link.by_directory_object_id(leaver.id).ref.to_delete_request_information
    return Look(not mine, shown, lambda: [gone()], refuse=holding.duty if mine else "")


def _look_left(leaver: Leaver, holding: Holding) -> Look:
    there = _is_member(leaver, holding)
    shown: dict[str, Json] = {"is member": there}
    if there and holding.duty:
        return Look(reached=False, read_back=shown, refuse=holding.duty)
    if there and _ends_in_active_directory(leaver, holding):
        return Look(reached=False, read_back=shown, wait=_after_the_sync(leaver))
    if there and _gives_the_mailbox(leaver, holding.native_id):
        return Look(reached=False, read_back=shown, wait=convert_first(leaver))
    return Look(not there, shown, lambda: [_leaving(leaver, holding)])


def _gives_the_mailbox(leaver: Leaver, group: str) -> bool:
    """Whether a licence of this group keeps a mailbox alive that nobody has converted yet."""
    states = parts(leaver.user, "licenseAssignmentStates")
    given = [text(row, "skuId") for row in states if text(row, "assignedByGroup") == group]
    return any(keeps_a_mailbox(leaver, sku) for sku in given)


def _leaving(leaver: Leaver, holding: Holding) -> RequestInformation:
    client = leaver.graph.client
    if holding.native_id.startswith(_UNIT):
        unit = client.directory.administrative_units.by_administrative_unit_id(
            holding.native_id.removeprefix(_UNIT)
        )
        return unit.members.by_directory_object_id(leaver.id).ref.to_delete_request_information()
    members = client.groups.by_group_id(holding.native_id).members
    return members.by_directory_object_id(leaver.id).ref.to_delete_request_information()


def _is_member(leaver: Leaver, holding: Holding) -> bool:
    if holding.native_id.startswith(_UNIT):
        user = leaver.graph.client.users.by_user_id(leaver.id)
        rows = listed(leaver.graph, user.member_of.to_get_request_information())
        unit = holding.native_id.removeprefix(_UNIT)
        return any(text(row, "id") == unit for row in rows)
    return found(leaver.graph, membership(leaver.graph, holding.native_id, leaver.id)) is not None


def _ends_in_active_directory(leaver: Leaver, holding: Holding) -> bool:
    if holding.native_id.startswith(_UNIT) or not leaver.settings.active_directory:
        return False
    return end_of(leaver.graph.get(_group(leaver, holding.native_id))) is End.ACTIVE_DIRECTORY


def _after_the_sync(leaver: Leaver) -> tuple[str, datetime]:
    master = leaver.settings.active_directory
    why = f"mastered in Active Directory ({master}): ends there, and here after the next sync"
    return why, leaver.now() + leaver.settings.sync_cycle


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_back, leaver, one)) for one in holdings]


def _look_back(leaver: Leaver, holding: Holding) -> Look:
    native, who = holding.native_id, leaver.id
    if holding.kind == OWNERSHIP:
        rows = listed(leaver.graph, _owners_of(leaver, native))
        there = any(text(row, "id") == who for row in rows)
        path = f"/groups/{native}/owners/$ref"
    else:
        there = _is_member(leaver, holding)
        unit = native.removeprefix(_UNIT)
        base = "/directory/administrativeUnits" if native.startswith(_UNIT) else "/groups"
        path = f"{base}/{unit}/members/$ref"
    shown: dict[str, Json] = {"is there": there}
    if not there and holding.restore.get("end") != End.GRAPH.value:
        why = "comes back where it ended: in the rule, Active Directory or Exchange"
        return Look(reached=False, read_back=shown, refuse=why)
    body = leaver.graph.reference("directoryObjects", who)
    return Look(there, shown, lambda: [leaver.graph.raw("POST", path, body)], adds=True)


# ----------------------------------------------------------------------------------- the card


def _card(settings: Settings) -> RowCard:
    synced = (
        f"Membership of synced groups ends in {settings.active_directory}, and here a "
        "synchronisation later."
        if settings.active_directory
        else "Membership of synced groups is a person's task: no system of this configuration "
        "masters them (active_directory)."
    )
    return RowCard(
        (
            Support(
                OWNERSHIP,
                frozenset({Stage.PRESERVE, Stage.TRANSFER, Stage.REVOKE}),
                rights=("Group.ReadWrite.All",),
            ),
            Support(
                GROUP,
                frozenset({Stage.PRESERVE, Stage.REVOKE}),
                rights=(
                    "GroupMember.ReadWrite.All",
                    "RoleManagement.ReadWrite.Directory for groups assignable to roles",
                    "AdministrativeUnit.ReadWrite.All",
                ),
            ),
        ),
        notes=(synced, _TEAMS),
    )


_TEAMS: Final = (
    "Teams follows the owners of its group by up to two hours, and may drop an owner who left "
    "from the members as well."
)
ROW: Final = Row(
    "groups", frozenset({OWNERSHIP, GROUP}), _card, _read,
    revoke=_revoke, restore=_restore, transfer=_transfer, ends_sessions=True,
)  # fmt: skip
