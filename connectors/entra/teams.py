"""Rows E68 and E69: private and shared channels of teams, and telephone numbers.

Members of a team are members of its group (``groups``). Private and shared channels have members
of their own, and a shared channel has members who are in no team of ours. A channel membership has
an id that changes, so it is found again by the person before it is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Account, Effect, Gap, Holding, Json, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.clouds import CloudName
from connectors.entra.graph import segment
from connectors.entra.queries import (
    asking,
    found,
    listed,
    literal,
    membership,
    readable,
    text,
    texts,
)
from connectors.entra.rows import Leaver, Row, RowCard, RowReading, seen_or_missing
from connectors.entra.settings import Feature, Settings
from connectors.entra.steps import Look, take, take_away

CHANNEL: Final = kind("grant.acl")
CHANNEL_OWNERSHIP: Final = kind("ownership.resource")
NUMBER: Final = kind("alias")
_OWNER: Final = "owner"
_STANDARD: Final = "standard"
_PRIVATE: Final = "private"
_NOBODY_ELSE: Final = "Make somebody who stays owner of this channel: nobody else owns it."
_MEMBER_FIRST: Final = (
    "make the successor a member of the team first; a private channel only takes members of it"
)
_NUMBERS: Final = "/admin/teams/telephoneNumberManagement/numberAssignments"
_UNASSIGN: Final = f"{_NUMBERS}/microsoft.graph.teamsAdministration.unassignNumber"
_NOT_JOINED: Final = "shared channels of teams that the person is not in are not listed"
_SHARED_DUTY: Final = (
    "In Teams PowerShell: Get-AssociatedTeam -User <user principal name> shows the teams whose "
    "shared channels this person is in; for each channel Remove-TeamChannelUser -GroupId <team> "
    "-DisplayName <channel> -User <user principal name>. For teams of other tenants tell their "
    "owners."
)
_BY_POWERSHELL: Final = (
    "In Teams PowerShell: Get-CsPhoneNumberAssignment -AssignedPstnTargetId <object id of the "
    "user>, then for each number Remove-CsPhoneNumberAssignment -Identity <object id of the user> "
    "-PhoneNumber <number> -PhoneNumberType <type>."
)


@dataclass(frozen=True, slots=True)
class Place:
    """One private or shared channel and the person's membership in it."""

    team: str
    channel: str
    name: str
    members: Sequence[Object]
    type: str = ""

    @property
    def native_id(self) -> str:
        """Team and channel: both ids are immutable."""
        return f"{self.team}/{self.channel}"

    def of(self, who: str) -> Object | None:
        """Find somebody among the members."""
        return next((row for row in self.members if text(row, "userId") == who), None)

    def owners(self) -> list[str]:
        """Tell who owns the channel."""
        return [text(row, "userId") for row in self.members if _OWNER in texts(row, "roles")]


# ------------------------------------------------------------------------------------ channels


def _read(leaver: Leaver) -> RowReading:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    request = asking(user.joined_teams.to_get_request_information(), select=("id", "displayName"))
    teams, gaps = seen_or_missing(leaver.graph.gather([request])[0], "teams", "Team.ReadBasic.All")
    reading = RowReading(gaps=gaps)
    ids = [text(team, "id") for team in teams]
    names = {text(team, "id"): text(team, "displayName") for team in teams}
    channels = leaver.graph.gather([_channels(leaver, team) for team in ids])
    places: list[Place] = []
    for team, answer in zip(ids, channels, strict=True):
        rows, more = readable(answer, "channels", "Channel.ReadBasic.All")
        reading += RowReading(gaps=more)
        places += [_seen(team, names[team], row) for row in rows if _has_members(row)]
    members = leaver.graph.gather([_members(leaver, one.team, one.channel) for one in places])
    for place, answer in zip(places, members, strict=True):
        people, more = readable(answer, "channel members", "ChannelMember.Read.All")
        reading += RowReading(tuple(_holdings(leaver, replace(place, members=people))), more)
    return RowReading(reading.holdings, tuple(dict.fromkeys(reading.gaps)))


def _has_members(row: Object) -> bool:
    """Whether a channel has members of its own; a standard one has those of its team."""
    return text(row, "membershipType") not in {_STANDARD, ""}


