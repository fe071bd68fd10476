"""Destroy: delete the accounts, after retention and approval, and see with the verifier that they
are gone. A later obligation of a closed case, with its own records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Credential
from reconcile.operations.run import Again, Blind, Finished, Run
from reconcile.store.holding_rows import load_accounts, store_holdings

if TYPE_CHECKING:
    from reconcile.store.case_file import CaseFile


def destroy(run: Run) -> Finished | Again:
    """Delete each account; only the verifying credential's re-read makes it done (Law 1)."""
    accounts = run.transact(lambda file: load_accounts(file, run.system_name))
    acting = run.connect(Credential.ACT)
    try:
        for account in accounts:
            run.transact(lambda _file: None, writing=True)
            run.guard()
            acting.destroy(account)  # type: ignore[attr-defined]
    finally:
        acting.close()
    verifying = run.connect(Credential.VERIFY)
    try:
        readings = run.survey(verifying, accounts)
    finally:
        verifying.close()
    left = sum(bool(reading.items) for reading in readings)
    if any(reading.credential is not Credential.VERIFY for reading in readings):
        message = f"{run.system_name}: not read by the verifying credential"
        raise Blind(message)
    return run.transact(lambda file: _gone(run, file, len(accounts), left))


def _gone(run: Run, file: CaseFile, accounts: int, left: int) -> Finished | Again:
    file.record(
        "accounts.destroyed", {"system": run.system_name, "accounts": accounts, "left": left}
    )
    if left:
        return Again(f"{left} account(s) still there")
    store_holdings(file, run.system_name, (), whole=True)
    return Finished({"accounts": accounts})
