"""The door connectors keep the contract on the fakes of four products."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.conformance import CHECKS, Check, Rig, Verdict, judge
from tests.support.doors import DoorRig, GallagherDoors, HikvisionDoors, serving

SLOW = frozenset({"only-faults-escape", "fault-texts-name-nobody", "slow-is-transient"})
"""Checks that wait for our own timeout again and again."""
PRODUCTS = {"hikvision": HikvisionDoors, "gallagher": GallagherDoors}


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check: Check, product: str) -> None:
    """Each product's connector keeps each obligation, or says why it cannot be shown."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        with serving(PRODUCTS[product]()) as doors:
            short = timedelta(seconds=0.2 if check.name in SLOW else 10)
            yield DoorRig(doors, timeout=short)

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result
