"""What a survey learns of accounts: whose each is by now, who is asked, and who is told.

Called by ``surveying`` within the transaction that records a read. The verdicts are
``correlate``'s, the words of people ``attribution``'s; here both become rows, questions, holds
and fresh surveys of other systems.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from reconcile.correlate import Standing, joined
from reconcile.estate import PROTECTED
from reconcile.facts import OperationState, QuestionKind, Step
from reconcile.searching import grown, widened
from reconcile.store.account_rows import (
    ACCEPTED,
    REJECTED,
    SERVICE,
    accepted_counts,
    account_rows,
    doubt,
    load_accounts,
    question_account,
    store_accounts,
)
from reconcile.store.holding_rows import drop_untouched
from reconcile.store.operation_rows import load_operations, reopen
from reconcile.store.question_rows import (
    answer,
    ask_again,
    load_questions,
    place_hold,
    was_released,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.contract import Holding, Reading, Subject
    from reconcile.correlate import Known
    from reconcile.operations.run import Run
    from reconcile.searching import Found
    from reconcile.store.account_rows import AccountRow
    from reconcile.store.case_file import CaseFile

CONTRADICTED: Final = (
    "an account that was changed carries another person's HR number by now, or was signed off as "
    "another person's: look whose it is"
)
_SAID: Final = {ACCEPTED: "accept", SERVICE: "accept as service", REJECTED: "reject"}
"""How an open question is answered once the rules have decided it."""


def keep_accounts(
    run: Run, file: CaseFile, found: Found, reading: Reading[Holding]
) -> tuple[Holding, ...]:
    """Keep whose each account is; ask again, guard, and tell other systems what was learned.

    Returns the holdings of the accounts that are theirs.
    """
    system = run.system_name
    _contradict(file, store_accounts(file, system, found.verdicts))
    for each in found.verdicts:
        if each.standing is Standing.SURE and doubt(file, system, each.account.native_id):
            name = f"{QuestionKind.CANDIDATE}/{system}/{each.account.native_id}"
            ask_again(file, name, "the account now matches for sure")
    rows = account_rows(file, system)
    for row in rows:
        if row.decision in _SAID:
            name = f"{QuestionKind.CANDIDATE}/{system}/{row.native_id}"
            drop_moot_question(file, name, _SAID[row.decision])
    guard_protected(run, file)
    _count_again(file, system)
    _tell_others(run, file, found.known)
    theirs = {row.native_id for row in rows if row.decision == ACCEPTED}
    return tuple(each for each in reading.items if each.account_id in theirs)


def _contradict(file: CaseFile, rows: Iterable[AccountRow]) -> None:
    """Law 5: an account that another person has by now is asked about before it is touched."""
    for row in rows:
        if drop_untouched(file, row.system, row.native_id):
            question_account(file, row)
            name = f"{QuestionKind.CANDIDATE}/{row.system}/{row.native_id}"
            ask_again(file, name, "the account is said to be another person's by now")
            continue
        name = f"contradicted/{row.system}"
        if not was_released(file, name):
            place_hold(file, name, "manual", CONTRADICTED, "", "survey")


def _count_again(file: CaseFile, system: str) -> None:
    """Where one account was left after a person had looked, a further one is a new question."""
    name = f"{QuestionKind.SEVERAL_ACCOUNTS}/{system}"
    _theirs, own = accepted_counts(file)
    for question in load_questions(file):
        if question.id == name and question.answer == "one" and own.get(system, 0) > 1:
            ask_again(file, name, "a further account matches for sure")


def widened_now(run: Run, file: CaseFile, known: Known) -> Subject:
    """Who would be searched for by now: other systems may have found more while this was read."""
    elsewhere = (each for each in load_accounts(file) if each.system != run.system_name)
    more = replace(known, accounts=joined(known.accounts, elsewhere))
    return widened(more, run.estate.rules, run.system_name)


def _tell_others(run: Run, file: CaseFile, known: Known) -> None:
    """Survey other systems again when this one told a login, an address or an id to search by."""
    rules, more = run.estate.rules, replace(known, accounts=load_accounts(file))
    for each in load_operations(file.connection, file.id):
        elsewhere = each.system != run.system_name and each.step is Step.SURVEY
        if elsewhere and each.state is OperationState.DONE:
            before, now = (widened(one, rules, each.system) for one in (known, more))
            if grown(before, now):
                why = f"{run.system_name} told more to search by"
                reopen(file.connection, file.id, each.seq, at=file.now, why=why)


def guard_protected(run: Run, file: CaseFile) -> None:
    system, subject = run.system_name, file.person.subject
    if any(run.estate.guards.protects(subject, each) for each in load_accounts(file, system)):
        # Law 5: protected identities are never touched; only a change of configuration helps.
        place_hold(file, f"protected/{system}", "protected", PROTECTED, "", "guard")


def drop_moot_question(file: CaseFile, name: str, said: str) -> None:
    """Answer what the read has answered: an account turned up, or matches for sure by now."""
    for question in load_questions(file):
        if question.id == name and not question.answer:
            answer(file, question.id, said, "survey")
            control = {"kind": question.kind.value, "system": question.system}
            file.record(
                "question.answered", control, {"question": name, "answer": said, "by": "survey"}
            )
