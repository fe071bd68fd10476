"""One entry of the tree, immutable, and the rules that a change to it must keep.

Called by `tree`. `changed` is where OpenLDAP's answers to a modify come from: 16 for an absent
value, 20 for a present one, 65 for the last member of a group; all of a request or nothing of it.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deprovisioner.sandbox.directory import matching
from deprovisioner.sandbox.directory.names import Key, pretty, split
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.directory.schema import AttributeType, ObjectClass, Schema
from deprovisioner.sandbox.directory.witness import Change


@dataclass(frozen=True, slots=True)
class Attribute:
    """A description as it was written (`userCertificate;binary`) with its values in order."""

    description: str
    kind: AttributeType
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A name and its attributes by lower-case description with options."""

    name: str
    key: Key
    attributes: Mapping[str, Attribute]
    _forms: dict[frozenset[str], frozenset[Hashable]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def values(self, key: str) -> tuple[bytes, ...]:
        """Return the values of one attribute without options, empty when absent."""
        held = self.attributes.get(key)
        return held.values if held else ()

    def first(self, key: str) -> str | None:
        """Return the first value as text, or None."""
        values = self.values(key)
        return values[0].decode("utf-8", "replace") if values else None

    def raw(self, keys: frozenset[str]) -> list[bytes]:
        """Return the values of an attribute and its subtypes, with any options."""
        held = self.attributes.values()
        return [value for one in held if one.kind.key in keys for value in one.values]

    def normal(self, keys: frozenset[str]) -> frozenset[Hashable]:
        """Return the normal forms of those values; computed once, as the entry never changes."""
        forms = self._forms.get(keys)
        if forms is None:
            held = [one for one in self.attributes.values() if one.kind.key in keys]
            forms = frozenset(matching.normal(o.kind, value) for o in held for value in o.values)
            self._forms[keys] = forms
        return forms

    def classes(self) -> list[str]:
        """Return the object classes as written."""
        return [value.decode("utf-8", "replace") for value in self.values("objectclass")]

    def with_attributes(self, attributes: Mapping[str, Attribute]) -> "Entry":
        """Return this entry with other attributes."""
        return Entry(self.name, self.key, attributes)

    def with_set(self, schema: Schema, **values: Sequence[bytes]) -> "Entry":
        """Return this entry with some attributes set (or removed, by an empty list), unchecked."""
        attributes = dict(self.attributes)
        for description, new in values.items():
            kind = _known(schema, description)
            attributes.pop(kind.key, None)
            if new:
                attributes[kind.key] = Attribute(kind.names[0], kind, tuple(new))
        return self.with_attributes(attributes)


def described(
    schema: Schema, wire: Iterable[tuple[str, Sequence[bytes]]], *, by_user: bool
) -> dict[str, Attribute]:
    """Turn the attribute list of an add request into checked attributes; raises `RefusalError`."""
    attributes: dict[str, Attribute] = {}
    for description, values in wire:
        kind = _writable(schema, description) if by_user else _known(schema, description)
        _check_values(kind, values)
        if not values:
            raise RefusalError(Code.PROTOCOL_ERROR, "no values for attribute type")
        held = attributes.get(description.lower())
        key = _storage_key(kind, description)
        held = attributes.get(key)
        merged = _added(
            kind, held.values if held else (), _pretty(kind, values, schema), description
        )
        attributes[key] = Attribute(description, kind, merged)
    return attributes


def with_naming_values(entry: Entry, schema: Schema) -> Entry:
    """Add what the name says and the attributes do not, as slapd does with an add request."""
    for description, value in split(entry.name)[0]:
        kind = _known(schema, description)
        held = entry.values(kind.key)
        if matching.normal(kind, value.encode()) not in entry.normal(frozenset((kind.key,))):
            entry = entry.with_set(schema, **{kind.names[0]: (*held, value.encode())})
    return entry


def with_parent_classes(entry: Entry, schema: Schema) -> Entry:
    """Write the classes that the listed ones are built on beside them, as 389-ds does."""
    listed = {name.lower() for name in entry.classes()}
    above = [known.name for known in schema.classes(listed) if known.name.lower() not in listed]
    held = entry.values("objectclass")
    return entry.with_set(schema, objectClass=(*held, *(name.encode() for name in sorted(above))))


def changed(entry: Entry, schema: Schema, changes: Sequence[Change]) -> Entry:
    """Apply the changes of one modify request in order, then check the result as a whole."""
    attributes = dict(entry.attributes)
    for change in changes:
        _apply(attributes, schema, change)
    result = entry.with_attributes(attributes)
    check(result, schema)
    moved = _structural(entry, schema) != _structural(result, schema)
    if moved and schema.strictness.one_structural_chain:
        raise RefusalError(
            Code.OBJECT_CLASS_MODS_PROHIBITED, "structural object class modification not allowed"
        )
    return result


def check(entry: Entry, schema: Schema) -> None:
    """Raise the refusal that OpenLDAP's schema check ends in, if any."""
    _check_naming(entry, schema)
    classes = _classes(entry, schema)
    extensible = any(known.name == "extensibleObject" for known in classes)
    present = {held.kind.key: held for held in entry.attributes.values()}
    for known in sorted(classes, key=lambda one: one.name):
        for missing in sorted(known.must - set(present)):
            kind = _known(schema, missing)
            raise RefusalError(
                Code.OBJECT_CLASS_VIOLATION,
                f"object class '{known.name}' requires attribute '{kind.names[0]}'",
            )
    allowed = frozenset().union(*(known.must | known.may for known in classes))
    for key, held in present.items():
        if not (extensible or key in allowed or held.kind.operational):
            raise RefusalError(
                Code.OBJECT_CLASS_VIOLATION, f"attribute '{held.description}' not allowed"
            )
        if held.kind.single and len(held.values) > 1:
            raise RefusalError(
                schema.strictness.too_many_values,
                f"attribute '{held.description}' cannot have multiple values",
            )


def structural_class(entry: Entry, schema: Schema) -> str:
    """Return the most derived structural class of a checked entry."""
    return _structural(entry, schema) or "top"


def _structural(entry: Entry, schema: Schema) -> str | None:
    listed = [schema.object_class(name) for name in entry.classes()]
    kinds = [known for known in listed if known is not None and known.kind == "STRUCTURAL"]
    if not kinds:
        return None
    depth = {known.name: len(schema.classes([known.name])) for known in kinds}
    deepest = max(depth, key=lambda name: depth[name])
    in_one_chain = set(kinds) <= schema.classes([deepest])
    if schema.strictness.one_structural_chain and not in_one_chain:
        raise RefusalError(
            Code.OBJECT_CLASS_VIOLATION, f"invalid structural object class chain ({deepest})"
        )
    return deepest


def _classes(entry: Entry, schema: Schema) -> frozenset[ObjectClass]:
    names = entry.classes()
    if not names:
        raise RefusalError(Code.OBJECT_CLASS_VIOLATION, "no objectClass attribute")
    for name in names:
        if schema.object_class(name) is None:
            raise RefusalError(
                schema.strictness.unknown_class, "objectClass: value #0 invalid per syntax"
            )
    if _structural(entry, schema) is None and schema.strictness.one_structural_chain:
        raise RefusalError(Code.OBJECT_CLASS_VIOLATION, "no structural object class provided")
    return schema.classes(names)


def _check_naming(entry: Entry, schema: Schema) -> None:
    for description, value in split(entry.name)[0]:
        kind = _known(schema, description)
        wanted = matching.normal(kind, value.encode())
        if wanted not in entry.normal(frozenset((kind.key,))):
            raise RefusalError(
                schema.strictness.naming_value,
                f"value of naming attribute '{description}' is not present in entry",
            )


def _apply(attributes: dict[str, Attribute], schema: Schema, change: Change) -> None:
    kind = _writable(schema, change.attribute)
    key = _storage_key(kind, change.attribute)
    held = attributes.get(key)
    before = held.values if held else ()
    if change.action == "delete":
        after = _without(kind, before, change)
    else:
        _check_values(kind, change.values)
        start = before if change.action == "add" else ()
        if change.action == "add" and not change.values:
            raise RefusalError(Code.PROTOCOL_ERROR, "modify/add operation requires values")
        after = _added(kind, start, _pretty(kind, change.values, schema), change.attribute)
    attributes.pop(key, None)
    if after:
        attributes[key] = Attribute(held.description if held else change.attribute, kind, after)


def _storage_key(kind: AttributeType, description: str) -> str:
    return ";".join((kind.key, *description.lower().split(";")[1:]))


def _pretty(kind: AttributeType, values: Sequence[bytes], schema: Schema) -> Sequence[bytes]:
    # slapd stores names in its own spelling, so that is what a client reads back.
    if not matching.is_name(kind):
        return values
    canonical = schema.strictness.canonical_types
    return [pretty(value.decode("utf-8"), canonical=canonical).encode() for value in values]


def _added(
    kind: AttributeType, before: tuple[bytes, ...], new: Sequence[bytes], description: str
) -> tuple[bytes, ...]:
    if before and kind.equality is None:
        raise RefusalError(
            Code.INAPPROPRIATE_MATCHING, f"modify/add: {description}: no equality matching rule"
        )
    known = {matching.normal(kind, value) for value in before}
    for place, value in enumerate(new):
        form = matching.normal(kind, value)
        if form in known:
            raise RefusalError(
                Code.ATTRIBUTE_OR_VALUE_EXISTS,
                f"modify/add: {description}: value #{place} already exists",
            )
        known.add(form)
    return (*before, *new)


def _without(kind: AttributeType, before: tuple[bytes, ...], change: Change) -> tuple[bytes, ...]:
    if not before:
        raise RefusalError(
            Code.NO_SUCH_ATTRIBUTE, f"modify/delete: {change.attribute}: no such attribute"
        )
    if not change.values:
        return ()
    if kind.equality is None:
        raise RefusalError(
            Code.INAPPROPRIATE_MATCHING,
            f"modify/delete: {change.attribute}: no equality matching rule",
        )
    after = list(before)
    for value in change.values:
        form = matching.normal(kind, value)
        place = next((n for n, old in enumerate(after) if matching.normal(kind, old) == form), None)
        if place is None:
            raise RefusalError(
                Code.NO_SUCH_ATTRIBUTE, f"modify/delete: {change.attribute}: no such value"
            )
        del after[place]
    return tuple(after)


def _check_values(kind: AttributeType, values: Sequence[bytes]) -> None:
    for place, value in enumerate(values):
        try:
            matching.check(kind, value)
        except matching.InvalidValueError as error:
            raise RefusalError(
                Code.INVALID_ATTRIBUTE_SYNTAX,
                f"{kind.names[0]}: value #{place} invalid per syntax",
            ) from error


def _known(schema: Schema, description: str) -> AttributeType:
    kind = schema.attribute(description)
    if kind is None:
        raise RefusalError(
            schema.strictness.undefined_attribute, f"{description}: attribute type undefined"
        )
    return kind


def _writable(schema: Schema, description: str) -> AttributeType:
    kind = _known(schema, description)
    if matching.needs_binary(kind) and ";binary" not in description.lower():
        raise RefusalError(
            Code.UNDEFINED_ATTRIBUTE_TYPE, f"{description}: requires ;binary transfer"
        )
    if not kind.user_modifiable:
        raise RefusalError(
            schema.strictness.not_for_users, f"{kind.names[0]}: no user modification allowed"
        )
    return kind
