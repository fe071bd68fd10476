"""The door connectors keep the contract on the fakes of four products."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.conformance import CHECKS, Check, Rig, Verdict, judge
from tests.support.doors import (
    DoorRig,
    GallagherDoors,
    HikvisionDoors,
    UniFiDoors,
    ZktecoDoors,
    serving,
)

SLOW = frozenset({"only-faults-escape", "fault-texts-name-nobody", "slow-is-transient"})
"""Checks that wait for our own timeout again and again: once is enough, the wire is shared."""
PRODUCTS = {
    "hikvision": HikvisionDoors,
    "gallagher": GallagherDoors,
    "unifi-access": UniFiDoors,
    "zkteco": ZktecoDoors,
}


CASES = [
    pytest.param(check, product, id=f"{check}-{product}")
    for check in CHECKS
    for product in PRODUCTS
    if product == "hikvision" or check.name not in SLOW
]


@pytest.mark.parametrize(("check", "product"), CASES)
def test_conformance(check: Check, product: str) -> None:
    """Each product's connector keeps each obligation, or says why it cannot be shown."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        with serving(PRODUCTS[product]()) as doors:
            short = timedelta(seconds=0.5 if check.name in SLOW else 10)
            yield DoorRig(doors, timeout=short)

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result
