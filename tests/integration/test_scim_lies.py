"""SCIM targets that lie, lag or fail, and what doctor finds of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import format_datetime

import pytest

from connectors.contract import (
    Account,
    Credential,
    HoldingState,
    Outcome,
    gather,
)
from connectors.faults import Malformed, Refused, Transient, Unauthorised
from connectors.scim import ScimConnector, open_connector
from deprovisioner.sandbox.loopback_http import Answer, JsonServer
from deprovisioner.sandbox.scim_application import MEDIA_TYPE, Wiki, WikiFaults
from tests.support.peers.scim import ScimRig, held
from tests.support.peers.scim_worlds import connected, leaver, of_kind, outcomes

pytest_plugins = ("tests.support.peers.scim_fixtures",)
pytestmark = pytest.mark.peers

SIGN_IN = ("account.person", "credential.password")


# ------------------------------------------------------------------------------------- what lies
def test_groups_are_read_from_the_users_side_too(odd: ScimRig) -> None:
    """A group that hides its members is reported because the user says so."""
    odd.spoiler.hidden_members = odd.groups["platform"]
    with connected(odd) as connector:
        _, reading = leaver(connector, odd)

    assert odd.groups["platform"] in {one.native_id for one in of_kind(reading, "grant.group")}


def test_a_membership_that_one_side_still_shows_is_not_gone(odd: ScimRig) -> None:
    """The group has let go, the person's own page has not: neither done nor already."""
    with connected(odd) as connector:
        account, reading = leaver(connector, odd)
        mine = next(one for one in reading.items if one.native_id == odd.groups["platform"])
        odd.spoiler.frozen_groups = {account.native_id: [{"value": mine.native_id}]}

        for _ in range(2):
            with pytest.raises(Transient) as caught:
                connector.revoke(account, [mine])
            assert caught.value.code == "scim:silent"
        odd.spoiler.frozen_groups = {}
        assert outcomes(connector.revoke(account, [mine])) == [Outcome.ALREADY]


def test_an_indirect_membership_without_a_direct_one_is_blind(standard: ScimRig) -> None:
    """What gives it cannot be seen; where a direct one is there, it is that one's doing."""
    nested = {"value": "nested", "type": "indirect"}
    with connected(standard, Credential.VERIFY) as connector:
        account, _ = leaver(connector, standard)
        standard.spoiler.frozen_groups = {account.native_id: [nested]}
        assert not gather(connector.survey(account)).blind
        loner = Account("wiki", standard.hands.add_user("loner", "77"), "loner")
        standard.spoiler.frozen_groups = {loner.native_id: [nested]}
        assert "indirect" in gather(connector.survey(loner)).blind


def test_a_read_of_old_state_is_no_success_and_no_failure(odd: ScimRig, wiki: Wiki) -> None:
    """The wiki answers 204 and shows the old state: come back later, then it was already done."""
    with connected(odd, settle="PT7S") as connector:
        account, reading = leaver(connector, odd)
        mine = of_kind(reading, "account.person")
        wiki.faults = WikiFaults(stale_reads=1)

        with pytest.raises(Transient) as caught:
            connector.contain(account, mine)
        assert caught.value.retry_after == timedelta(seconds=7)
        assert outcomes(connector.contain(account, mine)) == [Outcome.ALREADY]


def test_totals_that_lie_are_blind(odd: ScimRig, wiki: Wiki) -> None:
    """Nothing is concluded from a list whose count does not fit."""
    wiki.faults = WikiFaults(miscounts=2)
    with connected(odd, Credential.VERIFY) as connector:
        assert gather(connector.find(odd.subject)).blind
        assert gather(connector.list_accounts()).blind


def test_a_version_that_moved_on_is_transient(standard: ScimRig) -> None:
    """The whole group is put only over the version that was read (RFC 7644 section 3.14)."""
    with connected(standard, members="put") as connector:
        account, reading = leaver(connector, standard)
        group = next(
            one
            for one in of_kind(reading, "grant.group")
            if one.native_id == standard.groups["editors"]
        )
        standard.spoiler.meddle_before_put = lambda: standard.hands.edit(
            "/Groups", group.native_id, "displayName", "renamed meanwhile"
        )
        with pytest.raises(Transient) as caught:
            connector.revoke(account, [group])
        standard.spoiler.meddle_before_put = None

        assert caught.value.code == "http:412"
        assert outcomes(connector.revoke(account, [group])) == [Outcome.DONE]


@pytest.mark.parametrize("wait", [30, 86_400 * 9])
def test_the_wait_asked_for_is_bounded(odd: ScimRig, wiki: Wiki, wait: int) -> None:
    """429 with seconds: at most a day is believed."""
    wiki.faults = WikiFaults(answer_code=429, retry_after=wait)
    with connected(odd) as connector, pytest.raises(Transient) as caught:
        gather(connector.find(odd.subject))

    assert caught.value.retry_after == min(timedelta(seconds=wait), timedelta(days=1))


