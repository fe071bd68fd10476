"""Checks a condition when it is loaded: names, types and closed vocabularies, with positions.

CEL itself finds an unknown field or a wrong type only when an expression runs, and quietly takes
``urgency == 1`` for false. So a small checker reads the part of CEL that policies use and refuses
the rest: fields, literals, lists, ``! && || == != < <= > >= in``, parentheses, ``has(field)``,
``size(x)`` and the methods ``startsWith endsWith contains matches size``. No comprehensions and
no arithmetic: every condition ends in time linear in its length. The engine that evaluates is
:mod:`policies.expressions`; what this module accepts means the same in CEL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from policies.fields import DeclaredField, Scope, ValueType
from policies.problems import WordError, nearest_word, one_of, quoted
from policies.tokens import INSTEAD, Token, text_of, tokens

MAX_LENGTH: Final = 1000
MAX_DEPTH: Final = 24
_TEXT_METHODS: Final = ("startsWith", "endsWith", "contains", "matches")
_METHODS: Final = (*_TEXT_METHODS, "size")
_FUNCTIONS: Final = ("has", "size")
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_ORDERED: Final = frozenset({ValueType.NUMBER, ValueType.DATE})


@dataclass(frozen=True, slots=True)
class _Typed:
    """A checked part. ``literals``: text literals in it; ``field``: when it is a plain field."""

    type: ValueType
    index: int
    many: bool = False
    field: DeclaredField | None = None
    literals: tuple[tuple[str, int], ...] = ()
    literal: bool = False

    def __str__(self) -> str:
        return f"a list of {self.type}" if self.many else f"a {self.type}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a condition uses: fields, text literals, and patterns of ``matches`` with their index.

    Patterns are literals as written, with quotes.
    """

    uses: frozenset[str]
    texts: frozenset[str]
    patterns: tuple[tuple[str, int], ...]


def check(source: str, scope: Scope) -> Checked:
    """Check a condition against the fields of ``scope``. Raises :class:`WordError`."""
    if len(source) > MAX_LENGTH:
        message = f"the condition has {len(source)} characters"
        raise WordError(message, expected=f"at most {MAX_LENGTH}")
    checker = _Checker(tokens(source), scope)
    checker.whole()
    return Checked(frozenset(checker.used), frozenset(checker.texts), tuple(checker.patterns))


