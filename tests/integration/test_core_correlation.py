"""Correlation through the core: who is touched, who is asked about, what evidence keeps of it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from connectors.contract import AccountKind, Kind, Stage
from connectors.memory import MemoryWorld
from reconcile.attribution import Word
from reconcile.case import CaseState
from reconcile.correlate import DEFAULT_RULES, Match, Rule, Rules
from reconcile.errors import Conflict, UnknownQuestion
from reconcile.event import Action
from reconcile.facts import Step
from reconcile.store.operation_rows import load_operations, reopen
from reconcile.store.schema import attributions
from tests.support.scenario import hire, memory_system, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconcile.views import AccountView
    from tests.support.scenario import Scenario

MINUTE = timedelta(minutes=1)
HOURS = timedelta(hours=3)
PATTERNS = Rules((Rule(Match.PATTERN, 40, "adm-{login}", AccountKind.ADMIN), *DEFAULT_RULES))


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Scenario]:
    """A core over one memory world."""
    with scenario(tmp_path) as made:
        yield made


def identify(world: MemoryWorld, account_id: str, **identifiers: str) -> None:
    """Let an account carry identity attributes."""
    with world.writing() as database:
        for attribute, value in identifiers.items():
            database.execute("INSERT INTO matches VALUES (?, ?, ?)", (account_id, attribute, value))


def shown(core: Scenario, case_id: str, native_id: str) -> AccountView:
    """One account of a case as people see it."""
    found = core.desk.accounts(case_id)
    return next(each for each in found if each.native_id == native_id)


def evidence(core: Scenario, case_id: str, path: Path) -> list[tuple[dict[str, Any], Any]]:
    """Control and personal part of every record, from the bundle that an auditor opens."""
    while core.publish():
        pass
    core.desk.export_bundle(case_id, path)
    with zipfile.ZipFile(path) as bundle:
        names = sorted(name for name in bundle.namelist() if name.startswith("records/"))
        read = [json.loads(bundle.read(name)) for name in names]
    return [(each["control"], each["person"]) for each in read]


def test_a_reused_login_is_nobodys_business(core: Scenario, tmp_path: Path) -> None:
    """Login and address are the new colleague's by now: not touched, not asked, in evidence."""
    hire(core.world)
    reused = core.world.add_person(
        "lver", employee_number="2001", names=["Lea Ver"], emails=["lea.ver@example.com"]
    )
    before = core.world.state(reused)
    case_id = core.receive()
    view = core.finish(case_id)

    assert view.summary.state is CaseState.CLOSED
    assert core.world.state(reused) == before
    assert "candidate" not in [each.kind for each in view.questions]
    kept = shown(core, case_id, reused)
    assert (kept.decision, kept.reason, kept.decided_by) == ("rejected", "anothers_number", "")
    read = evidence(core, case_id, tmp_path / "bundle.zip")
    surveyed = [each for each in read if each[0]["type"] in {"system.surveyed", "system.verified"}]
    assert len(surveyed) == 3
    for control, person in surveyed:
        assert (control["accounts"], control["rejected"]) == (1, 1)
        assert control["reasons"] == {"anothers_number": 1}
        assert "lver" not in json.dumps(control)
        (rejected,) = person["not_sure"]
        assert rejected["account"] == reused
        assert (rejected["login"], rejected["standing"]) == ("lver", "rejected")
        assert rejected["reason"] == "anothers_number"


def test_no_account_but_rejected_ones_is_a_question_that_says_so(core: Scenario) -> None:
    """An attribute that is no HR number rejects everybody: a person sees it at the first case."""
    core.world.add_person("lver", employee_number="8f14e45f", names=["Lea Ver"])
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    (asked,) = [each for each in core.desk.case(case_id).questions if each.kind == "no_account"]
    assert "(1 were found and are not theirs: look why)" in asked.words
    assert core.finish(case_id).summary.state is not CaseState.CLOSED


def test_an_administrators_account_waits_for_a_person_and_is_then_cut(
    core: Scenario, tmp_path: Path
) -> None:
    """``adm-lver`` is found by the login that the HR number brought; who approved is on record."""
    core.change_estate(rules=PATTERNS)
    hire(core.world)
    admin = core.world.add_person("adm-lver", secret="s", kind=AccountKind.PERSON)
    other = core.world.add_person("adm-jdoe", secret="s")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)

    (waiting,) = core.desk.accounts()
    assert (waiting.native_id, waiting.rule) == (admin, "pattern adm-{login}")
    assert (waiting.kind, waiting.confidence) == ("admin", 40)
    assert core.account_state(admin) == "live"
    core.desk.attribute(case_id, "directory", admin, Word.ACCEPT, principal="pat", why="asked her")
    assert core.desk.accounts() == ()
    assert core.finish(case_id).summary.state is CaseState.CLOSED
    assert core.account_state(admin) == "contained"
    assert core.account_state(other) == "live"
    read = evidence(core, case_id, tmp_path / "bundle.zip")
    ((control, person),) = [each for each in read if each[0]["type"] == "account.decided"]
    assert (control["decision"], control["rule"]) == ("accept", "pattern adm-{login}")
    assert "pat" not in [*map(str, control.values())]
    assert (person["account"], person["by"], person["why"]) == (admin, "pat", "asked her")


