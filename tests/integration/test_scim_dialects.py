"""SCIM where products differ: forms of a change, what DELETE means, who is who, what lies."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.contract import (
    Account,
    Credential,
    Holding,
    HoldingState,
    Outcome,
    Reading,
    Stage,
    Subject,
    gather,
)
from connectors.faults import Malformed, Refused, Transient, Unauthorised
from connectors.scim import ScimConnector, open_connector
from deprovisioner.sandbox.loopback_http import Answer, Call, JsonServer
from deprovisioner.sandbox.scim_application import MEDIA_TYPE, Wiki, WikiFaults
from tests.support.peers.scim import ScimRig, ScimServer, Spoiler, StandardHands, held
from tests.support.peers.wiki import WikiHands

pytestmark = pytest.mark.peers

SIGN_IN = ("account.person", "credential.password")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScimServer]:
    """One scim2-server process for the module."""
    made = ScimServer(tmp_path_factory.mktemp("scim"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def standard(server: ScimServer) -> Iterator[ScimRig]:
    """A furnished tenant of scim2-server."""
    hands = StandardHands(server.tenant(), server.act_token, server.verify_token)
    with contextlib.closing(hands), Spoiler(hands.url) as spoiler:
        rig = ScimRig(hands, spoiler)
        rig.furnish()
        yield rig


@pytest.fixture
def wiki() -> Iterator[Wiki]:
    """An empty wiki."""
    numbers = itertools.count()
    made = Wiki("act", "verify", new_id=lambda: f"W{next(numbers):04}")
    made.server.start()
    yield made
    made.server.stop()


@pytest.fixture
def odd(wiki: Wiki) -> Iterator[ScimRig]:
    """The furnished wiki."""
    hands = WikiHands(wiki, "act", "verify")
    with Spoiler(hands.url) as spoiler:
        rig = ScimRig(hands, spoiler)
        rig.furnish()
        yield rig


@contextlib.contextmanager
def connected(
    rig: ScimRig, credential: Credential = Credential.ACT, **changes: Any
) -> Iterator[ScimConnector]:
    """A connector with settings changed."""
    made = open_connector("wiki", rig.settings(**changes), credential, rig.now)
    try:
        yield made
    finally:
        made.close()


def leaver(connector: ScimConnector, rig: ScimRig) -> tuple[Account, Reading[Holding]]:
    account = gather(connector.find(rig.subject)).items[0]
    return account, gather(connector.survey(account))


def of_kind(reading: Reading[Holding], *kinds: str) -> list[Holding]:
    return [holding for holding in reading.items if holding.kind in kinds]


def outcomes(effects: Any) -> list[Outcome]:
    return [effect.outcome for effect in effects]


# -------------------------------------------------------------------------------------- forms
@pytest.mark.parametrize("form", ["auto", "path", "pathless", "put", "list"])
def test_every_form_switches_off_and_on_again(standard: ScimRig, form: str) -> None:
    """scim2-server takes all the forms of a switch; each is read back, and undone."""
    before = standard.witness()
    with connected(standard, users=form) as connector:
        account, reading = leaver(connector, standard)
        mine = of_kind(reading, "account.person")

        assert outcomes(connector.contain(account, mine)) == [Outcome.DONE]
        assert json.loads(str(standard.witness()["user"]))["active"] is False
        assert outcomes(connector.restore(account, mine)) == [Outcome.DONE]
    assert standard.witness() == before


@pytest.mark.parametrize("form", ["auto", "pathless", "put"])
def test_every_form_takes_one_value_and_leaves_the_others(standard: ScimRig, form: str) -> None:
    """A group loses the leaver only, a user one role only; and both come back."""
    before, others = standard.witness(), standard.bystanders()
    with connected(standard, users=form, members=form) as connector:
        account, reading = leaver(connector, standard)
        chosen = [of_kind(reading, kind)[0] for kind in ("grant.group", "grant.role")]

        assert outcomes(connector.revoke(account, chosen)) == [Outcome.DONE] * 2
        left = {holding.key for holding in gather(connector.survey(account)).items}
        assert left == {holding.key for holding in reading.items} - {one.key for one in chosen}
        assert standard.bystanders() == others
        assert outcomes(connector.restore(account, chosen)) == [Outcome.DONE] * 2
    assert standard.witness() == before


def test_a_form_that_is_not_taken_is_followed_by_the_next(odd: ScimRig, wiki: Wiki) -> None:
    """The wiki refuses a path with 400: the pathless form follows, each is sent once."""
    with connected(odd, users="auto") as connector:
        account, reading = leaver(connector, odd)
        wiki.events.clear()

        assert outcomes(connector.contain(account, of_kind(reading, "account.person"))) == [
            Outcome.DONE
        ]
    writes = [(event.method, event.status) for event in wiki.events if event.method != "GET"]
    assert writes == [("PATCH", 400), ("PATCH", 204)]


def test_a_list_is_not_sent_in_forms_nobody_named(odd: ScimRig, wiki: Wiki) -> None:
    """Refused with a path, the connector asks a person rather than guess at a group's members."""
    members = wiki.members_of()
    with connected(odd, members="auto") as connector:
        account, reading = leaver(connector, odd)
        effect = connector.revoke(account, of_kind(reading, "grant.group")[:1])[0]

    assert effect.outcome is Outcome.REFUSED
    assert "http:400" in effect.why
    assert wiki.members_of() == members


