"""Who takes over: the policy's order holds for people named by mail; a question gets its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind, Subject
from policies.load import Source
from reconcile.event import Action, Employment
from tests.support.scenario import Scenario, hire, scenario

if TYPE_CHECKING:
    from pathlib import Path

    from reconcile.views import QuestionView

SOON = timedelta(minutes=10)
MAIL = "boss@example.com"
TEXT = """
policy: own
extends: default
match: 'true'
stages:
  transfer: {{at: access_end - 2d, to: [{to}]}}
"""


def terminate(core: Scenario, *, manager: str = "", successor: str = "") -> tuple[str, str]:
    """Cut somebody whose manager or successor is known by a mail address; returns case and boss."""
    hire(core.world)
    boss = core.world.add_person("boss", emails=[MAIL])
    event = core.event(Action.IMMEDIATE, successor="")
    person = replace(
        event.person,
        employment=Employment(manager=manager),
        successor=successor,
        chain=(Subject("", emails=(MAIL,)),),
    )
    receipt = core.desk.receive(replace(event, person=person), raw=b"{}", principal="hr")
    core.settle(until=core.clock() + SOON)
    return receipt.case_id or "", boss


def owners(core: Scenario) -> tuple[str, ...]:
    """List who owns the leaver's team by now."""
    return tuple(core.world.holders(Kind("ownership.group"), "o-team"))


@pytest.mark.parametrize(
    ("to", "manager", "successor", "receives"),
    [
        ("successor", MAIL, "", False),
        ("manager", MAIL, "", True),
        ("successor", "", MAIL, True),
        ("manager", "", MAIL, False),
    ],
)
def test_who_is_named_by_mail_takes_over_in_their_own_role_only(
    tmp_path: Path, to: str, manager: str, successor: str, *, receives: bool
) -> None:
    """A policy that names the successor does not hand over to a manager, nor the other way."""
    policy = Source("own.yaml", TEXT.format(to=to))
    with scenario(tmp_path, policy_texts=(policy,)) as core:
        case_id, boss = terminate(core, manager=manager, successor=successor)
        assert (boss in owners(core)) is receives
        assert ("no_successor" in core.open_questions(case_id)) is not receives


def successor_question(core: Scenario, case_id: str) -> QuestionView:
    """Show the question who takes over."""
    questions = core.desk.case(case_id).questions
    return next(each for each in questions if each.kind == "no_successor")


def test_a_successor_asked_about_again_is_given_the_whole_time_again(core: Scenario) -> None:
    """Who is asked anew has not been late: the deadline begins anew, and so the escalation."""
    hire(core.world)
    case_id = core.receive(successor="")
    core.settle(until=core.clock() + SOON)
    asked = successor_question(core, case_id)
    given = asked.deadline - asked.asked_at
    core.settle(until=core.clock() + timedelta(days=3))  # too late, and said louder
    core.answer_all(case_id, no_successor="nobody")
    core.settle(until=core.clock() + SOON)
    question = successor_question(core, case_id)
    assert (question.answer, question.deadline - question.asked_at) == ("", given)
    assert question.deadline > core.clock() + given - 2 * SOON
    core.settle(until=core.clock() + timedelta(days=3))
    said = [each for each in core.desk.records(case_id) if each.type == "question.escalated"]
    assert len(said) == 3  # the two that were open, and this one once more
