"""UniFi Access and ZKBio: hubs away, an interface that is gone, leaving and coming back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.contract import Credential, Outcome, Stage, gather
from connectors.doors.contract import ACCOUNT, DOOR
from connectors.faults import Unauthorised
from tests.support.doors import (
    UniFiDoors,
    ZktecoDoors,
    serving,
)
from tests.support.doors_case import NUMBER, Case


@pytest.fixture
def unifi() -> Iterator[Case]:
    with serving(UniFiDoors(4)) as doors, contextlib.closing(Case(doors)) as case:
        yield case


@pytest.fixture
def zkteco() -> Iterator[Case]:
    with serving(ZktecoDoors(4)) as doors, contextlib.closing(Case(doors)) as case:
        yield case


# ------------------------------------------------------------------------------------- UniFi
def test_hub_offline_keeps_a_user_open(unifi: Case) -> None:
    """Deactivated, and a hub is away: the hub opens, so the user is live and guards are told."""
    unifi.doors.site.panels.lose("hub-2")
    unifi.take(Stage.CONTAIN)
    unifi.wait()

    verified = unifi.survey()

    assert unifi.doors.site.opens(unifi.account.native_id, "hub-2")
    assert "Studio" in verified.blind
    assert unifi.live(ACCOUNT)


def test_upgraded_console_is_an_incident(unifi: Case) -> None:
    """After Identity Enterprise the interface is gone: nobody takes that for an empty console."""
    unifi.doors.site.enterprise = True

    with pytest.raises(Unauthorised, match="Identity Enterprise"):
        unifi.find()


def test_groups_and_policies_both_go(unifi: Case) -> None:
    """Policies come directly and by groups: both are holdings, and both are taken."""
    unifi.take(Stage.REVOKE)

    left = unifi.doors.witness(NUMBER)
    assert (left["policies"], left["groups"], left["cards"]) == ([], [], [])
    assert (left["plates"], left["passes"], left["pin"]) == ([], {}, False)


def test_networks_are_a_persons_task(unifi: Case) -> None:
    """WiFi and VPN of a user are shown with a duty, because no call takes them away."""
    unifi.doors.site.person_with(NUMBER).networks = {"vpn": ["office"]}

    found = [one for one in unifi.survey().items if one.kind == "grant.policy"]

    assert [one.native_id for one in found] == ["vpn"]
    assert found[0].duty


def test_remote_unlock_names_nobody_for_sure(unifi: Case) -> None:
    """A remote unlock may name any actor: it is told with the doubt."""
    site, end = unifi.doors.site, unifi.doors.clock.at
    site.panels.subscribed.add("remote")
    at = end + timedelta(minutes=1)
    site.panels.happen(unifi.account.native_id, "hub-1", at, "remote", granted=True)
    unifi.wait(3600)

    reading = gather(unifi.open(Credential.VERIFY).activity(unifi.account, end))

    assert [("no proof" in one.what, one.at) for one in reading.items] == [(True, at)]


def test_list_that_is_cut_is_blind(unifi: Case) -> None:
    """A list that ends before its count is never everybody."""
    unifi.doors.server.cuts_bytes = False
    unifi.doors.server.faults.truncated = True

    reading = gather(unifi.open(Credential.VERIFY).list_accounts())

    assert reading.blind == "the read was cut short"


# ------------------------------------------------------------------------------------- ZKTeco
def test_leaving_and_coming_back(zkteco: Case) -> None:
    """Leaving takes cards and levels at once; each pre-image alone brings the whole person back."""
    before = zkteco.doors.witness(NUMBER)
    holdings = zkteco.survey(Credential.ACT).items

    zkteco.take(Stage.CONTAIN)
    assert zkteco.survey().items == ()
    act = zkteco.open(Credential.ACT)
    undone = [act.restore(zkteco.account, [one])[0].outcome for one in holdings]

    assert undone[0] is Outcome.DONE
    assert set(undone[1:]) == {Outcome.ALREADY}
    assert zkteco.doors.witness(NUMBER) == before


def test_password_hash_is_never_kept(zkteco: Case) -> None:
    """The hash that person reads bring is in no pre-image."""
    assert zkteco.doors.site.people[NUMBER]["selfPwd"]

    held = repr(zkteco.survey(Credential.ACT).items)

    assert zkteco.doors.site.people[NUMBER]["selfPwd"] not in held


def test_device_state_is_a_persons_task(zkteco: Case) -> None:
    """A device that is away still opens, and nothing shows it: the card makes it a duty."""
    zkteco.doors.site.panels.lose("zk-1")
    zkteco.take(Stage.CONTAIN)
    zkteco.wait(3600)

    gaps = {gap.kind: gap.duty for gap in zkteco.open(Credential.VERIFY).card().gaps}

    assert zkteco.doors.site.opens(NUMBER, "zk-1")
    assert "tell the guards" in gaps[DOOR]


def test_times_without_a_zone_are_the_servers(zkteco: Case) -> None:
    """An event's local time becomes an instant by the zone of the server."""
    site, end = zkteco.doors.site, zkteco.doors.clock.at
    site.panels.happen(NUMBER, "zk-1", end + timedelta(minutes=5), granted=True)
    zkteco.wait(3600)

    reading = gather(zkteco.open(Credential.VERIFY).activity(zkteco.account, end))

    assert [one.at for one in reading.items] == [end + timedelta(minutes=5)]


def test_token_in_the_address_is_in_no_log(zkteco: Case, caplog: pytest.LogCaptureFixture) -> None:
    """The product wants its token in the query; libraries that log addresses never see it."""
    caplog.set_level("DEBUG")

    zkteco.survey()

    assert "person" in caplog.text
    assert "token-verify" not in caplog.text
