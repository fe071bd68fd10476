"""Errors of the room.

::

    EvidenceError
    ├── NotVerified   what was read does not prove what it claims; exit code 1
    ├── Unreadable    nothing could be checked, because nothing could be read; exit code 2
    └── UnfitValue    a caller tried to put something into evidence that has no place there

``NotVerified`` is never a reason to try again, and never to be read as "probably fine".
"""

from typing import Final

OBLIGATIONS: Final = {
    1: "the bundle is a plain zip of bounded size whose names are each used once",
    2: "the files are exactly those of the manifest, unchanged",
    3: "the checkpoint is signed by the trusted key, and its origin is that key's name",
    4: "the records are numbered without a gap and their commitments recompute",
    5: "the records form one chain of one case",
    6: "the chain ends in its closing record, which counts them all",
    7: "every record has a proof against this very checkpoint, at its own rising index",
    8: "every inclusion proof leads from the record to the signed root",
}
"""What a bundle must fulfil; the numbers stand in `verify` and in `standalone` at the code that
checks them.
"""


class EvidenceError(Exception):
    """Root of the room's errors."""


class NotVerified(EvidenceError):
    """The evidence does not prove what it claims.

    ``reason`` is one sentence without personal data; ``obligation`` is a number of `OBLIGATIONS`
    when a bundle was being checked; ``subject`` names the file or record at fault.
    """

    def __init__(self, reason: str, *, obligation: int | None = None, subject: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.obligation = obligation
        self.subject = subject

    def about(self, obligation: int, subject: str) -> "NotVerified":
        """The same failure, placed in the check of a bundle."""
        return NotVerified(
            self.reason,
            obligation=self.obligation or obligation,
            subject=self.subject or subject,
        )

    def diagnostics(self) -> str:
        """Lines for a person: what failed, where, and what it means."""
        lines = [f"NOT VERIFIED: {self.reason}"]
        if self.subject:
            lines.append(f"  at: {self.subject}")
        if self.obligation is not None:
            lines.append(f"  broken obligation {self.obligation}: {OBLIGATIONS[self.obligation]}")
        lines.append(
            "  The evidence was damaged, changed, or signed by another key than the one you trust."
        )
        lines.append(
            "  Keep this file, ask for the bundle again, compare the key's fingerprint by voice."
        )
        return "\n".join(lines)


class Unreadable(EvidenceError):
    """The file is missing, not permitted, or no zip at all: nothing was checked."""

    def __init__(self, reason: str, *, subject: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.subject = subject

    def diagnostics(self) -> str:
        """Lines for a person."""
        place = f"\n  at: {self.subject}" if self.subject else ""
        meaning = "\n  Nothing was checked, so nothing is proven either way."
        return f"COULD NOT READ: {self.reason}{place}{meaning}"


class UnfitValue(EvidenceError, ValueError):
    """What evidence cannot hold: a float, a huge integer, a non-ASCII key, a wrong length."""