def test_the_wait_may_be_a_date(odd: ScimRig) -> None:
    """Retry-After as an HTTP date (RFC 9110 section 10.2.3)."""
    until = odd.now() + timedelta(seconds=90)
    headers = (("Retry-After", format_datetime(until, usegmt=True)),)
    with (
        answering(Answer(503, {}, MEDIA_TYPE, headers)) as url,
        connected(odd, url=url) as connector,
        pytest.raises(Transient) as caught,
    ):
        gather(connector.find(odd.subject))

    assert timedelta(seconds=60) < caught.value.retry_after <= timedelta(seconds=90)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(404, {}, "text/html"), Malformed),
        (Answer(302, {}, MEDIA_TYPE, (("Location", "/login"),)), Malformed),
        (Answer(200, {}, "text/html"), Malformed),
        (Answer(403, {}, MEDIA_TYPE), Unauthorised),
        (Answer(409, {}, MEDIA_TYPE), Refused),
        (Answer(500, {}, "text/html"), Transient),
        (Answer(200, {"id": "somebody else"}, MEDIA_TYPE), Malformed),
    ],
)
def test_answers_become_the_fault_that_decides(
    odd: ScimRig, answer: Answer, fault: type[Exception]
) -> None:
    """A proxy's page is not the product's word; another's resource is no answer."""
    with answering(answer) as url, connected(odd, url=url) as connector, pytest.raises(fault):
        gather(connector.survey(Account("wiki", "u1", "u")))


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server that always says the same."""
    made = JsonServer(lambda _call: answer, "act", "verify")
    made.start()
    try:
        yield made.url
    finally:
        made.stop()


def test_a_port_where_nobody_listens_is_transient(odd: ScimRig) -> None:
    """Not reachable decides nothing."""
    with answering(Answer(200, {}, MEDIA_TYPE)) as url:
        gone = url
    with connected(odd, url=gone) as connector, pytest.raises(Transient) as caught:
        gather(connector.find(odd.subject))

    assert caught.value.code == "scim:connect"


def test_what_is_named_unused_and_is_used_is_blind(odd: ScimRig) -> None:
    """An exclusion that has become wrong closes nothing (law 4)."""
    with connected(odd, unused=["roles"]) as connector:
        _, reading = leaver(connector, odd)

    assert "roles is named unused" in reading.blind


def test_a_session_may_outlive_its_account(standard: ScimRig) -> None:
    """Residual access is the last change plus the lifetime that the operator gives."""
    with connected(standard, session_lifetime="PT8H") as connector:
        account, reading = leaver(connector, standard)
        connector.contain(account, of_kind(reading, "account.person"))
        mine = of_kind(gather(connector.survey(account)), "account.person")[0]

    assert mine.state is HoldingState.CONTAINED
    assert mine.residual_until is not None
    assert abs(mine.residual_until - standard.now() - timedelta(hours=8)) < timedelta(minutes=1)


def test_undo_does_not_switch_on_who_was_off(odd: ScimRig, wiki: Wiki) -> None:
    """The pre-image says inactive: never a silent re-enable (law 7)."""
    wiki.edit("Users", odd.ids["qzhao"], "active", "False")
    with connected(odd) as connector:
        account, reading = leaver(connector, odd)
        mine = of_kind(reading, *SIGN_IN)

        assert outcomes(connector.contain(account, mine)) == [Outcome.ALREADY] * 2
        assert outcomes(connector.restore(account, mine)) == [Outcome.ALREADY] * 2
    assert wiki.user(account.native_id)["active"] == "False"


# ------------------------------------------------------------------------------------- doctor
def probes(connector: ScimConnector) -> Mapping[str, bool]:
    return {line.check: line.holds for line in connector.probe()}


def test_doctor_finds_what_is_wrong(odd: ScimRig) -> None:
    """One token for both, a canary that is not there, a group without it, a token that cannot."""
    same = held("act")
    with connected(odd, verify=same, act=held("act")) as connector:
        assert probes(connector)["two tokens"] is False
    with connected(odd, canary={"id": "nobody", "group": "g"}) as connector:
        found = probes(connector)
        assert (found["canary"], found["canary group"]) == (False, False)
    wrong_group = {"id": odd.ids["canary"], "group": odd.groups["platform"]}
    with connected(odd, canary=wrong_group) as connector:
        assert probes(connector)["canary group"] is False
    with connected(odd, act=held("verify"), verify=held("act")) as connector:
        assert probes(connector)["may write"] is False


def test_doctor_says_that_a_clock_is_wrong(odd: ScimRig) -> None:
    """Evidence carries times of both sides."""
    late = open_connector(
        "wiki", odd.settings(), Credential.VERIFY, lambda: odd.now() + timedelta(hours=1)
    )
    with contextlib.closing(late):
        assert probes(late)["clock"] is False


def test_doctor_raises_when_nothing_can_be_said(odd: ScimRig) -> None:
    """A dead token is an incident and no line of a table."""
    with connected(odd, act=held("expired")) as connector, pytest.raises(Unauthorised):
        list(connector.probe())
