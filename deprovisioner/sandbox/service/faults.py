"""The switchboard of what goes wrong: faults are put on it, met by requests that fit, and used up.

Called by the rooms, which say what can go wrong with their product and do it; nothing here answers
anybody.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Generic, Self, TypeVar

KindT = TypeVar("KindT", bound=StrEnum)
IdT = TypeVar("IdT")


@dataclass(frozen=True, slots=True)
class ServiceFault(ABC, Generic[KindT, IdT]):
    """One thing that goes wrong, for requests that fit."""

    kinds: ClassVar[type[StrEnum]]
    usual_status: ClassVar[Mapping[str, int]] = {}
    """By kind; 503 where it is not named."""

    kind: KindT
    method: str = "*"
    path: str = "*"
    """A pattern for the path below the version, `*` for anything: `/users/*/memberOf`."""
    times: int | None = None
    """How often; None: until the panel is cleared."""
    after: int = 0
    """How many fitting requests are spared first."""
    status: int = 0
    retry_after: int | None = None
    seconds: float = 0.0
    host: str = "attacker.example"
    ids: frozenset[IdT] = frozenset()

    @property
    @abstractmethod
    def who(self) -> str:
        """A pattern for whoever asks."""

    @property
    def code(self) -> int:
        """The status it answers."""
        return self.status or self.usual_status.get(self.kind, 503)

    @property
    def lag(self) -> timedelta:
        """How far a stale replica lags behind."""
        return timedelta(seconds=self.seconds)

    @classmethod
    def from_wire(cls, body: dict[str, Any]) -> Self:
        """Read a fault from JSON; raises ValueError on a member or kind that does not exist."""
        strangers = set(body) - {member.name for member in dataclasses.fields(cls)}
        if strangers or "kind" not in body:
            raise ValueError(f"a fault has a kind, and no {sorted(strangers)}")
        ids = frozenset(body.get("ids", ()))
        return cls(**{**body, "kind": cls.kinds(body["kind"]), "ids": ids})

    def fits(self, method: str, path: str, who: str) -> bool:
        """Tell whether a request meets this fault."""
        return (
            fnmatchcase(method, self.method)
            and fnmatchcase(path, self.path)
            and fnmatchcase(who, self.who)
        )


FaultT = TypeVar("FaultT", bound=ServiceFault[Any, Any])


class Panel(Generic[KindT, FaultT]):
    """The faults in force."""

    def __init__(self) -> None:
        self._faults: list[FaultT] = []

    def add(self, *faults: FaultT) -> None:
        """Switch faults on."""
        self._faults.extend(faults)

    def clear(self) -> None:
        """Switch all faults off."""
        self._faults = []

    def met_by(self, method: str, path: str, who: str) -> dict[KindT, FaultT]:
        """Return what one request meets, and use it up."""
        met: dict[KindT, FaultT] = {}
        left: list[FaultT] = []
        for fault in self._faults:
            kept: FaultT | None = fault
            if fault.fits(method, path, who):
                kept = _used(fault)
                if fault.after == 0:
                    met.setdefault(fault.kind, fault)
            if kept is not None:
                left.append(kept)
        self._faults = left
        return met


def _used(fault: FaultT) -> FaultT | None:
    if fault.after:
        return dataclasses.replace(fault, after=fault.after - 1)
    if fault.times is None:
        return fault
    return dataclasses.replace(fault, times=fault.times - 1) if fault.times > 1 else None
