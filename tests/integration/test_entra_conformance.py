"""The Entra connector keeps the contract, on a stateful Graph over HTTP."""

import pytest

from connectors.conformance import CHECKS, Check, Verdict, judge
from tests.support.entra_tenant import opens

SIDE_BY_SIDE = {"threads-have-their-own-instance", "two-at-once-do-no-harm"}
NOT_FAILED = {Verdict.PASSED, Verdict.NOT_CLAIMED, Verdict.UNSUPPORTED}


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check: Check) -> None:
    """The connector keeps the contract."""
    side_by_side = check.name in SIDE_BY_SIDE
    result = judge(check, opens(patient_mailboxes=side_by_side))
    assert result.verdict in NOT_FAILED, result.detail
