"""What a client of the pretend domain reads: filters, attributes, computed ones, ranges.

Called by ``session``. Traps of the real ones are here on purpose: computed attributes come by name
only and select nothing, ``*`` brings no rules, long groups come in pieces, memberships through the
primary group are in ``tokenGroups`` and nowhere else.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from deprovisioner.sandbox.directory import ber, filters, matching, protocol
from deprovisioner.sandbox.directory.filters import Predicate
from deprovisioner.sandbox.directory.names import InvalidNameError, key_of
from deprovisioner.sandbox.directory.results import RefusalError
from deprovisioner.sandbox.forest.attributes import BACK, TABLE, attribute, filter_schema
from deprovisioner.sandbox.forest.classes import KINDS
from deprovisioner.sandbox.forest.domain import SCHEMA
from deprovisioner.sandbox.forest.identifiers import number_of
from deprovisioner.sandbox.forest.store import Item, State

LONGEST_PIECE: Final = 1500
"""Values of one attribute in one answer (MaxValRange of Windows)."""
_BIT_AND, _BIT_OR, _IN_CHAIN = (f"1.2.840.113556.1.4.{number}" for number in (803, 804, 1941))
_SECRET: Final = frozenset({"unicodepwd"})
_RULES: Final = "ntsecuritydescriptor"
_RANGE: Final = re.compile(r"range=(\d+)-(\d+|\*)", re.IGNORECASE)
Listed = list[tuple[str, tuple[bytes, ...]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One object as a filter looks at it."""

    state: State
    item: Item

    def raw(self, keys: frozenset[str]) -> list[bytes]:
        """See `filters.Candidate`."""
        return [value for key in keys for value in self._values(key)]

    def normal(self, keys: frozenset[str]) -> frozenset[Hashable] | None:
        """See `filters.Candidate`."""
        found: set[Hashable] = set()
        for key in keys:
            kind = filter_schema().attribute(key)
            if kind is not None:
                found |= {matching.normal(kind, value) for value in self._values(key)}
        return frozenset(found)

    def _values(self, key: str) -> tuple[bytes, ...]:
        known = attribute(key)
        if known is None or known.computed or key in _SECRET:
            return ()
        if key == _RULES:
            return (self.item.descriptor.pack(),)
        return self.state.shown(self.item, key)


def condition(state: State, element: ber.Element, depth: int = 0) -> Predicate:
    """Turn a BER filter into a predicate; raises `MalformedMessageError`."""
    if depth > 50:
        raise ber.MalformedMessageError("filter nested too deeply")
    if element.tag in (filters.AND, filters.OR):
        parts = [condition(state, child, depth + 1) for child in element.children()]
        return _all(parts) if element.tag == filters.AND else _any(parts)
    if element.tag == filters.NOT:
        inner = condition(state, element.children()[0], depth + 1)
        return lambda seen: None if (answer := inner(seen)) is None else not answer
    if element.tag == filters.EXTENSIBLE:
        return _extensible(state, element)
    if element.tag == filters.EQUAL:
        element = _spelt_out(state, element)
    return filters.read(element, filter_schema())


def _all(parts: list[Predicate]) -> Predicate:
    def test(seen: filters.Candidate) -> bool | None:
        answers = [part(seen) for part in parts]
        return False if False in answers else None if None in answers else True

    return test


def _any(parts: list[Predicate]) -> Predicate:
    def test(seen: filters.Candidate) -> bool | None:
        answers = [part(seen) for part in parts]
        return True if True in answers else None if None in answers else False

    return test


def _spelt_out(state: State, element: ber.Element) -> ber.Element:
    """A category's short name becomes its whole one, an id the name of its object."""
    description, value = protocol.parts(element, 2)[:2]
    kind, text = attribute(description.text()), value.content.decode("utf-8", "replace")
    if kind is not None and kind.key == "objectcategory" and text.lower() in _CATEGORIES:
        text = f"CN={_CATEGORIES[text.lower()]},{SCHEMA}"
    elif kind is not None and text.startswith("<"):
        try:
            text = state.names[state.find(text).guid]
        except RefusalError:
            return element
    else:
        return element
    return ber.Element(element.tag, ber.octets(description.content) + ber.octets(text.encode()))


