"""`$filter`: the part of OData's language that the fake understands, and the refusal of the rest.

Used by `query`. Understood: `and`, `or`, `not`, parentheses, `eq`, `ne`, `gt`, `ge`, `lt`, `le`,
`in`, `startswith`, `endswith`, and `any` over a list of texts or objects. Anything else is a 400,
never a filter that lets everything through.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deprovisioner.sandbox.graph.errors import bad_request
from deprovisioner.sandbox.graph.store import Record

_TOKENS = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<mark>[(),:])"
    r"|(?P<value>[0-9-][A-Za-z0-9.:+-]*)|(?P<word>[A-Za-z_@$][A-Za-z0-9_./@$-]*))"
)


def _same(left: object, right: object) -> bool:
    # The directory compares texts without regard to case.
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return left == right


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _same,
    "ne": lambda left, right: not _same(left, right),
    "gt": lambda left, right: left is not None and left > right,
    "ge": lambda left, right: left is not None and left >= right,
    "lt": lambda left, right: left is not None and left < right,
    "le": lambda left, right: left is not None and left <= right,
}
_MOST_TOKENS = 400

Test = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood: its test, and what it asks of which property."""

    passes: Test
    used: frozenset[tuple[str, str]]
    """Pairs of property and operator: a directory indexes few of them."""


def parse(text: str) -> Filter:
    """Understand a filter; raises GraphError 400."""
    parser = _Parser(text)
    test = parser.either()
    parser.end()
    return Filter(test, frozenset(parser.used))


def value_at(record: object, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return what stands at a path of members (`target/objectId`), None where nothing is."""
    for part in path.split("/"):
        record = record.get(part) if isinstance(record, dict) else None
    return record


class _Parser:
    def __init__(self, text: str) -> None:
        self.used: set[tuple[str, str]] = set()
        self._tokens = self._split(text)
        self._next = 0

    def _split(self, text: str) -> list[str]:
        tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKENS.match(text, position)
            if found is None or len(tokens) > _MOST_TOKENS:
                raise bad_request("Invalid filter clause: Syntax error in the filter.")
            tokens.append(found.group().strip())
            position = found.end()
        return tokens

    def either(self) -> Test:
        tests = [self._both()]
        while self._takes("or"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda record: any(t(record) for t in tests)

    def end(self) -> None:
        if self._next != len(self._tokens):
            raise bad_request(f"Invalid filter clause: unexpected '{self._tokens[self._next]}'.")

    def _both(self) -> Test:
        tests = [self._one()]
        while self._takes("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda record: all(t(record) for t in tests)

    def _one(self) -> Test:
        if self._takes("not"):
            inner = self._one()
            self.used = {(name, "not") for name, _ in self.used} | self.used
            return lambda record: not inner(record)
        if self._takes("("):
            test = self.either()
            self._must(")")
            return test
        word = self._word()
        if word.lower() in {"startswith", "endswith"} and self._takes("("):
            return self._text_function(word.lower())
        if word.endswith("/any") and self._takes("("):
            return self._any(word.removesuffix("/any"))
        return self._comparison(word)

    def _text_function(self, name: str) -> Test:
        path = self._word()
        self._must(",")
        wanted = str(self._literal()).casefold()
        self._must(")")
        self.used.add((path, name))
        if name == "startswith":
            return lambda record: str(value_at(record, path) or "").casefold().startswith(wanted)
        return lambda record: str(value_at(record, path) or "").casefold().endswith(wanted)

    def _any(self, path: str) -> Test:
        variable = self._word()
        self._must(":")
        inner = _Parser("")
        inner._tokens, inner._next = self._tokens, self._next
        test = inner.either()
        self._next = inner._next
        self._must(")")
        self.used |= {(path, f"any {operator}") for _, operator in inner.used}
        return lambda record: any(test({variable: item}) for item in value_at(record, path) or ())

    def _comparison(self, path: str) -> Test:
        operator = self._word().lower()
        if operator == "in":
            self._must("(")
            several = [self._literal()]
            while self._takes(","):
                several.append(self._literal())
            self._must(")")
            self.used.add((path, "in"))
            return lambda record: any(_same(value_at(record, path), one) for one in several)
        if operator not in _COMPARISONS:
            raise bad_request(f"Invalid filter clause: unknown operator '{operator}'.")
        compare, wanted = _COMPARISONS[operator], self._literal()
        self.used.add((path, operator))
        return lambda record: compare(value_at(record, path), wanted)

    def _literal(self) -> Any:  # noqa: ANN401 - JSON
        token = self._word()
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        known = {"true": True, "false": False, "null": None}
        if token in known:
            return known[token]
        return int(token) if re.fullmatch(r"-?\d{1,18}", token) else token

    def _word(self) -> str:
        if self._next >= len(self._tokens):
            raise bad_request("Invalid filter clause: it ends too early.")
        self._next += 1
        return self._tokens[self._next - 1]

    def _takes(self, token: str) -> bool:
        found = self._next < len(self._tokens) and self._tokens[self._next] == token
        self._next += found
        return found

    def _must(self, token: str) -> None:
        if not self._takes(token):
            raise bad_request(f"Invalid filter clause: '{token}' expected.")
