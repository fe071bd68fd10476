"""Which policy governs a case: the version it began with, found by hash.

The policies in force stand in the estate. A case whose policy has changed since keeps the version
stored when it was opened, until it is explicitly planned anew; losing that version stops the case.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa

from policies.load import Source, load
from policies.problems import PolicyError
from policies.select import SelectionError, select
from reconcile.errors import PolicyLost
from reconcile.store.schema import policies as stored

if TYPE_CHECKING:
    from datetime import datetime

    from policies.fields import Facts
    from policies.model import Policy
    from reconcile.estate import Estate
    from reconcile.store.case_file import CaseFile


def policy_of(file: CaseFile, estate: Estate) -> Policy:
    """Find the policy of a case. Raises :class:`PolicyLost`."""
    wanted = file.row["policy_hash"]
    for policy in estate.policies:
        if policy.policy_hash == wanted:
            return policy
    query = sa.select(stored.c.document).where(stored.c.hash == wanted)
    document = file.connection.scalar(query)
    if document is not None:
        sources = tuple((each["file"], each["text"], each["shipped"]) for each in document)
        for policy in _load(sources):
            if policy.policy_hash == wanted:
                return policy
    message = f"the policy version {wanted[:12]} is not available"
    raise PolicyLost(message)


@lru_cache(maxsize=16)
def _load(sources: tuple[tuple[str, str, bool], ...]) -> tuple[Policy, ...]:
    try:
        return load([Source(*each) for each in sources]).policies
    except PolicyError as error:
        message = "the stored policy no longer loads under this release"
        raise PolicyLost(message) from error


def choose(estate: Estate, facts: Facts) -> tuple[Policy, str, str]:
    """Select the policy for a termination; returns it, why, and what is wrong with the choice.

    Where no single policy governs, ``default`` does, and the third value says why a person has to
    look before anything is written.
    """
    try:
        selection = select(estate.policies, facts)
    except SelectionError as error:
        default = next((each for each in estate.policies if each.name == "default"), None)
        if default is None:
            raise
        return default, "no single policy governs", str(error)
    return selection.policy, selection.reason, ""


def store_policy(connection: sa.Connection, estate: Estate, policy: Policy, now: datetime) -> None:
    """Keep the texts of a policy version once, under its hash."""
    query = sa.select(stored.c.hash).where(stored.c.hash == policy.policy_hash)
    if connection.scalar(query) is not None:
        return
    document = [
        {"file": each.file, "text": each.text, "shipped": each.shipped}
        for each in estate.policy_sources
    ]
    values = {"hash": policy.policy_hash, "name": policy.name, "stored_at": now.timestamp()}
    connection.execute(sa.insert(stored).values(**values, document=cast("Any", document)))
