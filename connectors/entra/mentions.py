"""Rows E26 and E27: policies, reviews and packages that name the person. Read only.

An approver who left blocks requests for ever, and an exception made for them would hold for a
re-used account. Who comes instead is for a person to say, so nothing is changed here; each is
seen to be done when the person is not named any more. What lies outside Graph (E25, E28) is named
on this row's card.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Gap, Holding, Json, Kind, Strength, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.queries import asking, readable, text
from connectors.entra.rows import Leaver, Row, RowCard, RowReading
from connectors.entra.settings import Feature, Settings

EXCEPTION: Final = kind("grant.policy")
APPROVER: Final = kind("ownership.entry")
_DEPTH: Final = 40
_SUBSCRIPTIONS: Final = kind("ownership.webhook")
_NOT_LISTED: Final = (
    "change notifications that other applications subscribed to with this person's token cannot be "
    "listed; they end with the token"
)
_AZURE: Final = kind("ownership.project")
_NOT_GRAPH: Final = (
    "Azure roles and subscriptions, Azure DevOps tokens, Power Automate flows and connections, "
    "Fabric and Power BI workspaces and storage signatures are not in Graph"
)
_ELSEWHERE: Final = (
    "Look for what this person has outside Graph: Get-AzRoleAssignment -ObjectId <object id>; "
    "personal access tokens in Azure DevOps (Organization settings, Users); "
    "Get-AdminFlow -CreatedBy <object id> for flows, and add another owner; workspaces in Fabric. "
    "Hand over, then remove. Storage keys that signed a shared access signature are regenerated."
)
_OF_GROUPS: Final = "who approves activations of PIM for groups is listed group by group only"
_OF_GROUPS_DUTY: Final = (
    "Look for this person among the approvers of groups under PIM, and name somebody else: "
    "Privileged Identity Management, Groups, each group, Settings (GET /policies/"
    "roleManagementPolicies?$filter=scopeId eq '<group>' and scopeType eq 'Group'&$expand=rules)."
)
_MADE: Final = kind("ownership.application")
_NOT_OWNED: Final = (
    "secrets that the person gave to applications without owning them, or no longer owning them, "
    "are not told from others"
)
_NOT_OWNED_DUTY: Final = (
    "Look for secrets that this person added to applications that are not theirs: GET /users/<id>/"
    "createdObjects, and GET /auditLogs/directoryAudits?$filter=initiatedBy/user/id eq '<id>' "
    "(Certificates and secrets management). Change what is found with the owners of each."
)


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of object that can name a person, and what somebody has to do about it."""

    word: str
    what: str
    path: str
    right: str
    of: Kind
    task: str
    expand: str = ""
    where: str = ""


_CONDITIONAL: Final = Place(
    "conditional access policy",
    "conditional access policies",
    "/identity/conditionalAccess/policies",
    "Policy.Read.All",
    EXCEPTION,
    "Take the user {user} out of the included and excluded users of the conditional access policy "
    "{id}.",
)
_PACKAGES: Final = (
    Place(
        "access package policy",
        "access package policies",
        "/identityGovernance/entitlementManagement/assignmentPolicies",
        "EntitlementManagement.Read.All",
        APPROVER,
        "Name somebody else instead of the user {user} in the approval stages, reviewers and "
        "requestors of the access package policy {id}: its requests would wait for ever.",
    ),
    Place(
        "connected organisation",
        "connected organisations",
        "/identityGovernance/entitlementManagement/connectedOrganizations",
        "EntitlementManagement.Read.All",
        APPROVER,
        "Name another sponsor than the user {user} for the connected organisation {id}.",
        expand="internalSponsors",
    ),
    Place(
        "access review",
        "access reviews",
        "/identityGovernance/accessReviews/definitions",
        "AccessReview.Read.All",
        APPROVER,
        "Name another reviewer than the user {user} in the access review {id}.",
    ),
)
_ROLES: Final = Place(
    "approval of role activations",
    "approvals of role activations",
    "/policies/roleManagementPolicies",
    "RoleManagementPolicy.Read.Directory",
    APPROVER,
    "Name another approver than the user {user} in the role settings of PIM (policy {id}).",
    expand="rules",
    where="scopeId eq '/' and scopeType eq 'DirectoryRole'",
)


def _places(settings: Settings) -> tuple[Place, ...]:
    packages = _PACKAGES if settings.has(Feature.ACCESS_PACKAGES) else ()
    roles = (_ROLES,) if settings.has(Feature.PIM) else ()
    return (_CONDITIONAL, *packages, *roles)


def _read(leaver: Leaver) -> RowReading:
    places = _places(leaver.settings)
    answers = leaver.graph.gather([_request(leaver, place) for place in places])
    reading = RowReading()
    for place, answer in zip(places, answers, strict=True):
        rows, gaps = readable(answer, place.what, place.right)
        reading += RowReading(tuple(_mentions(leaver, place, rows)), gaps)
    return reading


def _request(leaver: Leaver, place: Place) -> RequestInformation:
    request = leaver.graph.raw("GET", place.path)
    return asking(request, expand=place.expand, where=place.where)


def _mentions(leaver: Leaver, place: Place, rows: Sequence[Object]) -> Iterator[Holding]:
    for row in rows:
        if _names(row, leaver.id.casefold()):
            native = text(row, "id")
            yield leaver.holding(
                place.of,
                f"{place.word.replace(' ', '-')}:{native}",
                f"{place.word} {text(row, 'displayName')}".strip(),
                duty=place.task.format(user=leaver.id, id=native),
            )


def _names(value: Json, user: str, depth: int = 0) -> bool:
    """Look for an object id anywhere below: as a value, or inside a query such as /users/<id>."""
    if depth > _DEPTH:
        return True  # too deep to be sure: a person looks
    if isinstance(value, str):
        return user in value.casefold()
    if isinstance(value, dict):
        return any(
            _names(one, user, depth + 1) for name, one in value.items() if name not in _NOT_A_ROLE
        )
    return isinstance(value, list) and any(_names(one, user, depth + 1) for one in value)


_NOT_A_ROLE: Final = frozenset({"createdBy", "lastModifiedBy", "scope", "instanceEnumerationScope"})
"""Who made a thing is history, and who is reviewed is not the reviewer."""


def _card(settings: Settings) -> RowCard:
    rights = tuple(dict.fromkeys(place.right for place in _places(settings)))
    elsewhere = [
        Gap(_SUBSCRIPTIONS, _NOT_LISTED, ""),
        Gap(_AZURE, _NOT_GRAPH, _ELSEWHERE),
        Gap(_MADE, _NOT_OWNED, _NOT_OWNED_DUTY),
    ]
    if settings.has(Feature.GROUP_PIM):
        elsewhere.append(Gap(APPROVER, _OF_GROUPS, _OF_GROUPS_DUTY))
    words = {
        EXCEPTION: "Take the person out of the policy that names them.",
        APPROVER: "Name somebody else as approver, reviewer or sponsor.",
    }
    return RowCard(
        tuple(
            Support(of, frozenset(), revokes=Strength.NEVER, rights=rights, duty=duty)
            for of, duty in words.items()
        ),
        tuple(elsewhere),
    )


ROW: Final = Row(
    "policies and reviews", frozenset({EXCEPTION, APPROVER}), _card, _read
)  # fmt: skip
