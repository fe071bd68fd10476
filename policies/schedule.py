"""When each stage of a case is due under its policy.

The planner calls :func:`due` on every pass. In an immediate termination only ``contain`` moves, to
the policy's ``emergency``: no gate of a later stage is loosened by haste (Law 3).
"""

from __future__ import annotations

from datetime import datetime

from connectors.contract import Stage
from policies.model import Policy
from policies.timing import Anchors, Timing, resolve


def timing_of(policy: Policy, stage: Stage, *, immediate: bool) -> Timing:
    """The timing that holds for a stage."""
    if immediate and stage is Stage.CONTAIN:
        return policy.emergency.contain
    return policy.stage(stage).at


def due(policy: Policy, stage: Stage, anchors: Anchors, *, immediate: bool) -> datetime:
    """The instant from which on a stage may start. In the past means now."""
    return resolve(timing_of(policy, stage, immediate=immediate), anchors)
