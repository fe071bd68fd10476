"""Preserve: snapshot every holding and back up data, encrypted, read back, and only then kept.

The snapshot is the sealed pre-image of each holding, stored before the first export. Backups go to
the vault under a key of their own for the case, which is itself sealed to the escrow keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Credential, kind
from policies.dispose import dispose
from reconcile.facts import SETTLED, EffectState, Step
from reconcile.gates import supports
from reconcile.operations.run import Again, Closing, Finished, Run
from reconcile.policy_book import policy_of
from reconcile.store.account_rows import load_accounts
from reconcile.store.backup_rows import insert_identity, recipient_of, store_backup
from reconcile.store.holding_rows import complete_snapshots, load_holdings, store_holdings
from reconcile.store.operation_rows import EffectRow, load_effects, mark_effects, plan_effects

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from connectors.contract import Account, Connector, Holding, Json
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
        todo = run.transact(lambda file: _begin(run, file, accounts, seen), writing=True)
        # Only what the policy wants kept leaves the system, and only what the card says it exports.
        kept = [each for each in seen if each.key in todo]
        data = [each for each in kept if supports(run.system.card, each.kind, Step.PRESERVE)]
        recipient = run.transact(lambda file: _recipient(run, file)) if exports and data else ""
        exported: set[str] = set()
        for account in accounts:
            mine = [each for each in data if each.account_id == account.native_id]
            if mine and _export(run, connector, account, mine, recipient):
                exported.update(each.key for each in mine)
    finally:
        connector.close()
    return Closing(lambda file: _kept(run, file, todo, exported))


def _begin(
    run: Run, file: CaseFile, accounts: Sequence[Account], seen: Sequence[Holding]
) -> list[str]:
    """Store snapshots and plan an effect for every holding that must be preserved."""
    run.check_not_protected(file, accounts)
    read = frozenset(account.native_id for account in accounts)
    store_holdings(file, run.system_name, seen, whole=read)
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
    known = recipient_of(file)
    if known is not None:
        return known
    identity = run.estate.make_identity()
    insert_identity(file, identity)
    file.record("vault.identity_made", {"escrow": list(identity.escrow)})
    return identity.recipient


def _export(
    run: Run, connector: Connector, account: Account, holdings: Sequence[Holding], recipient: str
) -> int:
    """Export, store and read back; returns how many objects the vault has proven."""
    vault = run.estate.vault
    if vault is None or Step.PRESERVE not in run.system.abilities:
        return 0
    objects = 0
    run.guard()
    for export in connector.export(account, holdings):  # type: ignore[attr-defined]
        receipt = vault.put(
            run.key.case_id, f"{run.system_name}/{export.name}", export.chunks, recipient
        )
        run.guard()
        vault.verify(receipt)
        run.transact(lambda file, receipt=receipt: _backed_up(run, file, receipt))  # type: ignore[misc]
        objects += 1
    return objects


def _backed_up(run: Run, file: CaseFile, receipt: Receipt) -> None:
    store_backup(file, run.system_name, receipt)
    file.record(
        "backup.verified",
        {
            "system": run.system_name,
            "ciphertext_size": receipt.ciphertext_size,
            "ciphertext_sha256": receipt.ciphertext_sha256,
            "strength": receipt.strength,
            "already": receipt.already,
        },
        {"receipt": receipt.to_json()},  # the object's name holds the account's id (Law 10)
    )


def _kept(
    run: Run, file: CaseFile, todo: Sequence[str], exported: Collection[str]
) -> Finished | Again:
    """Data counts as kept only if the connector gave it to the vault; the rest by its snapshot."""
    rows = {row.key: row for row in load_holdings(file, run.system_name)}
    missing = [key for key in todo if rows[key].kind.startswith("data.") and key not in exported]
    kept = [key for key in todo if key not in missing]
    effects = [EffectRow(key, EffectState.DONE, how=_how(key in exported)) for key in kept]
    mark_effects(file.connection, file.id, run.key.seq, effects, file.now)
    if kept:
        numbers = sorted(rows[key].number for key in kept)
        backed = sorted(rows[key].number for key in kept if key in exported)
        control: dict[str, Json] = {"holdings": numbers, "in_backup": backed}
        file.record("holdings.preserved", {"system": run.system_name, **control})
    if missing:
        told = ", ".join(str(rows[key].number) for key in missing[:20])
        return Again(f"the system exported nothing for holding {told}")
    return Finished({"holdings": len(kept)})


def _how(exported: bool) -> str:  # noqa: FBT001 - a fact
    return "snapshot stored, backup read back" if exported else "snapshot stored"
