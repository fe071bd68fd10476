"""C2SP tlog-proofs (c2sp.org/tlog-proof@v1): one entry's index, its path, and the signed
checkpoint.

Called by `bundle` and `verify`. The optional ``extra`` line is not authenticated; it is neither
written nor accepted.
"""

# ruff: noqa: PLR2004 - the numbers are those of the format

from dataclasses import dataclass
from typing import Final, Self

from reconcile.evidence.encoding import from_decimal, hash_from_base64, to_base64
from reconcile.evidence.errors import NotVerified

HEADER: Final = "c2sp.org/tlog-proof@v1"
LONGEST_PATH: Final = 63
LARGEST_PROOF: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class TlogProof:
    """``path`` runs from the leaf's sibling to the root's child; ``checkpoint`` is the note,
    verbatim.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """The ``.tlog-proof`` file."""
        lines = [HEADER, f"index {self.index}", *map(to_base64, self.path), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read the file strictly. The checkpoint in it is not verified here."""
        head, blank, checkpoint = raw.partition(b"\n\n")
        if not blank or len(raw) > LARGEST_PROOF:
            raise NotVerified("the proof has no checkpoint or is too large")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise NotVerified("the proof is malformed") from error
        if lines[0] != HEADER or len(lines) < 2 or not lines[1].startswith("index "):
            raise NotVerified("the proof is not of the form c2sp.org/tlog-proof@v1")
        if len(lines) - 2 > LONGEST_PATH:
            raise NotVerified("the inclusion proof is too long")
        path = tuple(hash_from_base64(line) for line in lines[2:])
        return cls(from_decimal(lines[1].removeprefix("index ")), path, checkpoint)