def test_a_service_account_is_handed_over_and_not_disabled(core: Scenario) -> None:
    """What runs under it goes on running; a person confirms new owner and new secrets."""
    hire(core.world)
    service = core.world.add_person(
        "build-bot", employee_number="1042", kind=AccountKind.SERVICE, secret="s"
    )
    before = core.world.state(service)
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)

    (duty,) = [each for each in core.desk.case(case_id).questions if not each.answer]
    assert (duty.kind, duty.about) == ("duty", service)
    assert "name a new owner" in duty.words
    assert core.desk.case(case_id).summary.state is not CaseState.CLOSED
    core.answer_all(case_id, duty="done")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert core.world.state(service) == before
    assert shown(core, case_id, service).decision == "service"


def test_a_person_says_what_a_candidate_is_for(core: Scenario) -> None:
    """Accepted as a service it is left running; taken for their own after all it is cut."""
    hire(core.world)
    second = core.world.add_person("lver-bot", names=["Lea Ver"], secret="s")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, candidate="accept as service", confirm_termination="ends")
    core.settle(until=core.clock() + MINUTE)
    assert core.open_questions(case_id) == ["duty"]
    assert core.account_state(second) == "live"
    core.desk.attribute(case_id, "directory", second, Word.ACCEPT, principal="pat")
    core.settle(until=core.clock() + HOURS)
    assert core.account_state(second) == "contained"
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED


def test_more_than_one_sure_hit_is_a_question_where_one_is_expected(core: Scenario) -> None:
    """Both are blocked, nothing is taken away before somebody has looked; one may be put aside."""
    core.change_estate(rules=Rules(one_account=("directory",)))
    hire(core.world)
    second = core.world.add_person("lver2", employee_number="1042", secret="s")
    core.world.give(second, Kind("grant.role"), native_id="r2")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)

    assert core.open_questions(case_id) == ["several_accounts"]
    assert core.account_state(second) == "contained"  # Law 3: reversible, and it does not wait
    assert "grant.role|r2" in core.world.state(second)
    core.answer_all(case_id, several_accounts="all theirs")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert "grant.role|r2" not in core.world.state(second)


def test_the_wrong_one_of_several_is_put_aside_before_it_is_touched(core: Scenario) -> None:
    """A planned termination leaves the time to say which is theirs; rejecting answers all."""
    core.change_estate(rules=Rules(one_account=("directory",)))
    hire(core.world)
    second = core.world.add_person("lver2", employee_number="1042", secret="s")
    before = core.world.state(second)
    day = core.clock().date() + timedelta(days=20)
    case_id = core.receive(Action.SCHEDULED, last_day=day)
    core.settle(until=core.clock() + MINUTE)
    assert "several_accounts" in core.open_questions(case_id)
    core.desk.attribute(case_id, "directory", second, Word.REJECT, principal="pat")
    assert "several_accounts" not in core.open_questions(case_id)
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(days=30))
    assert core.desk.case(case_id).summary.state is CaseState.CLOSED
    assert core.world.state(second) == before


