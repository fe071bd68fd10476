"""One record: a control part and a person part, each behind a salted commitment, and the log entry
of both.

``control`` says what was done to which system when and with what outcome, and holds nothing
personal. ``person`` holds names, ids and raw replies; it can be erased (with its salt) and the
record still verifies, because its commitment stays. The log carries only the 32-byte entry, which
says nothing about anybody::

    commitment(kind, part) = SHA256(D || kind || 0x00 || salt || canonical(part)) entry
    = SHA256(D || "leaf" || 0x00 || commitment(control) || commitment(person)) D
    = "deprov-evidence/v1" || 0x00

Salts are 32 random bytes each: without them a short personal value could be guessed from its
commitment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Self

from reconcile.evidence.encoding import (
    HASH_SIZE,
    Json,
    canonical,
    hash_from_hex,
    parse_canonical,
)
from reconcile.evidence.errors import NotVerified, UnfitValue

DOMAIN: Final = b"deprov-evidence/v1\x00"
LARGEST_RECORD: Final = 4_000_000

_CONTROL: Final = DOMAIN + b"control\x00"
_PERSON: Final = DOMAIN + b"person\x00"
_LEAF: Final = DOMAIN + b"leaf\x00"
_FIELDS: Final = {"control", "control_salt", "person", "person_salt", "person_commit"}


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it is stored and shown. ``control`` and ``person`` are canonical JSON objects.

    ``person`` and ``person_salt`` are None once erased; ``person_commit`` always stays.
    """

    control: bytes
    control_salt: bytes
    person: bytes | None
    person_salt: bytes | None
    person_commit: bytes
    entry: bytes

    @classmethod
    def create(
        cls,
        control: dict[str, Json],
        person: dict[str, Json],
        token_bytes: Callable[[int], bytes],
    ) -> Self:
        """A new record; `UnfitValue` when a part holds what evidence cannot hold."""
        control_json, person_json = canonical(control), canonical(person)
        if len(control_json) + len(person_json) > LARGEST_RECORD:
            raise UnfitValue(
                "the record is too large: keep the data in the vault and its hash here"
            )
        salts = token_bytes(2 * HASH_SIZE)
        control_salt, person_salt = salts[:HASH_SIZE], salts[HASH_SIZE:]
        person_commit = sha256(_PERSON + person_salt + person_json).digest()
        entry = _entry(control_salt, control_json, person_commit)
        return cls(control_json, control_salt, person_json, person_salt, person_commit, entry)

    @classmethod
    def restore(
        cls,
        control: bytes,
        control_salt: bytes,
        person: tuple[bytes, bytes] | None,
        person_commit: bytes,
    ) -> Self:
        """A record put together from its stored parts; ``person`` is (salt, canonical JSON) or
        erased.

        `NotVerified` when the person part is not the one that was committed to.
        """
        salt, person_json = person or (None, None)
        if salt is not None and person_json is not None:
            computed = sha256(_PERSON + salt + person_json).digest()
            if not compare_digest(computed, person_commit):
                raise NotVerified("the person part is not the one that was committed to")
        entry = _entry(control_salt, control, person_commit)
        return cls(control, control_salt, person_json, salt, person_commit, entry)

    @property
    def erased(self) -> bool:
        """Whether the person part is gone."""
        return self.person is None

    def encode(self) -> bytes:
        """The record file: canonical JSON with exactly five keys."""
        person = b"null" if self.person is None else self.person
        salt = b"null" if self.person_salt is None else _quoted(self.person_salt)
        return (
            b'{"control":%b,"control_salt":%b,"person":%b,"person_commit":%b,"person_salt":%b}'
            % (
                self.control,
                _quoted(self.control_salt),
                person,
                _quoted(self.person_commit),
                salt,
            )
        )

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read a record file strictly and recompute its commitments."""
        fields = parse_canonical(raw) if len(raw) <= 2 * LARGEST_RECORD else None
        if not isinstance(fields, dict) or fields.keys() != _FIELDS:
            raise NotVerified("a record has not exactly the fields of a record")
        control, person = fields["control"], fields["person"]
        if not isinstance(control, dict) or not isinstance(person, dict | None):
            raise NotVerified("a part of a record is no object")
        if (person is None) != (fields["person_salt"] is None):
            raise NotVerified("a record is half erased")
        opened = None
        if person is not None:
            opened = (hash_from_hex(fields["person_salt"]), canonical(person))
        return cls.restore(
            canonical(control),
            hash_from_hex(fields["control_salt"]),
            opened,
            hash_from_hex(fields["person_commit"]),
        )


def _entry(control_salt: bytes, control: bytes, person_commit: bytes) -> bytes:
    control_commit = sha256(_CONTROL + control_salt + control).digest()
    return sha256(_LEAF + control_commit + person_commit).digest()


def _quoted(data: bytes) -> bytes:
    return b'"' + data.hex().encode() + b'"'
