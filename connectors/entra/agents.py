"""Row E24: agent identities and guests that the person sponsors or owns.

An agent goes on working after its sponsor left, and a guest goes on visiting: each gets the
successor as sponsor before the person's link is removed. Not here: applications (``applications``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Account, Effect, Gap, Holding, Json, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.clouds import CloudName
from connectors.entra.graph import segment
from connectors.entra.queries import asking, listed, readable, text, type_of
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Feature, Settings
from connectors.entra.steps import Look, take, take_away

AGENT: Final = kind("ownership.agent")
_NOBODY_ELSE: Final = "Make somebody who stays sponsor or owner of it: nobody else is."
_AGENT_CAST: Final = "microsoft.graph.agentIdentity"
_BLUEPRINT_CAST: Final = "microsoft.graph.agentIdentityBlueprint"
_NOT_IN_THIS_CLOUD: Final = "what a person sponsors cannot be listed in this cloud"
_ASK: Final = (
    "Look in the Entra admin centre for guests (Users, sponsor) and agents (Agent ID) that this "
    "person sponsors, and name another sponsor."
)


def _offered(settings: Settings) -> bool:
    """``sponsorOf`` is in the schema of the global cloud only."""
    return settings.cloud is CloudName.GLOBAL and settings.has(Feature.AGENTS)


def _read(leaver: Leaver) -> RowReading:
    if not _offered(leaver.settings):
        return RowReading()
    user = leaver.graph.client.users.by_user_id(leaver.id)
    sponsored, owned = leaver.graph.gather(
        [
            user.sponsor_of.to_get_request_information(),
            user.owned_objects.to_get_request_information(),
        ]
    )
    rows, gaps = readable(sponsored, "sponsored agents and guests", "User.Read.All")
    objects, more = readable(owned, "owned objects", "User.Read.All")
    links = [(_link(row), text(row, "displayName")) for row in rows]
    links += [
        (f"/servicePrincipals/{text(row, 'id')}/owners", text(row, "displayName"))
        for row in objects
        if type_of(row) == "agentIdentity" or text(row, "servicePrincipalType") == "AgentIdentity"
    ]
    answers = leaver.graph.gather([_people(leaver, link) for link, _ in links])
    reading = RowReading(gaps=gaps + more)
    for (link, name), answer in zip(links, answers, strict=True):
        people, unseen = readable(answer, "sponsors", "Application.Read.All")
        sole = not unseen and not _others(leaver, people)
        holding = leaver.holding(AGENT, link, name, sole=sole, restore={"link": link})
        reading += RowReading((holding,), unseen)
    return reading


def _link(row: Object) -> str:
    """Say where the sponsors of a thing are: a guest's, an agent's or a blueprint's."""
    native = text(row, "id")
    match type_of(row):
        case "user":
            return f"/users/{native}/sponsors"
        case "agentIdentityBlueprint" | "application":
            return f"/applications/{_BLUEPRINT_CAST}/{native}/sponsors"
        case _:
            return f"/servicePrincipals/{native}/{_AGENT_CAST}/sponsors"


def _people(leaver: Leaver, link: str) -> RequestInformation:
    return asking(leaver.graph.raw("GET", link), select=("id",))


def _others(leaver: Leaver, people: Sequence[Object]) -> list[str]:
    return [text(row, "id") for row in people if text(row, "id") != leaver.id]


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    who = successor.native_id
    return [take(leaver, one, partial(_look_there, leaver, one, who)) for one in holdings]


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_there, leaver, one, leaver.id)) for one in holdings]


def _look_there(leaver: Leaver, holding: Holding, who: str) -> Look:
    link = holding.native_id
    people = listed(leaver.graph, _people(leaver, link))
    there = any(text(row, "id") == who for row in people)
    body = leaver.graph.reference("directoryObjects" if link.endswith("owners") else "users", who)
    shown: dict[str, Json] = {"is named": there}
    return Look(there, shown, lambda: [leaver.graph.raw("POST", f"{link}/$ref", body)], adds=True)


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take_away(leaver, one, partial(_look_gone, leaver, one)) for one in holdings]


def _look_gone(leaver: Leaver, holding: Holding) -> Look:
    people = listed(leaver.graph, _people(leaver, holding.native_id))
    there = any(text(row, "id") == leaver.id for row in people)
    shown: dict[str, Json] = {"is named": there, "named": len(people)}
    if there and not _others(leaver, people):
        return Look(reached=False, read_back=shown, refuse=_NOBODY_ELSE)
    path = f"{holding.native_id}/{segment(leaver.id)}/$ref"
    return Look(not there, shown, lambda: [leaver.graph.raw("DELETE", path)])


def _card(settings: Settings) -> RowCard:
    stages = frozenset({Stage.PRESERVE, Stage.TRANSFER, Stage.REVOKE})
    rights = ("AgentIdentity.UpdateSponsors.All", "Application.ReadWrite.All", "User.ReadWrite.All")
    support = Support(AGENT, stages, rights=rights)
    if settings.has(Feature.AGENTS) and not _offered(settings):
        return RowCard((support,), gaps=(Gap(AGENT, _NOT_IN_THIS_CLOUD, _ASK),))
    note = (
        "An agent is not disabled while its sponsor leaves: others may work with it. Its new "
        "sponsor decides."
    )
    sessions = (
        "Sessions that agents opened for the person are not listed; one that is known ends with "
        "POST /users/<id>/agentSignInSessions/<session>/revoke."
    )
    return RowCard((support,), notes=(note, sessions))


ROW: Final = Row(
    "agents and guests", frozenset({AGENT}), _card, _read,
    revoke=_revoke, restore=_restore, transfer=_transfer,
    absent=lambda settings: not settings.has(Feature.AGENTS),
)  # fmt: skip
