"""The first moves of most tests on a furnished SCIM server: connect, find the leaver, survey."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from connectors.contract import (
    Account,
    Credential,
    Holding,
    Outcome,
    Reading,
    gather,
)
from connectors.scim import ScimConnector, open_connector
from tests.support.peers.scim import ScimRig


@contextlib.contextmanager
def connected(
    rig: ScimRig, credential: Credential = Credential.ACT, **changes: Any
) -> Iterator[ScimConnector]:
    """A connector with settings changed."""
    made = open_connector("wiki", rig.settings(**changes), credential, rig.now)
    try:
        yield made
    finally:
        made.close()


def leaver(connector: ScimConnector, rig: ScimRig) -> tuple[Account, Reading[Holding]]:
    account = gather(connector.find(rig.subject)).items[0]
    return account, gather(connector.survey(account))


def of_kind(reading: Reading[Holding], *kinds: str) -> list[Holding]:
    return [holding for holding in reading.items if holding.kind in kinds]


def outcomes(effects: Any) -> list[Outcome]:
    return [effect.outcome for effect in effects]
