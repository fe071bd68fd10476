"""What is wrong with a policy file, said to the person who wrote it.

Every part of the loader adds to one :class:`Problems` list, so that a person sees all mistakes of
a run at once. A :class:`PolicyError` is the only exception the loader ever raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

_LONGEST_WORD_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file; line and column count from 1, in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def rule(self) -> str:
        """``file:line``, the way evidence and explanations name a rule."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, what, what was expected and the nearest right word.

    ``shape`` marks mistakes of structure (a list where a section belongs); they are shown first,
    because the others often follow from them.
    """

    position: Position
    message: str
    expected: str = ""
    nearest: str = ""
    shape: bool = False

    def render(self) -> str:
        """One line for a terminal or an editor."""
        expected = f"; expected {self.expected}" if self.expected else ""
        hint = f" (did you mean '{self.nearest}'?)" if self.nearest else ""
        return f"{self.position}: {self.message}{expected}{hint}"


class PolicyError(Exception):
    """Policies that cannot be used, with everything that is wrong with them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda p: (not p.shape, p.position)))
        super().__init__(self.render())

    def render(self) -> str:
        """All problems, one per line, mistakes of structure first."""
        return "\n".join(problem.render() for problem in self.problems)


class WordError(ValueError):
    """A word that does not read, before its place in the file is known.

    ``index`` is the offset of the mistake within the word, in characters.
    """

    def __init__(
        self, message: str, *, expected: str = "", nearest: str = "", index: int = 0
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.nearest = nearest
        self.index = index


@dataclass(slots=True)
class Problems:
    """Collects problems while files are read."""

    found: list[Problem] = field(default_factory=list)

    def add(
        self, position: Position, message: str, *, expected: str = "", nearest: str = ""
    ) -> None:
        """Note a wrong word."""
        self.found.append(Problem(position, message, expected, nearest))

    def add_shape(self, position: Position, message: str, *, expected: str = "") -> None:
        """Note a wrong structure."""
        self.found.append(Problem(position, message, expected, shape=True))

    def raise_if_any(self) -> None:
        """Raise :class:`PolicyError` when anything was noted."""
        if self.found:
            raise PolicyError(self.found)


def quoted(word: str) -> str:
    """Show a word of the file in a message: printable, short."""
    printable = "".join(char if char.isprintable() else "�" for char in word)
    if len(printable) > _LONGEST_WORD_SHOWN:
        printable = printable[: _LONGEST_WORD_SHOWN - 1] + "…"
    return f"'{printable}'"


def nearest_word(word: str, words: Iterable[str]) -> str:
    """The closest of ``words``, or an empty string when none is close."""
    short = word[:_LONGEST_WORD_SHOWN].lower()
    return next(iter(get_close_matches(short, sorted(words), n=1, cutoff=0.6)), "")


def one_of(words: Iterable[str]) -> str:
    """``a, b or c`` for the 'expected' part of a message."""
    listed = list(words)
    if len(listed) < 2:  # noqa: PLR2004 - a list of two needs an "or"
        return "".join(listed)
    return f"{', '.join(listed[:-1])} or {listed[-1]}"