def test_what_was_changed_cannot_be_put_aside(core: Scenario) -> None:
    """Rejecting a blocked account would leave it blocked for ever: undo is another command."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    with pytest.raises(Conflict, match="changed already"):
        core.desk.attribute(case_id, "directory", leaver, Word.REJECT, principal="pat")
    with pytest.raises(UnknownQuestion):
        core.desk.attribute(case_id, "directory", "nobody", Word.REJECT, principal="pat")
    assert shown(core, case_id, leaver).decision == "accepted"


def test_an_approved_account_is_remembered_for_the_next_case(core: Scenario) -> None:
    """A rehired person leaves again: the account that was signed off is theirs without asking."""
    hire(core.world)
    second = core.world.add_person("lver-test", names=["Lea Ver"], secret="s")
    first = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(first, candidate="accept")
    assert core.finish(first).summary.state is CaseState.CLOSED
    core.awaken(second)

    case_id = core.receive(revision=2)
    assert case_id != first
    core.settle(until=core.clock() + MINUTE)
    assert "candidate" not in core.open_questions(case_id)
    assert shown(core, case_id, second).rule == "signed off"
    assert core.account_state(second) == "contained"


def test_what_is_deleted_is_forgotten(core: Scenario) -> None:
    """Law 10: whose an account was is personal data, and of no use once the account is gone."""
    hire(core.world)
    core.world.add_person("lver-test", names=["Lea Ver"], secret="s")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, candidate="accept")
    assert core.finish(case_id).summary.state is CaseState.CLOSED
    core.settle(until=core.clock() + timedelta(days=88))
    for person in ("ann", "ben"):
        plan = core.desk.case(case_id).plan_hash
        core.desk.approve(case_id, Stage.DESTROY, plan, principal=person)
    query = sa.select(attributions.c.native_id)
    with core.database.connect() as connection:
        assert len(connection.execute(query).all()) == 1
    core.settle(until=core.clock() + timedelta(days=5))
    with core.database.connect() as connection:
        assert connection.execute(query).all() == []


def test_what_was_approved_for_one_is_not_anothers(core: Scenario) -> None:
    """A namesake's account that a person signed off is neither asked about again nor touched."""
    hire(core.world)
    second = core.world.add_person("lver-test", names=["Lea Ver"], secret="s")
    first = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(first, candidate="accept")
    assert core.finish(first).summary.state is CaseState.CLOSED
    core.awaken(second)

    core.world.add_person("lver3", employee_number="3003")
    case_id = core.receive(employment="E-3003", number="3003")  # Lea Ver, another one
    core.settle(until=core.clock() + MINUTE)
    kept = shown(core, case_id, second)
    assert (kept.decision, kept.reason) == ("rejected", "anothers_account")
    assert core.account_state(second) == "live"
    core.desk.attribute(case_id, "directory", second, Word.REJECT, principal="pat")
    with core.database.connect() as connection:  # theirs stays theirs
        assert list(connection.scalars(sa.select(attributions.c.person))) == ["employment/E-1042"]


def test_a_rejection_strikes_only_ones_own_approval(core: Scenario) -> None:
    """Taking a word back forgets it; another person's mapping stays."""
    hire(core.world)
    second = core.world.add_person("lver-test", names=["Lea Ver"])
    day = core.clock().date() + timedelta(days=20)
    case_id = core.receive(Action.SCHEDULED, last_day=day)
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, candidate="accept")
    query = sa.select(attributions.c.native_id, attributions.c.person)
    with core.database.connect() as connection:
        assert connection.execute(query).all() == [(second, "employment/E-1042")]
    core.settle(until=core.clock() + MINUTE)
    core.desk.attribute(case_id, "directory", second, Word.REJECT, principal="pat")
    with core.database.connect() as connection:
        assert connection.execute(query).all() == []


def test_an_account_that_becomes_anothers_is_asked_about_before_it_is_touched(
    core: Scenario,
) -> None:
    """The directory gave the account to somebody else between the survey and the last day."""
    leaver, _ = hire(core.world)
    day = core.clock().date() + timedelta(days=20)
    case_id = core.receive(Action.SCHEDULED, last_day=day)
    core.settle(until=core.clock() + MINUTE)
    forget_number(core.world)
    identify(core.world, leaver, employee_number="9999")
    survey_again(core, case_id)
    asked = shown(core, case_id, leaver)
    assert (asked.decision, asked.reason) == ("candidate", "contradictory")
    assert core.open_questions(case_id).count("candidate") == 1
    core.settle(until=core.clock() + timedelta(days=22))
    assert core.account_state(leaver) == "live"
    core.answer_all(case_id, candidate="reject", confirm_termination="ends")
    core.settle(until=core.clock() + timedelta(days=2))
    assert core.account_state(leaver) == "live"
    assert core.open_questions(case_id) == ["no_account"]


def test_whose_an_account_is_is_looked_at_again_before_the_end_of_access(core: Scenario) -> None:
    """Weeks lie between the first survey and the last day: nobody has to ask for another one."""
    leaver, _ = hire(core.world)
    day = core.clock().date() + timedelta(days=20)
    case_id = core.receive(Action.SCHEDULED, last_day=day)
    core.settle(until=core.clock() + MINUTE)
    forget_number(core.world)
    identify(core.world, leaver, employee_number="9999")
    core.settle(until=core.clock() + timedelta(days=22))
    assert core.account_state(leaver) == "live"
    assert core.standing_holds(case_id) == ["manual"]  # kept already, so it is not only asked


