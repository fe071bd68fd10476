"""UniFi Access over the console's developer interface: see ``docs/connectors/doors.md``."""

from collections.abc import Callable
from datetime import datetime

import httpx

from connectors.contract import Credential
from connectors.doors.connector import DoorConnector
from connectors.doors.unifi_access.card import card
from connectors.doors.unifi_access.console import Console
from connectors.doors.unifi_access.settings import Settings
from connectors.doors.unifi_access.system import UniFiSystem
from connectors.doors.wire import Wire

__all__ = ["Settings", "open_connector"]


def open_connector(
    name: str,
    settings: Settings,
    credential: Credential,
    clock: Callable[[], datetime],
    *,
    transport: httpx.BaseTransport | None = None,
) -> DoorConnector:
    """Make the connector of one console. ``transport`` is for tests that judge the traffic."""
    console = Console(settings, credential, clock, Wire(settings, clock, transport=transport))
    system = UniFiSystem(settings, console)
    return DoorConnector(name, settings, credential, clock, system, card(settings))
