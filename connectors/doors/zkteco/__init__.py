"""ZKTeco ZKBio CVSecurity over its third-party interface: see ``docs/connectors/doors.md``."""

from collections.abc import Callable
from datetime import datetime

from connectors.contract import Credential
from connectors.doors.connector import DoorConnector
from connectors.doors.zkteco.card import card
from connectors.doors.zkteco.server import Server, wire
from connectors.doors.zkteco.settings import Settings
from connectors.doors.zkteco.system import ZktecoSystem

__all__ = ["Settings", "open_connector"]


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> DoorConnector:
    """Make the connector of one server. Nothing is opened before the first call."""
    server = Server(settings, clock, wire(settings, credential, clock))
    system = ZktecoSystem(settings, server)
    return DoorConnector(name, settings, credential, clock, system, card(settings))
