"""Which policy governs a case: the version it began with, found by hash.

The policies in force stand in the estate. A case whose policy has changed since keeps the version
stored when it was opened, until it is explicitly planned anew; losing that version stops the case.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from policies.load import load
from policies.problems import PolicyError
from policies.select import SelectionError, select
from reconcile.errors import PolicyLost
from reconcile.store.policy_rows import load_policy_sources, store_policy_sources

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from policies.fields import Facts
    from policies.load import Source
    from policies.model import Policy
    from reconcile.estate import Estate
    from reconcile.store.case_file import CaseFile


def policy_of(file: CaseFile, estate: Estate) -> Policy:
    """Find the policy of a case. Raises :class:`PolicyLost`."""
    wanted = file.row["policy_hash"]
    for policy in estate.policies:
        if policy.policy_hash == wanted:
            return policy
    for policy in _load(load_policy_sources(file.connection, wanted)):
        if policy.policy_hash == wanted:
            return policy
    message = f"the policy version {wanted[:12]} is not available"
    raise PolicyLost(message)


@lru_cache(maxsize=16)
def _load(sources: tuple[Source, ...]) -> tuple[Policy, ...]:
    if not sources:
        return ()
    try:
        return load(sources).policies
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
    store_policy_sources(connection, policy, estate.policy_sources, now)
