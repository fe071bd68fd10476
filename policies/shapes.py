"""Shapes of words in a policy file: each reads a node and describes itself as JSON Schema.

:mod:`policies.grammar` builds the language from these, so that the loader and the editors' schema
cannot disagree. A shape never raises on what a person wrote: it notes a problem and returns None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final, Generic, Protocol, TypeVar

from connectors.contract import Json
from policies.positions import Items, Node, Scalar, Section
from policies.problems import Position, Problems, WordError, nearest_word, one_of, quoted

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
T_co = TypeVar("T_co", covariant=True)


class Shape(Protocol[T_co]):
    """Reads one node; None after noting a problem."""

    def read(self, node: Node, problems: Problems) -> T_co | None:
        """Read, or note what is wrong."""
        ...

    def schema(self) -> Mapping[str, Json]:
        """JSON Schema (2020-12) of what :meth:`read` accepts."""
        ...


@dataclass(frozen=True, slots=True)
class Word(Generic[T]):
    """A scalar that ``parse`` turns into a value or refuses with :class:`WordError`."""

    what: str
    parse: Callable[[str], T]
    json: Mapping[str, Json]

    def read(self, node: Node, problems: Problems) -> T | None:
        if not isinstance(node, Scalar):
            problems.add_shape(node.position, f"{_found(node)} stands here", expected=self.what)
            return None
        if not node.text:
            problems.add(node.position, "there is no value", expected=self.what)
            return None
        try:
            return self.parse(node.text)
        except WordError as error:
            expected = error.expected or ("" if error.nearest else self.what)
            problems.add(
                node.at(error.index), error.message, expected=expected, nearest=error.nearest
            )
            return None

    def schema(self) -> Mapping[str, Json]:
        return self.json


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list, or a single item where ``single`` allows it."""

    item: Shape[T]
    what: str
    single: bool = False

    def read(self, node: Node, problems: Problems) -> tuple[T, ...] | None:
        if isinstance(node, Items):
            if not node.items:
                problems.add(node.position, "the list is empty", expected=self.what)
                return None
            read = [self.item.read(item, problems) for item in node.items]
            return tuple(value for value in read if value is not None)
        if self.single:
            value = self.item.read(node, problems)
            return None if value is None else (value,)
        problems.add_shape(node.position, f"{_found(node)} stands here", expected=self.what)
        return None

    def schema(self) -> Mapping[str, Json]:
        item = self.item.schema()
        many: Mapping[str, Json] = {"type": "array", "items": item, "minItems": 1}
        return {"anyOf": [item, many]} if self.single else many


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """One word of a section, its shape and its meaning."""

    name: str
    shape: Shape[T]
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """What a section held, by field."""

    position: Position
    problems: Problems
    _values: Mapping[str, object]
    _positions: Mapping[str, Position]

    def get(self, wanted: Field[T]) -> T | None:
        """The value, or None when it was silent or wrong."""
        value: Any = self._values.get(wanted.name)
        return value  # type: ignore[no-any-return] # put there by the field's own shape

    def says(self, *wanted: Field[Any]) -> bool:
        """Whether any of these words was written."""
        return any(one.name in self._positions for one in wanted)

    def position_of(self, wanted: Field[T]) -> Position:
        """Where the word stands, or the section."""
        return self._positions.get(wanted.name, self.position)


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """A section with a closed set of words. ``moved`` explains words that live elsewhere."""

    what: str
    fields: tuple[Field[Any], ...]
    build: Callable[[Fields], T | None]
    moved: Mapping[str, str] = field(default_factory=dict)

    def read(self, node: Node, problems: Problems) -> T | None:
        if not isinstance(node, Section):
            words = one_of(one.name for one in self.fields)
            expected = f"{self.what} with the words {words}"
            problems.add_shape(node.position, f"{_found(node)} stands here", expected=expected)
            return None
        known = {one.name: one for one in self.fields}
        values: dict[str, object] = {}
        positions: dict[str, Position] = {}
        for entry in node.entries:
            word = entry.key.text
            if word not in known:
                self._unknown(entry.key, known, problems)
                continue
            positions[word] = entry.key.position
            values[word] = known[word].shape.read(entry.value, problems)
        for name in (one.name for one in self.fields if one.required and one.name not in positions):
            problems.add(node.position, f"'{name}' is missing", expected=f"'{name}:'")
        return self.build(Fields(node.position, problems, values, positions))

    def _unknown(self, key: Scalar, known: Mapping[str, object], problems: Problems) -> None:
        if key.text in self.moved:
            problems.add(key.position, self.moved[key.text])
            return
        near = nearest_word(key.text, known)
        expected = "" if near else one_of(known)
        message = f"{quoted(key.text)} is not a word of {self.what}"
        problems.add(key.position, message, expected=expected, nearest=near)

    def schema(self) -> Mapping[str, Json]:
        return {
            "type": "object",
            "additionalProperties": False,
            "required": [one.name for one in self.fields if one.required],
            "properties": {
                one.name: {"description": one.meaning, **one.shape.schema()} for one in self.fields
            },
        }


