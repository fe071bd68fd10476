"""The LDAP connector keeps the contract: the whole conformance suite on both servers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from connectors.conformance import CHECKS, Check, Rig, Verdict, judge
from tests.support.peers.directory_rig import SlapdRig, ThreeEightNineRig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.slapd import Slapd
    from tests.support.peers.three_eight_nine import ThreeEightNine

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance_on_openldap(check: Check, slapd: Slapd, leaver_certificate: bytes) -> None:
    """OpenLDAP: the connector keeps the contract."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        slapd.reset(leaver_certificate)
        yield SlapdRig(slapd)

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result.detail


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance_on_389ds(
    check: Check, three_eight_nine: ThreeEightNine, leaver_certificate: bytes
) -> None:
    """389-ds: the connector keeps the contract."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        three_eight_nine.reset(leaver_certificate)
        yield ThreeEightNineRig(three_eight_nine)

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result.detail
