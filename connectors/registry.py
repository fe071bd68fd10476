"""The only list of connector types: a table of names, loaded when a system needs one.

The roof asks for a type by the word an operator writes (``type: ldap``). Nothing is imported
before that, so an unused connector costs nothing. Outside authors add theirs through the entry
point group ``deprovisioner.connectors``; a name in the table always wins over an outsider's.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import ModuleType

    from pydantic import BaseModel

    from connectors.contract import Opens

ENTRY_POINT_GROUP: Final = "deprovisioner.connectors"

_ROOMS: Final[dict[str, str]] = {
    "aws": "connectors.aws",
    "entra": "connectors.entra",
    "active-directory": "connectors.active_directory",
    "gallagher": "connectors.doors.gallagher",
    "gitlab": "connectors.gitlab",
    "hikvision": "connectors.doors.hikvision",
    "ldap": "connectors.ldap",
    "memory": "connectors.memory",
    "scim": "connectors.scim",
    "unifi-access": "connectors.doors.unifi_access",
    "zkteco": "connectors.doors.zkteco",
}


class UnknownConnector(LookupError):
    """No connector of that name; the message lists the known ones."""


@dataclass(frozen=True, slots=True)
class ConnectorType:
    """A kind of system: its settings model and its constructor (no I/O in either)."""

    name: str
    settings: type[BaseModel]
    open_connector: Opens[Any]


def known() -> tuple[str, ...]:
    """Names that ``type:`` may carry, in order."""
    outside = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    return tuple(sorted(outside | set(_ROOMS)))


def load(name: str) -> ConnectorType:
    """Import the room of ``name``. Raises :class:`UnknownConnector`."""
    room = _room(name)
    return ConnectorType(name, room.Settings, room.open_connector)


def _room(name: str) -> ModuleType:
    if name in _ROOMS:
        return importlib.import_module(_ROOMS[name])
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return importlib.import_module(point.module)
    message = f"no connector type {name!r}; known: {', '.join(known())}"
    raise UnknownConnector(message)
