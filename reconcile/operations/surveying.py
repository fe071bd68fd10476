"""The read-only steps: survey before planning, and the two verifications before closing.

Verification speaks with the verifying credential, finds the person anew, and reads everything
again. What it finds beyond what the policy allows is residue: it is named, and the steps that
should have removed it run again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from connectors.contract import (
    Account,
    AccountKind,
    Credential,
    Holding,
    HoldingState,
    Reading,
    kind,
)
from policies.dispose import dispose
from reconcile.closure import satisfied
from reconcile.correlate import Known, Standing
from reconcile.facts import OperationState, QuestionKind, Step
from reconcile.gates import reachable, supports
from reconcile.operations.attributing import (
    drop_moot_question,
    guard_protected,
    keep_accounts,
    widened_now,
)
from reconcile.operations.run import Again, Closing, Finished, Run
from reconcile.policy_book import policy_of
from reconcile.searching import grown, search
from reconcile.store.account_rows import (
    SERVICE,
    attributed,
    by_decision,
    load_accounts,
    store_accounts,
    strangers,
)
from reconcile.store.holding_rows import (
    complete_snapshots,
    forget_survey,
    load_holdings,
    store_holdings,
    store_survey,
)
from reconcile.store.instants import instant_or_none
from reconcile.store.operation_rows import load_operations, reopen
from reconcile.store.question_rows import ask_again, load_questions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from connectors.contract import Connector, Json
    from reconcile.correlate import Verdict
    from reconcile.searching import Found
    from reconcile.store.case_file import CaseFile
    from reconcile.store.holding_rows import HoldingRow

NOT_THE_VERIFIER = (
    "anything with the verifying credential (unauthorised: another credential answered)"
)
MOST_SHOWN: Final = 1000
"""How many accounts that are not sure one record names; the control part counts all of them."""
REMOVING = (Step.CONTAIN, Step.PRESERVE, Step.TRANSFER, Step.REVOKE)


def survey(run: Run) -> Closing:
    """Find the person and everything they hold, with the acting credential."""
    return _read_all(run, Credential.ACT)


def verify(run: Run) -> Closing:
    """Read everything again with the verifying credential (Law 1, Law 2)."""
    return _read_all(run, Credential.VERIFY)


def _read_all(run: Run, credential: Credential) -> Closing:
    known, own, others = run.transact(lambda file: _known(file, run.system_name))
    connector = run.connect(credential)
    try:
        found = search(
            lambda subject: run.read(lambda: connector.find(subject)),
            known, run.estate.rules, run.system_name, others,
        )  # fmt: skip
        theirs = _theirs(own, found.sure, others)
        holdings = _survey_each(run, connector, tuple(theirs.values()))
    finally:
        connector.close()
    reading = _merged(found.readings, holdings, credential)
    judge = _surveyed if credential is Credential.ACT else _verified
    return Closing(lambda file: judge(run, file, found, reading, frozenset(theirs)))


def _known(file: CaseFile, system: str) -> tuple[Known, tuple[Account, ...], frozenset[str]]:
    """What is known of the person, which accounts here are theirs, and which are not to be read."""
    subject = file.person.subject
    approved, others = attributed(file.connection, subject, system)
    services = {native_id for name, native_id in by_decision(file, SERVICE) if name == system}
    known = Known(subject, load_accounts(file), approved, others)
    return known, load_accounts(file, system), strangers(file, system) | services


def _theirs(
    own: Iterable[Account], sure: Iterable[Account], others: frozenset[str]
) -> dict[str, Account]:
    """Who is read: accounts of the rows and sure hits. What one is for does not change midway."""
    kinds = {each.native_id: each.kind for each in own}
    fresh = (replace(each, kind=kinds.get(each.native_id, each.kind)) for each in sure)
    mine = [each for each in fresh if each.kind is not AccountKind.SERVICE]
    both = {each.native_id: each for each in (*own, *mine)}
    return {name: each for name, each in both.items() if name not in others}


def _survey_each(
    run: Run, connector: Connector, accounts: Sequence[Account]
) -> tuple[Reading[Holding], ...]:
    return tuple(
        run.read(lambda account=account: connector.survey(account))  # type: ignore[misc]
        for account in accounts
    )


def _merged(
    found: Sequence[Reading[Account]], readings: Sequence[Reading[Holding]], asked: Credential
) -> Reading[Holding]:
    """Join the reads of all accounts: the join sees only if every part could see (Law 2).

    It is as old as its oldest part, and speaks with the credential asked for only if all parts do.
    """
    parts: tuple[Reading[Account] | Reading[Holding], ...] = (*found, *readings)
    source = next((each for each in parts if each.blind), parts[0])
    ages = [each.read_at for each in parts if each.read_at is not None]
    other = next((each.credential for each in parts if each.credential is not asked), asked)
    return Reading(
        items=tuple(item for reading in readings for item in reading.items),
        complete=source.complete,
        canary=source.canary,
        read_at=min(ages, default=None),
        credential=other,
        gaps=source.gaps,
    )


def _surveyed(
    run: Run,
    file: CaseFile,
    found: Found,
    reading: Reading[Holding],
    read: frozenset[str],
) -> Finished | Again:
    system = run.system_name
    store_survey(file, system, Step.SURVEY, reading, accounts_found=found.counted(Standing.SURE))
    _record(file, system, Step.SURVEY, reading, found)
    if reading.blind:
        _keep_what_showed(run, file, found, reading)
        return Again(f"the survey was blind: {reading.blind}")
    items = keep_accounts(run, file, found, reading)
    store_holdings(file, system, items, whole=read)
    complete_snapshots(file, system, items)
    _contain_the_new(run, file)
    if read:
        drop_moot_question(file, f"{QuestionKind.NO_ACCOUNT}/{system}", "found")
    if grown(found.searched, widened_now(run, file, found.known)):
        return Again("another system told more to search by", at=file.now, failed=False)
    return Finished({"accounts": found.counted(Standing.SURE), "holdings": len(reading.items)})


def _keep_what_showed(run: Run, file: CaseFile, found: Found, reading: Reading[Holding]) -> None:
    """Law 3: contain does not wait for sight; what a blind read shows for sure may be contained.

    Law 2: nothing else follows from it. Nobody is asked, and nothing counts as gone.
    """
    system = run.system_name
    sure = [each for each in found.verdicts if each.standing is Standing.SURE]
    store_accounts(file, system, sure)
    store_holdings(file, system, reading.items, whole=frozenset())
    complete_snapshots(file, system, reading.items)
    guard_protected(run, file)
    _contain_the_new(run, file)


def _contain_the_new(run: Run, file: CaseFile) -> None:
    """Law 3: what turns up after contain was done is contained at once, not after the residue."""
    policy, today = policy_of(file, run.estate), file.now.date()

    def uncontained(row: HoldingRow) -> bool:
        rule = dispose(policy, row.system, kind(row.kind), sole=row.sole, on=today)
        able = supports(run.system.card, kind(row.kind), Step.CONTAIN)
        return row.state is HoldingState.LIVE and rule.contain and able

    if any(uncontained(row) for row in load_holdings(file, run.system_name)):
        for each in load_operations(file.connection, file.id):
            mine = (each.system, each.step) == (run.system_name, Step.CONTAIN)
            if mine and each.state is OperationState.DONE:
                why = "the survey found something since"
                reopen(file.connection, file.id, each.seq, at=file.now, why=why)


def _verified(
    run: Run,
    file: CaseFile,
    found: Found,
    reading: Reading[Holding],
    read: frozenset[str],
) -> Finished | Again:
    system = run.system_name
    if reading.blind or reading.credential is not Credential.VERIFY:
        blind = reading if reading.blind else replace(reading, gaps=(NOT_THE_VERIFIER,))
        store_survey(file, system, run.step, blind, accounts_found=found.counted(Standing.SURE))
        _record(file, system, run.step, blind, found)
        return Again(f"the verification was blind: {blind.blind}")
    items = keep_accounts(run, file, found, reading)
    store_holdings(file, system, items, whole=read)
    left = _residue(run, file)
    numbers = [row.number for row in left]
    store_survey(
        file,
        system,
        run.step,
        reading,
        accounts_found=found.counted(Standing.SURE),
        residue=numbers,
    )
    _record(file, system, run.step, reading, found, residue=numbers)
    if not left:
        return Finished({"residue": []})
    return _not_clean(run, file, left)


def _residue(run: Run, file: CaseFile) -> tuple[HoldingRow, ...]:
    policy = policy_of(file, run.estate)
    today = file.now.date()

    def unsatisfied(row: HoldingRow) -> bool:
        rule = dispose(policy, row.system, kind(row.kind), sole=row.sole, on=today)
        return not satisfied(row.state, rule.wanted)

    return tuple(row for row in load_holdings(file, run.system_name) if unsatisfied(row))


def _not_clean(run: Run, file: CaseFile, left: Sequence[HoldingRow]) -> Again:
    """Name what is left, run what can remove it again, and verify afresh from the beginning."""
    ending = {row.number: at for row in left if (at := _ends_by_itself(row, file.now))}
    tasks = _ask_again(run, file, [row for row in left if row.number not in ending])
    if len(ending) == len(left):
        return Again("what is left ends by itself", at=max(ending.values()), failed=False)
    ours = [row for row in left if row.number not in tasks and row.number not in ending]
    steps = ({*REMOVING, Step.VERIFY_FIRST} if ours else {Step.VERIFY_FIRST}) - {run.step}
    for operation in load_operations(file.connection, file.id):
        if operation.system == run.system_name and operation.step in steps:
            why = f"{run.step} found residue"
            reopen(file.connection, file.id, operation.seq, at=file.now, why=why)
    if not ours:
        _contain_the_new(run, file)  # a task that came to life is blocked like anything else
    if run.step is Step.VERIFY_SECOND:
        forget_survey(file, run.system_name, Step.VERIFY_FIRST)
    names = ", ".join(f"holding {row.number} ({row.kind})" for row in left[:20])
    return Again(f"still there: {names}", failed=bool(ours))


def _ends_by_itself(row: HoldingRow, now: datetime) -> datetime | None:
    at = instant_or_none(row.residual_until)
    return at if at and at > now and row.state is HoldingState.CONTAINED else None


def _ask_again(run: Run, file: CaseFile, left: Sequence[HoldingRow]) -> frozenset[int]:
    """Law 1: a task that was said to be done and is seen not to be is one again.

    Returns the numbers of what is left to people here, and asked of them.
    """
    policy, today = policy_of(file, run.estate), file.now.date()
    asked = {question.id for question in load_questions(file)}
    tasks = set[int]()
    for row in left:
        name = f"{QuestionKind.DUTY}/{run.system_name}/{row.number}"
        rule = dispose(policy, row.system, kind(row.kind), sole=row.sole, on=today)
        theirs = row.duty or not reachable(run.system.card, kind(row.kind), rule.wanted)
        if theirs and name in asked:
            ask_again(file, name, "the holding is still there")
            tasks.add(row.number)
    return frozenset(tasks)


def _record(
    file: CaseFile,
    system: str,
    phase: Step,
    reading: Reading[Holding],
    found: Found,
    residue: Sequence[int] = (),
) -> None:
    """Law 10: the control part counts rules and reasons; who was rejected is in the sealed part."""
    not_sure = [each for each in found.verdicts if each.standing is not Standing.SURE]
    file.record(
        "system.surveyed" if phase is Step.SURVEY else "system.verified",
        {
            "system": system,
            "phase": phase.value,
            "credential": reading.credential.value if reading.credential else "",
            "complete": reading.complete,
            "canary_seen": bool(reading.canary and reading.canary.seen),
            "blind": reading.blind,
            "accounts": found.counted(Standing.SURE),
            "candidates": found.counted(Standing.CANDIDATE),
            "rejected": found.counted(Standing.REJECTED),
            "reasons": dict(Counter(each.reason.value for each in found.verdicts if each.reason)),
            "holdings": len(reading.items),
            "residue": list(residue),
        },
        {
            "accounts": [each.native_id for each in found.sure],
            "not_sure": [_shown(each) for each in not_sure[:MOST_SHOWN]],
            "holdings": [f"{each.key} {each.state}" for each in reading.items],
        },
    )


def _shown(verdict: Verdict) -> dict[str, Json]:
    account = verdict.account
    return {
        "account": account.native_id,
        "login": account.login,
        "kind": account.kind.value,
        "standing": verdict.standing.value,
        "rule": account.matched_by,
        "confidence": account.confidence,
        "reason": verdict.reason.value,
    }
