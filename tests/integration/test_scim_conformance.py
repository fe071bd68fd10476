"""The SCIM connector keeps the contract on three products: scim2-server, Canaille and the wiki."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest

from connectors.conformance import CHECKS, Check, Rig, Verdict, check_named, judge
from deprovisioner.sandbox.scim_application import Wiki
from tests.support.peers.canaille import Canaille, CanailleHands
from tests.support.peers.scim import ScimRig, ScimServer, Spoiler, StandardHands
from tests.support.peers.wiki import WikiHands

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.peers.scim import Hands

pytest_plugins = ("tests.support.peers.scim_fixtures",)
pytestmark = pytest.mark.peers

SLOW = frozenset({"only-faults-escape", "fault-texts-name-nobody", "slow-is-transient"})
"""Checks that wait for our own timeout again and again."""
TROUBLES = frozenset(check.name for check in CHECKS if check.run.__module__.endswith(".troubles"))
"""The spoiler makes them before the server is reached: once is enough, on the first product."""
OF_A_PRODUCT = [check for check in CHECKS if check.name not in TROUBLES]


@pytest.fixture(scope="module")
def canaille(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaille]:
    """One Canaille for the module; each test empties and furnishes it."""
    server = Canaille(tmp_path_factory.mktemp("canaille"))
    server.start()
    yield server
    server.stop()


@contextlib.contextmanager
def rigged(hands: Hands, check: Check) -> Iterator[Rig]:
    """A furnished world behind a spoiler."""
    with Spoiler(hands.url) as spoiler:
        rig = ScimRig(hands, spoiler, timeout="PT0.6S" if check.name in SLOW else "PT10S")
        rig.furnish()
        yield rig


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conformance_on_scim2_server(check: Check, scim_server: ScimServer) -> None:
    """scim2-server: filters, versions, 204 after a PATCH, groups on the group's side only."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        server = scim_server
        with (
            contextlib.closing(
                StandardHands(server.tenant(), server.act_token, server.verify_token)
            ) as hands,
            rigged(hands, check) as rig,
        ):
            yield rig

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result


@pytest.mark.parametrize("check", OF_A_PRODUCT, ids=str)
def test_conformance_on_canaille(check: Check, canaille: Canaille) -> None:
    """Canaille: no filters, the HR number in the enterprise extension, references at members."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        with contextlib.closing(CanailleHands(canaille)) as hands:
            hands.empty()
            with rigged(hands, check) as rig:
                yield rig

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result


@pytest.mark.parametrize("check", OF_A_PRODUCT, ids=str)
def test_conformance_on_the_wiki(check: Check) -> None:
    """The wiki: texts for truth, PATCH without path only, no filters, no versions, no answers."""

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        numbers = itertools.count()
        wiki = Wiki("act-token", "verify-token", new_id=lambda: f"W{next(numbers):04}")
        wiki.server.start()
        try:
            with rigged(WikiHands(wiki, "act-token", "verify-token"), check) as rig:
                yield rig
        finally:
            wiki.server.stop()

    result = judge(check, open_rig)
    assert result.verdict is not Verdict.FAILED, result


PUT_ONLY = {"patch": False, "filter": False, "etag": True, "sort": False, "changePassword": False}
CHANGES = (
    "contained-is-seen-by-the-verifier",
    "second-contain-is-already",
    "revoked-is-gone-for-the-verifier",
    "second-revoke-is-already",
    "nobody-else-is-touched",
    "contain-is-undone",
    "revoke-is-undone",
    "two-at-once-do-no-harm",
)


@pytest.fixture(scope="module")
def put_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScimServer]:
    """scim2-server without PATCH, filters and passwords."""
    server = ScimServer(tmp_path_factory.mktemp("put_only"), PUT_ONLY)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("name", CHANGES)
def test_changes_on_a_server_without_patch(name: str, put_only: ScimServer) -> None:
    """The whole resource is put over the version that was read, as ServiceProviderConfig says."""
    check = check_named(name)

    @contextlib.contextmanager
    def open_rig() -> Iterator[Rig]:
        server = put_only
        with (
            contextlib.closing(
                StandardHands(server.tenant(), server.act_token, server.verify_token)
            ) as hands,
            rigged(hands, check) as rig,
        ):
            refused = hands.client.patch("/Users/nobody", json={})
            assert refused.status_code in {405, 501}, refused.text
            yield rig

    result = judge(check, open_rig)
    assert result.verdict is Verdict.PASSED, result
