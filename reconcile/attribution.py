"""What people say about accounts: whose each is, and what it is for. And the queue they work from.

Called by the desk, within the transaction of a case. A word of a person's outweighs every rule, is
recorded with their name in the sealed part of the evidence, and is remembered for the next case.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from connectors.contract import AccountKind
from reconcile.errors import Conflict, UnknownQuestion
from reconcile.facts import QuestionKind
from reconcile.store.account_rows import (
    ACCEPTED,
    CANDIDATE,
    REJECTED,
    SERVICE,
    accepted_counts,
    account_rows,
    decide_account,
    sign_off,
    strike_off,
)
from reconcile.store.holding_rows import drop_untouched
from reconcile.store.question_rows import answer, ask_again, load_questions
from reconcile.views import AccountView

if TYPE_CHECKING:
    from reconcile.store.account_rows import AccountRow
    from reconcile.store.case_file import CaseFile


class Word(StrEnum):
    """What a person may say of an account."""

    ACCEPT = "accept"
    SERVICE = "accept as service"
    REJECT = "reject"


_BECOMES: Final = {Word.ACCEPT: ACCEPTED, Word.SERVICE: SERVICE, Word.REJECT: REJECTED}


def find_account(file: CaseFile, system: str, native_id: str) -> AccountRow:
    """Find a stored account. Raises :class:`UnknownQuestion`."""
    for row in account_rows(file, system):
        if row.native_id == native_id:
            return row
    message = "the case has no such account in that system"
    raise UnknownQuestion(message)


def decide(file: CaseFile, row: AccountRow, word: Word, principal: str, why: str = "") -> None:
    """Take a person's word for whose an account is.

    Raises :class:`Conflict` when it was changed already and would now be left as it is.
    """
    theirs_no_more = row.decision == ACCEPTED and word is not Word.ACCEPT
    if theirs_no_more and not drop_untouched(file, row.system, row.native_id):
        message = "something of this account was changed already: rescind, or put it back by hand"
        raise Conflict(message)
    kind = _kind(row, word)
    decide_account(file, row, _BECOMES[word], kind, principal)
    if word is Word.REJECT:
        strike_off(file, row)
    else:
        sign_off(file, row, kind, principal)
    file.record(
        "account.decided",
        {
            "system": row.system, "decision": word.value, "kind": kind.value,
            "rule": row.matched_by, "confidence": row.confidence, "reason": row.reason.value,
        },
        {"account": row.native_id, "login": row.account(file).login, "by": principal, "why": why},
    )  # fmt: skip
    _follow_questions(file, row, word, principal)


def _kind(row: AccountRow, word: Word) -> AccountKind:
    if word is Word.SERVICE:
        return AccountKind.SERVICE
    own = row.kind is not AccountKind.SERVICE or word is Word.REJECT
    return row.kind if own else AccountKind.PERSON


def _follow_questions(file: CaseFile, row: AccountRow, word: Word, principal: str) -> None:
    """Answer what this word has answered; a duty that is one again is asked about again."""
    candidate = f"{QuestionKind.CANDIDATE}/{row.system}/{row.native_id}"
    duty = f"{QuestionKind.DUTY}/{row.system}/service/{row.native_id}"
    several = f"{QuestionKind.SEVERAL_ACCOUNTS}/{row.system}"
    said = {candidate: word.value, several: "one" if _one_left(file, row.system) else ""}
    if word is Word.SERVICE:
        ask_again(file, duty, "the account is a service again")
    else:
        said[duty] = "moot"
    for question in load_questions(file):
        if not question.answer and said.get(question.id):
            answer(file, question.id, said[question.id], principal)
            file.record(
                "question.answered",
                {"kind": question.kind.value, "system": question.system},
                {"question": question.id, "answer": said[question.id], "by": principal},
            )


def _one_left(file: CaseFile, system: str) -> bool:
    _theirs, own = accepted_counts(file)
    return own.get(system, 0) <= 1


def show_accounts(file: CaseFile, *, waiting_only: bool = False) -> tuple[AccountView, ...]:
    """Show every account of a case, how it matched and who decided; or those that wait.

    The likeliest come first.
    """
    rows = sorted(account_rows(file), key=lambda row: (-row.confidence, row.system))
    return tuple(_shown(file, row) for row in rows if row.decision == CANDIDATE or not waiting_only)


def _shown(file: CaseFile, row: AccountRow) -> AccountView:
    account = row.account(file)
    return AccountView(
        case_id=file.id,
        employment_id=file.row["employment_id"],
        system=row.system,
        native_id=row.native_id,
        login=account.login,
        display=account.display,
        kind=row.kind.value,
        rule=row.matched_by,
        confidence=row.confidence,
        reason=row.reason.value,
        decision=row.decision,
        decided_by=row.decided_by,
    )
