"""What the report says about its evidence: which checkpoint, which key, anchored by whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from reconcile.evidence.verify import VerifiedBundle

NO_WITNESS: Final = (
    "nobody outside this organisation. A second copy of the newest checkpoint lies in a file of "
    "the same operator, which shows a database that was rolled back, and not an operator who keeps "
    "two logs. Keep this bundle: an older checkpoint in your own hands is a witness, too."
)
"""The honest line, until an outside anchor is configured."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The bundle that belongs to the report, after it was verified.

    ``trusted`` is False when it was checked with the key inside it, which proves only that it
    agrees with itself.
    """

    origin: str
    size: int
    root: str
    vkey: str
    fingerprint: str
    records: int
    erased: int
    closed: bool
    trusted: bool
    anchored_by: str
    file: str = "bundle.zip"

    @classmethod
    def of(cls, bundle: VerifiedBundle, anchored_by: str = NO_WITNESS) -> Self:
        """Take what a page says from a bundle that was verified."""
        return cls(
            origin=bundle.checkpoint.origin,
            size=bundle.checkpoint.size,
            root=bundle.checkpoint.root.hex(),
            vkey=str(bundle.key),
            fingerprint=bundle.key.fingerprint,
            records=len(bundle.records),
            erased=bundle.erased,
            closed=bundle.closed,
            trusted=bundle.trusted,
            anchored_by=anchored_by,
        )
