"""What the directory knows about attributes and object classes, read from definitions in RFC 4512
notation.

Called by every other room of the server. The definitions live in two files beside this module, so
that the real slapd and this server are given the same words.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

NETSCAPE_DEFINITIONS = (
    (
        "attributetype ( 2.16.840.1.113730.3.1.610 NAME 'nsAccountLock' EQUALITY caseIgnoreMatch"
        " SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 USAGE directoryOperation )"
    ),
    (
        "attributetype ( 2.16.840.1.113730.3.1.542 NAME 'nsUniqueId' EQUALITY caseIgnoreMatch"
        " SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE NO-USER-MODIFICATION"
        " USAGE directoryOperation )"
    ),
)
"""What 389-ds has and OpenLDAP has not."""

_TRIPLE_AS_TEXT = (
    "EQUALITY caseIgnoreIA5Match SUBSTR caseIgnoreIA5SubstringsMatch"
    " SYNTAX 1.3.6.1.4.1.1466.115.121.1.26"
)
_NAMES = re.compile(r"NAME (?:'([^']+)'|\( ([^)]*) \))")
_LISTS = re.compile(r"(MUST|MAY) (?:\( ([^)]*) \)|([\w-]+))")


@dataclass(frozen=True, slots=True)
class AttributeType:
    """One attribute: its names, how values are compared, who may write it."""

    definition: str
    oid: str
    names: tuple[str, ...]
    parent: str | None
    equality: str | None
    ordering: bool
    substrings: bool
    syntax: str
    single: bool
    operational: bool
    user_modifiable: bool

    @property
    def key(self) -> str:
        """The name under which values of this attribute are stored: first name, lower case."""
        return self.names[0].lower()


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One object class with the attributes it demands and allows, by storage key."""

    definition: str
    name: str
    parent: str | None
    kind: str
    must: frozenset[str]
    may: frozenset[str]


@dataclass(frozen=True, slots=True)
class Strictness:
    """How a server minds its schema, and with which code it says so (measured on both)."""

    undefined_attribute: int = 17
    unknown_class: int = 21
    too_many_values: int = 19
    not_for_users: int = 19
    naming_value: int = 64
    one_structural_chain: bool = True
    """Whether an entry needs exactly one chain of structural classes."""
    follows_parents: bool = True
    """Whether a filter on a class or attribute also means what is built on it."""
    undefined_is_false: bool = False
    """Whether the negation of an undefined filter selects everything."""
    canonical_types: bool = True
    """Whether names come back with the attribute types in the schema's spelling."""


OPENLDAP = Strictness()
NETSCAPE = Strictness(
    undefined_attribute=65,
    unknown_class=65,
    too_many_values=65,
    not_for_users=53,
    naming_value=67,
    one_structural_chain=False,
    follows_parents=False,
    undefined_is_false=True,
    canonical_types=False,
)