def _seen(team: str, name: str, row: Object) -> Place:
    label = f"{text(row, 'displayName')} of {name}"
    return Place(team, text(row, "id"), label, (), text(row, "membershipType"))


def _channels(leaver: Leaver, team: str) -> RequestInformation:
    channels = leaver.graph.client.teams.by_team_id(team).channels
    wanted = ("id", "displayName", "membershipType")
    return asking(channels.to_get_request_information(), select=wanted)


def _members(leaver: Leaver, team: str, channel: str) -> RequestInformation:
    item = leaver.graph.client.teams.by_team_id(team).channels.by_channel_id(channel)
    return item.members.to_get_request_information()


def _holdings(leaver: Leaver, place: Place) -> list[Holding]:
    member = place.of(leaver.id)
    if member is None:
        return []
    image: dict[str, Json] = {"roles": list(texts(member, "roles")), "type": place.type}
    holdings = []
    if leaver.id in place.owners():
        holdings.append(
            leaver.holding(
                CHANNEL_OWNERSHIP,
                place.native_id,
                place.name,
                sole=place.owners() == [leaver.id],
                restore=image,
            )
        )
    return [*holdings, leaver.holding(CHANNEL, place.native_id, place.name, restore=image)]


def _place(leaver: Leaver, holding: Holding) -> Place:
    team, _, channel = holding.native_id.partition("/")
    return Place(team, channel, "", listed(leaver.graph, _members(leaver, team, channel)))


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    return [
        take(
            leaver, one, partial(_look_owner, leaver, one, successor.native_id), duty=_MEMBER_FIRST
        )
        for one in holdings
    ]


def _look_owner(leaver: Leaver, holding: Holding, who: str) -> Look:
    place = _place(leaver, holding)
    there = who in place.owners()
    shown: dict[str, Json] = {"is owner": there}
    return Look(there, shown, lambda: [_naming(leaver, place, who, [_OWNER])], adds=True)


def _naming(leaver: Leaver, place: Place, who: str, roles: Sequence[str]) -> RequestInformation:
    """Add somebody with roles, or change the roles of who is there."""
    path = f"/teams/{segment(place.team)}/channels/{segment(place.channel)}/members"
    body: dict[str, Json] = {
        "@odata.type": "#microsoft.graph.aadUserConversationMember", "roles": list(roles),
    }  # fmt: skip
    member = place.of(who)
    if member is not None:
        return leaver.graph.raw("PATCH", f"{path}/{segment(text(member, 'id'))}", body)
    link = text(leaver.graph.reference("users", who), "@odata.id")
    return leaver.graph.raw("POST", path, {**body, "user@odata.bind": link})


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    looks = {CHANNEL: _look_gone, CHANNEL_OWNERSHIP: _look_disowned}
    return [take_away(leaver, one, partial(looks[one.kind], leaver, one)) for one in holdings]


def _look_disowned(leaver: Leaver, holding: Holding) -> Look:
    place = _place(leaver, holding)
    mine = leaver.id in place.owners()
    shown: dict[str, Json] = {"is owner": mine, "owners": len(place.owners())}
    if place.owners() == [leaver.id]:
        return Look(reached=False, read_back=shown, refuse=_NOBODY_ELSE)
    return Look(not mine, shown, lambda: [_naming(leaver, place, leaver.id, [])])


def _look_gone(leaver: Leaver, holding: Holding) -> Look:
    place = _place(leaver, holding)
    member = place.of(leaver.id)
    shown: dict[str, Json] = {"is member": member is not None}
    if member is not None and place.owners() == [leaver.id]:
        return Look(reached=False, read_back=shown, refuse=_NOBODY_ELSE)
    item = leaver.graph.client.teams.by_team_id(place.team).channels.by_channel_id(place.channel)
    return Look(
        member is None,
        shown,
        lambda: [
            item.members.by_conversation_member_id(
                text(member or {}, "id")
            ).to_delete_request_information()
        ],
    )


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_back, leaver, one)) for one in holdings]


