"""Rows of what the vault holds of a case: the key pair it is encrypted to, and what was read back.

Written by ``preserve`` after the vault has proven an object, read where a case is shown. The
objects themselves are in the vault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from reconcile.store.instants import epoch, instant
from reconcile.store.schema import backups, vault_identities
from reconcile.views import BackupView

if TYPE_CHECKING:
    from connectors.vaults.contract import CaseIdentity, Receipt
    from reconcile.store.case_file import CaseFile


def recipient_of(file: CaseFile) -> str | None:
    """Find the age recipient of a case that has one."""
    query = sa.select(vault_identities.c.recipient).where(vault_identities.c.case_id == file.id)
    recipient: str | None = file.connection.scalar(query)
    return recipient


def insert_identity(file: CaseFile, identity: CaseIdentity) -> None:
    """Keep the key pair of a case, its secret half sealed to the escrow keys."""
    file.connection.execute(
        sa.insert(vault_identities).values(
            case_id=file.id,
            recipient=identity.recipient,
            sealed_identity=identity.sealed,
        )
    )


def store_backup(file: CaseFile, system: str, receipt: Receipt) -> None:
    """Keep the receipt of an object that was read back; a newer one of its name replaces it."""
    this = sa.and_(
        backups.c.case_id == file.id, backups.c.system == system, backups.c.name == receipt.name
    )
    file.connection.execute(sa.delete(backups).where(this))
    file.connection.execute(
        sa.insert(backups).values(
            case_id=file.id, system=system, name=receipt.name,
            receipt=receipt.to_json(), verified_at=epoch(file.now),
        )
    )  # fmt: skip


def load_backups(file: CaseFile) -> tuple[BackupView, ...]:
    """List what was backed up for a case, by name."""
    query = sa.select(backups).where(backups.c.case_id == file.id).order_by(backups.c.name)
    return tuple(
        BackupView(
            system=row["system"],
            name=row["name"],
            size=row["receipt"]["ciphertext_size"],
            sha256=row["receipt"]["ciphertext_sha256"],
            verified_at=instant(row["verified_at"]),
        )
        for row in file.connection.execute(query).mappings()
    )