_CATEGORIES: Final = {
    **{name: kind.category for name, kind in KINDS.items()},
    "person": "Person",
    "user": "Person",
}


def _extensible(state: State, element: ber.Element) -> Predicate:
    parts = {part.tag: part for part in element.children()}
    if not {0x81, 0x82, 0x83} <= set(parts):
        return lambda _seen: None
    rule, key = parts[0x81].text(), parts[0x82].text().lower()
    if rule == _IN_CHAIN:
        return _in_chain(state, key, parts[0x83].text())
    if rule in (_BIT_AND, _BIT_OR) and parts[0x83].content.isdigit():
        bits = int(parts[0x83].content)
        return _bits(key, bits, every=rule == _BIT_AND)
    return lambda _seen: None


def _bits(key: str, bits: int, *, every: bool) -> Predicate:
    def test(seen: filters.Candidate) -> bool | None:
        values = [int(value) for value in seen.raw(frozenset((key,)))]
        return any((value & bits) == bits if every else bool(value & bits) for value in values)

    return test


def _in_chain(state: State, key: str, name: str) -> Predicate:
    forward = BACK[key].key if key in BACK else key
    try:
        start = state.find(name)
    except (RefusalError, InvalidNameError):
        return lambda _seen: False
    reached: set[bytes] = set()
    todo = [start]
    while todo:
        for one in _next(state, todo.pop(), forward, backwards=key not in BACK):
            if one.guid.bytes_le not in reached:
                reached.add(one.guid.bytes_le)
                todo.append(one)
    return lambda seen: bool(reached & set(seen.raw(frozenset(("objectguid",)))))


def _next(state: State, item: Item, forward: str, *, backwards: bool) -> Iterator[Item]:
    if backwards:
        yield from state.sources.get((forward, item.guid), ())
        return
    for name in state.shown(item, forward):
        yield state.by_name[key_of(name.decode())]


def listed(state: State, item: Item, wanted: Sequence[str], rules: int) -> Listed:
    """Return the attributes that a request names; ``rules``: the parts of a descriptor, or 0."""
    names = {name.partition(";")[0].lower(): name for name in wanted}
    if set(names) == {"1.1"}:
        return []
    everything = not names or "*" in names
    found: Listed = []
    for known in TABLE:
        if known.key in _SECRET or not (known.key in names or (everything and not known.computed)):
            continue
        if known.key == _RULES:
            values: tuple[bytes, ...] = (item.descriptor.pack(rules),) if rules else ()
        elif known.computed:
            values = tuple(_COMPUTED[known.key](state, item))
        else:
            values = state.shown(item, known.key)
        if values:
            found.append(_piece(known.name, values, names.get(known.key, "")))
    return found


def _piece(name: str, values: tuple[bytes, ...], asked: str) -> tuple[str, tuple[bytes, ...]]:
    """Return all values, or the piece that is asked for or fits (MS-ADTS 3.1.1.3.1.3.3)."""
    wanted = _RANGE.search(asked)
    if wanted is None and len(values) <= LONGEST_PIECE:
        return name, values
    start = int(wanted[1]) if wanted else 0
    last = int(wanted[2]) if wanted and wanted[2] != "*" else len(values) - 1
    end = min(last + 1, start + LONGEST_PIECE)
    closing = "*" if end >= len(values) else str(end - 1)
    return f"{name};range={start}-{closing}", values[start:end]


def tokens(state: State, item: Item) -> list[bytes]:
    """The identifiers of all groups of an account, primary group and nested ones included."""
    groups = (state.items[guid] for guid in state.groups_of(item))
    return sorted(sid for group in groups for sid in group.values.get("objectsid", ()))


def _token(_state: State, item: Item) -> list[bytes]:
    if not item.has_class("group"):
        return []
    return [str(number_of(sid)).encode() for sid in item.values.get("objectsid", ())]


_COMPUTED: Final[dict[str, Callable[[State, Item], list[bytes]]]] = {
    "tokengroups": tokens,
    "primarygrouptoken": _token,
    "msds-user-account-control-computed": lambda _state, item: (
        [b"0"] if item.has_class("user") else []
    ),
}
