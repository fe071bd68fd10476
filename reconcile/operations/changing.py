"""Contain and revoke: what they want, when a holding is where they bring it, and what must wait.

Called by the operation runner; how it is done, holding by holding, is ``writing``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Account, Holding, HoldingState, Stage, kind
from policies.dispose import Disposition, dispose
from policies.model import Revocation
from reconcile.closure import satisfied
from reconcile.facts import OperationState, QuestionKind, Step
from reconcile.gates import supports
from reconcile.operations.run import Again, Closing, Finished, Run
from reconcile.operations.writing import Change
from reconcile.policy_book import policy_of
from reconcile.store.account_rows import load_accounts
from reconcile.store.fact_rows import stage_times
from reconcile.store.operation_rows import load_operations, reopen, settled_keys
from reconcile.store.question_rows import load_questions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from reconcile.store.case_file import CaseFile
    from reconcile.store.holding_rows import HoldingRow


def contain(run: Run) -> Closing:
    """Block sign-in, end sessions, suspend; reversible (Law 3: waits for no backup)."""

    def blocked(state: HoldingState, _seen: Holding | None) -> bool:
        return satisfied(state, HoldingState.CONTAINED)

    def begin(file: CaseFile) -> tuple[Account, ...]:
        _note_contained(file)
        return load_accounts(file, run.system_name)

    accounts = run.transact(begin, writing=True)
    closing = Change(
        run,
        lambda connector, account, bundle: connector.contain(account, bundle),  # type: ignore[attr-defined]
        lambda rule, _holding: rule.contain,
        blocked,
        without_sight=True,
    ).work(accounts)
    return Closing(lambda file: _unless_more(run, file, accounts, closing.judge(file)))


def _unless_more(
    run: Run, file: CaseFile, accounts: Sequence[Account], outcome: Finished | Again
) -> Finished | Again:
    """A survey that could not see at first is repeated meanwhile, and may have found more."""
    theirs = {each.native_id for each in load_accounts(file, run.system_name)}
    if isinstance(outcome, Finished) and theirs - {each.native_id for each in accounts}:
        return Again("an account was found meanwhile", at=file.now, failed=False)
    return outcome


def _note_contained(file: CaseFile) -> None:
    """From here on a rescission opens an undo, whatever of containment has happened (Law 7)."""
    if file.row["contained_at"] is None:
        file.update(contained_at=file.now.timestamp())


def _gone(state: HoldingState, _seen: Holding | None) -> bool:
    return state is HoldingState.GONE


def revoke(run: Run) -> Closing:
    """Remove what the policy wants gone; each holding only once it is kept and handed over."""
    accounts, rest_at = run.transact(lambda file: _begin_revoke(run, file))

    def wanted(rule: Disposition, _holding: Holding) -> bool:
        if rule.wanted is not HoldingState.GONE:
            return False
        early = rule.revoke is Revocation.WITH_CONTAIN
        return early or (rule.revoke is Revocation.ON_TIME and rest_at is None)

    change = Change(
        run,
        lambda connector, account, bundle: connector.revoke(account, bundle),  # type: ignore[attr-defined]
        wanted,
        _gone,
        unsafe=lambda file, rows: _not_yet_safe(run, file, rows),
    )
    closing = change.work(accounts)
    if rest_at is None:
        return closing
    return Closing(lambda file: _until_the_rest(closing.judge(file), rest_at))


def _begin_revoke(run: Run, file: CaseFile) -> tuple[tuple[Account, ...], datetime | None]:
    """Return the accounts, and when the rest is due if only ``with contain`` is due now."""
    policy = policy_of(file, run.estate)
    due = stage_times(file, policy, file.person)[Stage.REVOKE]
    return load_accounts(file, run.system_name), due if due > file.now else None


def _until_the_rest(outcome: Finished | Again, at: datetime) -> Finished | Again:
    """What went with contain is gone; the operation itself ends when the rest is."""
    if isinstance(outcome, Finished):
        return Again("the rest is due later", at=at, failed=False)
    return outcome


def _not_yet_safe(run: Run, file: CaseFile, rows: Sequence[HoldingRow]) -> dict[str, str]:
    """Law 3: a holding whose backup or transfer was not observed stays, and those steps run again.

    This is asked of what the very last re-read shows, so a grant given after the backup is kept
    before it is taken away.
    """
    policy, today = policy_of(file, run.estate), file.now.date()
    settled, by_hand = settled_keys(file.connection, file.id), done_by_hand(file)
    kept, handed = settled[Step.PRESERVE], settled[Step.TRANSFER]
    reasons, again = dict[str, str](), set[Step]()
    for row in rows:
        rule = dispose(policy, row.system, kind(row.kind), sole=row.sole, on=today)
        name = (row.system, row.key)
        told = _told(run, row) if row.number in by_hand else ()
        if rule.preserve and name not in kept and Step.PRESERVE not in told:
            reasons[row.key] = "not preserved yet"
            again.add(Step.PRESERVE)
        elif rule.must_transfer and name not in handed and Step.TRANSFER not in told:
            reasons[row.key] = "not handed over yet"
            again.add(Step.TRANSFER)
    for step in again:
        _run_again(run, file, step)
    return reasons


def _told(run: Run, row: HoldingRow) -> tuple[Step, ...]:
    """A person's word stands for what only a person could do, and for nothing else."""
    steps = (Step.PRESERVE, Step.TRANSFER)
    return tuple(each for each in steps if not supports(run.system.card, kind(row.kind), each))


def _run_again(run: Run, file: CaseFile, step: Step) -> None:
    for operation in load_operations(file.connection, file.id):
        done = operation.state is OperationState.DONE
        if (operation.system, operation.step) == (run.system_name, step) and done:
            why = "a holding appeared since"
            reopen(file.connection, file.id, operation.seq, at=file.now, why=why)


def done_by_hand(file: CaseFile) -> frozenset[int]:
    """List the numbers of holdings whose duty a person has confirmed."""
    return frozenset(
        int(question.about)
        for question in load_questions(file)
        if question.kind is QuestionKind.DUTY and question.answer == "done"
        if question.about.isdigit()
    )
