"""Transfer: the successor becomes owner, and is seen to be, before anything is revoked.

The chain comes from the policy (named successor, manager) and HR. The first in the chain who has
exactly one sure account in the system, and is not protected or leaving, receives. When nobody
does, a person is asked with a deadline; what must be handed over is never skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import AccountKind, Credential, HoldingState, Stage, Subject, kind
from policies.dispose import dispose
from policies.model import SuccessorRole, Transfer
from reconcile.correlate import Known, Reason, Standing, correlate
from reconcile.facts import QuestionKind
from reconcile.operations.run import Again, Blind, Closing, Finished, Run
from reconcile.operations.writing import Change
from reconcile.policy_book import policy_of
from reconcile.store.account_rows import load_accounts
from reconcile.store.case_file import is_leaving
from reconcile.store.holding_rows import load_holdings
from reconcile.store.question_rows import ask, ask_again, load_questions, load_reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.contract import Account, Connector, Holding
    from policies.dispose import Disposition
    from policies.model import Policy
    from reconcile.event import Person
    from reconcile.store.case_file import CaseFile


def transfer(run: Run) -> Finished | Again | Closing:
    """Hand over what the policy wants handed over in one system."""
    chain, needed, accounts = run.transact(lambda file: _chain(run, file))
    successor = _receiver(run, chain, {each.native_id for each in accounts})
    if successor is None:
        if not needed:
            return Finished({"holdings": 0, "successor": "none, and nothing requires one"})
        run.transact(lambda file: _ask(run, file))
        return Again("no successor is known in this system: a person was asked", failed=False)

    theirs: set[tuple[str, str]] = set()

    def observe(connector: Connector) -> None:
        """Law 1: the successor is seen to have it, whatever the call answered."""
        theirs.clear()
        for reading in run.survey(connector, [successor]):
            theirs.update((each.kind, each.native_id) for each in reading.items)

    def reached(state: HoldingState, seen: Holding | None) -> bool:
        if seen is None or state is HoldingState.GONE:
            return True
        shown = successor.native_id in seen.handed_to or (seen.kind, seen.native_id) in theirs
        return not seen.sole and shown

    def wanted(rule: Disposition, _holding: Holding) -> bool:
        return rule.transfer in {Transfer.REQUIRED, Transfer.OPTIONAL}

    return Change(
        run,
        lambda connector, account, bundle: connector.transfer(account, bundle, successor),  # type: ignore[attr-defined]
        wanted,
        reached,
        observe,
    ).work(accounts)


def _chain(run: Run, file: CaseFile) -> tuple[tuple[Subject, ...], bool, tuple[Account, ...]]:
    """Return possible successors in order, whether anything requires one, and whose it is now."""
    person = file.person
    answered = [
        question.answer
        for question in load_questions(file)
        if question.kind is QuestionKind.NO_SUCCESSOR and question.answer
        if question.system == run.system_name
    ]
    told = person.chain
    if load_reading(file) is None:  # once HR has been read, who is not in its chain does not stay
        told += _unread(*_unknown(person))
    policy, today = policy_of(file, run.estate), file.now.date()
    told = _in_policy_order(person, policy, told)
    needed = any(
        dispose(policy, row.system, kind(row.kind), sole=row.sole, on=today).must_transfer
        for row in load_holdings(file, run.system_name)
        if row.state is not HoldingState.GONE
    )
    return (*_unread(*answered), *told), needed, load_accounts(file, run.system_name)


def _in_policy_order(
    person: Person, policy: Policy, chain: Sequence[Subject]
) -> tuple[Subject, ...]:
    """Take who the policy's ``to`` names, in its order; a team is for a person to resolve."""
    named = {
        SuccessorRole.SUCCESSOR: person.successor,
        SuccessorRole.MANAGER: person.employment.manager,
    }
    roles = [each.role for each in policy.stage(Stage.TRANSFER).to]
    ordered = (subject for role in roles for subject in chain if _is(subject, named.get(role, "")))
    return tuple(dict.fromkeys(ordered))


def _is(subject: Subject, name: str) -> bool:
    """Say whether a name, an employment id or a mail address, is this subject's."""
    return bool(name) and (subject.employment_id == name or name in subject.emails)


def _unknown(person: Person) -> tuple[str, ...]:
    """List who was named and of whom nobody has told us more than the id."""
    known = {each.employment_id for each in person.chain}
    known |= {mail for each in person.chain for mail in each.emails}
    named = (person.successor, person.employment.manager)
    return tuple(each for each in named if each not in known)


def _unread(*ids: str) -> tuple[Subject, ...]:
    """Make subjects of ids that no HR has told us more about: they are searched as numbers too."""
    return tuple(
        Subject("", emails=(each,)) if "@" in each else Subject(each, employee_number=each)
        for each in ids
        if each
    )


def _receiver(run: Run, chain: Sequence[Subject], theirs: set[str]) -> Account | None:
    """Find the first in the chain who stays and has exactly one sure, working account here."""
    connector = run.connect(Credential.ACT)
    try:
        for subject in chain:
            if run.transact(lambda file, who=subject: _leaves(file, who)):  # type: ignore[misc]
                continue
            found = run.read(lambda subject=subject: connector.find(subject))  # type: ignore[misc]
            if found.blind:
                message = f"{run.system_name}: {found.blind}"
                raise Blind(message)
            sure = _sure_of(run, subject, found.items)
            if len(sure) == 1 and _may_receive(run, connector, subject, sure[0], theirs):
                return sure[0]
    finally:
        connector.close()
    return None


def _sure_of(run: Run, subject: Subject, found: Sequence[Account]) -> list[Account]:
    """Keep the sure matches of their own. Who was named by address alone is whoever has it."""
    by_mail = not (subject.employment_id or subject.employee_number)
    verdicts = correlate(found, Known(subject), run.estate.rules)
    return [
        each.account
        for each in verdicts
        if each.standing is Standing.SURE or (by_mail and each.reason is not Reason.LOOK_ALIKE)
        if each.account.kind is AccountKind.PERSON
    ]


def _leaves(file: CaseFile, subject: Subject) -> bool:
    """Say whether the subject is the leaver, or has a case of their own that stands."""
    own = file.person.subject
    same = subject.employment_id in {own.employment_id, own.employee_number} - {""}
    return same or is_leaving(file.connection, (subject.employment_id,))


def _may_receive(
    run: Run, connector: Connector, subject: Subject, account: Account, leavers: set[str]
) -> bool:
    """Law 5: never the leaver, never a protected identity, never a blocked account."""
    if account.native_id in leavers or run.estate.guards.protects(subject, account):
        return False
    (reading,) = run.survey(connector, [account])
    own = [each for each in reading.items if each.kind.startswith("account.")]
    return bool(own) and all(each.state is HoldingState.LIVE for each in own)


def _ask(run: Run, file: CaseFile) -> None:
    name = f"{QuestionKind.NO_SUCCESSOR}/{run.system_name}"
    words = (
        "Nobody in the successor chain has one working account here: who takes over? "
        "(employment id, employee number or mail address)"
    )
    deadline = file.now + run.estate.limits.question_deadline
    ask_again(file, name, "who was named cannot take over here")
    ask(file, name, QuestionKind.NO_SUCCESSOR, run.system_name, "", words, deadline)
