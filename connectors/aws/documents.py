"""Policy documents: who is named in them, and the same document without or with somebody.

Pure. Called by ``trust`` and ``resources``. Compares in full: ``user/bob`` never matches
``user/bobby``. Only ``Principal`` elements are edited; wherever else a person is named
(``Condition``, ``NotPrincipal``) a person decides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from connectors.faults import Malformed

Document = dict[str, Any]
MAX_DOCUMENT: Final = 256 * 1024
_NOBODY: Final = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


@dataclass(frozen=True, slots=True)
class Names:
    """By what policies may name one IAM user: ARN with path, immutable id, federated user.

    ``short`` ends what AWS writes for sessions (``…:assumed-role/R/bob``), seen in conditions.
    """

    arn: str
    user_id: str
    federated: str

    @classmethod
    def of(cls, arn: str, user_id: str, login: str) -> Names:
        """Make the names of a user from its ARN ``arn:P:iam::ACCOUNT:user/path/name``."""
        parts = arn.split(":")
        federated = f"arn:{parts[1]}:sts::{parts[4]}:federated-user/{login}"
        return cls(arn, user_id, federated)

    def is_principal(self, value: str) -> bool:
        """Tell whether a principal element is this person."""
        return value in {self.arn, self.user_id, self.federated}

    def named_in(self, value: str) -> bool:
        """Tell whether any text names this person: the id anywhere, the ARN in full."""
        return value in {self.arn, self.federated} or self.user_id in value.split(":")


def parsed(document: object) -> Document:
    """Read a document as AWS gives it: an object, JSON, or JSON percent-encoded (RFC 3986)."""
    if isinstance(document, str):
        if len(document) > MAX_DOCUMENT:
            raise Malformed("a policy document is too large", code="aws:policy")
        text = unquote(document) if document.startswith("%7B") else document
        try:
            document = json.loads(text)
        except ValueError as error:
            raise Malformed("a policy document is not JSON", code="aws:policy") from error
    if not isinstance(document, Mapping):
        raise Malformed("a policy document is not an object", code="aws:policy")
    return dict(document)


def written(document: Mapping[str, Any]) -> str:
    """Write a document compactly: sizes are limited."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def same(left: object, right: object) -> bool:
    """Compare two documents, whatever order and blanks they were written in."""
    return digest(parsed(left)) == digest(parsed(right))


def digest(value: object) -> str:
    """Name something by what it says, without saying it."""
    raw = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(raw.encode()).hexdigest()[:32]


def statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements; AWS lets one stand without a list."""
    found = document.get("Statement", [])
    listed = [found] if isinstance(found, Mapping) else found
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise Malformed("a policy has no statements", code="aws:policy")
    return [dict(one) for one in listed]


def principals(statement: Mapping[str, Any]) -> list[str]:
    """Return the AWS principals of a statement."""
    value = statement.get("Principal")
    found = value.get("AWS", []) if isinstance(value, Mapping) else value
    listed = [found] if isinstance(found, str) else found
    return [one for one in listed or [] if isinstance(one, str)]


def admits(document: Mapping[str, Any], names: Names) -> bool:
    """Tell whether the person is a principal of what is allowed."""
    return any(
        one.get("Effect") == "Allow" and any(names.is_principal(it) for it in principals(one))
        for one in statements(document)
    )


def mentions(document: Mapping[str, Any], names: Names) -> bool:
    """Tell whether the person is named where only people can edit (conditions, NotPrincipal)."""
    return any(
        names.named_in(text)
        for one in statements(without(document, names))
        if one.get("Effect") == "Allow"
        for text in _texts(one)
    )


def without(document: Mapping[str, Any], names: Names) -> Document:
    """Take the person out of the principals; a statement that is left with nobody goes."""
    kept: list[dict[str, Any]] = []
    for one in statements(document):
        left = [it for it in principals(one) if not names.is_principal(it)]
        if one.get("Effect") != "Allow" or len(left) == len(principals(one)):
            kept.append(one)
            continue
        principal = one["Principal"]
        others = {k: v for k, v in principal.items() if k != "AWS"} if _is_map(principal) else {}
        if left or others:
            kept.append({**one, "Principal": {**others, **({"AWS": left} if left else {})}})
    return {**document, "Statement": kept}


def without_in_trust(document: Mapping[str, Any], names: Names) -> Document:
    """Like :func:`without`; a trust policy must say something, so it then says: nobody."""
    left = without(document, names)
    return left if left["Statement"] else {**left, "Statement": [dict(_NOBODY)]}


def beside(document: Mapping[str, Any], names: Names, other: Names) -> Document:
    """Name somebody else wherever the person is a principal of what is allowed."""
    changed: list[dict[str, Any]] = []
    for one in statements(document):
        there = principals(one)
        person = any(names.is_principal(it) for it in there)
        if one.get("Effect") != "Allow" or not person or other.arn in there:
            changed.append(one)
            continue
        principal = one["Principal"] if _is_map(one["Principal"]) else {}
        changed.append({**one, "Principal": {**principal, "AWS": [*there, other.arn]}})
    return {**document, "Statement": changed}


def _is_map(value: object) -> bool:
    return isinstance(value, Mapping)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
