"""The organisation's quarantine: one service control policy of ours, of which only lists change.

A principal cannot undo it, and it reaches sessions that were issued before. It does not bind the
management account. The operator makes it once, attached to root or OU (docs/connectors/aws.md):
``Deny *`` where ``aws:PrincipalArn`` (IAM users) or ``identitystore:userId`` (Identity Center
users) is in a list. There is no etag, so the list is read right before and right after the write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors.aws.documents import Document, parsed, statements, written
from connectors.aws.rows import Look
from connectors.aws.session import Object, Sessions
from connectors.aws.settings import Settings
from connectors.faults import Malformed, Refused

PRINCIPAL_ARN: Final = "aws:PrincipalArn"
CENTER_USER: Final = "identitystore:userId"
MAX_SIZE: Final = 5120
_OPERATOR: Final = {PRINCIPAL_ARN: "ArnEquals", CENTER_USER: "StringEquals"}
_NOBODY: Final = {
    PRINCIPAL_ARN: "arn:*:iam::000000000000:user/nobody",
    CENTER_USER: "nobody",
}
"""An empty list is not valid, so the operator's template and ours hold this."""


def rights(settings: Settings) -> tuple[str, ...]:
    """Return what changing it needs."""
    return ("organizations:UpdatePolicy (on that policy)",) if settings.quarantine_scp else ()


def denies(sessions: Sessions, key: str, value: str) -> bool:
    """Read whether the policy denies somebody."""
    return value in _listed(_document(sessions), key)


def looked(sessions: Sessions, key: str, value: str, *, add: bool) -> Look:
    """Look whether the list has somebody, or has not. Where no policy is configured: done."""
    if not sessions.settings.quarantine_scp:
        return Look(reached=True)
    document = _document(sessions)
    there = value in _listed(document, key)
    return Look(
        there is add, {"scp": there}, lambda: _changed(sessions, document, key, value, add=add)
    )


def _document(sessions: Sessions) -> Document:
    settings = sessions.settings
    answer = sessions.call(
        settings.management_account,
        "organizations",
        "describe_policy",
        PolicyId=settings.quarantine_scp,
    )
    policy = answer.get("Policy")
    if not isinstance(policy, Mapping):
        raise Malformed("a policy has no content", code="aws:shape")
    return parsed(policy.get("Content"))


def _condition(statement: Mapping[str, Any], key: str) -> list[str]:
    """Return the list of one of our statements; a statement with more conditions is not ours."""
    condition = statement.get("Condition")
    if statement.get("Effect") != "Deny" or not isinstance(condition, Mapping):
        return []
    if set(condition) != {_OPERATOR[key]} or set(condition[_OPERATOR[key]]) != {key}:
        return []
    value = condition[_OPERATOR[key]][key]
    return [value] if isinstance(value, str) else list(value)


def _listed(document: Document, key: str) -> list[str]:
    return [
        one
        for statement in statements(document)
        if statement.get("Action") in ("*", ["*"])
        for one in _condition(statement, key)
    ]


def _changed(sessions: Sessions, document: Document, key: str, value: str, *, add: bool) -> Object:
    made = statements(document)
    for place, one in enumerate(made):
        listed = _condition(one, key)
        if not listed:
            continue
        others = [it for it in listed if it not in {value, _NOBODY[key]}]
        wanted = [*others, value] if add else others or [_NOBODY[key]]
        made[place] = {**one, "Condition": {_OPERATOR[key]: {key: wanted}}}
        content = written({**document, "Statement": made})
        if len(content) > MAX_SIZE:
            raise Refused("the quarantine policy is full: remove who is gone", code="aws:scp-size")
        return sessions.call(
            sessions.settings.management_account,
            "organizations",
            "update_policy",
            PolicyId=sessions.settings.quarantine_scp,
            Content=content,
        )
    raise Refused(f"the quarantine policy has no list of {key}", code="aws:scp-shape")
