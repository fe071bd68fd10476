"""Every answer of a directory becomes the fault that carries the right decision."""

from __future__ import annotations

import pytest
from ldap3.core import exceptions
from ldap3.core.results import RESULT_CODES

from connectors._directory.results import (
    NOT_FAULTS,
    Referred,
    Truncated,
    fault_for,
    fault_from,
)
from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised

FIVE = (Transient, Refused, Unauthorised, Missing, Malformed)


@pytest.mark.parametrize("code", sorted(RESULT_CODES))
def test_every_registered_code_is_decided(code: int) -> None:
    """No code that the library knows falls through the table."""
    fault = fault_for(code, "search")

    if code in NOT_FAULTS:
        assert fault is None
    else:
        assert isinstance(fault, FIVE)
        assert fault.code == f"ldap:{code}"


@pytest.mark.parametrize(
    ("code", "decision"),
    [
        (3, Truncated),
        (4, Truncated),
        (10, Referred),
        (11, Truncated),
        (13, Unauthorised),
        (16, Missing),
        (32, Missing),
        (49, Unauthorised),
        (50, Unauthorised),
        (51, Transient),
        (53, Refused),
        (65, Refused),
        (122, Transient),
    ],
)
def test_decisions_that_matter(code: int, decision: type[Fault]) -> None:
    """The codes on which a case turns mean what the facts say."""
    assert type(fault_for(code, "modify")) is decision


def test_unknown_code_is_not_believed() -> None:
    """A code nobody has heard of decides nothing."""
    assert isinstance(fault_for(9999, "search"), Malformed)


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        (exceptions.LDAPSocketOpenError("x"), Transient),
        (exceptions.LDAPSocketReceiveError("x"), Transient),
        (exceptions.LDAPSessionTerminatedByServerError("x"), Transient),
        (exceptions.LDAPResponseTimeoutError("x"), Transient),
        (ConnectionResetError("x"), Transient),
        (exceptions.LDAPUnknownResponseError("x"), Malformed),
        (exceptions.LDAPInvalidFilterError("x"), Malformed),
        (IndexError("x"), Malformed),
        (ValueError("x"), Malformed),
        (exceptions.LDAPPasswordIsMandatoryError("x"), Unauthorised),
    ],
)
def test_exceptions_become_decisions(error: Exception, decision: type[Fault]) -> None:
    """A lost connection may be tried again; an answer that makes no sense may not be believed."""
    assert type(fault_from(error, "search")) is decision


def test_texts_carry_no_server_message() -> None:
    """Servers quote DNs in their messages; a fault never repeats them (Law 10)."""
    fault = fault_from(exceptions.LDAPSocketReceiveError("uid=lmeyer,dc=example"), "search")

    assert "lmeyer" not in str(fault)
