"""One JSON object from bytes, within bounds and without the corners where parsers disagree.

Refused: what is not UTF-8, a key that stands twice (parsers keep the first or the last: two
systems would read two events), NaN and Infinity, numbers that overflow, depth, control characters
and the invisible ones that make text read differently from what it holds. Called by ``canonical``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from config.shapes import shown
from deprovisioner.intake.refusals import Unusable

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_FORBIDDEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def parse(raw: bytes) -> dict[str, Any]:
    """Read the object; keys whose value is null are left out. Raises :class:`Unusable`."""
    if len(raw) > MAX_BYTES:
        raise Unusable([f"the document is larger than {MAX_BYTES} bytes"])
    _check_depth(raw)
    try:
        text = raw.decode("utf-8")
        tree = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
        )
    except UnicodeDecodeError as error:
        raise Unusable(["the document is not UTF-8"]) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Unusable([f"the document is not JSON ({where})"]) from error
    except ValueError as error:  # a number of thousands of digits
        raise Unusable(["a number is out of range"]) from error
    if not isinstance(tree, dict):
        raise Unusable(["the document is not a JSON object"])
    if wrong := sorted(set(_unprintable(tree, ""))):
        raise Unusable(f"{path or 'a key'}: control characters are not allowed" for path in wrong)
    return tree


def _check_depth(raw: bytes) -> None:
    """Count brackets outside strings, before any parser recurses."""
    depth = 0
    for token in _TOKENS.finditer(raw):
        first = token[0][0]
        depth += (first in b"[{") - (first in b"]}")
        if depth > MAX_DEPTH:
            raise Unusable([f"the document is nested deeper than {MAX_DEPTH}"])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Unusable([f"{shown(twice)}: stands twice in one object"])
    return {key: value for key, value in found.items() if value is not None}


def _constant(_word: str) -> NoReturn:
    raise Unusable(["NaN and Infinity are not JSON"])


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Unusable(["a number is out of range"])
    return number


def _unprintable(node: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(node, str):
        if any(unicodedata.category(c) in _FORBIDDEN or c in _BIDI for c in node):
            yield path
    elif isinstance(node, list):
        for item in node:
            yield from _unprintable(item, path)
    elif isinstance(node, dict):
        for key, value in node.items():
            if any(_unprintable(key, "key")):
                yield path
            else:
                yield from _unprintable(value, f"{path}.{shown(key)}".lstrip("."))