class _Checker:
    """Recursive descent over CEL's precedence: or, and, comparison, not, member."""

    def __init__(self, read: list[Token], scope: Scope) -> None:
        self._tokens = read
        self._scope = scope
        self._next = 0
        self._depth = 0
        self.used: set[str] = set()
        self.texts: set[str] = set()
        self.patterns: list[tuple[str, int]] = []

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def whole(self) -> None:
        result = self._either()
        if self._token.sort != "end":
            raise self._unexpected("'&&', '||' or the end")
        self._want_flag(result)

    def _either(self) -> _Typed:
        left = self._both()
        while self._accept("||"):
            self._want_flag(left)
            left = self._want_flag(self._both())
        return left

    def _both(self) -> _Typed:
        left = self._comparison()
        while self._accept("&&"):
            self._want_flag(left)
            left = self._want_flag(self._comparison())
        return left

    def _comparison(self) -> _Typed:
        left = self._not()
        operator = self._token
        if operator.text not in _COMPARISONS:
            return left
        self._next += 1
        right = self._not()
        if operator.text == "in":
            self._check_member(left, right)
        else:
            self._check_pair(left, operator, right)
        if self._token.text in _COMPARISONS:
            raise self._unexpected("'&&' between two comparisons")
        return _Typed(ValueType.FLAG, left.index)

    def _not(self) -> _Typed:
        if self._token.text == "!":
            start = self._token.index
            self._next += 1
            self._deeper()
            self._want_flag(self._not())
            self._depth -= 1
            return _Typed(ValueType.FLAG, start)
        return self._member()

    def _member(self) -> _Typed:
        value = self._primary()
        while self._accept("."):
            method = self._name(f"a method: {one_of(_METHODS)}")
            value = self._method(value, method)
        return value

    def _primary(self) -> _Typed:
        token = self._token
        if token.sort == "name":
            return self._word(token)
        self._next += 1
        if token.sort in ("text", "raw"):
            literal = (text_of(token), token.index)
            self.texts.add(literal[0])
            return _Typed(ValueType.TEXT, token.index, literals=(literal,), literal=True)
        if token.sort == "number":
            return _Typed(ValueType.NUMBER, token.index, literal=True)
        if token.text == "(":
            self._deeper()
            inner = self._either()
            self._depth -= 1
            self._expect(")")
            return _Typed(inner.type, token.index, inner.many)
        if token.text == "[":
            return self._list(token)
        self._next -= 1
        raise self._unexpected("a field, a text, a number or '('")

    def _word(self, token: Token) -> _Typed:
        self._next += 1
        if token.text in ("true", "false"):
            return _Typed(ValueType.FLAG, token.index, literal=True)
        if token.text == "null":
            raise WordError("there is no null", expected="has(field)", index=token.index)
        if token.text in INSTEAD:
            message = f"{quoted(token.text)} is not a word of conditions"
            raise WordError(message, nearest=INSTEAD[token.text], index=token.index)
        if self._accept("("):
            return self._function(token)
        return self._field(token)

    def _field(self, token: Token) -> _Typed:
        path = token.text
        while self._token.text == "." and not self._method_follows():
            self._next += 1
            path = f"{path}.{self._name('the name of a field').text}"
        declared = self._scope.fields.get(path)
        if declared is None:
            raise self._unknown(path, token)
        self.used.add(path)
        return _Typed(declared.type, token.index, field=declared)

    def _method_follows(self) -> bool:
        return self._tokens[min(self._next + 2, len(self._tokens) - 1)].text == "("

    def _unknown(self, path: str, token: Token) -> WordError:
        known = self._scope.fields
        within = [name for name in known if name.startswith(f"{path}.")]
        if within:
            message = f"{quoted(path)} is a group of fields"
            return WordError(message, expected=one_of(within), index=token.index)
        near = nearest_word(path, known)
        last = {name.rsplit(".", 1)[-1]: name for name in known}
        near = near or last.get(nearest_word(path.rsplit(".", 1)[-1], last), "")
        groups = {name.partition(".")[0] + (".…" if "." in name else "") for name in known}
        expected = "" if near else f"a field: {one_of(sorted(groups))}"
        message = f"{quoted(path)} is not a field of '{self._scope.name}'"
        return WordError(message, expected=expected, nearest=near, index=token.index)

    def _function(self, token: Token) -> _Typed:
        if token.text not in _FUNCTIONS:
            message = f"there is no function {quoted(token.text)}"
            near = nearest_word(token.text, _FUNCTIONS)
            raise WordError(message, expected=one_of(_FUNCTIONS), nearest=near, index=token.index)
        self._deeper()
        argument = self._either()
        self._depth -= 1
        self._expect(")")
        if token.text == "size":
            self._wanttext_of(argument)
            return _Typed(ValueType.NUMBER, token.index)
        if argument.field is None or "." not in argument.field.path:
            message = "has() asks whether a field is known"
            raise WordError(message, expected="a dotted field", index=argument.index)
        return _Typed(ValueType.FLAG, token.index)

    def _method(self, value: _Typed, method: Token) -> _Typed:
        if method.text not in _METHODS:
            near = nearest_word(method.text, _METHODS)
            message = f"there is no method {quoted(method.text)}"
            raise WordError(message, expected=one_of(_METHODS), nearest=near, index=method.index)
        self._wanttext_of(value)
        self._expect("(")
        if method.text == "size":
            self._expect(")")
            return _Typed(ValueType.NUMBER, value.index)
        token = self._token
        if method.text == "matches":
            if token.sort not in ("text", "raw"):
                message = "matches() takes a pattern written here"
                raise WordError(message, expected="a text", index=token.index)
            self.patterns.append((token.text, token.index))
        self._wanttext_of(self._primary())
        self._expect(")")
        return _Typed(ValueType.FLAG, value.index)

    def _list(self, start: Token) -> _Typed:
        items = [self._item()]
        while self._accept(","):
            items.append(self._item())
        self._expect("]")
        for item in items:
            if item.type is not items[0].type:
                message = f"{item} in {_Typed(items[0].type, 0, many=True)}"
                raise WordError(message, expected="one type in a list", index=item.index)
        literals = tuple(literal for item in items for literal in item.literals)
        return _Typed(items[0].type, start.index, many=True, literals=literals, literal=True)

    def _item(self) -> _Typed:
        token = self._token
        if token.sort not in ("text", "raw", "number"):
            raise self._unexpected("a text or a number")
        return self._primary()

    def _check_member(self, left: _Typed, right: _Typed) -> None:
        if not right.many:
            raise WordError(f"'in' after it needs a list, not {right}", index=right.index)
        self._compatible(left, right)

    def _check_pair(self, left: _Typed, operator: Token, right: _Typed) -> None:
        if left.many or right.many:
            index = left.index if left.many else right.index
            raise WordError("a list cannot be compared", expected="'in'", index=index)
        self._compatible(left, right)
        ordered = {left.type, right.type} & _ORDERED
        if operator.text not in ("==", "!=") and not ordered:
            message = f"{quoted(operator.text)} orders dates and numbers, not {left}"
            raise WordError(message, expected="'==' or '!='", index=operator.index)

    def _compatible(self, left: _Typed, right: _Typed) -> None:
        for one, other in ((left, right), (right, left)):
            if one.field is not None and one.type is ValueType.DATE:
                _check_dates(other)
                if other.literal:
                    return
            if one.field is not None and one.field.words:
                _check_words(one.field, other)
        if left.type is not right.type:
            message = f"{left} is compared with {right}"
            raise WordError(message, expected=str(left), index=right.index)

    def _want_flag(self, value: _Typed) -> _Typed:
        if value.type is not ValueType.FLAG or value.many:
            message = f"{value} stands where a condition belongs"
            raise WordError(message, expected="a comparison or a flag", index=value.index)
        return value

    def _wanttext_of(self, value: _Typed) -> None:
        if value.type is not ValueType.TEXT or value.many:
            message = f"{value} stands where a text belongs"
            raise WordError(message, expected="a text", index=value.index)

    def _accept(self, sign: str) -> bool:
        if self._token.sort == "sign" and self._token.text == sign:
            self._next += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._unexpected(f"'{sign}'")

    def _name(self, expected: str) -> Token:
        if self._token.sort != "name":
            raise self._unexpected(expected)
        self._next += 1
        return self._tokens[self._next - 1]

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = "the condition is nested too deep"
            raise WordError(message, expected=f"at most {MAX_DEPTH}", index=self._token.index)

    def _unexpected(self, expected: str) -> WordError:
        token = self._token
        message = (
            "the condition ends too early"
            if token.sort == "end"
            else (f"{quoted(token.text)} does not belong here")
        )
        near = INSTEAD.get(token.text, "")
        return WordError(message, expected=expected, nearest=near, index=token.index)


def _check_dates(other: _Typed) -> None:
    if other.type is ValueType.DATE:
        return
    if other.type is not ValueType.TEXT or not other.literal:
        message = f"a date is compared with {other}"
        raise WordError(message, expected='a date, as in "2026-12-31"', index=other.index)
    for text, index in other.literals:
        try:
            written = date.fromisoformat(text).isoformat()
        except ValueError:
            written = ""
        if written != text:
            message = f"{quoted(text)} is not a date"
            raise WordError(message, expected='a date, as in "2026-12-31"', index=index)


def _check_words(declared: DeclaredField, other: _Typed) -> None:
    for text, index in other.literals:
        if text not in declared.words:
            near = nearest_word(text, declared.words)
            expected = "" if near else one_of(sorted(declared.words))
            message = f"{quoted(text)} is never a value of '{declared.path}'"
            raise WordError(message, expected=expected, nearest=near, index=index)
