"""When the demo may say that all went well, and with what it runs."""

import io
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from deprovisioner.demo.outcome import Verdict
from deprovisioner.demo.running import Options, Outcome, tenant_of
from deprovisioner.demo.telling import Telling
from deprovisioner.sandbox.auditor import Look
from deprovisioner.sandbox.running import DomainKind, TenantKind

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


def test_without_the_clients_extra_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where msgraph cannot be imported the tenant is left out, and the command is named."""
    said = io.StringIO()
    telling = Telling(Console(file=said, width=200))

    assert tenant_of(Options(), telling) is TenantKind.FAKE
    assert said.getvalue() == ""
    monkeypatch.setitem(sys.modules, "msgraph", None)
    assert tenant_of(Options(), telling) is TenantKind.NONE
    assert "pip install 'deprovisioner[entra]'" in said.getvalue()


def test_a_tenant_needs_the_domain_that_it_follows() -> None:
    """Without a domain there is nothing that would master its people."""
    telling = Telling(Console(file=io.StringIO()))

    assert tenant_of(Options(domain=DomainKind.NONE), telling) is TenantKind.NONE