def test_what_was_made_while_the_case_waited_is_contained_at_the_end(core: Scenario) -> None:
    """Before anything else can hold the case up: HR has not even been heard again."""
    hire(core.world)
    day = core.clock().date() + timedelta(days=20)
    case_id = core.receive(Action.SCHEDULED, last_day=day)
    core.settle(until=core.clock() + timedelta(days=10))
    late = core.world.add_person("lver-late", employee_number="1042", names=["Lea Ver"])
    core.settle(until=core.clock() + timedelta(days=12))
    assert "confirm_termination" in core.open_questions(case_id)
    assert core.account_state(late) == "contained"


def test_an_account_that_was_signed_off_as_anothers_meanwhile_is_not_touched(
    core: Scenario,
) -> None:
    """Obligation 3: a person's word for somebody else counts until it is taken back."""
    leaver, _ = hire(core.world)
    day = core.clock().date() + timedelta(days=20)
    case_id = core.receive(Action.SCHEDULED, last_day=day)
    core.settle(until=core.clock() + MINUTE)
    later = core.clock().date() + timedelta(days=60)
    other = core.receive(Action.SCHEDULED, last_day=later, employment="E-3003", number="3003")
    core.settle(until=core.clock() + MINUTE)
    core.desk.attribute(other, "directory", leaver, Word.ACCEPT, principal="pat")
    core.settle(until=core.clock() + timedelta(days=22))
    assert core.account_state(leaver) == "live"
    assert core.standing_holds(case_id) == ["manual"]
    core.release_all(case_id, "pat")
    core.settle(until=core.clock() + HOURS)
    assert core.account_state(leaver) == "contained"


def test_a_changed_account_that_becomes_anothers_holds_the_case(core: Scenario) -> None:
    """Law 5: nothing more is written until somebody has looked; what was done can be undone."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    assert core.account_state(leaver) == "contained"
    forget_number(core.world)
    identify(core.world, leaver, employee_number="9999")
    survey_again(core, case_id)
    assert core.standing_holds(case_id) == ["manual"]
    core.answer_all(case_id, confirm_termination="ends")
    core.settle(until=core.clock() + HOURS)
    assert core.desk.case(case_id).summary.state is CaseState.HELD
    core.release_all(case_id, "pat")
    assert core.finish(case_id).summary.state is CaseState.CLOSED


def test_a_number_that_is_gone_takes_nothing_back(core: Scenario) -> None:
    """Attributes are cleared while somebody leaves: the account stays theirs and is verified."""
    leaver, _ = hire(core.world)
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    forget_number(core.world)
    assert core.finish(case_id).summary.state is CaseState.CLOSED
    assert core.account_state(leaver) == "contained"


def test_a_preview_says_whose_each_account_is(core: Scenario) -> None:
    """``plan EMPLOYMENT`` judges by the same rules, and by what people signed off."""
    core.change_estate(rules=replace(PATTERNS, one_account=("directory",)))
    leaver, _ = hire(core.world)
    second = core.world.add_person("lver2", employee_number="1042")
    admin = core.world.add_person("adm-lver")
    reused = core.world.add_person("lver-old", employee_number="2001", names=["Lea Ver"])
    bot = core.world.add_person("bot", employee_number="1042", kind=AccountKind.SERVICE)
    person = core.event(Action.IMMEDIATE).person
    seen = core.desk.preview(person.subject, person)

    said = {each.native_id: (each.standing, each.reason, each.kind) for each in seen.accounts}
    assert said == {
        leaver: ("sure", "", "person"),
        second: ("sure", "", "person"),
        admin: ("candidate", "", "admin"),
        reused: ("rejected", "anothers_number", "person"),
        bot: ("sure", "", "service"),
    }
    warnings = "; ".join(seen.warnings)
    assert "2 accounts match where one is expected" in warnings
    assert "an account may be theirs (pattern adm-{login})" in warnings
    assert "It is not disabled" in warnings
    assert "bot" not in [line.label for line in seen.lines]
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.desk.attribute(case_id, "directory", admin, Word.ACCEPT, principal="pat")
    seen = core.desk.preview(person.subject, person)
    said = {each.native_id: (each.standing, each.reason, each.kind) for each in seen.accounts}
    assert said[admin] == ("sure", "", "admin")


def test_nothing_is_learned_from_an_account_that_a_person_rejected(core: Scenario) -> None:
    """It carries the number by now and is asked about again; its login makes no administrator."""
    core.change_estate(rules=PATTERNS)
    hire(core.world)
    second = core.world.add_person("other7", names=["Lea Ver"])
    admin = core.world.add_person("adm-other7")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, candidate="reject")
    core.number(second, "1042")
    survey_again(core, case_id)
    assert shown(core, case_id, second).decision == "candidate"
    assert admin not in [each.native_id for each in core.desk.accounts(case_id)]


def forget_number(world: MemoryWorld) -> None:
    """Let the directory clear the leaver's HR number."""
    with world.writing() as database:
        database.execute("DELETE FROM matches WHERE value = '1042'")


