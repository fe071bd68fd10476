"""Furnished SCIM servers as pytest fixtures.

``standard`` is a tenant of scim2-server, ``odd`` the wiki of the pretend company (``wiki`` itself).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import pytest

from deprovisioner.sandbox.scim_application import Wiki
from tests.support.peers.scim import ScimRig, ScimServer, Spoiler, StandardHands
from tests.support.peers.wiki import WikiHands


@pytest.fixture(scope="session")
def scim_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScimServer]:
    """One scim2-server process for the run; each test has a tenant."""
    made = ScimServer(tmp_path_factory.mktemp("scim"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def standard(scim_server: ScimServer) -> Iterator[ScimRig]:
    """A furnished tenant of scim2-server."""
    server = scim_server
    hands = StandardHands(server.tenant(), server.act_token, server.verify_token)
    with contextlib.closing(hands), Spoiler(hands.url) as spoiler:
        rig = ScimRig(hands, spoiler)
        rig.furnish()
        yield rig


@pytest.fixture
def wiki() -> Iterator[Wiki]:
    """An empty wiki."""
    numbers = itertools.count()
    made = Wiki("act", "verify", new_id=lambda: f"W{next(numbers):04}")
    made.server.start()
    yield made
    made.server.stop()


@pytest.fixture
def odd(wiki: Wiki) -> Iterator[ScimRig]:
    """The furnished wiki."""
    hands = WikiHands(wiki, "act", "verify")
    with Spoiler(hands.url) as spoiler:
        rig = ScimRig(hands, spoiler)
        rig.furnish()
        yield rig
