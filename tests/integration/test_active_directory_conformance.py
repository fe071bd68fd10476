"""The Active Directory connector keeps the contract: the whole conformance suite on real Samba."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from connectors.conformance import CHECKS, Check, Rig, Verdict, judge
from tests.support.active_directory_rig import DomainRig
from tests.support.peers.meddling import Meddler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.samba_domain import SambaDomain
    from tests.support.peers.samba_population import Leaver

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

SLOW = frozenset({"only-faults-escape", "fault-texts-name-nobody"})
"""Checks that wait for our own timeout again and again: the shortest one there is, a second."""


CHANGING = frozenset(
    {
        "effects-match-holdings-in-order", "contained-is-seen-by-the-verifier",
        "second-contain-is-already", "revoked-is-gone-for-the-verifier",
        "second-revoke-is-already", "vanished-before-write-is-already",
        "transferred-is-seen-by-the-verifier", "renamed-in-between-is-the-same-object",
        "nobody-else-is-touched", "destroyed-is-gone", "two-at-once-do-no-harm",
        "contain-is-undone", "revoke-is-undone", "transfer-is-undone",
    }
)  # fmt: skip
"""Checks that leave a leaver changed; the others share one, because making one takes a while."""


@pytest.fixture(scope="module")
def shared() -> list[Leaver]:
    """The leaver of all checks that change nobody, once there is one."""
    return []


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance_on_samba(
    check: Check, samba_domain: SambaDomain, shared: list[Leaver]
) -> None:
    """Two Samba controllers: the connector keeps the contract."""
    leaver = shared[0] if shared and check.name not in CHANGING else _known(samba_domain)
    if check.name not in CHANGING and not shared:
        shared.append(leaver)

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        first = samba_domain.first
        with Meddler(first.secure_port, server_host=first.host) as meddler:
            yield DomainRig(samba_domain, meddler, leaver, 1 if check.name in SLOW else 2)

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result.detail


def _known(domain: SambaDomain) -> Leaver:
    """A leaver of one's own, known to both controllers."""
    leaver = domain.leaver()
    domain.second.pull(domain.first)
    return leaver
