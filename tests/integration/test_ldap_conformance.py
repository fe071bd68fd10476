"""The LDAP connector keeps the contract: the whole conformance suite on both servers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from connectors.conformance import CHECKS, Check, Rig, Verdict, judge
from tests.support.peers.directory_rig import DirectoryRig, SlapdRig, ThreeEightNineRig
from tests.support.peers.meddling import Meddler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.slapd import Slapd
    from tests.support.peers.three_eight_nine import ThreeEightNine

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers


SLOW = frozenset({"only-faults-escape", "fault-texts-name-nobody"})
"""Checks that wait for our own timeout again and again: the shortest one there is, a second."""
PREPARED = "destroyed-is-gone"
"""The suite deletes right after hand-over. This connector deletes only what nothing points at any
more, so that the next bearer of the name inherits nothing; for this check all is revoked first."""


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance_on_openldap(check: Check, slapd: Slapd) -> None:
    """OpenLDAP: the connector keeps the contract."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        with Meddler(slapd.secure_port) as meddler:
            yield _prepared(SlapdRig(slapd, meddler, _patience(check)), check)

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result.detail


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance_on_389ds(check: Check, three_eight_nine: ThreeEightNine) -> None:
    """389-ds: the connector keeps the contract."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        with Meddler(three_eight_nine.secure_port) as meddler:
            yield _prepared(ThreeEightNineRig(three_eight_nine, meddler, _patience(check)), check)

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result.detail


def _prepared(rig: DirectoryRig, check: Check) -> DirectoryRig:
    if check.name == PREPARED:
        rig.forget_references()
    return rig


def _patience(check: Check) -> int:
    return 1 if check.name in SLOW else 2
