"""Every controller is read: one that is down, unknown or an impostor leaves the reading blind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.contract import Credential, gather
from tests.support.active_directory import CANARIES, UNUSED, account_of, subject_of, survey
from tests.support.peers import samba_population as population
from tests.support.peers.samba import REALM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.active_directory import Connecting
    from tests.support.peers.samba_domain import SambaDomain
    from tests.support.peers.samba_population import Leaver

pytest_plugins = ("tests.support.peers.fixtures", "tests.support.active_directory_fixtures")
pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def known() -> dict[str, Leaver]:
    """The leaver of this module, once there is one; nothing here changes them."""
    return {}


@pytest.fixture
def leaver(samba_domain: SambaDomain, known: dict[str, Leaver]) -> Leaver:
    """Somebody whom both controllers know."""
    if not known:
        known["one"] = samba_domain.leaver()
        samba_domain.second.pull(samba_domain.first)
    return known["one"]


def test_a_controller_that_is_down_blinds_until_it_is_back(
    samba_domain: SambaDomain, connecting: Connecting, leaver: Leaver
) -> None:
    """The reading names it, recovers by itself, and doctor says the same."""
    verify = connecting(Credential.VERIFY)
    account = account_of(verify, subject_of(leaver))
    assert not survey(verify, account).blind

    samba_domain.second.stop()
    try:
        down = survey(verify, account)
        lines = {line.check: line for line in verify.probe()}
    finally:
        samba_domain.second.start()

    assert samba_domain.second.host_name in " ".join(down.gaps)
    assert down.blind
    assert down.items  # what the others say is still told
    assert not lines[f"controller {samba_domain.second.host_name}"].holds
    wait_until(lambda: not survey(verify, account).blind, 20)


def test_a_controller_only_the_settings_know_is_read_too(
    samba_domain: SambaDomain, connecting: Connecting, leaver: Leaver
) -> None:
    """Named and not there: blind."""
    name = f"dc9.{REALM}"
    everyone = samba_domain.addresses | {name: f"ldaps://{samba_domain.first.host}:9"}
    verify = connecting(Credential.VERIFY, controllers=everyone)

    reading = survey(verify, account_of(verify, subject_of(leaver)))

    assert reading.blind
    assert name in " ".join(reading.gaps)


def test_an_impostor_is_not_read(
    samba_domain: SambaDomain, connecting: Connecting, leaver: Leaver
) -> None:
    """The first controller at the second's address shows a certificate with the wrong name."""
    second = samba_domain.second.host_name
    swapped = samba_domain.addresses | {second: samba_domain.first.secure_url}
    verify = connecting(Credential.VERIFY, controllers=swapped)

    reading = survey(verify, account_of(verify, subject_of(leaver)))

    assert reading.blind
    assert "certificate" in " ".join(reading.gaps)


def test_start_tls_works_too(
    samba_domain: SambaDomain, connecting: Connecting, leaver: Leaver
) -> None:
    """Both controllers by StartTLS."""
    first, second = samba_domain.controllers
    verify = connecting(Credential.VERIFY, url=first.url, start_tls=True,
        controllers={second.host_name: second.url},
    )  # fmt: skip

    assert not survey(verify, account_of(verify, subject_of(leaver))).blind


def test_what_no_canary_proves_blinds(connecting: Connecting, leaver: Leaver) -> None:
    """An attribute nobody proves, one that is named unused and used, one that is not shown."""
    fewer = connecting(Credential.ACT, canaries=CANARIES[:1])
    wrong = connecting(Credential.ACT, unused=(*UNUSED, "memberUid"))
    account = account_of(wrong, subject_of(leaver))
    elsewhere = connecting(Credential.ACT,
        people=(population.branch("People"), population.branch("Leavers")),
    )  # fmt: skip

    assert "no canary shows memberUid" in survey(fewer, account).blind
    assert "memberUid is named unused and is used" in survey(wrong, account).blind
    assert "no canary below account base 2" in gather(elsewhere.list_accounts()).blind
    coverage = next(line for line in fewer.probe() if line.check == "canary coverage")
    assert "engineers" in coverage.advice


def test_hidden_access_rules_blind(connecting: Connecting, leaver: Leaver) -> None:
    """A sweep of a place whose descriptors we may not read says so."""
    whole = connecting(Credential.VERIFY, access_bases=())

    gaps = " ".join(survey(whole, account_of(whole, subject_of(leaver))).gaps)

    assert "the access rules of" in gaps


def test_other_domains_are_looked_for(connecting: Connecting) -> None:
    """A single domain is checked to be one."""
    act = connecting(Credential.ACT)

    line = next(line for line in act.probe() if line.check == "other domains")

    assert line.holds
