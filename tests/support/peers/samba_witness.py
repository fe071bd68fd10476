"""Samba's own audit log as a witness: who changed what, whatever our evidence says.

Every controller writes JSON records of authentications, changes of entries, passwords and groups
(``dsdb_json_audit`` and its siblings in smb.conf(5)). Tests compare what the connector claims with
what stands here. Secrets are redacted by Samba.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.peers.processes import PeerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_CUT = b"< +>\n"
"""The end of a record of more than 4,096 octets."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write that the controller answered; ``changes`` maps attribute to (action, values)."""

    who: str
    """The security identifier of who asked."""
    name: str
    operation: str
    code: int
    changes: tuple[tuple[str, str, tuple[str, ...]], ...]
    over_network: bool

    def touches(self, attribute: str) -> bool:
        """Say whether an attribute was among what the request changed."""
        return any(one.lower() == attribute.lower() for one, _, _ in self.changes)


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """One password reset or change, as the controller records it."""

    who: str
    name: str
    action: str
    code: int


@dataclass(frozen=True, slots=True)
class GroupChange:
    """One member added to, or removed from, a group."""

    who: str
    group: str
    member: str
    action: str
    code: int


@dataclass(frozen=True, slots=True)
class Witness:
    """Reads the audit of one controller. Positions let a test look at its own part only."""

    log: Path

    def now(self) -> int:
        """The position to hand to the other methods as ``since``."""
        return self.log.stat().st_size if self.log.exists() else 0

    def changes(self, since: int = 0, *, by: str = "") -> list[Change]:
        """Writes to entries after a position, oldest first; ``by`` keeps those of one SID."""
        return [
            Change(
                said["userSid"],
                said["dn"] or "",
                said["operation"],
                said["statusCode"],
                tuple(_changed(said.get("attributes", {}))),
                over_network=bool(said["remoteAddress"]),
            )
            for said in self._records(since, "dsdbChange")
            if not by or said["userSid"] == by
        ]

    def passwords(self, since: int = 0) -> list[PasswordChange]:
        """Password resets and changes after a position."""
        return [
            PasswordChange(said["userSid"], said["dn"], said["action"], said["statusCode"])
            for said in self._records(since, "passwordChange")
        ]

    def groups(self, since: int = 0) -> list[GroupChange]:
        """Changes of memberships after a position."""
        return [
            GroupChange(
                said["userSid"], said["group"], said["user"], said["action"], said["statusCode"]
            )
            for said in self._records(since, "groupChange")
        ]

    def sign_ins(self, since: int = 0) -> list[tuple[str, str]]:
        """Account and status of every authentication after a position."""
        return [
            (said["clientAccount"] or "", said["status"])
            for said in self._records(since, "Authentication")
        ]

    def _records(self, since: int, kind: str) -> Iterator[dict[str, Any]]:
        with self.log.open("rb") as log:
            log.seek(since)
            for line in log:
                start = line.find(b'{"timestamp"')
                if start < 0 or not line.endswith(b"\n"):
                    continue
                if line.endswith(_CUT):
                    raise PeerError("Samba cut a record of its audit: too much in one request")
                record = json.loads(line[start:])
                if record["type"] == kind:
                    yield record[kind]


def _changed(attributes: dict[str, Any]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for name, said in attributes.items():
        for action in said["actions"]:
            values = tuple(str(value.get("value", "")) for value in action.get("values", ()))
            yield name, action["action"], values
