"""Hikvision iSecure Center through its Artemis gateway: see ``docs/connectors/doors.md``."""

import secrets
from collections.abc import Callable
from datetime import datetime

from connectors.contract import Credential
from connectors.doors.connector import DoorConnector
from connectors.doors.hikvision.artemis import Artemis
from connectors.doors.hikvision.card import card
from connectors.doors.hikvision.settings import Partner, Settings
from connectors.doors.hikvision.system import HikvisionSystem
from connectors.doors.wire import Wire

__all__ = ["Partner", "Settings", "open_connector"]


def _nonce() -> str:
    return secrets.token_hex(16)


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> DoorConnector:
    """Make the connector of one platform. Nothing is opened before the first call."""
    artemis = Artemis(settings, credential, clock, Wire(settings, clock), _nonce)
    system = HikvisionSystem(settings, artemis)
    return DoorConnector(name, settings, credential, clock, system, card(settings))
