"""Rows of the tokens that prove who speaks to the desk; only their hashes are kept.

Read and written by ``reconcile.principals``, which makes tokens and hashes what is presented.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from reconcile.store.instants import epoch, instant, instant_or_none
from reconcile.store.schema import tokens


class Role(StrEnum):
    """What a token may do. An approver may do all an operator may; an admin issues tokens."""

    HR = "hr"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that has proven who it is."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as it may be shown: never the token itself."""

    id: str
    principal: str
    role: Role
    issued_at: datetime
    revoked_at: datetime | None


def insert_token(
    connection: sa.Connection, token_id: str, principal: Principal, sha256: str, now: datetime
) -> None:
    """Keep the hash of a new token."""
    connection.execute(
        sa.insert(tokens).values(
            id=token_id, principal=principal.name, role=principal.role.value,
            sha256=sha256, issued_at=epoch(now),
        )
    )  # fmt: skip


def live_token(connection: sa.Connection, sha256: str) -> Principal | None:
    """Find who a token with this hash belongs to, unless it was ended."""
    query = sa.select(tokens.c.principal, tokens.c.role).where(
        tokens.c.sha256 == sha256, tokens.c.revoked_at.is_(None)
    )
    row = connection.execute(query).first()
    return Principal(row.principal, Role(row.role)) if row else None


def end_token(connection: sa.Connection, token_id: str, now: datetime) -> bool:
    """End a token; False when none of that id is live."""
    ended = connection.execute(
        sa.update(tokens)
        .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
        .values(revoked_at=epoch(now))
    )
    return ended.rowcount == 1


def load_tokens(connection: sa.Connection) -> tuple[TokenView, ...]:
    """List tokens, oldest first."""
    rows = connection.execute(sa.select(tokens).order_by(tokens.c.issued_at)).mappings()
    return tuple(
        TokenView(
            row["id"], row["principal"], Role(row["role"]), instant(row["issued_at"]),
            instant_or_none(row["revoked_at"]),
        )
        for row in rows
    )  # fmt: skip
