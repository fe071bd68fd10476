"""Restore: put back, from the pre-images, what this case has changed in one system (Law 9).

Runs only for a rescinded case whose undo a person has approved; believed only after the re-read.
What the card says does not come back (a session, a token whose secret nobody has), and the system
then refuses, is named in the evidence and not waited for. Any other refusal asks a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Credential, Effect, Outcome
from reconcile.facts import Step
from reconcile.operations.run import Again, Finished, Run
from reconcile.store.account_rows import load_accounts
from reconcile.store.holding_rows import load_holdings, store_holdings
from reconcile.store.operation_rows import done_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.contract import Holding
    from reconcile.store.case_file import CaseFile


def restore(run: Run) -> Finished | Again:
    """Put back, from the pre-images, what this case has changed in the system (Law 9)."""
    changed = run.transact(lambda file: _changed_by_us(run, file))
    accounts = run.transact(lambda file: load_accounts(file, run.system_name))
    connector = run.connect(Credential.ACT)
    effects: list[Effect] = []
    try:
        for account in accounts:
            mine = [each for each in changed if each.account_id == account.native_id]
            run.transact(lambda file: run.check_not_protected(file, accounts), writing=True)
            run.guard()
            if mine:
                effects += connector.restore(account, mine)  # type: ignore[attr-defined]
        readings = run.survey(connector, accounts)
    finally:
        connector.close()
    now = {holding.key: holding.state for reading in readings for holding in reading.items}
    missing = [each for each in changed if now.get(each.key) is not each.state]
    final = {each.key for each in missing if _said_so(run, each)}
    refused = {
        each.holding_key: each.why
        for each in effects
        if each.outcome is Outcome.REFUSED and each.holding_key in final
    }
    seen = [holding for reading in readings for holding in reading.items]
    read = frozenset(account.native_id for account in accounts)

    def judge(file: CaseFile) -> Finished | Again:
        store_holdings(file, run.system_name, seen, whole=read)
        return _restored(run, file, changed, missing, refused)

    return run.transact(judge)


def _said_so(run: Run, holding: Holding) -> bool:
    support = run.system.card.support(holding.kind)
    return support is not None and bool(support.not_restorable)


def _changed_by_us(run: Run, file: CaseFile) -> list[Holding]:
    done = done_keys(file.connection, file.id)  # what others changed is not ours to put back
    ours = {
        key
        for step in (Step.CONTAIN, Step.REVOKE, Step.TRANSFER)
        for system, key in done[step]
        if system == run.system_name
    }
    return [row.snapshot(file) for row in load_holdings(file, run.system_name) if row.key in ours]


def _restored(
    run: Run,
    file: CaseFile,
    changed: Sequence[Holding],
    missing: Sequence[Holding],
    refused: Mapping[str, str],
) -> Finished | Again:
    rows = {row.key: row.number for row in load_holdings(file, run.system_name)}
    numbers = sorted(rows[each.key] for each in missing if each.key not in refused)
    lost = {str(rows[each.key]): refused[each.key] for each in missing if each.key in refused}
    file.record(
        "system.restored",
        {
            "system": run.system_name, "holdings": len(changed), "not_back": numbers,
            "refused": sorted(map(int, lost)),
        },
        {"why": lost},
    )  # fmt: skip
    if not numbers:
        return Finished({"restored": len(changed) - len(lost), "refused": sorted(map(int, lost))})
    return Again(f"not back yet: holding {', '.join(map(str, numbers[:20]))}")
