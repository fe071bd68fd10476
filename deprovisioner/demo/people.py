"""Scripted people: what a person would answer, over HTTP, with a token of their own.

The demo says that they are scripted. They read a question as a person does and choose one of the
answers it offers; nobody looks whether a duty was really done, as nobody does in a pretend company.
"""

from __future__ import annotations

from collections.abc import Iterator

from deprovisioner.client import Client, Problem
from deprovisioner.sandbox.people import Person
from reconcile.views import CaseView, QuestionView

_ANSWERS = {
    "duty": "done",
    "confirm_termination": "ends",
    "hr_disagrees": "ends",
    "no_account": "none",
    "dead_letter": "retry",
}
_CONFLICT = 409


def answer_all(
    api: Client, view: CaseView, successor: str, leaver: Person
) -> Iterator[QuestionView]:
    """Answer every open question of a case; yields those that were answered."""
    for question in view.questions:
        if question.answer:
            continue
        said = _said(view, question, successor, leaver)
        if said is None:
            continue
        try:
            path = f"/v1/cases/{view.summary.id}/questions/{question.id}"
            api.command(path, {"answer": said})
        except Problem as problem:
            if problem.status == _CONFLICT:  # the case moved on meanwhile; look again
                continue
            raise
        yield question


def _said(view: CaseView, question: QuestionView, successor: str, leaver: Person) -> str | None:
    if question.kind == "no_successor":
        return successor
    if question.kind == "candidate":
        return _is_theirs(view, question, leaver)
    return _ANSWERS.get(question.kind)


def _is_theirs(view: CaseView, question: QuestionView, leaver: Person) -> str:
    """Whoever runs the company knows its rule for second accounts: ``adm-`` and the login."""
    asked = [
        one.login
        for one in view.accounts
        if one.system == question.system and one.native_id in question.about
    ]
    return "accept" if asked == [f"adm-{leaver.login}"[:20]] else "reject"
