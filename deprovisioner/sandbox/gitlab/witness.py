"""The fake's own log: every request it saw, and every change of its state by whom.

Independent of what the connector believes it did: tests compare evidence with this. Secrets are
never in it.
"""

from dataclasses import dataclass
from datetime import datetime

from deprovisioner.sandbox.service import witness

_WITHHELD = frozenset({"_digest", "token", "_token", "secret", "_secret", "password", "_password"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: who asked what, as whom, and how it was answered."""

    at: datetime
    caller: str
    sudo: str
    method: str
    path: str
    """Below `/api/v4`, without the query."""
    query: str
    status: int
    request_id: str


Changed = witness.Changed[int]


class Witness(witness.Diary[Seen, int]):
    """What was seen since the instance was built."""

    def __init__(self) -> None:
        super().__init__(_WITHHELD)
