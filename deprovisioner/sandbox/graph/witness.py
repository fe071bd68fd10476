"""The fake's own log: every request it saw, and every change of its state by whom.

Independent of what the connector believes it did: tests compare evidence with this. Passwords and
secrets are withheld.
"""

from dataclasses import dataclass
from datetime import datetime

from deprovisioner.sandbox.service import witness

_WITHHELD = frozenset({"passwordProfile", "_password", "secretText", "key", "credentials"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: who asked what, and how it was answered."""

    at: datetime
    app: str
    method: str
    path: str
    status: int
    request_id: str
    batched: bool = False


Changed = witness.Changed[str]


class Witness(witness.Diary[Seen, str]):
    """What was seen since the tenant was built."""

    def __init__(self) -> None:
        super().__init__(_WITHHELD)