def survey_again(core: Scenario, case_id: str) -> None:
    """Have the systems of a case surveyed once more."""
    with core.database.begin() as connection:
        for operation in load_operations(connection, case_id):
            if operation.step is Step.SURVEY:
                reopen(connection, case_id, operation.seq, at=core.clock(), why="a test asks")
        core.jobs.wake(connection, case_id, "a test asks")
    core.settle(until=core.clock() + MINUTE)


@pytest.fixture
def cloud(core: Scenario) -> Iterator[MemoryWorld]:
    """A second system, in which HR numbers are unknown."""
    name = f"{core.world_name}/cloud"
    world = MemoryWorld(clock=core.clock, pause=lambda _seconds: None)
    MemoryWorld.register(name, world)
    systems = {**core.estate.systems, "cloud": memory_system("cloud", name, core.clock)}
    core.change_estate(systems=systems)
    yield world
    MemoryWorld.forget(name)


def test_an_id_learned_in_one_system_finds_the_account_of_another(
    core: Scenario, cloud: MemoryWorld
) -> None:
    """No number and no name in the cloud: the directory's immutable id says whose it is."""
    leaver, _ = hire(core.world)
    identify(core.world, leaver, immutable_id="q83vejrwee==")
    theirs = cloud.add_person("x-77", secret="s")
    identify(cloud, theirs, immutable_id="q83vejrwee==")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    found = shown(core, case_id, theirs)
    assert (found.decision, found.rule) == ("accepted", "immutable_id")
    assert core.finish(case_id).summary.state is CaseState.CLOSED
    assert cloud.state(theirs)[f"account.person|{theirs}"]["state"] == "contained"  # type: ignore[index,call-overload]


def test_a_login_learned_in_one_system_makes_candidates_in_another(
    core: Scenario, cloud: MemoryWorld
) -> None:
    """HR knows no logins; the directory does, and the cloud is asked again with it."""
    hire(core.world)
    alike = cloud.add_person("lver", secret="s")
    case_id = core.receive()
    core.settle(until=core.clock() + MINUTE)
    waiting = [each for each in core.desk.accounts() if each.system == "cloud"]
    assert [(each.native_id, each.rule) for each in waiting] == [(alike, "login")]
    surveys = [o for o in core.desk.case(case_id).operations if o.step == "survey"]
    assert all(o.state == "done" for o in surveys)
    core.desk.attribute(case_id, "cloud", alike, Word.ACCEPT, principal="pat")
    assert core.finish(case_id).summary.state is CaseState.CLOSED
    assert "no_account" not in core.open_questions(case_id)


def test_an_approved_account_that_becomes_anothers_is_asked_about_again(core: Scenario) -> None:
    """Who approved it did not know the number that it carries now; who knew has the last word."""
    hire(core.world)
    second = core.world.add_person("lver-test", names=["Lea Ver"], secret="s")
    day = core.clock().date() + timedelta(days=20)
    case_id = core.receive(Action.SCHEDULED, last_day=day)
    core.settle(until=core.clock() + MINUTE)
    core.answer_all(case_id, candidate="accept")
    core.settle(until=core.clock() + MINUTE)
    identify(core.world, second, employee_number="9999")
    survey_again(core, case_id)
    assert core.open_questions(case_id).count("candidate") == 1
    core.answer_all(case_id, candidate="accept", confirm_termination="ends")
    survey_again(core, case_id)
    assert "candidate" not in core.open_questions(case_id)
    core.settle(until=core.clock() + timedelta(days=30))
    assert core.account_state(second) == "contained"


def test_a_further_sure_hit_asks_again(core: Scenario) -> None:
    """One was put aside, one was left; a third that turns up is a new question."""
    core.change_estate(rules=Rules(one_account=("directory",)))
    hire(core.world)
    second = core.world.add_person("lver2", employee_number="1042")
    day = core.clock().date() + timedelta(days=20)
    case_id = core.receive(Action.SCHEDULED, last_day=day)
    core.settle(until=core.clock() + MINUTE)
    core.desk.attribute(case_id, "directory", second, Word.REJECT, principal="pat")
    core.world.add_person("lver3", employee_number="1042")
    survey_again(core, case_id)
    assert "several_accounts" in core.open_questions(case_id)
