"""Privileged leavers: what Graph refuses to an app, and whom a person has to act on.

Called where a write on a user was refused. Sensitive properties of administrators, and of plain
users who are members or owners of a role-assignable group, need the directory role Privileged
Authentication Administrator; an app permission is not enough (Graph, "users" resource). Then the
refusal is about this person. Otherwise a right of ours is missing, and every case waits.
"""

from __future__ import annotations

from typing import Final

from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.users.item.owned_objects.owned_objects_request_builder import (
    OwnedObjectsRequestBuilder,
)
from msgraph.generated.users.item.transitive_member_of.transitive_member_of_request_builder import (
    TransitiveMemberOfRequestBuilder,
)

from connectors.contract import Effect, Holding, Outcome
from connectors.entra.rows import Leaver
from connectors.faults import Fault, Refused, Unauthorised

_SELECT: Final = ["id", "isAssignableToRole"]
_ROLE: Final = "#microsoft.graph.directoryRole"


def privileged(leaver: Leaver) -> bool:
    """Tell whether an app needs a directory role to act on this user. Raises faults."""
    user = leaver.graph.client.users.by_user_id(leaver.id)
    member = TransitiveMemberOfRequestBuilder.TransitiveMemberOfRequestBuilderGetQueryParameters(
        select=_SELECT
    )
    owner = OwnedObjectsRequestBuilder.OwnedObjectsRequestBuilderGetQueryParameters(select=_SELECT)
    answers = leaver.graph.gather(
        [
            user.transitive_member_of.to_get_request_information(
                RequestConfiguration(query_parameters=member)
            ),
            user.owned_objects.to_get_request_information(
                RequestConfiguration(query_parameters=owner)
            ),
        ]
    )
    for answer in answers:
        if isinstance(answer, Fault):
            raise answer
        for one in answer:
            if one.get("@odata.type") == _ROLE or one.get("isAssignableToRole") is True:
                return True
    return False


def not_ours(leaver: Leaver, holding: Holding, fault: Refused | Unauthorised, duty: str) -> Effect:
    """Turn a refusal into an effect with a person's task, where it is about this person.

    Raises the fault again when it is about us: a missing right is an incident, not a refusal.
    """
    about_us = isinstance(fault, Unauthorised)
    if about_us and not (fault.code.startswith("graph:403") and privileged(leaver)):
        raise fault
    return Effect(holding.key, Outcome.REFUSED, why=f"{fault} ({fault.code}). {duty}")