class Schema:
    """All definitions of one server, looked up by name, alias or object identifier."""

    def __init__(self, definitions: Iterable[str], strictness: Strictness = OPENLDAP) -> None:
        self.strictness = strictness
        self._attributes: dict[str, AttributeType] = {}
        self._classes: dict[str, ObjectClass] = {}
        lines = [line for line in definitions if line.strip() and not line.startswith("#")]
        for line in lines:
            if line.startswith("attributetype "):
                self._add_attribute(line.removeprefix("attributetype ").strip())
        for line in lines:
            if line.startswith("objectclass "):
                self._add_class(line.removeprefix("objectclass ").strip())

    def attribute(self, description: str) -> AttributeType | None:
        """Find an attribute by its description; options such as `;binary` do not matter."""
        return self._attributes.get(description.partition(";")[0].lower())

    def object_class(self, name: str) -> ObjectClass | None:
        """Find an object class by name, alias or object identifier."""
        return self._classes.get(name.lower())

    def classes(self, names: Iterable[str]) -> frozenset[ObjectClass]:
        """Return the named classes and all that they are built on; raises KeyError on a
        stranger.
        """
        found: set[ObjectClass] = set()
        pending = [name.lower() for name in names]
        while pending:
            known = self._classes[pending.pop()]
            if known not in found:
                found.add(known)
                pending += [known.parent.lower()] if known.parent else []
        return frozenset(found)

    def subclasses(self, name: str) -> frozenset[str]:
        """Return a class and all built on it, lower case: a filter on a class means those too."""
        lower = name.lower()
        if not self.strictness.follows_parents:
            return frozenset((lower,))
        below = {n for n, known in self._classes.items() if (known.parent or "").lower() == lower}
        return frozenset((lower,)).union(*map(self.subclasses, below))

    def attribute_definitions(self) -> tuple[str, ...]:
        """Every attribute definition once, as the subschema entry shows it."""
        return tuple(dict.fromkeys(kind.definition for kind in self._attributes.values()))

    def class_definitions(self) -> tuple[str, ...]:
        """Every object class definition once, as the subschema entry shows it."""
        return tuple(dict.fromkeys(kind.definition for kind in self._classes.values()))

    def subtypes(self, key: str) -> frozenset[str]:
        """Return the storage keys that a filter on `key` also means (RFC 4512 clause 2.5.1)."""
        if not self.strictness.follows_parents:
            return frozenset((key,))
        return self._subtypes.get(key, frozenset((key,)))

    def _add_attribute(self, definition: str) -> None:
        parent = _word(definition, "SUP")
        above = self._attributes[parent.lower()] if parent else None
        kind = AttributeType(
            definition=definition,
            oid=definition.split()[1],
            names=_names(definition),
            parent=parent,
            equality=_word(definition, "EQUALITY") or (above.equality if above else None),
            ordering=" ORDERING " in definition or (above is not None and above.ordering),
            substrings=" SUBSTR " in definition or (above is not None and above.substrings),
            syntax=_word(definition, "SYNTAX") or (above.syntax if above else ""),
            single=" SINGLE-VALUE" in definition,
            operational=" USAGE " in definition,
            user_modifiable=" NO-USER-MODIFICATION" not in definition,
        )
        for name in (*kind.names, kind.oid):
            self._attributes[name.lower()] = kind
        self._subtypes = _subtypes(self._attributes.values())

    def _add_class(self, definition: str) -> None:
        lists: dict[str, frozenset[str]] = {"MUST": frozenset(), "MAY": frozenset()}
        for word, many, one in _LISTS.findall(definition):
            named = [name.strip() for name in (many or one).split("$")]
            lists[word] = frozenset(self._attributes[name.lower()].key for name in named)
        kinds = [kind for kind in ("ABSTRACT", "AUXILIARY") if f" {kind} " in definition]
        names = _names(definition)
        known = ObjectClass(
            definition=definition,
            name=names[0],
            parent=_word(definition, "SUP"),
            kind=kinds[0] if kinds else "STRUCTURAL",
            must=lists["MUST"],
            may=lists["MAY"],
        )
        for name in (*names, definition.split()[1]):
            self._classes[name.lower()] = known


def _names(definition: str) -> tuple[str, ...]:
    match = _NAMES.search(definition)
    if match is None:
        raise ValueError("a definition without a name: " + definition)
    return (match[1],) if match[1] else tuple(re.findall(r"'([^']+)'", match[2]))


def _word(definition: str, keyword: str) -> str | None:
    match = re.search(rf" {keyword} ([\w.-]+)", definition)
    return match[1] if match else None


def _subtypes(kinds: Iterable[AttributeType]) -> dict[str, frozenset[str]]:
    children: dict[str, set[str]] = {}
    for kind in kinds:
        if kind.parent:
            children.setdefault(kind.parent.lower(), set()).add(kind.key)
    return {key: frozenset((key, *below)) for key, below in children.items()}


def shipped_definitions(name: str) -> tuple[str, ...]:
    """Read `standard.schema` or `additional.schema`, one definition a line."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return tuple(text.splitlines())


@cache
def openldap_schema() -> Schema:
    """The schema of OpenLDAP with the files the sandbox includes."""
    return Schema(shipped_definitions("standard.schema") + shipped_definitions("additional.schema"))


@cache
def netscape_schema() -> Schema:
    """The schema of 389-ds, as far as a directory of people meets it.

    Groups may be empty, and a netgroup triple is text that can be compared and searched.
    """
    own = [
        re.sub(
            r"MUST \( (member|uniqueMember) \$ cn \) MAY \( ", r"MUST cn MAY ( \1 $ ", line
        ).replace("SYNTAX 1.3.6.1.1.1.0.0", _TRIPLE_AS_TEXT)
        for line in shipped_definitions("standard.schema")
        if not any(f"NAME '{name}'" in line for name in ("pwdAccountLockedTime", "entryCSN"))
    ]
    added = shipped_definitions("additional.schema")
    return Schema((*own, *added, *NETSCAPE_DEFINITIONS), NETSCAPE)
