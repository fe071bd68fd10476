"""Rows of the policy versions that cases began under: the texts, under the hash of the policy.

Read and written by ``reconcile.policy_book``; what is kept once never changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from policies.load import Source
from reconcile.store.instants import epoch
from reconcile.store.schema import policies

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from policies.model import Policy


def load_policy_sources(connection: sa.Connection, policy_hash: str) -> tuple[Source, ...]:
    """Return the texts that a policy was loaded from; none when the version was never kept."""
    query = sa.select(policies.c.document).where(policies.c.hash == policy_hash)
    document = connection.scalar(query) or ()
    return tuple(Source(each["file"], each["text"], each["shipped"]) for each in document)


def store_policy_sources(
    connection: sa.Connection, policy: Policy, sources: Sequence[Source], now: datetime
) -> None:
    """Keep the texts of a policy version once."""
    query = sa.select(policies.c.hash).where(policies.c.hash == policy.policy_hash)
    if connection.scalar(query) is not None:
        return
    document = [{"file": each.file, "text": each.text, "shipped": each.shipped} for each in sources]
    connection.execute(
        sa.insert(policies).values(
            hash=policy.policy_hash, name=policy.name, stored_at=epoch(now), document=document
        )
    )
