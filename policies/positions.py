"""YAML as a tree of text with positions, within bounds.

Only :mod:`policies.load` calls it. Scalars stay text: what a word means is decided by the word
that holds it, so ``no`` is never a boolean and ``1_000`` never a number by accident. Anchors,
aliases, merge keys, tags and several documents in one file are refused: a policy must read as it
stands, and nothing in it can be larger than the file itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

from policies.problems import PolicyError, Position, Problem, quoted

MAX_CHARACTERS: Final = 256 * 1024
MAX_DEPTH: Final = 12
MAX_NODES: Final = 20_000
_UNQUOTED: Final = ("expected ','", "mapping values are not allowed", "expected <block end>")
"""What the parser says when a text ends earlier than its author meant."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word or sentence. ``delta`` is where its text begins after ``position``; None: unknown."""

    text: str
    position: Position
    delta: int | None = 0

    def at(self, index: int) -> Position:
        """The position of one character of the text, as well as it is known."""
        if self.delta is None:
            return self.position
        column = self.position.column + self.delta + index
        return Position(self.position.file, self.position.line, column)


@dataclass(frozen=True, slots=True)
class Entry:
    """``key: value``."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Section:
    """A YAML mapping, in file order. Keys are unique."""

    entries: tuple[Entry, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Items:
    """A YAML sequence."""

    items: tuple[Node, ...]
    position: Position


Node: TypeAlias = Scalar | Section | Items


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read yet."""

    position: Position
    mapping: bool
    children: list[Node] = field(default_factory=list)
    seen: dict[str, Position] = field(default_factory=dict)


def parse(text: str, file: str) -> Node:
    """Read one YAML document. Raises :class:`PolicyError` and nothing else."""
    if len(text) > MAX_CHARACTERS:
        message = f"the file has {len(text)} characters"
        raise _refusal(Position(file, 1, 1), message, f"at most {MAX_CHARACTERS}")
    try:
        return _Builder(file).build(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - before.rfind("\n")
        message = f"character U+{_ordinal(error):04X} is not allowed in YAML"
        raise _refusal(Position(file, line, column), message) from error
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, file) from error


def _ordinal(error: yaml.reader.ReaderError) -> int:
    character = error.character
    return character if isinstance(character, int) else ord(character)


def _syntax(error: yaml.MarkedYAMLError, file: str) -> PolicyError:
    mark = error.problem_mark or error.context_mark
    where = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file, 1, 1)
    problem = error.problem or "it does not parse"
    expected = ""
    if "'\\t'" in problem:
        expected = "spaces: tabs do not indent in YAML"
    elif "scanning an alias" in (error.context or ""):
        expected = "a word; write 'any' for every kind"
    elif any(words in problem for words in _UNQUOTED):
        expected = 'quotes around a text that has any of [ ] { } , : " in it'
    return _refusal(where, f"this is not YAML: {problem}", expected)


def _refusal(position: Position, message: str, expected: str = "") -> PolicyError:
    return PolicyError([Problem(position, message, expected, shape=True)])


class _Builder:
    """Turns parser events into nodes with a stack of its own: no recursion on outside input."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0
        self._nodes = 0

    def build(self, events: Iterator[yaml.Event]) -> Node:
        for event in events:
            self._take(event)
        if self._root is None or (isinstance(self._root, Scalar) and not self._root.text):
            raise _refusal(Position(self._file, 1, 1), "the file is empty", "'policy: NAME'")
        return self._root

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._refuse(event, "a second document begins", "one policy per file")
        elif isinstance(event, yaml.AliasEvent):
            raise self._refuse(event, "an alias", "the words themselves, or 'extends'")
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._attach(self._close(self._stack.pop()))

    def _node(self, event: yaml.NodeEvent) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._refuse(event, "the file has too many parts", f"at most {MAX_NODES}")
        if event.anchor:
            raise self._refuse(event, f"an anchor {quoted(event.anchor)}", "no anchors")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            expected = (
                "no tags" if str(tag).startswith("tag:") else "quotes around what begins with '!'"
            )
            raise self._refuse(event, f"a tag {quoted(str(tag))}", expected)
        if isinstance(event, yaml.ScalarEvent):
            self._attach(self._scalar(event))
            return
        if self._expects_key():
            raise self._refuse(event, "a key made of several parts", "a single word as key")
        if len(self._stack) >= MAX_DEPTH:
            raise self._refuse(event, "nested too deep", f"at most {MAX_DEPTH} levels")
        self._stack.append(_Open(self._where(event), isinstance(event, yaml.MappingStartEvent)))

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        width = _width(event)
        delta = {len(event.value): 0, len(event.value) + 2: 1}.get(width)
        if event.style is None and event.value in ("~", "null"):
            return Scalar("", self._where(event), delta)
        return Scalar(event.value, self._where(event), delta)

    def _expects_key(self) -> bool:
        return (
            bool(self._stack) and self._stack[-1].mapping and not len(self._stack[-1].children) % 2
        )

    def _attach(self, node: Node) -> None:
        if not self._stack:
            self._root = node
            return
        if self._expects_key() and isinstance(node, Scalar):
            self._check_key(node, self._stack[-1].seen)
        self._stack[-1].children.append(node)

    def _check_key(self, key: Scalar, seen: dict[str, Position]) -> None:
        if key.text in seen:
            message = f"{quoted(key.text)} stands here twice, first in line {seen[key.text].line}"
            raise _refusal(key.position, message, "each word once")
        seen[key.text] = key.position

    def _close(self, open_node: _Open) -> Node:
        if not open_node.mapping:
            return Items(tuple(open_node.children), open_node.position)
        keys, values = open_node.children[::2], open_node.children[1::2]
        entries = tuple(
            Entry(key, value)
            for key, value in zip(keys, values, strict=True)
            if isinstance(key, Scalar)
        )
        return Section(entries, open_node.position)

    def _where(self, event: yaml.Event) -> Position:
        mark = event.start_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        return Position(self._file, line + 1, column + 1)

    def _refuse(self, event: yaml.Event, message: str, expected: str) -> PolicyError:
        return _refusal(self._where(event), message, expected)


def _width(event: yaml.ScalarEvent) -> int:
    """Characters from start to end on one line; -1 when it spans several."""
    start, end = event.start_mark, event.end_mark
    if start is None or end is None or start.line != end.line:
        return -1
    return end.column - start.column