def test_a_password_that_is_not_liked_does_not_keep_somebody_signed_in(odd: ScimRig) -> None:
    """JSON false is refused by the wiki in every form; with text, account and password go off."""
    with connected(odd, booleans="json") as connector:
        account, reading = leaver(connector, odd)
        effects = connector.contain(account, of_kind(reading, *SIGN_IN))
        assert outcomes(effects) == [Outcome.REFUSED] * 2
    with connected(odd) as connector:
        effects = connector.contain(account, of_kind(reading, *SIGN_IN))
        assert outcomes(effects) == [Outcome.DONE] * 2
        assert [bool(effect.lost) for effect in effects] == [False, True]


def test_the_scrambled_password_is_one_that_nobody_was_told(odd: ScimRig, wiki: Wiki) -> None:
    """It is random, long, and in no effect."""
    with connected(odd) as connector:
        account, reading = leaver(connector, odd)
        effects = connector.contain(account, of_kind(reading, *SIGN_IN))

    password = str(wiki.user(account.native_id)["password"])
    assert len(password) >= 40
    assert password not in repr(effects)


def test_containing_only_the_account_leaves_the_password(odd: ScimRig, wiki: Wiki) -> None:
    """What was not asked for is not changed; with scrambling off, never."""
    with connected(odd) as connector:
        account, reading = leaver(connector, odd)
        connector.contain(account, of_kind(reading, "account.person"))

    assert "password" not in wiki.user(account.native_id)


class ListForm:
    """A server that ignores ``value`` on a remove: the whole group goes. Some products do."""

    def __init__(self) -> None:
        """One group of two, and two users."""
        self.members = [{"value": "canary"}, {"value": "leaver"}, {"value": "other"}]
        self.server = JsonServer(self.respond, "act", "verify")

    def respond(self, call: Call) -> Answer:
        """Answer reads; forget all members on any change."""
        if call.method == "PATCH":
            self.members = []
            return Answer(204, {})
        if call.path[-1] == "ServiceProviderConfig":
            return Answer(404, {}, MEDIA_TYPE)
        if call.path[-1] in {"canary", "leaver"}:
            body = {"id": call.path[-1], "externalId": call.path[-1], "active": True}
            return Answer(200, body, MEDIA_TYPE)
        if call.path[-1] == "g":
            return Answer(200, {"id": "g", "members": self.members}, MEDIA_TYPE)
        return Answer(404, {}, MEDIA_TYPE)


def test_a_server_that_empties_the_group_is_an_alarm_and_no_success(odd: ScimRig) -> None:
    """The form was named by an operator and misunderstood by the server: a person must know."""
    product = ListForm()
    product.server.start()
    try:
        with connected(odd, url=product.server.url, members="list") as connector:
            account = Account("wiki", "leaver", "leaver")
            with pytest.raises(Refused, match="other values of members went too"):
                connector.revoke(account, [Holding("leaver", "grant.group", "g")])  # type: ignore[arg-type]
    finally:
        product.server.stop()


# ------------------------------------------------------------------------------------- DELETE
@pytest.mark.parametrize("delete", ["deactivates", "never"])
def test_delete_is_not_sent_where_it_does_not_delete(odd: ScimRig, wiki: Wiki, delete: str) -> None:
    """Destroy is not on the card, and refused if it is asked for all the same."""
    with connected(odd, delete=delete) as connector:
        account, _ = leaver(connector, odd)
        assert not any(Stage.DESTROY in one.stages for one in connector.card().supports)
        assert connector.destroy(account).outcome is Outcome.REFUSED

    assert not any(event.method == "DELETE" for event in wiki.events)
    assert account.native_id in wiki.user_ids()


def test_what_was_deleted_is_not_put_back_under_another_id(standard: ScimRig) -> None:
    """A new user would be somebody else to everything that knew the old id."""
    with connected(standard) as connector:
        account, reading = leaver(connector, standard)
        assert connector.destroy(account).outcome is Outcome.DONE

        effects = connector.restore(account, reading.items)

    assert set(outcomes(effects)) == {Outcome.REFUSED}
    assert all("new" in effect.why for effect in effects)


def test_a_user_that_a_search_still_shows_is_not_gone(standard: ScimRig) -> None:
    """Its own address says 404, a filter finds it: the survey is blind."""
    with connected(standard, Credential.VERIFY) as connector:
        account, _ = leaver(connector, standard)
        standard.spoiler.missing = account.native_id
        reading = gather(connector.survey(account))

    assert "search still shows" in reading.blind


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
