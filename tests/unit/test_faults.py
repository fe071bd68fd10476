"""Faults carry the decision: five of them, one parent, nothing else to know."""

from datetime import timedelta

import pytest

from connectors import faults
from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised

FIVE = (Transient, Refused, Unauthorised, Missing, Malformed)


def test_there_are_exactly_five_decisions() -> None:
    """The operation runner decides by these; a sixth would fall through it unseen."""
    in_module = {item for item in vars(faults).values() if isinstance(item, type)}
    decisions = {item for item in in_module if issubclass(item, Fault) and item is not Fault}

    assert decisions == set(FIVE)


@pytest.mark.parametrize("fault", FIVE)
def test_no_decision_is_a_kind_of_another(fault: type[Fault]) -> None:
    """Catching one decision never catches another by accident."""
    assert [other for other in FIVE if other is not fault and issubclass(fault, other)] == []
    assert fault.__bases__ == (Fault,)


@pytest.mark.parametrize("fault", FIVE)
def test_a_fault_keeps_text_and_code(fault: type[Fault]) -> None:
    """The system's own code travels beside the text, for evidence."""
    raised = fault("modify: busy", code="ldap:51")

    assert (str(raised), raised.code) == ("modify: busy", "ldap:51")
    assert fault("modify: busy").code == ""


def test_a_transient_fault_says_when() -> None:
    """Zero leaves the wait to the engine."""
    assert Transient("busy").retry_after == timedelta(0)
    assert Transient("busy", retry_after=timedelta(seconds=9)).retry_after.seconds == 9
