"""What proves that a read could see: the canary, read with the same token (Law 2).

Called before every survey, search and list. The canary is a user that exists on purpose and is a
member of one group: it shows that users are read by key, that memberships are readable with their
properties, and, in a search, that the index answers. Not a proof for every row: a right that is
missing for one of them is refused by Graph with 403 and becomes a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.users.item.member_of.member_of_request_builder import (
    MemberOfRequestBuilder,
)
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder

from connectors.contract import Canary, Credential, ReadEnd
from connectors.entra.answers import Row as Object
from connectors.entra.graph import Graph
from connectors.entra.settings import Settings
from connectors.faults import Fault, Missing

NAME: Final = "canary user"
_GROUP_GAP: Final = "memberships of the canary (needs Directory.Read.All)"


def canary_user(graph: Graph, settings: Settings) -> RequestInformation:
    """Ask for the canary by its id."""
    query = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(
        select=["id", "employeeId", "accountEnabled"]
    )
    return graph.client.users.by_user_id(settings.canary.id).to_get_request_information(
        RequestConfiguration(query_parameters=query)
    )


def canary_groups(graph: Graph, settings: Settings) -> RequestInformation:
    """Ask for the canary's memberships."""
    query = MemberOfRequestBuilder.MemberOfRequestBuilderGetQueryParameters(
        select=["id", "displayName"]
    )
    builder = graph.client.users.by_user_id(settings.canary.id).member_of
    return builder.to_get_request_information(RequestConfiguration(query_parameters=query))


def canary_of(settings: Settings, answer: Object | Fault) -> Canary:
    """Judge the canary's own object. Raises every fault but absence."""
    if isinstance(answer, Fault) and not isinstance(answer, Missing):
        raise answer
    expected = settings.canary.employee_id
    seen = not isinstance(answer, Fault) and answer.get("employeeId") == expected
    return Canary(NAME, seen)


def group_gaps(settings: Settings, answer: Sequence[Object] | Fault) -> tuple[str, ...]:
    """Judge the canary's memberships: the group must be there with its name."""
    if isinstance(answer, Missing):
        return (_GROUP_GAP,)
    if isinstance(answer, Fault):
        if answer.code.startswith("graph:403"):
            return (_GROUP_GAP,)
        raise answer
    named = {group.get("displayName") for group in answer}
    return () if settings.canary.group in named else (_GROUP_GAP,)


def end(graph: Graph, credential: Credential, canary: Canary, gaps: Sequence[str] = ()) -> ReadEnd:
    """Close a read that came to its last page."""
    return ReadEnd(
        complete=True,
        canary=canary,
        read_at=graph.clock(),
        credential=credential,
        gaps=tuple(dict.fromkeys(gaps)),
    )
