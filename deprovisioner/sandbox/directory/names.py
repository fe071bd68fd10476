"""Distinguished names (RFC 4514): read once, compared by a normal form, printed as they were given.

Called by `tree`, `access` and `matching`. Not a general DN library: hexadecimal `#` values are
kept as text.
"""

from functools import lru_cache

Key = tuple[str, ...]
"""The normal form of a name: one word per RDN, the leaf first. `()` is the root DSE."""

_NAMING = frozenset({"cn", "ou", "dc", "o", "uid", "sn", "l"})
_AWKWARD = frozenset('"+,;<>\\=')


class InvalidNameError(Exception):
    """The text is not a distinguished name."""


@lru_cache(maxsize=20_000)
def key_of(name: str) -> Key:
    """Return the normal form of `name`; raises `InvalidNameError`."""
    return tuple("+".join(sorted(_normal(part) for part in rdn)) for rdn in split(name))


@lru_cache(maxsize=20_000)
def pretty(name: str, *, canonical: bool = True) -> str:
    """Return a name as slapd prints it: no spaces around commas, awkward characters in
    hexadecimal.
    """
    return ",".join(
        "+".join(
            f"{_canonical(kind) if canonical else kind}={_escape(value)}" for kind, value in rdn
        )
        for rdn in split(name)
    )


def split(name: str) -> list[list[tuple[str, str]]]:
    """Split a name into RDNs, each a list of (type, unescaped value)."""
    if not name.strip():
        return []
    return [[_assertion(part) for part in _cut(rdn, "+")] for rdn in _cut(name, ",;")]


def parent_text(name: str) -> str:
    """Return the name above this one as it was written; empty above the topmost."""
    return ",".join(part.strip() for part in _cut(name, ",;")[1:])


def _cut(text: str, at: str) -> list[str]:
    parts, begin, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] in at:
            parts.append(text[begin:position])
            begin = position + 1
        position += 1
    return [*parts, text[begin:]]


def _assertion(part: str) -> tuple[str, str]:
    kind, equals, value = part.partition("=")
    kind = kind.strip()
    if not equals or not kind or not kind.replace("-", "").replace(".", "").isalnum():
        raise InvalidNameError("an RDN without a type and a value")
    return kind, _unescape(value.strip())


def _unescape(value: str) -> str:
    if "\\" not in value:
        return value
    out, position = bytearray(), 0
    while position < len(value):
        if value[position] != "\\":
            out += value[position].encode()
            position += 1
            continue
        pair = value[position + 1 : position + 3]
        if len(pair) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in pair):
            out.append(int(pair, 16))
            position += 3
        elif pair:
            out += pair[0].encode()
            position += 2
        else:
            raise InvalidNameError("a backslash at the end")
    try:
        return out.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidNameError("an escaped value that is not UTF-8") from error


def _canonical(kind: str) -> str:
    return kind.lower() if kind.lower() in _NAMING else kind


def _escape(value: str) -> str:
    last = len(value) - 1
    return "".join(
        f"\\{ord(character):02X}" if _is_awkward(character, place, last) else character
        for place, character in enumerate(value)
    )


def _is_awkward(character: str, place: int, last: int) -> bool:
    if character == " ":
        return place in {0, last}
    return character in _AWKWARD or (character == "#" and place == 0)


def _normal(assertion: tuple[str, str]) -> str:
    # All naming attributes of a directory of people compare without regard to case and runs of
    # spaces.
    kind, value = assertion
    return f"{kind.lower()}={' '.join(value.lower().split())}".replace("+", "\\+")
