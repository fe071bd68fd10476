"""Gallagher Command Centre over its REST interface: see ``docs/connectors/doors.md``."""

from collections.abc import Callable
from datetime import datetime

from connectors.contract import Credential
from connectors.doors.connector import DoorConnector
from connectors.doors.gallagher.card import card
from connectors.doors.gallagher.command_centre import CommandCentre
from connectors.doors.gallagher.settings import PersonalDataField, Settings
from connectors.doors.gallagher.system import GallagherSystem
from connectors.doors.wire import Wire

__all__ = ["PersonalDataField", "Settings", "open_connector"]


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> DoorConnector:
    """Make the connector of one server. Nothing is opened before the first call."""
    centre = CommandCentre(settings, credential, clock, Wire(settings, clock))
    system = GallagherSystem(settings, centre)
    return DoorConnector(name, settings, credential, clock, system, card(settings))
