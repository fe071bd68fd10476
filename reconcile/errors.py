"""What the desk says no with. The roof turns each into an answer for people.

::

    ReconcileError
    ├── UnknownCase       no case of that id
    ├── UnknownQuestion   no such question, hold or operation in that case
    ├── NotAllowed        the rule that forbids it is in the message
    ├── StaleApproval     the plan changed since it was looked at: look again
    ├── PolicyLost        the policy version that governs the case is not available any more
    └── Conflict          somebody else was first, or the case is final

Messages hold no personal data (Law 10).
"""

from __future__ import annotations


class ReconcileError(Exception):
    """Anything the desk refuses."""


class UnknownCase(ReconcileError):
    """No case of that id."""


class UnknownQuestion(ReconcileError):
    """The case has no such question, hold or operation."""


class NotAllowed(ReconcileError):
    """A rule forbids it; the message says which."""


class StaleApproval(ReconcileError):
    """What was approved is not what would happen now."""


class PolicyLost(ReconcileError):
    """The version that governs a case cannot be had any more: the case must not go on."""


class Conflict(ReconcileError):
    """The case is final, or the answer was given already."""
