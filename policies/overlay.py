"""Lays a policy over its ancestors and over the safe defaults, and gives the result its hash.

Called by :mod:`policies.load` only. What a child says wins over what its parent says, word by
word; holding rules are all kept and weighed by :attr:`HoldingRule.precedence`; exclusions add up.
``role``, ``match`` and ``priority`` are a policy's own and never inherited.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import Final

import rfc8785

from connectors.contract import KINDS, Json
from policies.model import (
    SAFE_STAGES,
    Emergency,
    Exclusion,
    HoldingRule,
    Policy,
    PolicyFile,
    StageRule,
)

LANGUAGE: Final = "policy/1"
"""Part of every hash: the same words under another grammar are another policy."""


def overlay(lineage: Sequence[PolicyFile]) -> Policy:
    """Make the effective policy. ``lineage`` runs from the policy to its most distant ancestor."""
    own = lineage[0]
    rules = _rules(lineage)
    policy = Policy(
        name=own.name,
        source=own.position.file,
        lineage=tuple(file.name for file in lineage),
        policy_hash="",
        roles=own.roles,
        match=own.match,
        priority=own.priority,
        time_zone=next((file.time_zone for file in lineage if file.time_zone), ""),
        stages=tuple(_stage(safe, lineage) for safe in SAFE_STAGES),
        rules=rules,
        exclusions=tuple(dict.fromkeys(one for file in lineage for one in file.exclusions)),
        emergency=_emergency(lineage),
        shipped=own.shipped,
        description=own.description,
        position=own.position,
        rules_by_kind=MappingProxyType(
            {kind: tuple(rule for rule in rules if rule.covers(kind)) for kind in KINDS}
        ),
    )
    return replace(policy, policy_hash=fingerprint(policy))


def fingerprint(policy: Policy) -> str:
    """SHA-256 (hex) over the canonical JSON (RFC 8785) of all that decides anything.

    Comments, descriptions, file names and line numbers do not count; a changed word of an
    ancestor does.
    """
    document: dict[str, Json] = {
        "language": LANGUAGE,
        "policy": policy.name,
        "roles": sorted(policy.roles),
        "match": policy.match.source if policy.match else None,
        "priority": policy.priority,
        "time_zone": policy.time_zone,
        "stages": [_stage_json(rule) for rule in policy.stages],
        # Rules of one pattern stay in order of weight; between patterns there is no order.
        "rules": [_rule_json(rule) for rule in sorted(policy.rules, key=attrgetter("pattern"))],
        "exclusions": sorted(map(_exclusion_json, policy.exclusions), key=rfc8785.dumps),
        "emergency": {
            "contain": str(policy.emergency.contain),
            "quiet": policy.emergency.quiet,
        },
    }
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()


def _rules(lineage: Sequence[PolicyFile]) -> tuple[HoldingRule, ...]:
    rules: Iterable[HoldingRule] = (
        replace(rule, policy=file.name, depth=len(lineage) - 1 - generation)
        for generation, file in enumerate(lineage)
        for rule in file.rules
    )
    return tuple(sorted(rules, key=lambda rule: rule.precedence, reverse=True))


def _stage(safe: StageRule, lineage: Sequence[PolicyFile]) -> StageRule:
    words = [one for file in lineage for one in file.stages if one.stage is safe.stage]
    timed = next((one for one in words if one.at is not None), None)
    return StageRule(
        safe.stage,
        at=timed.at if timed and timed.at else safe.at,
        to=next((one.to for one in words if one.to is not None), safe.to),
        approvals=next(
            (one.approvals for one in words if one.approvals is not None), safe.approvals
        ),
        position=(timed or words[0]).position if words else None,
    )


def _emergency(lineage: Sequence[PolicyFile]) -> Emergency:
    words = [file.emergency for file in lineage]
    safe = Emergency()
    return Emergency(
        next((one.contain for one in words if one.contain is not None), safe.contain),
        next((one.quiet for one in words if one.quiet is not None), safe.quiet),
    )


def _stage_json(rule: StageRule) -> Json:
    return {
        "stage": str(rule.stage),
        "at": str(rule.at),
        "to": [str(successor) for successor in rule.to],
        "approvals": {"count": rule.approvals.count},
    }


def _rule_json(rule: HoldingRule) -> Json:
    return {
        "kinds": rule.pattern,
        "systems": sorted(rule.systems),
        "when": rule.when.source if rule.when else None,
        "contain": rule.contain and str(rule.contain),
        "preserve": rule.preserve and str(rule.preserve),
        "transfer": rule.transfer and str(rule.transfer),
        "revoke": rule.revoke and str(rule.revoke),
        "destroy": rule.destroy and str(rule.destroy),
        "retain_days": None if rule.retain is None else rule.retain.days,
    }


def _exclusion_json(exclusion: Exclusion) -> Json:
    return {
        "system": exclusion.system,
        "reason": exclusion.reason,
        "until": exclusion.until.isoformat() if exclusion.until else None,
        "kinds": sorted(exclusion.kinds),
    }
