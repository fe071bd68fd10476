"""A small log in memory and bundles out of it, for tests of the evidence.

It uses the room's own writers on purpose: what is tested is whether the two verifiers and
strangers' programs agree with them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from reconcile.evidence.bundle import Bundle, Exhibit, write_bundle
from reconcile.evidence.chain import CLOSING, ChainTip, linked
from reconcile.evidence.checkpoint import Checkpoint, sign_checkpoint
from reconcile.evidence.encoding import Json
from reconcile.evidence.keys import SigningKey
from reconcile.evidence.proof import TlogProof
from reconcile.evidence.record import Record
from reconcile.evidence.tiles import RightEdge, TiledTree, TileKey
from reconcile.evidence.tree import leaf_hash

KEY = SigningKey("log.example.com/evidence", bytes(range(32)))
CASE = "case-2026-0042"


def counting_bytes() -> Callable[[int], bytes]:
    """A repeatable source of bytes that never repeats itself."""
    state = [0]

    def token_bytes(size: int) -> bytes:
        state[0] += 1
        seed = sha256(state[0].to_bytes(8, "big")).digest()
        return (seed * (size // len(seed) + 1))[:size]

    return token_bytes


@dataclass
class SmallLog:
    """A log of some entries; ``extend`` it, then ask for its checkpoint and its proofs."""

    key: SigningKey = KEY
    edge: RightEdge = field(default_factory=RightEdge)
    tiles: dict[TileKey, bytes] = field(default_factory=dict)

    def extend(self, entries: Sequence[bytes]) -> list[int]:
        """Append entries; answers their indices."""
        first = self.edge.size
        self.tiles.update(self.edge.append(map(leaf_hash, entries)))
        return list(range(first, self.edge.size))

    def checkpoint(self) -> bytes:
        """The signed head."""
        return sign_checkpoint(
            Checkpoint(self.key.name, self.edge.size, self.edge.root()), self.key
        )

    def proof(self, index: int) -> TlogProof:
        """The proof of one entry under the head."""
        tree = TiledTree(self.edge.size, lambda level, number, _width: self.tiles[level, number])
        return TlogProof(index, tree.inclusion(index), self.checkpoint())


def chain(
    types: Sequence[str] = ("case.opened", "account.contained", "grant.removed", CLOSING),
    case: str = CASE,
) -> list[Record]:
    """Records of a case, one per type."""
    token_bytes, tip, records = counting_bytes(), ChainTip(), list[Record]()
    for number, kind in enumerate(types):
        told: dict[str, Json] = {"system": "ldap-main", "outcome": "done", "tries": number}
        control = linked(case, tip, kind, f"2026-11-24T22:00:{number:02d}.000000Z", told)
        person: dict[str, Json] = {"name": "Li Wei 李伟", "account": f"uid=li.wei-{number}"}
        records.append(Record.create(control, person, token_bytes))
        tip = ChainTip(tip.seq + 1, records[-1].entry)
    return records


def erase(record: Record) -> Record:
    """The record without its person part."""
    return Record.restore(record.control, record.control_salt, None, record.person_commit)


def logged(records: Sequence[Record], log: SmallLog | None = None, *, case: str = CASE) -> Bundle:
    """These records in a log between the entries of others, and the bundle of them."""
    log = log or SmallLog()
    log.extend([sha256(b"before %d" % number).digest() for number in range(300)])
    indices = []
    for number, record in enumerate(records):
        indices += log.extend([record.entry])
        log.extend([sha256(b"between %d" % number).digest()])
    log.extend([sha256(b"after %d" % number).digest() for number in range(77)])
    exhibits = tuple(
        Exhibit(record, log.proof(index)) for record, index in zip(records, indices, strict=True)
    )
    closed = b'"records"' in records[-1].control
    return Bundle(case, closed, exhibits, log.checkpoint(), log.key.verifier)


def written(path: Path, records: Sequence[Record] | None = None) -> Path:
    """A bundle on the disk."""
    write_bundle(path, logged(records or chain()))
    return path
