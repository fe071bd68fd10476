"""Tokens, the configured systems, and whether the daemon is alive and ready."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Card
from deprovisioner.api import problems
from deprovisioner.api.access import SystemsReader, TokenAdmin
from deprovisioner.api.cases import ID, Here
from deprovisioner.api.problems import ProblemError, documented
from reconcile.facts import Step
from reconcile.principals import Role

_GUARDED: Final = (problems.UNAUTHENTICATED, problems.FORBIDDEN, problems.UNAVAILABLE)

router = APIRouter()


class NewToken(BaseModel):
    """For whom a token is, and for what."""

    model_config = ConfigDict(extra="forbid")

    principal: Annotated[str, Field(min_length=1, max_length=128)]
    role: Role


class IssuedToken(BaseModel):
    """The token. It is shown once and kept nowhere."""

    token: str


class Token(BaseModel):
    """A token as it may be shown."""

    id: str
    principal: str
    role: Role
    issued_at: datetime
    revoked_at: datetime | None


class SystemView(BaseModel):
    """A configured system: what it may do here, and its capability card."""

    name: str
    observe: bool
    abilities: tuple[Step, ...]
    card: Card


class Health(BaseModel):
    """``alive`` or ``ready``."""

    status: str


@router.post(
    "/v1/tokens",
    tags=["tokens"],
    status_code=201,
    responses=documented(*_GUARDED, problems.NOT_ALLOWED, problems.UNUSABLE),
)
def issue_token(house: Here, _who: TokenAdmin, body: NewToken) -> IssuedToken:
    """Make a token. Its text is in this answer and never again."""
    return IssuedToken(token=house.desk.issue_token(body.principal, body.role))


@router.get("/v1/tokens", tags=["tokens"], responses=documented(*_GUARDED))
def list_tokens(house: Here, _who: TokenAdmin) -> tuple[Token, ...]:
    """Every token that was ever issued, without its text."""
    return tuple(
        Token(
            id=token.id,
            principal=token.principal,
            role=token.role,
            issued_at=token.issued_at,
            revoked_at=token.revoked_at,
        )
        for token in house.desk.tokens()
    )


@router.delete(
    "/v1/tokens/{token_id}",
    tags=["tokens"],
    status_code=204,
    responses=documented(*_GUARDED, problems.UNKNOWN_QUESTION, problems.UNUSABLE),
)
def revoke_token(house: Here, _who: TokenAdmin, token_id: Annotated[str, Path(pattern=ID)]) -> None:
    """End a token at once."""
    house.desk.revoke_token(token_id)


@router.get("/v1/systems", tags=["systems"], responses=documented(*_GUARDED))
def list_systems(house: Here, _who: SystemsReader) -> tuple[SystemView, ...]:
    """Every configured system with its capability card; nothing outside is asked."""
    return tuple(
        SystemView(
            name=system.name,
            observe=system.observe or house.estate.observe,
            abilities=tuple(sorted(system.abilities)),
            card=system.card,
        )
        for system in house.estate.systems.values()
    )


@router.get("/healthz", tags=["health"])
async def is_alive() -> Health:
    """The process answers. It is asked by a supervisor that restarts what does not."""
    return Health(status="alive")


@router.get("/readyz", tags=["health"], responses=documented(problems.NOT_READY))
def is_ready(house: Here) -> Health:
    """The database answers, records are being published, the lease is ours."""
    wrong = tuple(house.unready())
    if wrong:
        raise ProblemError(problems.NOT_READY, errors=wrong)
    return Health(status="ready")
