"""Text forms with exactly one spelling: base64, hex, decimals and canonical JSON.

Two spellings of one value would let somebody change a file without changing what it says, so every
reader here refuses all spellings but one. Called by the rest of the room; no format of ours is
defined here.

Canonical JSON is RFC 8785 (JCS) restricted to strings, integers within ±(2**53 - 1), booleans,
null, arrays and objects with ASCII keys. Under this restriction JCS is the sorted, compact output
of the standard library's ``json`` (non-BMP keys and floats are where the two differ), which is
several times faster than a JCS library and lets the standalone verifier do without one. The tests
hold it against ``rfc8785``.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import Final, NoReturn, TypeAlias

from reconcile.evidence.errors import NotVerified, UnfitValue

Json: TypeAlias = "str | int | bool | list[Json] | tuple[Json, ...] | dict[str, Json] | None"

HASH_SIZE: Final = 32
LARGEST_INTEGER: Final = 2**53 - 1
DEEPEST: Final = 32

_HEX_HASH = re.compile(r"[0-9a-f]{64}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of canonical base64; `NotVerified` for any other spelling of the same bytes."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise NotVerified("base64 is malformed") from error
    if to_base64(data) != text:
        raise NotVerified("base64 is not canonical")
    return data


def hash_from_base64(text: str) -> bytes:
    """A 32-byte hash from canonical base64."""
    data = from_base64(text)
    if len(data) != HASH_SIZE:
        raise NotVerified("a hash is not 32 bytes long")
    return data


def hash_from_hex(text: object) -> bytes:
    """A 32-byte hash from 64 lower-case hex digits."""
    if not isinstance(text, str) or not _HEX_HASH.fullmatch(text):
        raise NotVerified("a hash is not 64 lower-case hex digits")
    return bytes.fromhex(text)


def from_decimal(text: str) -> int:
    """A non-negative integer without sign or leading zero, below 10**19."""
    if not _DECIMAL.fullmatch(text):
        raise NotVerified("a number is not a plain decimal")
    return int(text)


def canonical(value: Json) -> bytes:
    """The one JSON spelling of ``value``; `UnfitValue` when it may not stand in evidence."""
    _check(value, DEEPEST)
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnfitValue(
            "a string holds half of a surrogate pair, which is no character"
        ) from error


def _check(value: object, depth: int) -> None:
    if depth == 0:
        raise UnfitValue(f"a value is nested deeper than {DEEPEST} levels")
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise UnfitValue("an integer is beyond 2**53 - 1: carry it as a string")
    elif isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not key.isascii():
                raise UnfitValue("a key of an object is not an ASCII string")
        _check_all(value.values(), depth)
    elif isinstance(value, list | tuple):
        _check_all(value, depth)
    else:
        # The type only: the value may be personal (Law 10).
        raise UnfitValue(f"evidence cannot hold a {type(value).__name__}")


def _check_all(values: Iterable[object], depth: int) -> None:
    for value in values:
        kind = type(value)
        if kind is not str and kind is not bool and value is not None:
            _check(value, depth - 1)


def parse_canonical(raw: bytes) -> Json:
    """The value of canonical JSON; `NotVerified` for any other spelling, duplicate key, float or
    depth.
    """
    try:
        value: Json = json.loads(
            raw.decode("utf-8"), parse_float=_refuse, parse_constant=_refuse, parse_int=_integer
        )
        again = canonical(value)
    except (ValueError, RecursionError) as error:
        raise NotVerified("JSON is malformed or holds what evidence cannot hold") from error
    if again != raw:
        # Catches duplicate keys too: only one of them comes back.
        raise NotVerified("JSON is not in its canonical form")
    return value


def _refuse(text: str) -> NoReturn:
    raise UnfitValue(f"evidence cannot hold a float ({len(text)} characters)")


def _integer(text: str) -> int:
    if len(text) > len(str(-LARGEST_INTEGER)):
        raise UnfitValue("an integer is beyond 2**53 - 1")
    return int(text)
