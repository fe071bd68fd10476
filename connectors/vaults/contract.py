"""What a vault is: encrypted, append-only, believed only after it was read back.

Called by the ``preserve`` operation, backup drills and undo. A vault knows nothing of policies or
retention: it stores, proves, gives back and, when told so, deletes.

The recipient is the public half of a per-case identity (:class:`CaseIdentity`), whose private
half exists only sealed to the escrow holders. Erasing a person is deleting the sealed identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Final, Protocol

from connectors.contract import Json
from connectors.faults import Malformed, Refused, Transient
from connectors.secret import Secret

RECEIPT_VERSION: Final = 1


class OutOfSpace(Transient):
    """The disk or its quota is full. Nothing of the object is visible; try again later."""


class Damaged(Malformed):
    """What is stored is not what the receipt says. Nothing may be revoked on its account."""


class WrongIdentity(Refused):
    """This identity cannot open the object; a person has to bring the right one."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one stored object; kept in evidence and given back to the vault that wrote it.

    ``name`` is the relative file name of the export. ``version`` counts objects of one name.
    Sizes are in bytes, digests in lower-case hex. ``strength`` says in words how well the vault
    protects what it stored. ``already`` is true when the object had been stored before (Law 6);
    it is about this call and not part of the receipt's identity or JSON.
    """

    case_id: str
    name: str
    version: int
    plaintext_size: int
    plaintext_sha256: str
    ciphertext_size: int
    ciphertext_sha256: str
    recipient: str
    stored_at: datetime
    software: str
    strength: str
    already: bool = field(default=False, compare=False)

    def to_json(self) -> Mapping[str, Json]:
        """Serialise for a JSON column or a manifest."""
        document: dict[str, Json] = asdict(self)
        del document["already"]
        return {**document, "stored_at": self.stored_at.isoformat(), "receipt": RECEIPT_VERSION}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> Receipt:
        """Read what :meth:`to_json` wrote. Raises :class:`~connectors.faults.Malformed`."""
        wanted = {item.name for item in fields(cls)} - {"already"} | {"receipt"}
        if set(document) != wanted or document["receipt"] != RECEIPT_VERSION:
            raise Malformed("not a receipt of a version known here", code="vault:receipt")
        try:
            return cls(
                case_id=_text(document, "case_id"),
                name=_text(document, "name"),
                version=_number(document, "version"),
                plaintext_size=_number(document, "plaintext_size"),
                plaintext_sha256=_text(document, "plaintext_sha256"),
                ciphertext_size=_number(document, "ciphertext_size"),
                ciphertext_sha256=_text(document, "ciphertext_sha256"),
                recipient=_text(document, "recipient"),
                stored_at=datetime.fromisoformat(_text(document, "stored_at")),
                software=_text(document, "software"),
                strength=_text(document, "strength"),
            )
        except ValueError as error:
            raise Malformed("a receipt with an unreadable field", code="vault:receipt") from error


@dataclass(frozen=True, slots=True)
class CaseIdentity:
    """The key pair of one case: its public half, and its private half sealed to the escrow.

    ``sealed`` is an age file. It belongs into an erasable key store, never beside the ciphertext.
    ``escrow`` names the public keys that can open it, one or two.
    """

    recipient: str
    sealed: bytes
    escrow: tuple[str, ...]


class Vault(Protocol):
    """Stores objects of cases. Safe for several processes at the same time."""

    def put(self, case_id: str, name: str, chunks: Iterable[bytes], recipient: str) -> Receipt:
        """Encrypt, store, read back, then publish; the same content twice is ``already``.

        An exception of ``chunks`` passes through. Whatever fails, nothing becomes visible.
        Raises :class:`OutOfSpace`, :class:`Damaged`, :class:`~connectors.faults.Refused` (name,
        case id or recipient that cannot be) and other faults.
        """
        ...

    def verify(self, receipt: Receipt) -> None:
        """Read the object back from storage and compare size and digest of the ciphertext.

        Raises :class:`~connectors.faults.Missing` or :class:`Damaged`.
        """
        ...

    def read(self, receipt: Receipt, identity: Secret) -> Iterator[bytes]:
        """Verify, then stream the plaintext. Raises :class:`WrongIdentity` before any byte.

        A stream that raises at its end was not whole: what came before must not be used.
        """
        ...

    def list(self, case_id: str) -> Sequence[Receipt]:
        """All objects of a case, by name and version."""
        ...

    def delete(self, receipt: Receipt) -> None:
        """Remove the object; removing what is gone succeeds. Raises faults."""
        ...

    def tidy(self, older_than: timedelta) -> int:
        """Remove what killed writers left unpublished; returns how many pieces. Raises faults."""
        ...


def _text(document: Mapping[str, Json], name: str) -> str:
    value = document[name]
    if not isinstance(value, str):
        raise Malformed(f"receipt field {name} is not a text", code="vault:receipt")
    return value


def _number(document: Mapping[str, Json], name: str) -> int:
    value = document[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(f"receipt field {name} is not a count", code="vault:receipt")
    return value
