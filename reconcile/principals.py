"""Who may speak to the desk: principals, their roles, and the tokens that prove them.

Tokens are shown once and kept only as SHA-256; they are 256 random bits, so a plain hash is enough
(no password stretching is needed for what cannot be guessed).
"""

from __future__ import annotations

import hashlib
import unicodedata
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from reconcile.errors import NotAllowed, UnknownQuestion
from reconcile.store.instants import epoch, instant, instant_or_none
from reconcile.store.schema import tokens

if TYPE_CHECKING:
    from datetime import datetime

    from reconcile.estate import Estate
    from reconcile.store.database import Database

PREFIX: Final = "dpv_"
LONGEST: Final = 128


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


@dataclass(slots=True)
class Principals:
    """Issues, checks and revokes tokens."""

    database: Database
    estate: Estate

    def issue(self, principal: str, role: Role) -> str:
        """Make a token; the only time it can be seen. Raises :class:`NotAllowed` on a bad name."""
        principal = folded(principal)
        if not principal or len(principal) > LONGEST or not principal.isprintable():
            message = "a principal needs a printable name of at most 128 characters"
            raise NotAllowed(message)
        token = PREFIX + urlsafe_b64encode(self.estate.token_bytes(32)).decode().rstrip("=")
        with self.database.begin() as connection:
            connection.execute(
                sa.insert(tokens).values(
                    id=self.estate.new_id(), principal=principal, role=role.value,
                    sha256=_hash(token), issued_at=epoch(self.estate.clock()),
                )
            )  # fmt: skip
        return token

    def authenticate(self, token: str) -> Principal | None:
        """Find who a token belongs to; None for anything that is not a live token.

        The look-up is by the hash of what was presented, so its timing says nothing about any
        stored token.
        """
        if len(token) > LONGEST or not token.startswith(PREFIX):
            return None
        with self.database.connect() as connection:
            query = sa.select(tokens.c.principal, tokens.c.role).where(
                tokens.c.sha256 == _hash(token), tokens.c.revoked_at.is_(None)
            )
            row = connection.execute(query).first()
        return Principal(row.principal, Role(row.role)) if row else None

    def revoke(self, token_id: str) -> None:
        """End a token. Raises :class:`UnknownQuestion` when there is none of that id."""
        with self.database.begin() as connection:
            gone = connection.execute(
                sa.update(tokens)
                .where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
                .values(revoked_at=epoch(self.estate.clock()))
            )
        if gone.rowcount != 1:
            message = "no live token of that id"
            raise UnknownQuestion(message)

    def all(self) -> tuple[TokenView, ...]:
        """List tokens, oldest first."""
        with self.database.connect() as connection:
            rows = connection.execute(sa.select(tokens).order_by(tokens.c.issued_at)).mappings()
            return tuple(
                TokenView(
                    row["id"], row["principal"], Role(row["role"]), instant(row["issued_at"]),
                    instant_or_none(row["revoked_at"]),
                )
                for row in rows
            )  # fmt: skip


def folded(name: str) -> str:
    """Give a person one spelling: two people are two names after this (Law 5)."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
