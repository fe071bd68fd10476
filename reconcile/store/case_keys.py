"""The data key of each case, so that destroying the key erases the person everywhere.

Called by `evidence_log` and `case_file` for what they seal, and by erasure. A case's data key is 32
random bytes, wrapped by the key-encryption key that the roof loads; associated data ties a wrapped
key to its case, so that rows cannot be swapped. Erasure reaches old backups of the data, too, if
the backups of this table and of the key-encryption key are short-lived (35 days at most) and under
no object lock.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from reconcile.sealing import KeyDestroyed, seal, unseal
from reconcile.store.ledger_schema import case_keys

KEY_SIZE: Final = 32
_WRAP: Final = "deprov-case-key/v1"
_KEY: Final = sa.select(case_keys.c.case_id, case_keys.c.wrapped).where(
    case_keys.c.case_id == sa.bindparam("this")
)


class CaseKeys:
    """The data keys of cases, in the caller's transaction.

    ``key_encryption_key`` is 32 bytes from the vault; ``clock`` answers aware UTC; ``token_bytes``
    is a cryptographic source.
    """

    def __init__(
        self,
        key_encryption_key: bytes,
        clock: Callable[[], datetime],
        token_bytes: Callable[[int], bytes],
    ) -> None:
        if len(key_encryption_key) != KEY_SIZE:
            raise ValueError("a key-encryption key is 32 bytes long")
        self._wrapping = key_encryption_key
        self._clock = clock
        self._token_bytes = token_bytes

    def create(self, connection: sa.Connection, case_id: str) -> bytes:
        """Make and store a key for a case that has none; `sqlalchemy.exc.IntegrityError` when it
        has.
        """
        key = self._token_bytes(KEY_SIZE)
        wrapped = seal(self._wrapping, key, f"{_WRAP}/{case_id}", self._token_bytes)
        row = {"case_id": case_id, "wrapped": wrapped, "created_at": self._clock().timestamp()}
        connection.execute(sa.insert(case_keys).values(row))
        return key

    def get(self, connection: sa.Connection, case_id: str) -> bytes:
        """The key of a case.

        Raises `LookupError` when it never had one, `KeyDestroyed` when it was erased, `SealBroken`
        when the row was tampered with or the key-encryption key is another.
        """
        row = connection.execute(_KEY, {"this": case_id}).one_or_none()
        return self.unwrap(case_id, *(row or (None, None)))

    def unwrap(self, case_id: str, known: str | None, wrapped: bytes | None) -> bytes:
        """The key of a case from its row: ``known`` is the row's case, None where there is none.

        Raises like `get`.
        """
        if known is None:
            raise LookupError(f"case {case_id} has no key")
        if wrapped is None:
            raise KeyDestroyed(f"the key of case {case_id} was destroyed")
        return unseal(self._wrapping, wrapped, f"{_WRAP}/{case_id}")

    def ensure(self, connection: sa.Connection, case_id: str) -> bytes:
        """The key of a case, made at the first call. The caller holds the lock of the case."""
        try:
            return self.get(connection, case_id)
        except LookupError:
            return self.create(connection, case_id)

    def destroy(self, connection: sa.Connection, case_id: str) -> bool:
        """Erase: the wrapped key is overwritten by null. False when there was no key left."""
        alive = sa.and_(case_keys.c.case_id == case_id, case_keys.c.wrapped.is_not(None))
        gone = {"wrapped": None, "destroyed_at": self._clock().timestamp()}
        result = connection.execute(sa.update(case_keys).where(alive).values(gone))
        return result.rowcount == 1
