"""Who is who in a SCIM target: what proves a user, what is a candidate, what is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.contract import (
    Account,
    Credential,
    Outcome,
    Subject,
    gather,
)
from connectors.faults import Refused
from deprovisioner.sandbox.scim_application import Wiki
from tests.support.peers.scim import ScimRig
from tests.support.peers.scim_worlds import connected, leaver, of_kind, outcomes

pytest_plugins = ("tests.support.peers.scim_fixtures",)
pytestmark = pytest.mark.peers


# ---------------------------------------------------------------------------------- who is who
def test_ids_and_numbers_are_compared_character_by_character(standard: ScimRig) -> None:
    """Leading zeros count: 1042 is a colleague, 001042 the leaver."""
    colleague = replace(standard.subject, employee_number="1042", logins=(), emails=(), names=())
    with connected(standard) as connector:
        found = gather(connector.find(colleague)).items

    assert [(one.native_id, one.confidence) for one in found] == [(standard.ids["mchen"], 100)]


def test_a_number_in_another_width_is_a_candidate(odd: ScimRig, wiki: Wiki) -> None:
    """Full-width digits are not the same value: a person decides."""
    wiki.add_user("wide", externalId="\uff17\uff17", native_id="wide-1")
    with connected(odd) as connector:
        found = gather(connector.find(Subject("E-77", employee_number="77"))).items

    assert [(one.native_id, one.confidence) for one in found] == [("wide-1", 60)]


def test_two_users_with_one_number_are_nobody_for_sure(standard: ScimRig) -> None:
    """More than one hit is a question; the number is not passed on as proof of either."""
    standard.hands.add_user("qzhao2", "001042", roles=["x"], entitlements=["x"])
    with connected(standard) as connector:
        found = gather(connector.find(standard.subject)).items

    assert len(found) == 2
    assert all(one.confidence < 100 for one in found)
    assert not any("employee_number" in repr(one.identifiers) for one in found)


def test_a_login_that_was_used_again_is_not_believed(standard: ScimRig) -> None:
    """The old login's new bearer carries another number: hardly a candidate."""
    standard.rename()
    with connected(standard) as connector:
        found = {
            one.native_id: one.confidence for one in gather(connector.find(standard.subject)).items
        }

    assert found[standard.ids["qzhao"]] == 100
    assert found[standard.ids["newcomer"]] == 10


def test_nothing_to_search_by_is_blind(odd: ScimRig) -> None:
    """HR knows no number, address or login: nobody found means nothing."""
    with connected(odd) as connector:
        assert "nothing to search by" in gather(connector.find(Subject("E-1"))).blind
        odd_number = Subject("E-1", employee_number="7\x00", logins=("qzhao",))
        assert "cannot be searched" in gather(connector.find(odd_number)).blind


def test_the_canary_by_external_id(standard: ScimRig, odd: ScimRig) -> None:
    """Found by a filter where there is one, in the whole list where there is none."""
    for rig in (standard, odd):
        canary = {"external_id": "CANARY", "group": rig.groups["canaries"]}
        with connected(rig, canary=canary) as connector:
            account, reading = leaver(connector, rig)
            assert not reading.blind
        with connected(rig, canary={**canary, "external_id": "nobody"}) as connector:
            assert gather(connector.survey(account)).blind


def test_the_canary_is_never_changed(odd: ScimRig, wiki: Wiki) -> None:
    """Whatever a plan says."""
    canary = Account("wiki", odd.ids["canary"], "canary")
    before = wiki.user(canary.native_id)
    with connected(odd) as connector:
        with pytest.raises(Refused):
            connector.contain(canary, [])
        with pytest.raises(Refused):
            connector.destroy(canary)

    assert wiki.user(canary.native_id) == before


NAMES = st.text(st.sampled_from("ab\"\\()[]%&+= 'é7"), min_size=1, max_size=12)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(number=NAMES.filter(lambda text: text.strip() == text))
def test_any_number_finds_its_own_user_and_no_other(standard: ScimRig, number: str) -> None:
    """Quotes, backslashes and operators in externalId find one user: the filter cannot be left."""
    made = standard.hands.add_user(f"user-{number.encode().hex()}-{len(standard.ids)}", number)
    standard.ids[made] = made
    with connected(standard, Credential.VERIFY) as connector:
        reading = gather(connector.find(Subject("E-1", employee_number=number)))
    hits = [one for one in reading.items if dict(_ids(one)).get("employee_number") == number]
    sure = {one.native_id for one in reading.items if one.confidence == 100}

    assert not reading.blind
    assert sure <= {made}
    assert hits or len(reading.items) > 1


def _ids(account: Account) -> list[tuple[str, str]]:
    return [(str(one.key), one.value) for one in account.identifiers]


def test_a_filter_that_finds_the_canary_saves_reading_everybody(standard: ScimRig) -> None:
    """Where filters work, neither find nor survey reads a whole list."""
    with connected(standard, Credential.VERIFY) as connector:
        _, reading = leaver(connector, standard)

    lists = [target for _, target in standard.spoiler.requests if "startIndex" in target]
    assert not reading.blind
    assert lists
    assert all("filter=" in target for target in lists)


def test_a_filter_that_finds_nobody_is_not_believed(standard: ScimRig) -> None:
    """It answers 200 and an empty list to everything: then everybody is read."""
    standard.spoiler.deaf_to_filters = True
    with connected(standard, Credential.VERIFY) as connector:
        account, reading = leaver(connector, standard)

    assert account.native_id == standard.ids["qzhao"]
    assert not reading.blind
    assert {one.native_id for one in of_kind(reading, "grant.group")} == {
        standard.groups[name] for name in ("platform", "editors", "writers", "testers", "guests")
    }


def test_a_member_named_by_login_comes_back_under_the_login_of_now(
    odd: ScimRig, wiki: Wiki
) -> None:
    """The old login may be somebody else's since: it is not put back, the person is."""
    canaries = wiki.add_group("canaries by login", ["canary"])
    group = wiki.add_group("by login", ["qzhao", "mchen"])
    canary = {"id": odd.ids["canary"], "group": canaries}
    with connected(odd, member_name="userName", canary=canary) as connector:
        account, reading = leaver(connector, odd)
        mine = [one for one in reading.items if one.native_id == group]
        assert outcomes(connector.revoke(account, mine)) == [Outcome.DONE]
        odd.rename()

        assert outcomes(connector.restore(account, mine)) == [Outcome.DONE]
    assert sorted(wiki.members_of()[group]) == ["mchen", "qsun"]
