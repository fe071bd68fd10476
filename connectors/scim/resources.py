"""The shapes of RFC 7643 as products really send them, read with care. No I/O.

Called by every module of this room. Attribute names are compared without regard to case (RFC 7643
section 2.1), ids and values with it. Values never appear in error texts (Law 10).
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.faults import Malformed
from connectors.scim.wire import MAX_ID_LENGTH, Answer

_TRUTH: Final = {"true": True, "false": False}
INDIRECT: Final = "indirect"


@dataclass(frozen=True, slots=True)
class Element:
    """One value of a multi-valued attribute: as it was sent, and what it is known by."""

    raw: Any
    value: str

    @property
    def native_id(self) -> str:
        """Identity within its attribute: type and value, or a digest where there is no value."""
        kind = text(self.raw, "type") if isinstance(self.raw, Mapping) else ""
        if self.value and len(self.value) + len(kind) < MAX_ID_LENGTH:
            return f"{kind}:{self.value}" if kind else self.value
        canonical = json.dumps(self.raw, sort_keys=True, ensure_ascii=False)
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def label(self) -> str:
        """What a person recognises."""
        return (text(self.raw, "display") if isinstance(self.raw, Mapping) else "") or self.value


@dataclass(frozen=True, slots=True)
class Resource:
    """One user or group: the server's own id, its version, and all it sent."""

    id: str
    etag: str
    body: Mapping[str, Any]

    @property
    def active(self) -> bool | None:
        """Whether the user may sign in; None when the server does not say. Text is taken too."""
        said = attribute(self.body, "active")
        if isinstance(said, bool):
            return said
        return _TRUTH.get(said.strip().casefold()) if isinstance(said, str) else None

    def text(self, path: str) -> str:
        """Read a simple attribute, also one of an extension (``urn:...:User:employeeNumber``)."""
        if not path.casefold().startswith("urn:"):
            return text(self.body, path)
        schema, _, name = path.rpartition(":")
        extension = attribute(self.body, schema)
        return text(extension, name) if isinstance(extension, Mapping) else ""

    def elements(self, name: str) -> tuple[Element, ...]:
        """Read a multi-valued attribute; absent is empty (RFC 7643 section 2.5)."""
        return tuple(_elements(attribute(self.body, name)))

    def shows(self, name: str) -> bool:
        """Say whether the attribute was sent at all, with something in it."""
        return bool(attribute(self.body, name))

    def whole(self) -> str:
        """Write it down as JSON, for a pre-image."""
        return json.dumps(self.body, ensure_ascii=False, sort_keys=True)


def resource(body: object, etag: str = "") -> Resource:
    """Check the one thing that everything hangs on: the id. Raises Malformed."""
    if not isinstance(body, Mapping):
        raise Malformed("scim: a resource is not an object", code="scim:shape")
    native_id = attribute(body, "id")
    if not isinstance(native_id, str) or not 0 < len(native_id) <= MAX_ID_LENGTH:
        raise Malformed("scim: a resource without an id", code="scim:shape")
    meta = attribute(body, "meta")
    version = text(meta, "version") if isinstance(meta, Mapping) else ""
    return Resource(native_id, etag or version, body)


def addressed(answer: Answer, native_id: str) -> Resource:
    """Take the answer to a read by id; another resource's is no answer. Raises Malformed."""
    found = resource(answer.body, answer.etag)
    if found.id != native_id:  # ids are case-exact (RFC 7643 section 3.1)
        raise Malformed("scim: answered with another resource", code="scim:id")
    return found


def attribute(body: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON as it was sent
    """Find an attribute whatever the case of its name; None when it is not there."""
    if name in body:
        return body[name]
    folded = name.casefold()
    return next((value for key, value in body.items() if key.casefold() == folded), None)


def named(body: Mapping[str, Any], name: str) -> str:
    """Spell an attribute as this body does."""
    folded = name.casefold()
    return next((key for key in body if key.casefold() == folded), name)


def text(body: Mapping[str, Any], name: str) -> str:
    """Read a text attribute; a number is taken as its digits, anything else as nothing."""
    value = attribute(body, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def folded(value: str) -> str:
    """Fold a copy for comparison: width, case, outer space. Leading zeros stay."""
    return unicodedata.normalize("NFKC", value).strip().casefold()


def quoted(value: str) -> str:
    """Write a filter's value: a JSON string (RFC 7644 section 3.4.2.2), nothing can leave it."""
    return json.dumps(value, ensure_ascii=False)


def _elements(value: object) -> Iterator[Element]:
    if value is None:
        return
    if not isinstance(value, list):
        raise Malformed("scim: a multi-valued attribute is not a list", code="scim:shape")
    for raw in value:
        if isinstance(raw, Mapping):
            yield Element(raw, text(raw, "value"))
        elif isinstance(raw, str):
            yield Element(raw, raw)
        else:
            raise Malformed("scim: a value of an unknown shape", code="scim:shape")
