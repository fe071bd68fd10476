"""The GitLab connector keeps the contract, on a stateful GitLab over HTTP."""

import pytest

from connectors.conformance import CHECKS, Check, Verdict, judge
from tests.support.gitlab_forge import opens

NOT_FAILED = {Verdict.PASSED, Verdict.NOT_CLAIMED, Verdict.UNSUPPORTED}


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance(check: Check) -> None:
    """The connector keeps the contract."""
    result = judge(check, opens())
    assert result.verdict in NOT_FAILED, result.detail