def _look_back(leaver: Leaver, holding: Holding) -> Look:
    place, wanted = _place(leaver, holding), texts(holding.restore, "roles")
    member = place.of(leaver.id)
    there = member is not None and set(wanted) <= set(texts(member, "roles"))
    shown: dict[str, Json] = {"is there": there}

    def additions() -> list[RequestInformation]:
        """A private channel takes members of its team only, so that comes first."""
        asked = membership(leaver.graph, place.team, leaver.id)
        outside = holding.restore.get("type") == _PRIVATE and not found(leaver.graph, asked)
        body = leaver.graph.reference("directoryObjects", leaver.id)
        path = f"/groups/{segment(place.team)}/members/$ref"
        first = [leaver.graph.raw("POST", path, body)] if outside else []
        return [*first, _naming(leaver, place, leaver.id, wanted)]

    return Look(there, shown, additions, adds=True)


# ------------------------------------------------------------------------------------- numbers


def _read_numbers(leaver: Leaver) -> RowReading:
    if not _offered(leaver.settings):
        return RowReading()
    answer = leaver.graph.gather([_numbers(leaver)])[0]
    rows, gaps = readable(answer, "telephone numbers", "TeamsTelephoneNumber.Read.All")
    return RowReading(
        tuple(
            leaver.holding(
                NUMBER,
                text(row, "telephoneNumber"),
                f"telephone number {text(row, 'telephoneNumber')}",
                restore={"type": text(row, "numberType")},
            )
            for row in rows
        ),
        gaps,
    )


def _offered(settings: Settings) -> bool:
    """The numbers are in the schema of the global cloud only."""
    return settings.cloud is CloudName.GLOBAL


def _numbers(leaver: Leaver) -> RequestInformation:
    management = leaver.graph.client.admin.teams.telephone_number_management
    return asking(
        management.number_assignments.to_get_request_information(),
        where=f"assignmentTargetId eq {literal(leaver.id)}",
    )


def _revoke_numbers(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [
        take_away(leaver, one, partial(_look_unassigned, leaver, one), duty=_BY_POWERSHELL)
        for one in holdings
    ]


def _look_unassigned(leaver: Leaver, holding: Holding) -> Look:
    rows = listed(leaver.graph, _numbers(leaver))
    row = next((one for one in rows if text(one, "telephoneNumber") == holding.native_id), None)
    body: dict[str, Json] = {
        "telephoneNumber": holding.native_id, "numberType": text(row or {}, "numberType"),
    }  # fmt: skip
    shown: dict[str, Json] = {"assigned": row is not None}
    return Look(row is None, shown, lambda: [leaver.graph.raw("POST", _UNASSIGN, body)])


# ----------------------------------------------------------------------------------- the card


def _card(settings: Settings) -> RowCard:
    rights = ("Team.ReadBasic.All", "Channel.ReadBasic.All", "ChannelMember.ReadWrite.All")
    take_away = frozenset({Stage.PRESERVE, Stage.REVOKE})
    return RowCard(
        (
            Support(CHANNEL_OWNERSHIP, take_away | {Stage.TRANSFER}, rights=rights),
            Support(CHANNEL, take_away, rights=rights),
        ),
        (Gap(CHANNEL, _NOT_JOINED, _SHARED_DUTY),) if settings.has(Feature.TEAMS) else (),
    )


def _card_numbers(settings: Settings) -> RowCard:
    if settings.has(Feature.TELEPHONY) and not _offered(settings):
        why = "telephone numbers cannot be read in this cloud"
        return RowCard(gaps=(Gap(NUMBER, why, _BY_POWERSHELL),))
    return RowCard(
        (
            Support(
                NUMBER,
                frozenset({Stage.PRESERVE, Stage.REVOKE}),
                rights=("TeamsTelephoneNumber.ReadWrite.All",),
                not_restorable="a number is assigned again by hand: Set-CsPhoneNumberAssignment",
            ),
        )
    )


CHANNELS: Final = Row(
    "channels", frozenset({CHANNEL, CHANNEL_OWNERSHIP}), _card, _read,
    revoke=_revoke, restore=_restore, transfer=_transfer,
    absent=lambda settings: not settings.has(Feature.TEAMS),
)  # fmt: skip
NUMBERS: Final = Row(
    "telephone numbers", frozenset({NUMBER}), _card_numbers, _read_numbers,
    revoke=_revoke_numbers,
    absent=lambda settings: not settings.has(Feature.TELEPHONY),
)  # fmt: skip
