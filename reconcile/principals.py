"""Who may speak to the desk: principals, their roles, and the tokens that prove them.

Tokens are shown once and kept only as SHA-256; they are 256 random bits, so a plain hash is enough
(no password stretching is needed for what cannot be guessed).
"""

from __future__ import annotations

import hashlib
import unicodedata
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reconcile.errors import NotAllowed, UnknownQuestion
from reconcile.store.token_rows import (
    Principal,
    Role,
    TokenView,
    end_token,
    insert_token,
    live_token,
    load_tokens,
)

if TYPE_CHECKING:
    from reconcile.estate import Estate
    from reconcile.store.database import Database

__all__ = ["Principal", "Principals", "Role", "TokenView", "folded"]
"""The nouns stand beside their rows; whoever speaks to the desk takes them from here."""

PREFIX: Final = "dpv_"
LONGEST: Final = 128


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
            token_id, now = self.estate.new_id(), self.estate.clock()
            insert_token(connection, token_id, Principal(principal, role), _hash(token), now)
        return token

    def authenticate(self, token: str) -> Principal | None:
        """Find who a token belongs to; None for anything that is not a live token.

        The look-up is by the hash of what was presented, so its timing says nothing about any
        stored token.
        """
        if len(token) > LONGEST or not token.startswith(PREFIX):
            return None
        with self.database.connect() as connection:
            return live_token(connection, _hash(token))

    def revoke(self, token_id: str) -> None:
        """End a token. Raises :class:`UnknownQuestion` when there is none of that id."""
        with self.database.begin() as connection:
            ended = end_token(connection, token_id, self.estate.clock())
        if not ended:
            message = "no live token of that id"
            raise UnknownQuestion(message)

    def all(self) -> tuple[TokenView, ...]:
        """List tokens, oldest first."""
        with self.database.connect() as connection:
            return load_tokens(connection)


def folded(name: str) -> str:
    """Give a person one spelling: two people are two names after this (Law 5)."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
