"""The reference connector beyond the conformance suite: asynchrony, troubles, matching, audit."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from connectors.contract import (
    KINDS,
    Account,
    Credential,
    Holding,
    HoldingState,
    Kind,
    Outcome,
    Stage,
    Strength,
    Subject,
    gather,
)
from connectors.faults import Malformed, Missing, Transient, Unauthorised
from connectors.memory import (
    Injection,
    MemoryConnector,
    MemoryWorld,
    Settings,
    Trouble,
    open_connector,
)

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)


@dataclass
class Desk:
    """A world with one person and a colleague, and a clock to turn."""

    now: datetime = NOW
    paused: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        numbers = count(1)
        self.world = MemoryWorld(
            clock=lambda: self.now,
            pause=self.paused.append,
            new_id=lambda: f"id-{next(numbers)}",
        )
        MemoryWorld.register("desk", self.world)
        self.person = self.world.add_person("qzhao", employee_number="0042", names=("Zhao Q",))
        self.colleague = self.world.add_person("lwei", employee_number="0043", names=("Wei L",))

    def open(self, credential: Credential = Credential.ACT, **changes: object) -> MemoryConnector:
        """Open a connector on the world."""
        settings = Settings.model_validate({"world": "desk", **changes})
        return open_connector("memory", settings, credential, lambda: self.now)

    def account(self, login: str = "0042") -> Account:
        """Find by employee number."""
        return gather(self.open().find(Subject("E", employee_number=login))).items[0]

    def only(self, of: str) -> Holding:
        """Survey the one holding of a kind."""
        holdings = gather(self.open().survey(self.account())).items
        (found,) = [holding for holding in holdings if holding.kind == of]
        return found


@pytest.fixture(name="desk")
def desk_fixture() -> Iterator[Desk]:
    """Make the world and forget it afterwards."""
    yield Desk()
    MemoryWorld.forget("desk")


def test_an_asynchronous_kind_is_pending_and_then_gone(desk: Desk) -> None:
    """Revoke answers pending with an instant; before it the holding is there, at it it is gone."""
    desk.world.give(desk.person, Kind("grant.licence"))
    connector = desk.open(asynchronous=("grant.licence",), asynchronous_after=timedelta(minutes=5))
    licence = desk.only("grant.licence")

    (effect,) = connector.revoke(desk.account(), [licence])
    (again,) = connector.revoke(desk.account(), [licence])

    assert (effect.outcome, effect.pending_until) == (Outcome.PENDING, NOW + timedelta(minutes=5))
    assert again == effect
    desk.now = NOW + timedelta(minutes=4, seconds=59)
    assert desk.only("grant.licence").state is HoldingState.LIVE
    desk.now = NOW + timedelta(minutes=5)
    assert "grant.licence" not in str(desk.world.state(desk.person))
    (after,) = connector.revoke(desk.account(), [licence])
    assert after.outcome is Outcome.ALREADY


def test_a_pending_removal_can_be_called_back(desk: Desk) -> None:
    """Restore before the instant keeps the holding for good (Law 9)."""
    desk.world.give(desk.person, Kind("grant.licence"))
    connector = desk.open(asynchronous=("grant.licence",))
    licence = desk.only("grant.licence")
    connector.revoke(desk.account(), [licence])

    (effect,) = connector.restore(desk.account(), [licence])

    assert effect.outcome is Outcome.DONE
    desk.now += timedelta(days=1)
    assert desk.only("grant.licence") == licence


def test_the_card_declares_every_word_once(desk: Desk) -> None:
    """All kinds are on the card; what cannot be done is a duty; a bound is told."""
    card = desk.open(asynchronous=("alias",), settle=timedelta(seconds=3)).card()

    assert {support.kind for support in card.supports} == KINDS
    assert len(card.supports) == len(KINDS)
    assert all(bool(support.stages) != bool(support.duty) for support in card.supports)
    alias = card.support(Kind("alias"))
    assert alias is not None
    assert (alias.revokes, alias.revoke_bound) == (Strength.BOUNDED, timedelta(seconds=30))
    assert card.settle == timedelta(seconds=3)
    destroyed = {support.kind for support in card.supports if Stage.DESTROY in support.stages}
    assert destroyed == {kind for kind in KINDS if kind.startswith("account.")}


def test_the_last_member_can_go_after_somebody_took_over(desk: Desk) -> None:
    """Sole is read at the moment of the write: refused before, done after the transfer (Law 5)."""
    desk.world.give(desk.person, Kind("ownership.project"), native_id="payroll")
    connector, project = desk.open(), desk.only("ownership.project")
    assert project.sole
    (refused,) = connector.revoke(desk.account(), [project])

    (handed,) = connector.transfer(desk.account(), [project], desk.account("0043"))
    (revoked,) = connector.revoke(desk.account(), [project])

    outcomes = (refused.outcome, handed.outcome, revoked.outcome)
    assert outcomes == (Outcome.REFUSED, Outcome.DONE, Outcome.DONE)
    assert desk.world.holders(Kind("ownership.project"), "payroll") == (desk.colleague,)


def test_handing_over_what_is_gone_is_missing(desk: Desk) -> None:
    """Nothing is invented for the successor when the leaver does not hold it any more."""
    desk.world.give(desk.person, Kind("ownership.project"), native_id="payroll")
    project = desk.only("ownership.project")
    desk.world.take(desk.person, project.kind, project.native_id)

    with pytest.raises(Missing):
        desk.open().transfer(desk.account(), [project], desk.account("0043"))
    assert desk.world.holders(Kind("ownership.project"), "payroll") == ()


def test_what_cannot_be_handed_over_is_refused(desk: Desk) -> None:
    """An alias has one bearer; the effect says so."""
    desk.world.give(desk.person, Kind("alias"))

    effects = desk.open().transfer(desk.account(), [desk.only("alias")], desk.account("0043"))

    assert [(effect.outcome, effect.why) for effect in effects] == [
        (Outcome.REFUSED, "alias cannot be handed over")
    ]


def test_a_bundle_is_changed_whole_or_not_at_all(desk: Desk) -> None:
    """When the second holding of a call fails, the first is as before."""
    desk.world.give(desk.person, Kind("alias"), native_id="one")
    desk.world.give(desk.person, Kind("credential.password"), secret="hash")
    alias, password = desk.only("alias"), desk.only("credential.password")
    connector = desk.open()
    connector.revoke(desk.account(), [alias, password])
    before = desk.world.state(desk.person)

    with pytest.raises(Malformed):
        connector.restore(desk.account(), [alias, replace(password, restore={"label": ""})])

    assert desk.world.state(desk.person) == before


def test_a_session_is_lost_and_the_effect_says_so(desk: Desk) -> None:
    """What does not come back is named when it is done, and refused on undo."""
    desk.world.give(desk.person, Kind("session"))
    session = desk.only("session")

    (ended,) = desk.open().contain(desk.account(), [session])
    (back,) = desk.open().restore(desk.account(), [session])

    assert (ended.outcome, back.outcome) == (Outcome.DONE, Outcome.REFUSED)
    assert ended.lost == back.why != ""


def test_nothing_is_restored_into_a_destroyed_account(desk: Desk) -> None:
    """Undo ends where destroy begins (Law 9)."""
    desk.world.give(desk.person, Kind("alias"))
    alias, account = desk.only("alias"), desk.account()
    desk.open().destroy(account)

    (effect,) = desk.open().restore(account, [alias])

    assert effect.outcome is Outcome.REFUSED
    assert desk.world.state(desk.person) == {}


def test_the_audit_has_what_happened_and_nothing_else(desk: Desk) -> None:
    """Each real change is one line; already and refused are none."""
    desk.world.give(desk.person, Kind("alias"))
    desk.world.give(desk.person, Kind("ownership.project"))
    account, alias, project = desk.account(), desk.only("alias"), desk.only("ownership.project")
    for _ in range(2):
        desk.open().revoke(account, [alias])
        desk.open().revoke(account, [project])

    assert [(line.operation, line.holding_key) for line in desk.world.audit()] == [
        ("revoke", alias.key)
    ]
    assert (desk.world.audit()[0].at, desk.world.audit()[0].credential) == (NOW, "act")


def test_both_ends_of_each_call_are_logged(desk: Desk) -> None:
    """The log pairs starts with ends, also when the call raises."""
    account = desk.account()
    desk.world.inject(Injection(Trouble.TRANSIENT, operation="contain"))
    with pytest.raises(Transient):
        desk.open().contain(account, [desk.only("account.person")])

    lines = [line for line in desk.world.calls() if line.operation == "contain"]
    assert [line.phase for line in lines] == ["start", "end"]
    assert len({line.call for line in lines}) == 1
    assert lines[0].holding_keys == (desk.only("account.person").key,)


@pytest.mark.parametrize(
    ("number", "found"), [("0042", True), ("00\uff14\uff12", True), (" 0042", True), ("42", False)]
)
def test_employee_numbers_keep_their_zeros(desk: Desk, number: str, found: bool) -> None:
    """Width and outer spaces are folded, leading zeros are part of the number."""
    accounts = gather(desk.open().find(Subject("E", employee_number=number))).items

    assert [account.native_id for account in accounts] == ([desk.person] if found else [])


def test_weak_matches_are_candidates(desk: Desk) -> None:
    """A name or a login finds candidates below 100; the number finds the same one surely."""
    desk.world.add_person("adm-qzhao", names=("Zhao Q",))
    subject = Subject("E", employee_number="0042", names=("zhao q",), logins=("ADM-QZHAO",))

    accounts = gather(desk.open().find(subject)).items

    assert [(account.login, account.confidence, account.matched_by) for account in accounts] == [
        ("qzhao", 100, "employee_number"),
        ("adm-qzhao", 60, "login"),
    ]


def test_latency_is_waited_out_by_the_injected_pause(desk: Desk) -> None:
    """Each call pauses once, with its configured latency plus what a trouble adds."""
    desk.world.inject(Injection(Trouble.SLOW, operation="survey", seconds=2))
    account = desk.account()
    desk.paused.clear()

    connector = desk.open(latency=timedelta(milliseconds=20))
    gather(connector.find(Subject("E")))
    gather(connector.survey(account))

    assert desk.paused == [0.02, 2.02]


def test_a_call_is_not_waited_for_longer_than_its_timeout(desk: Desk) -> None:
    """A latency beyond the timeout pauses for the timeout and is transient."""
    desk.world.inject(Injection(Trouble.SLOW, operation="survey", seconds=60))
    account = desk.account()
    desk.paused.clear()

    with pytest.raises(Transient):
        gather(desk.open(timeout=timedelta(seconds=5)).survey(account))
    assert desk.paused == [5.0]


def test_troubles_strike_where_and_as_often_as_asked(desk: Desk) -> None:
    """By operation, credential and account, counted, until healed."""
    account, other = desk.account(), desk.account("0043")
    desk.world.inject(
        Injection(
            Trouble.UNAUTHORISED,
            operation="survey",
            account_id=desk.person,
            credential="verify",
            times=2,
        )
    )
    verifier = desk.open(Credential.VERIFY)
    gather(desk.open().survey(account))
    gather(verifier.survey(other))
    for _ in range(2):
        with pytest.raises(Unauthorised):
            gather(verifier.survey(account))
    gather(verifier.survey(account))

    desk.world.inject(Injection(Trouble.TRANSIENT, seconds=9))
    with pytest.raises(Transient) as raised:
        gather(verifier.survey(account))
    assert raised.value.retry_after == timedelta(seconds=9)
    desk.world.heal()
    gather(verifier.survey(account))


def test_what_vanishes_in_the_last_moment_is_already(desk: Desk) -> None:
    """The injected rival takes the holding away right before our write (Law 6)."""
    desk.world.give(desk.person, Kind("alias"))
    alias = desk.only("alias")
    desk.world.inject(Injection(Trouble.VANISHING, operation="revoke"))

    (effect,) = desk.open().revoke(desk.account(), [alias])

    assert (effect.outcome, effect.read_back) == (Outcome.ALREADY, {"state": "gone"})
    assert desk.world.audit() == ()


def test_a_pre_image_of_another_shape_is_malformed(desk: Desk) -> None:
    """A pre-image that lost a part is not guessed at."""
    desk.world.give(desk.person, Kind("alias"))
    alias = desk.only("alias")

    with pytest.raises(Malformed):
        desk.open().restore(desk.account(), [replace(alias, restore={"state": "live"})])


def test_settings_are_strict() -> None:
    """A misspelt field or an impossible page size is an error, not a default."""
    for wrong in ({"pagesize": 1}, {"page_size": 0}, {"page_size": 10_001}):
        with pytest.raises(ValueError, match="page"):
            Settings.model_validate(wrong)


def test_worlds_are_known_by_name_until_forgotten() -> None:
    """One name is one world in this process; forgetting it starts anew."""
    first = MemoryWorld.named("somewhere")
    first.add_person("qzhao")
    assert MemoryWorld.named("somewhere") is first

    MemoryWorld.forget("somewhere")
    MemoryWorld.forget("somewhere")

    assert MemoryWorld.named("somewhere").account_ids() == ()
    MemoryWorld.forget("somewhere")
