"""Who may do what: bearer tokens, five roles, six permissions.

A token says who speaks; its hash stands in our rows and its text nowhere (docs/api.md). The roles
are no ladder: who hands out tokens may not approve a destruction with one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from deprovisioner.api.problems import FORBIDDEN, UNAUTHENTICATED, ProblemError
from reconcile.desk import Desk
from reconcile.principals import Principal, Role

_LONGEST_TOKEN: Final = 512


class Permission(StrEnum):
    """What a request needs."""

    DELIVER = "deliver a termination"
    READ = "read cases"
    SEE_SYSTEMS = "see what is configured"
    ACT = "work on cases"
    DECIDE = "release and approve"
    TOKENS = "hand out tokens"


GRANTS: Final[dict[Role, frozenset[Permission]]] = {
    Role.HR: frozenset({Permission.DELIVER}),
    Role.AUDITOR: frozenset({Permission.READ, Permission.SEE_SYSTEMS}),
    Role.OPERATOR: frozenset(
        {Permission.DELIVER, Permission.READ, Permission.SEE_SYSTEMS, Permission.ACT}
    ),
    Role.APPROVER: frozenset(
        {Permission.READ, Permission.SEE_SYSTEMS, Permission.ACT, Permission.DECIDE}
    ),
    Role.ADMIN: frozenset({Permission.SEE_SYSTEMS, Permission.TOKENS}),
}

_bearer = HTTPBearer(auto_error=False, description="A token of `deprovisioner token issue`.")


def authenticate(desk: Desk, token: str | None) -> Principal:
    """Find out who speaks. Raises 401, the same for every reason."""
    known = desk.authenticate(token) if token and len(token) <= _LONGEST_TOKEN else None
    if known is None:
        raise ProblemError(UNAUTHENTICATED)
    return known


def authorise(principal: Principal, permission: Permission) -> Principal:
    """Check the role. Raises 403, which tells apart "who are you" from "not you"."""
    if permission not in GRANTS[principal.role]:
        raise ProblemError(FORBIDDEN, f"the role {principal.role} may not {permission}")
    return principal


def needs(permission: Permission) -> Callable[..., Principal]:
    """A dependency: the principal of the request, authorised."""

    def depend(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Principal:
        token = credentials.credentials if credentials else None
        return authorise(authenticate(request.app.state.house.desk, token), permission)

    return depend


Reader = Annotated[Principal, Depends(needs(Permission.READ))]
SystemsReader = Annotated[Principal, Depends(needs(Permission.SEE_SYSTEMS))]
Actor = Annotated[Principal, Depends(needs(Permission.ACT))]
Decider = Annotated[Principal, Depends(needs(Permission.DECIDE))]
TokenAdmin = Annotated[Principal, Depends(needs(Permission.TOKENS))]
