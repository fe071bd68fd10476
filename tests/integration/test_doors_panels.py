"""Hikvision and Gallagher: panels that lag, fail or are away, late entries; none closes a case."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connectors.contract import Account, Credential, HoldingState, Outcome, Stage, Subject, gather
from connectors.doors.contract import ACCOUNT, CARD, DOOR, MOBILE_PASS
from connectors.faults import Malformed, Refused, Unauthorised
from deprovisioner.sandbox.doors.hikvision import CONSOLE
from tests.support.doors import (
    GallagherDoors,
    HikvisionDoors,
    UniFiDoors,
    held,
    serving,
)
from tests.support.doors_case import LEAVER, NUMBER, Case


@pytest.fixture
def hikvision() -> Iterator[Case]:
    with serving(HikvisionDoors(4)) as doors, contextlib.closing(Case(doors)) as case:
        yield case


@pytest.fixture
def gallagher() -> Iterator[Case]:
    with serving(GallagherDoors(4)) as doors, contextlib.closing(Case(doors)) as case:
        yield case


@pytest.fixture
def unifi() -> Iterator[Case]:
    with serving(UniFiDoors(4)) as doors, contextlib.closing(Case(doors)) as case:
        yield case


# ---------------------------------------------------------------------------------- Hikvision
def test_frozen_is_pending_until_devices_have_it(hikvision: Case) -> None:
    """A freeze is answered at once and counts when the last device has forgotten the person."""
    effect = hikvision.take(Stage.CONTAIN)[ACCOUNT, hikvision.account.native_id]

    assert effect.outcome is Outcome.PENDING
    assert effect.pending_until > hikvision.doors.clock.at
    assert hikvision.doors.site.opens(hikvision.account.native_id, "acs-1")
    assert hikvision.live(ACCOUNT)

    hikvision.wait()

    assert not hikvision.live(ACCOUNT)
    assert not hikvision.doors.site.opens(hikvision.account.native_id, "acs-1")


def test_offline_device_keeps_everything_open(hikvision: Case) -> None:
    """State 2 on a device that is away is a door that opens: live, a duty, and a blind verifier."""
    hikvision.doors.site.panels.lose("acs-1")
    hikvision.take(Stage.CONTAIN)
    hikvision.wait(3600)

    verified = hikvision.survey()

    account = next(one for one in verified.items if one.kind == ACCOUNT)
    door = next(one for one in verified.items if one.kind == DOOR and one.native_id == "acs-1")
    assert account.state is door.state is HoldingState.LIVE
    assert "Tell the guards" in door.duty
    assert "North gate" in door.duty
    assert "North gate" in verified.blind
    assert LEAVER.display_name not in verified.blind
    assert not hikvision.survey(Credential.ACT).blind

    hikvision.doors.site.panels.regain("acs-1")
    hikvision.wait()

    after = hikvision.survey()
    assert not after.blind
    assert not hikvision.live(ACCOUNT)


def test_door_of_an_offline_device_is_not_revoked(hikvision: Case) -> None:
    """Revoking takes the reason away at once and stays pending until the device is back."""
    hikvision.doors.site.panels.lose("acs-1")

    effects = hikvision.take(Stage.REVOKE)

    assert effects[DOOR, "acs-1"].outcome is Outcome.PENDING
    assert "Tell the guards" in effects[DOOR, "acs-1"].why
    assert effects[DOOR, "acs-2"].outcome is Outcome.DONE
    assert hikvision.doors.site.opens(hikvision.account.native_id, "acs-1")

    hikvision.doors.site.panels.regain("acs-1")
    hikvision.wait()

    assert not [one for one in hikvision.survey().items if one.kind == DOOR]
    assert not hikvision.doors.site.opens(hikvision.account.native_id, "acs-1")


def test_device_that_went_away_without_a_record_proves_nothing(hikvision: Case) -> None:
    """Not configured, on a device that is offline: only a record of the removal counts."""
    hikvision.take(Stage.REVOKE)
    assert not [one for one in hikvision.survey().items if one.kind == DOOR]

    hikvision.doors.site.panels.lose("acs-1")

    assert not hikvision.survey().blind
    hikvision.doors.site.records.clear()
    assert "North gate" in hikvision.survey().blind


def test_door_granted_at_the_console_is_seen_and_revoked(hikvision: Case) -> None:
    """What a guard granted is in no configuration of ours; auth_item shows it, and it goes."""
    site = hikvision.doors.site
    site.grant(hikvision.account.native_id, "acs-3", CONSOLE)

    effects = hikvision.take(Stage.REVOKE)

    assert effects[DOOR, "acs-3"].outcome is Outcome.DONE
    assert not site.opens(hikvision.account.native_id, "acs-3")


def test_failed_download_is_a_gap_and_is_tried_again(hikvision: Case) -> None:
    """A device that refuses keeps the case open by name; contained again, it is asked again."""
    site = hikvision.doors.site
    site.failing.add("acs-2")
    hikvision.take(Stage.CONTAIN)
    hikvision.wait()

    verified = hikvision.survey()
    assert "Lobby is failed" in verified.blind
    assert hikvision.live(ACCOUNT)

    site.failing.clear()
    hikvision.wait()

    assert not hikvision.live(ACCOUNT)


def test_lost_card_is_found_again_by_undo(hikvision: Case) -> None:
    """Contain reports the card lost; undo takes it back. Once returned, it says it cannot."""
    before = next(one for one in hikvision.survey(Credential.ACT).items if one.kind == CARD)
    hikvision.take(Stage.CONTAIN)
    act = hikvision.open(Credential.ACT)

    undone = act.restore(hikvision.account, [before])[0]

    assert undone.outcome is Outcome.DONE
    assert hikvision.doors.witness(NUMBER)["cards"] == {before.restore["cardNo"]: False}
    hikvision.take(Stage.REVOKE)
    refused = act.restore(hikvision.account, [before])[0]
    assert refused.outcome is Outcome.REFUSED
    assert "anew" in refused.why


def test_late_and_early_entries(hikvision: Case) -> None:
    """Events are read by the time they happened; one that was told late is told, with its time."""
    site, end = hikvision.doors.site, hikvision.doors.clock.at
    mine, other = hikvision.account.native_id, hikvision.doors.canary
    site.panels.happen(mine, "acs-2", end - timedelta(minutes=1), granted=True)
    site.panels.lose("acs-1")
    site.panels.happen(mine, "acs-1", end + timedelta(minutes=5), granted=True)
    site.panels.happen(other, "acs-2", end + timedelta(minutes=5), granted=True)
    hikvision.wait(3600)

    early = gather(hikvision.open(Credential.VERIFY).activity(hikvision.account, end))
    assert early.items == ()
    assert "events of door panel North gate" in early.blind

    site.panels.regain("acs-1")
    hikvision.wait(86_400)
    late = gather(hikvision.open(Credential.VERIFY).activity(hikvision.account, end))

    assert not late.blind
    assert [one.at for one in late.items] == [end + timedelta(minutes=5)]
    assert "North gate" in late.items[0].what


def test_device_whose_clock_is_ahead(hikvision: Case) -> None:
    """An entry is read by its own time too: a device that is ahead told it too early."""
    site, now = hikvision.doors.site, hikvision.doors.clock.at
    at = now + timedelta(minutes=2)
    site.panels.happen(hikvision.account.native_id, "acs-1", at, granted=True)
    hikvision.wait(3600)

    verifier = hikvision.open(Credential.VERIFY)
    reading = gather(verifier.activity(hikvision.account, now + timedelta(minutes=1)))

    assert [one.at for one in reading.items] == [at]


def test_unsubscribed_events_are_a_gap(hikvision: Case) -> None:
    """Unless somebody has checked the subscription, silence is no proof that nobody came."""
    verifier = hikvision.open(Credential.VERIFY, events_subscribed=False)

    reading = gather(verifier.activity(hikvision.account, hikvision.doors.clock.at))

    assert "events_subscribed" in reading.blind


def test_events_of_half_a_year_are_asked_in_parts(hikvision: Case) -> None:
    """A query spans at most three months; the platform refuses a longer one."""
    site, end = hikvision.doors.site, hikvision.doors.clock.at
    hikvision.wait(200 * 86_400)
    site.panels.happen(
        hikvision.account.native_id, "acs-1", end + timedelta(days=150), granted=True
    )

    reading = gather(hikvision.open(Credential.VERIFY).activity(hikvision.account, end))

    assert len(reading.items) == 1


def test_clock_that_is_off_is_named(hikvision: Case) -> None:
    """The gateway refuses old signatures with 200 and a code; the fault says by how much."""
    hikvision.doors.server.faults.clock_off = 3600

    with pytest.raises(Unauthorised, match="3600 s apart"):
        hikvision.find()


def test_wrong_secret_is_an_incident(hikvision: Case) -> None:
    """A signature that does not fit is Unauthorised although HTTP says 200."""
    with pytest.raises(Unauthorised) as caught:
        hikvision.find(verify={"app_key": "ak-verify", "secret": held("another")})

    assert caught.value.code == "artemis:0x02401003"


def test_excluded_panel_says_nothing(hikvision: Case) -> None:
    """A panel out of service, named with a reason, keeps no case open, and is on the card."""
    hikvision.doors.site.panels.lose("acs-1")
    more: dict[str, Any] = {"excluded_panels": {"acs-1": "scrapped in May"}}

    hikvision.take(Stage.CONTAIN, **more)
    hikvision.wait()

    assert not hikvision.survey(**more).blind
    notes = hikvision.open(Credential.ACT, **more).card().notes
    assert any("scrapped in May" in one for one in notes)


def test_canary_is_never_changed(hikvision: Case) -> None:
    """A canary is protected by being one."""
    canary = Account("shanghai", hikvision.doors.canary, "canary")

    with pytest.raises(Refused):
        hikvision.open(Credential.ACT).contain(canary, ())


# ---------------------------------------------------------------------------------- Gallagher
def test_controller_offline_keeps_a_cardholder_open(gallagher: Case) -> None:
    """De-authorised, and a controller is away: live, a duty for the guards, a blind verifier."""
    gallagher.doors.site.panels.lose("602")
    effects = gallagher.take(Stage.CONTAIN)

    assert {one.outcome for one in effects.values()} == {Outcome.PENDING}
    verified = gallagher.survey()
    assert "Server room" in verified.blind
    account = next(one for one in verified.items if one.kind == ACCOUNT)
    assert (account.state, bool(account.duty)) == (HoldingState.LIVE, True)

    gallagher.doors.site.panels.regain("602")

    assert not gallagher.survey().blind
    assert not gallagher.live(ACCOUNT)


def test_door_of_a_group_that_was_left_still_counts(gallagher: Case) -> None:
    """After every membership is removed, an offline door cannot be forgotten."""
    gallagher.take(Stage.CONTAIN)
    gallagher.take(Stage.REVOKE)

    gallagher.doors.site.panels.lose("602")

    assert gallagher.survey().blind


def test_number_that_vanishes_with_its_group(gallagher: Case) -> None:
    """The cardholder is read by address when searches by number find nobody any more."""
    gallagher.take(Stage.REVOKE)

    assert gallagher.find() == ()
    assert [one.kind for one in gallagher.survey().items] == [ACCOUNT]


def test_number_is_searched_exactly(gallagher: Case) -> None:
    """The part of a number that another one has finds nobody else."""
    site = gallagher.doors.site
    group = next(one.id for one in site.groups.values() if one.shows_number)
    site.join(site.enrol(f"9{NUMBER}", "Somebody Else"), group)

    assert [one.native_id for one in gallagher.find()] == [gallagher.account.native_id]


def test_number_on_two_cardholders_is_not_sure(gallagher: Case) -> None:
    """One number on two people: both are candidates, none is acted upon."""
    site = gallagher.doors.site
    group = next(one.id for one in site.groups.values() if one.shows_number)
    site.join(site.enrol(NUMBER, "Somebody Else"), group)

    assert [one.confidence for one in gallagher.find()] == [40, 40]


def test_number_in_another_case_is_a_candidate(gallagher: Case) -> None:
    """The server finds numbers without regard to case; one that differs in it is not sure."""
    site = gallagher.doors.site
    group = next(one.id for one in site.groups.values() if one.shows_number)
    site.join(site.enrol("e77", "Somebody Else"), group)
    verifier = gallagher.open(Credential.VERIFY)

    found = gather(verifier.find(Subject("E-77", employee_number="E77"))).items

    assert [(one.login, one.confidence) for one in found] == [("e77", 60)]


def test_person_without_number_is_unseen(gallagher: Case, unifi: Case) -> None:
    """Where a product keeps no addresses, an address finds nobody and proves nothing."""
    nobody = Subject("E-0", emails=("nobody@example.com",))

    blind = gather(gallagher.open(Credential.VERIFY).find(nobody)).blind
    clear = gather(unifi.open(Credential.VERIFY).find(nobody)).blind

    assert "nothing to search by" in blind
    assert not clear


def test_missing_licence_is_an_incident(gallagher: Case) -> None:
    """A feature that was not bought is Unauthorised, never an empty list."""
    gallagher.doors.site.licences.discard("RESTCardholders")

    with pytest.raises(Unauthorised, match="not licensed"):
        gallagher.find()


def test_without_states_of_doors_nothing_closes(gallagher: Case) -> None:
    """Without RESTStatus the survey is blind, and says which licence it needs."""
    gallagher.doors.site.licences.discard("RESTStatus")

    assert "RESTStatus" in gallagher.survey().blind


def test_memberships_with_their_dates_come_back(gallagher: Case) -> None:
    """Two memberships of one group, one with an end, are both put back as they were."""
    before = gallagher.doors.witness(NUMBER)
    holdings = [one for one in gallagher.survey(Credential.ACT).items if one.kind in {DOOR, CARD}]
    gallagher.take(Stage.REVOKE)

    act = gallagher.open(Credential.ACT)
    effects = act.restore(gallagher.account, holdings)

    assert {one.outcome for one in effects} == {Outcome.DONE}
    after = gallagher.doors.witness(NUMBER)
    assert after["access"] == before["access"]
    assert [one for one in after["cards"] if one[1] == "600"] == [
        one for one in before["cards"] if one[1] == "600"
    ]


def test_invitation_that_was_not_accepted_goes_too(gallagher: Case) -> None:
    """A mobile credential that is only invited would work when accepted: it is live, and goes."""
    assert gallagher.live(MOBILE_PASS)

    gallagher.take(Stage.REVOKE)

    assert not [one for one in gallagher.survey().items if one.kind == MOBILE_PASS]


def test_operator_of_the_software_goes_at_containment(gallagher: Case) -> None:
    """Who may log on to the door software itself is taken out, and put back by undo."""
    site = gallagher.doors.site
    guards = site.add_group("Guards")
    site.make_operator(gallagher.account.native_id, guards)
    role = [one for one in gallagher.survey(Credential.ACT).items if one.kind == "grant.role"]

    gallagher.take(Stage.CONTAIN)
    assert gallagher.doors.witness(NUMBER)["operator"] == []

    gallagher.open(Credential.ACT).restore(gallagher.account, role)
    assert gallagher.doors.witness(NUMBER)["operator"] == [guards]


def test_access_whose_event_is_hidden_is_a_gap(gallagher: Case) -> None:
    """An access after the end whose event lies in another division is said to be missing."""
    site, end = gallagher.doors.site, gallagher.doors.clock.at
    site.person_with(NUMBER).last_access = (end + timedelta(hours=1)).isoformat()
    gallagher.wait(7200)

    reading = gather(gallagher.open(Credential.VERIFY).activity(gallagher.account, end))

    assert "an access after the end" in reading.blind
    assert "every division" in reading.blind


def test_denied_attempts_are_told(gallagher: Case) -> None:
    """Somebody who tried a door after the end and was denied is in the report."""
    site, end = gallagher.doors.site, gallagher.doors.clock.at
    native = gallagher.account.native_id.rpartition("/")[2]
    for minutes in range(1, 6):
        site.panels.happen(native, "601", end + timedelta(minutes=minutes), granted=False)
    gallagher.wait(7200)

    verifier = gallagher.open(Credential.VERIFY, page_size=2)
    reading = gather(verifier.activity(gallagher.account, end))

    assert not reading.blind
    assert {one.what for one in reading.items} == {"was denied at Main entrance"}
    assert len(reading.items) == 5


def test_link_to_another_host_gets_no_key(gallagher: Case) -> None:
    """An address that leads elsewhere would take the API key there: malformed, nothing is sent."""
    connector = gallagher.open(Credential.VERIFY)
    foreign = Account("berlin", "http://127.0.0.1:9/api/cardholders/1", "x")

    with pytest.raises(Malformed, match="another host"):
        gather(connector.survey(foreign))
