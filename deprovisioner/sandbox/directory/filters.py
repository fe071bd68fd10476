"""Search filters (RFC 4511 clause 4.5.1.7): read from BER, evaluated with three values.

Called by `operations` for searches and for the assertion control. `None` is "undefined": an
attribute that the schema does not know, one that the reader may not see, a rule that does not
exist. A filter that is undefined selects nothing, and neither does its negation: that is how
`(nisNetgroupTriple=*name*)` finds nothing.
"""

from collections.abc import Callable, Hashable
from typing import Protocol

from deprovisioner.sandbox.directory import ber, matching
from deprovisioner.sandbox.directory.schema import AttributeType, Schema

AND, OR, NOT, EQUAL, SUBSTRINGS, GREATER, LESS, PRESENT, APPROXIMATE = (
    0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8,
)  # fmt: skip
EXTENSIBLE = 0xA9
_DEEPEST = 50


class Candidate(Protocol):
    """One entry as the reader may see it."""

    def normal(self, keys: frozenset[str]) -> frozenset[Hashable] | None:
        """Normal forms of the values, empty when absent, None when the reader may not see them."""

    def raw(self, keys: frozenset[str]) -> list[bytes]:
        """Values as stored."""


Predicate = Callable[[Candidate], bool | None]


def read(element: ber.Element, schema: Schema, depth: int = 0) -> Predicate:
    """Turn a BER filter into a predicate; raises `MalformedMessageError`."""
    if depth > _DEEPEST:
        raise ber.MalformedMessageError("filter nested too deeply")
    tag = element.tag
    if tag in (AND, OR):
        parts = [read(child, schema, depth + 1) for child in element.children()]
        return _all(parts) if tag == AND else _any(parts)
    if tag == NOT:
        (inner,) = _exactly(element, 1)
        return _negation(
            read(inner, schema, depth + 1), undefined=schema.strictness.undefined_is_false
        )
    if tag == PRESENT:
        return _presence(element.text(), schema)
    if tag == SUBSTRINGS:
        return _substrings(element, schema)
    if tag in (EQUAL, GREATER, LESS, APPROXIMATE):
        return _comparison(element, schema)
    if tag == EXTENSIBLE:
        return _undefined
    raise ber.MalformedMessageError("unknown filter choice")


def _exactly(element: ber.Element, count: int) -> list[ber.Element]:
    children = element.children()
    if len(children) != count:
        raise ber.MalformedMessageError("filter with a wrong number of parts")
    return children


def _undefined(_candidate: Candidate) -> bool | None:
    return None


def _all(parts: list[Predicate]) -> Predicate:
    def test(candidate: Candidate) -> bool | None:
        answer: bool | None = True
        for part in parts:
            one = part(candidate)
            if one is False:
                return False
            answer = answer if one else None
        return answer

    return test


def _any(parts: list[Predicate]) -> Predicate:
    def test(candidate: Candidate) -> bool | None:
        answer: bool | None = False
        for part in parts:
            one = part(candidate)
            if one:
                return True
            answer = None if one is None else answer
        return answer

    return test


def _negation(part: Predicate, *, undefined: bool) -> Predicate:
    def test(candidate: Candidate) -> bool | None:
        answer = part(candidate)
        if answer is None:
            return True if undefined else None
        return not answer

    return test


def _presence(description: str, schema: Schema) -> Predicate:
    kind = schema.attribute(description)
    if kind is None:
        return _undefined
    keys = schema.subtypes(kind.key)

    def test(candidate: Candidate) -> bool | None:
        values = candidate.normal(keys)
        return None if values is None else bool(values)

    return test


def _comparison(element: ber.Element, schema: Schema) -> Predicate:
    description, value = _exactly(element, 2)
    kind = schema.attribute(description.text())
    if kind is None or kind.equality is None:
        return _undefined
    if element.tag in (EQUAL, APPROXIMATE):
        return _equality(kind, value.content, schema)
    return _order(kind, value.content, schema, at_least=element.tag == GREATER)


def _equality(kind: AttributeType, asserted: bytes, schema: Schema) -> Predicate:
    try:
        matching.check(kind, asserted)
    except matching.InvalidValueError:
        return _undefined
    keys = schema.subtypes(kind.key)
    wanted: frozenset[Hashable] = frozenset((matching.normal(kind, asserted),))
    if kind.key == "objectclass":
        wanted = schema.subclasses(asserted.decode("utf-8", "replace"))

    def test(candidate: Candidate) -> bool | None:
        values = candidate.normal(keys)
        return None if values is None else not wanted.isdisjoint(values)

    return test


def _order(kind: AttributeType, asserted: bytes, schema: Schema, *, at_least: bool) -> Predicate:
    if not kind.ordering:
        return _undefined
    try:
        bound = matching.ordering_form(kind, asserted)
    except matching.InvalidValueError:
        return _undefined
    keys = schema.subtypes(kind.key)

    def test(candidate: Candidate) -> bool | None:
        if candidate.normal(keys) is None:
            return None
        forms = [matching.ordering_form(kind, value) for value in candidate.raw(keys)]
        return any(_holds(form, bound, at_least=at_least) for form in forms)

    return test


def _holds(form: int | bytes, bound: int | bytes, *, at_least: bool) -> bool:
    if isinstance(form, int) and isinstance(bound, int):
        return form >= bound if at_least else form <= bound
    if isinstance(form, bytes) and isinstance(bound, bytes):
        return form >= bound if at_least else form <= bound
    return False


def _substrings(element: ber.Element, schema: Schema) -> Predicate:
    description, pieces = _exactly(element, 2)
    kind = schema.attribute(description.text())
    if kind is None or not kind.substrings:
        return _undefined
    texts = [
        (piece.tag, matching.substring_form(kind, piece.content)) for piece in pieces.children()
    ]
    if not texts:
        raise ber.MalformedMessageError("substring filter without a piece")
    keys = schema.subtypes(kind.key)

    def test(candidate: Candidate) -> bool | None:
        if candidate.normal(keys) is None:
            return None
        return any(
            _contains(matching.substring_form(kind, value), texts) for value in candidate.raw(keys)
        )

    return test


def _contains(text: str, pieces: list[tuple[int, str]]) -> bool:
    at = 0
    for tag, piece in pieces:
        if tag == 0x80:
            if not text.startswith(piece):
                return False
            at = len(piece)
        elif tag == 0x82:
            if len(text) - len(piece) < at or not text.endswith(piece):
                return False
        else:
            found = text.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
    return True
