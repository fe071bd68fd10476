"""Tokens of a condition: the lexical part of CEL that policies use, with an index for each.

:mod:`policies.conditions` is the only caller. What is not a token here is refused with the nearest
right sign, so that ``and`` or a single ``=`` is explained rather than misread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from policies.problems import WordError, quoted

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<raw>[rR](?:"[^"\n]*"|'[^'\n]*'))
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<number>\d+)(?![\w.])
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>&&|\|\||[=!<>]=|[!<>()\[\],.])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
INSTEAD: Final = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "&": "&&",
    "|": "||",
    "=": "==",
    "<>": "!=",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One token. ``sort`` is raw, text, number, name, sign or end."""

    sort: str
    text: str
    index: int


def tokens(source: str) -> list[Token]:
    """Split a condition; the last token is the end. Raises :class:`WordError`."""
    found: list[Token] = []
    index = 0
    while index < len(source):
        match = _TOKEN.match(source, index)
        if match is None:
            raise _unreadable(source, index)
        if match.lastgroup and match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group(), index))
        index = match.end()
    found.append(Token("end", "", len(source)))
    return found


def _unreadable(source: str, index: int) -> WordError:
    character = source[index]
    if character in "\"'":
        return WordError("text without its closing quote", expected=character, index=index)
    instead = INSTEAD.get(character, "")
    message = f"{quoted(character)} has no meaning in a condition"
    return WordError(message, nearest=instead, index=index)


def text_of(token: Token) -> str:
    """The value of a text literal; escapes beyond the common ones are refused."""
    if token.sort == "raw":
        return token.text[2:-1]

    def plain(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            index = token.index + 1 + match.start()
            message = f"{quoted(match[0])} is not an escape here"
            raise WordError(message, expected="a raw text: r'…'", index=index)
        return _ESCAPES[match[1]]

    return _ESCAPE.sub(plain, token.text[1:-1])
