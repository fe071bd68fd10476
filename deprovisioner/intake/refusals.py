"""Why a delivery is not taken. The API turns each into a problem document.

::

    Refusal
    ├── BadSignature    401  nothing is kept: anybody may post garbage
    ├── Rotating        503  a secret is being replaced: the sender tries again later
    └── Unusable        422  the signature holds and the content does not; the raw bytes are kept

Messages name fields, never values (Law 10).
"""

from __future__ import annotations

from collections.abc import Iterable


class Refusal(Exception):
    """A delivery that is not taken."""


class BadSignature(Refusal):
    """Missing, malformed, too old or made with another secret."""


class Rotating(Refusal):
    """A signature that no secret here explains, while secrets are being replaced."""


class Unusable(Refusal):
    """Not a canonical event. ``reasons`` is one sentence per mistake."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))
