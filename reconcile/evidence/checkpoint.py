"""C2SP checkpoints (c2sp.org/tlog-checkpoint v1.0.0): which log, how many entries, which root,
signed.

Called by `proof`, `bundle`, `verify` and by the sequencer in `reconcile.store.ledger`. Extension
lines are neither written nor accepted: nobody can audit them.
"""

# ruff: noqa: PLR2004 - the numbers are those of the format

from dataclasses import dataclass
from typing import Self

from reconcile.evidence.encoding import from_decimal, hash_from_base64, to_base64
from reconcile.evidence.errors import NotVerified
from reconcile.evidence.keys import SigningKey, VerifierKey
from reconcile.evidence.note import open_note, sign_note


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree of ``size`` entries with ``root``, in the log named ``origin``."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note text that gets signed."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checkpoint of a note text that was verified already."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise NotVerified("the checkpoint is not origin, size and root on three lines")
        return cls(lines[0], from_decimal(lines[1]), hash_from_base64(lines[2]))


def sign_checkpoint(checkpoint: Checkpoint, *signers: SigningKey) -> bytes:
    """The signed note. Two signers only while a key is being replaced by the next."""
    return sign_note(checkpoint.text, *signers)


def open_checkpoint(raw: bytes, trusted: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that ``trusted`` signed and whose origin is that key's name."""
    checkpoint = Checkpoint.parse(open_note(raw, trusted))
    if checkpoint.origin != trusted.name:
        raise NotVerified("the checkpoint is of another log than the key")
    return checkpoint