@dataclass(frozen=True, slots=True)
class Named(Generic[T]):
    """A section whose keys are data: ``key`` checks them, ``value`` reads what they hold.

    Returns (key, position of the key, value) in file order.
    """

    what: str
    key: Callable[[str], str]
    value: Shape[T]
    key_schema: Mapping[str, Json]

    def read(self, node: Node, problems: Problems) -> tuple[tuple[str, Position, T], ...] | None:
        if not isinstance(node, Section):
            problems.add_shape(node.position, f"{_found(node)} stands here", expected=self.what)
            return None
        read: list[tuple[str, Position, T]] = []
        for entry in node.entries:
            key = Word(self.what, self.key, self.key_schema).read(entry.key, problems)
            value = self.value.read(entry.value, problems)
            if key is not None and value is not None:
                read.append((key, entry.key.position, value))
        return tuple(read)

    def schema(self) -> Mapping[str, Json]:
        return {
            "type": "object",
            "propertyNames": self.key_schema,
            "additionalProperties": self.value.schema(),
        }


@dataclass(frozen=True, slots=True)
class Either(Generic[T]):
    """A word, or a section that says more."""

    word: Shape[T]
    section: Shape[T]

    def read(self, node: Node, problems: Problems) -> T | None:
        chosen = self.section if isinstance(node, Section) else self.word
        return chosen.read(node, problems)

    def schema(self) -> Mapping[str, Json]:
        return {"anyOf": [self.word.schema(), self.section.schema()]}


def choice(words: type[E], what: str) -> Word[E]:
    """One of a closed set."""

    def parse(text: str) -> E:
        if text not in set(words):
            near = nearest_word(text, words)
            message = f"{quoted(text)} is not {what}"
            raise WordError(message, expected=one_of(words), nearest=near)
        return words(text)

    return Word(what, parse, {"enum": [str(word) for word in words]})


def whole_number(low: int, high: int, what: str) -> Word[int]:
    """A whole number within bounds."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,9}", text):
            raise WordError(f"{quoted(text)} is not a whole number", expected=what)
        if not low <= int(text) <= high:
            raise WordError(f"{quoted(text)} is out of range", expected=f"{low} to {high}")
        return int(text)

    return Word(what, parse, {"type": "integer", "minimum": low, "maximum": high})


def text(what: str, pattern: str = "", longest: int = 200) -> Word[str]:
    """A text, of a pattern where one is given (anchored, read by ECMA 262 too)."""
    json: dict[str, Json] = {"type": "string", "minLength": 1, "maxLength": longest}
    if pattern:
        json["pattern"] = f"^{pattern}$"

    def parse(written: str) -> str:
        if len(written) > longest:
            raise WordError(f"{len(written)} characters", expected=f"at most {longest}")
        if pattern and not re.fullmatch(pattern, written, re.ASCII):
            near = written.lower() if re.fullmatch(pattern, written.lower(), re.ASCII) else ""
            raise WordError(f"{quoted(written)} does not fit", expected=what, nearest=near)
        return written

    return Word(what, parse, json)


def _flag(written: str) -> bool:
    if written not in ("true", "false"):
        near = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(written.lower(), "")
        near = near or nearest_word(written, ("true", "false"))
        raise WordError(f"{quoted(written)} is not a flag", expected="true or false", nearest=near)
    return written == "true"


def _civil_date(written: str) -> date:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        day = None
    if day is None or day.isoformat() != written:
        expected = "a date, as in 2027-06-30"
        raise WordError(f"{quoted(written)} is not a date of the calendar", expected=expected)
    return day


FLAG: Final = Word("true or false", _flag, {"type": "boolean"})
CIVIL_DATE: Final = Word("a date", _civil_date, {"type": "string", "format": "date"})


def _found(node: Node) -> str:
    if isinstance(node, Scalar):
        return f"the word {quoted(node.text)}" if node.text else "nothing"
    return "a list" if isinstance(node, Items) else "a section"
