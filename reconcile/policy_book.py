"""Which policy governs a case: the version it began with, found by hash.

The policies in force stand in the estate. A case whose policy has changed since keeps the stored
version until it is explicitly planned anew; losing that version stops the case, never the rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.model import Policy
    from reconcile.estate import Estate
    from reconcile.store.case_file import CaseFile


def policy_of(file: CaseFile, estate: Estate) -> Policy:
    """Find the policy of a case. Raises :class:`LookupError` when that version is gone."""
    wanted = file.row["policy_hash"]
    for policy in estate.policies:
        if policy.policy_hash == wanted:
            return policy
    message = f"the policy version {wanted[:12]} of case {file.id} is not available"
    raise LookupError(message)
