"""Preserve: snapshot every holding and back up data, encrypted, read back, and only then kept.

The snapshot is the sealed pre-image of each holding, stored before the first export. Backups go to
the vault under a key of their own for the case, which is itself sealed to the escrow keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from connectors.contract import Credential, kind
from policies.dispose import dispose
from reconcile.facts import SETTLED, EffectState, Step
from reconcile.gates import supports
from reconcile.operations.run import Again, Closing, Finished, Run
from reconcile.policy_book import policy_of
from reconcile.store.holding_rows import (
    complete_snapshots,
    load_accounts,
    load_holdings,
    store_holdings,
)
from reconcile.store.operation_rows import EffectRow, load_effects, mark_effects, plan_effects
from reconcile.store.schema import backups, vault_identities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.contract import Account, Connector, Holding
    from connectors.vaults.contract import Receipt
    from reconcile.store.case_file import CaseFile


def preserve(run: Run) -> Again | Closing:
    """Keep what must be kept. Every receipt is verified by reading the vault back (Law 1)."""
    exports = Step.PRESERVE in run.system.abilities
    if exports and run.estate.vault is None:
        return Again("no vault is configured: nothing can be kept, so nothing may be revoked")
    accounts = run.transact(lambda file: load_accounts(file, run.system_name))
    connector = run.connect(Credential.ACT)
    try:
        readings = run.survey(connector, accounts)
        seen = [holding for reading in readings for holding in reading.items]
        todo = run.transact(lambda file: _begin(run, file, seen), writing=True)
        # Only what the policy wants kept leaves the system, and only what the card says it exports.
        kept = [each for each in seen if each.key in todo]
        data = [each for each in kept if supports(run.system.card, each.kind, Step.PRESERVE)]
        recipient = run.transact(lambda file: _recipient(run, file)) if exports and data else ""
        for account in accounts:
            mine = [each for each in data if each.account_id == account.native_id]
            _export(run, connector, account, mine, recipient)
    finally:
        connector.close()
    return Closing(lambda file: _kept(run, file, todo))


def _begin(run: Run, file: CaseFile, seen: Sequence[Holding]) -> list[str]:
    """Store snapshots and plan an effect for every holding that must be preserved."""
    store_holdings(file, run.system_name, seen, whole=True)
    complete_snapshots(file, run.system_name, seen)
    policy, today = policy_of(file, run.estate), file.now.date()
    rows = {row.key: row for row in load_holdings(file, run.system_name)}
    card = run.system.card
    wanted = [
        each.key
        for each in seen
        if not each.kind.startswith("data.") or supports(card, each.kind, Step.PRESERVE)
        if dispose(
            policy, run.system_name, kind(each.kind), sole=rows[each.key].sole, on=today
        ).preserve
    ]
    known = load_effects(file.connection, file.id, run.key.seq)
    fresh = [key for key in wanted if key not in known]
    plan_effects(file.connection, file.id, run.key.seq, run.token, fresh, file.now)
    return [key for key in wanted if key not in known or known[key].state not in SETTLED]


def _recipient(run: Run, file: CaseFile) -> str:
    """Return the age recipient of the case, making its identity on first use.

    The identity is kept only sealed to the escrow keys; destroying that row makes every backup of
    the case unreadable for good.
    """
    query = sa.select(vault_identities.c.recipient).where(vault_identities.c.case_id == file.id)
    known: str | None = file.connection.scalar(query)
    if known is not None:
        return known
    identity = run.estate.make_identity()
    file.connection.execute(
        sa.insert(vault_identities).values(
            case_id=file.id,
            recipient=identity.recipient,
            sealed_identity=identity.sealed,
        )
    )
    file.record("vault.identity_made", {"escrow": list(identity.escrow)})
    return identity.recipient


def _export(
    run: Run, connector: Connector, account: Account, holdings: Sequence[Holding], recipient: str
) -> None:
    vault = run.estate.vault
    if vault is None or Step.PRESERVE not in run.system.abilities:
        return
    run.guard()
    for export in connector.export(account, holdings):  # type: ignore[attr-defined]
        receipt = vault.put(
            run.key.case_id, f"{run.system_name}/{export.name}", export.chunks, recipient
        )
        run.guard()
        vault.verify(receipt)
        run.transact(lambda file, receipt=receipt: _backed_up(run, file, receipt))  # type: ignore[misc]


def _backed_up(run: Run, file: CaseFile, receipt: Receipt) -> None:
    where = sa.and_(
        backups.c.case_id == file.id,
        backups.c.system == run.system_name,
        backups.c.name == receipt.name,
    )
    file.connection.execute(sa.delete(backups).where(where))
    file.connection.execute(
        sa.insert(backups).values(
            case_id=file.id, system=run.system_name, name=receipt.name,
            receipt=receipt.to_json(), verified_at=file.now.timestamp(),
        )
    )  # fmt: skip
    file.record("backup.verified", {"system": run.system_name, "receipt": receipt.to_json()})


def _kept(run: Run, file: CaseFile, todo: Sequence[str]) -> Finished | Again:
    exported = Step.PRESERVE in run.system.abilities
    how = "snapshot stored, backup read back" if exported else "snapshot stored"
    rows = [EffectRow(key, EffectState.DONE, how=how) for key in todo]
    mark_effects(file.connection, file.id, run.key.seq, rows, file.now)
    numbers = {row.key: row.number for row in load_holdings(file, run.system_name)}
    if rows:
        kept = sorted(numbers[row.key] for row in rows)
        file.record("holdings.preserved", {"system": run.system_name, "holdings": kept})
    return Finished({"holdings": len(rows)})
