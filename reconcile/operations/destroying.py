"""Destroy: delete the accounts, after retention and approval, and see with the verifier that they
are gone. A later obligation of a closed case, with its own records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Credential, HoldingState
from connectors.faults import Refused
from reconcile.operations.run import Again, Blind, Finished, Run
from reconcile.store.account_rows import forget_attributions, load_accounts
from reconcile.store.holding_rows import store_holdings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.contract import Account, Connector
    from reconcile.store.case_file import CaseFile


def destroy(run: Run) -> Finished | Again:
    """Delete each account; only the verifying credential's re-read makes it done (Law 1).

    An account that works again is somebody's decision after ours: it is not deleted, a person is
    asked. Raises :class:`Refused` then.
    """
    accounts = run.transact(lambda file: load_accounts(file, run.system_name))
    acting = run.connect(Credential.ACT)
    try:
        _check_still_blocked(run, acting, accounts)
        for account in accounts:
            run.transact(lambda file: run.check_not_protected(file, accounts), writing=True)
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
    return run.transact(lambda file: _gone(run, file, accounts, left))


def _check_still_blocked(run: Run, connector: Connector, accounts: Sequence[Account]) -> None:
    for reading in run.survey(connector, accounts):
        own = [each for each in reading.items if each.kind.startswith("account.")]
        if any(each.state is HoldingState.LIVE for each in own):
            message = f"{run.system_name}: an account that was blocked works again"
            raise Refused(message, code="destroy:live")


def _gone(run: Run, file: CaseFile, accounts: Sequence[Account], left: int) -> Finished | Again:
    file.record(
        "accounts.destroyed",
        {"system": run.system_name, "accounts": len(accounts), "left": left},
    )
    if left:
        return Again(f"{left} account(s) still there")
    whole = frozenset(account.native_id for account in accounts)
    store_holdings(file, run.system_name, (), whole=whole)
    forget_attributions(file.connection, run.system_name, sorted(whole))
    return Finished({"accounts": len(accounts)})
