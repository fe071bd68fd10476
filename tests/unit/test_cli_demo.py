"""When the demo may say that all went well."""

from dataclasses import replace

import pytest

from deprovisioner.demo.outcome import Verdict
from deprovisioner.demo.running import Outcome
from deprovisioner.sandbox.auditor import Look

GOOD = Outcome(
    summary={"state": "closed", "closure": {"checks": 35, "passed": 35, "percent": 100}},
    verdict=Verdict(verified=True, words="VERIFIED", command="python3 -I verify.py"),
    looks=(Look("signing in", holds=True, seen="LDAP 49"),),
)


def test_all_three_must_hold() -> None:
    """Closed at 100 %, verified, and seen to be out."""
    assert GOOD.good


@pytest.mark.parametrize(
    "outcome",
    [
        replace(GOOD, summary={"state": "running", "closure": {"percent": 100}}),
        replace(GOOD, summary={"state": "closed", "closure": {"percent": 99}}),
        replace(GOOD, verdict=replace(GOOD.verdict, verified=False)),
        replace(GOOD, looks=(*GOOD.looks, Look("groups", holds=False, seen="cn=developers"))),
        replace(GOOD, looks=()),
    ],
    ids=["not closed", "not everything", "not verified", "still in a group", "nobody looked"],
)
def test_one_that_does_not_hold_is_a_failure(outcome: Outcome) -> None:
    """Each part alone can spoil it; nothing makes up for it."""
    assert not outcome.good
