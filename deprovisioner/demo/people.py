"""Scripted people: what a person would answer, over HTTP, with a token of their own.

The demo says that they are scripted. They read a question as a person does and choose one of the
answers it offers. Duties about holdings are done in the world first (``duties``); one that cannot
be done yet is looked at again later.
"""

from __future__ import annotations

from collections.abc import Iterator

from deprovisioner.client import Client, Problem
from deprovisioner.demo.duties import Duties
from deprovisioner.sandbox.people import Person
from reconcile.views import CaseView, QuestionView

_ANSWERS = {
    "confirm_termination": "ends",
    "hr_disagrees": "ends",
    "no_account": "none",
    "dead_letter": "retry",
}
_DUTY = "duty"
_LONGEST_LOGIN = 20
"""Characters of a `sAMAccountName`."""
_CONFLICT = 409


def answer_all(
    api: Client, view: CaseView, successor: str, leaver: Person, duties: Duties
) -> Iterator[tuple[QuestionView, str]]:
    """Answer every open question of a case; yields those that were answered, with what was done."""
    for question in view.questions:
        if question.answer:
            continue
        done = duties.see_to(question) if question.kind == _DUTY else None
        said = _said(view, question, successor, leaver) if done is None else done and "done"
        if not said:
            continue
        try:
            path = f"/v1/cases/{view.summary.id}/questions/{question.id}"
            api.command(path, {"answer": said})
        except Problem as problem:
            if problem.status == _CONFLICT:  # the case moved on meanwhile; look again
                continue
            raise
        yield question, done or f"answered '{said}'"


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
    names = [login.partition("@")[0][:_LONGEST_LOGIN] for login in asked]
    return "accept" if names == [f"adm-{leaver.login}"[:_LONGEST_LOGIN]] else "reject"
