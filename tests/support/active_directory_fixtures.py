"""Pytest fixture of the tests that speak with the Samba peer through our connector."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.active_directory import Connecting, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.active_directory import ActiveDirectoryConnector
    from connectors.contract import Credential
    from tests.support.peers.samba_domain import SambaDomain


@pytest.fixture
def connecting(samba_domain: SambaDomain) -> Iterator[Connecting]:
    """Give a way to open connectors to the two Samba controllers."""
    with contextlib.ExitStack() as opened:

        def opening(credential: Credential, **changed: Any) -> ActiveDirectoryConnector:
            connector = connect(samba_domain, credential, **changed)
            opened.callback(connector.close)
            return connector

        yield opening
