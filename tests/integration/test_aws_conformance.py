"""The AWS connector keeps the contract: on moto behind the strict double, and on ministack."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from connectors.conformance import CHECKS, Check, Rig, Verdict, judge
from tests.support.aws_rig import AwsRig
from tests.support.peers.moto import AwsDouble

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.peers

SLOW = frozenset({"only-faults-escape", "fault-texts-name-nobody", "slow-is-transient"})
"""Checks that wait for our own timeout again and again."""
WIDE = frozenset(
    {
        "card-covers-what-is-reported", "both-credentials-see-the-same",
        "revoked-is-gone-for-the-verifier", "transferred-is-seen-by-the-verifier",
        "nobody-else-is-touched", "destroyed-is-gone", "revoke-is-undone", "transfer-is-undone",
    }
)  # fmt: skip
"""Checks that sweep every service of every account; the others look at IAM alone."""
NARROW = {"absent": ["resource policies", "tagged ownerships", "cloudtrail"]}


@pytest.fixture(scope="module")
def double() -> Iterator[AwsDouble]:
    """One double for the module; each test empties and furnishes it."""
    with AwsDouble() as made:
        yield made


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance_on_moto(check: Check, double: AwsDouble) -> None:
    """Two accounts, one of everything, DeleteUser as strict as AWS."""
    more: dict[str, Any] = {} if check.name in WIDE else dict(NARROW)
    more |= {"read_timeout": "PT2S"} if check.name in SLOW else {}

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        double.empty()
        rig = AwsRig(double, more)
        rig.furnish()
        yield rig

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result
