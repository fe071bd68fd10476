"""The few BER encodings LDAP uses (RFC 4511 clause 5.1): definite lengths, one-byte tags.

Called by `protocol` and `filters`. Not a general ASN.1 library: pyasn1, which ldap3 brings, needs
about 0.6 ms to read or write one entry of twenty attributes, this about a twentieth, and a
malformed message is one typed error here instead of many.
"""

from collections.abc import Iterator
from typing import NamedTuple

BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31


class MalformedMessageError(Exception):
    """Bytes that are not the BER message LDAP allows at this place."""


class Element(NamedTuple):
    """One tag with its content, the length already taken off."""

    tag: int
    content: bytes

    def children(self) -> list["Element"]:
        """Read the content as a run of elements; raises `MalformedMessageError` on any rest."""
        return list(elements(self.content))

    def integer(self) -> int:
        """Read the content as a two's complement number (INTEGER and ENUMERATED)."""
        if not 1 <= len(self.content) <= 8:
            raise MalformedMessageError("integer of an impossible length")
        return int.from_bytes(self.content, "big", signed=True)

    def text(self) -> str:
        """Read the content as UTF-8."""
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedMessageError("text that is not UTF-8") from error


def header(data: bytes, at: int = 0) -> tuple[int, int, int] | None:
    """Return (tag, start of content, length), or None while the header is not complete."""
    if len(data) < at + 2:
        return None
    tag, first = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise MalformedMessageError("long tags do not occur in LDAP")
    if first < 0x80:
        return tag, at + 2, first
    octets = first & 0x7F
    if not 1 <= octets <= 4:
        raise MalformedMessageError("indefinite or absurd length")
    if len(data) < at + 2 + octets:
        return None
    start = at + 2 + octets
    return tag, start, int.from_bytes(data[at + 2 : start], "big")


def elements(data: bytes) -> Iterator[Element]:
    """Yield the elements that stand one after another in `data`."""
    at = 0
    while at < len(data):
        read = header(data, at)
        if read is None or read[1] + read[2] > len(data):
            raise MalformedMessageError("element runs past its end")
        tag, start, length = read
        at = start + length
        yield Element(tag, data[start:at])


def only(data: bytes | None) -> Element:
    """Return the one element that `data` is; raises `MalformedMessageError`."""
    found = list(elements(data or b""))
    if len(found) != 1:
        raise MalformedMessageError("not exactly one element")
    return found[0]


def wrap(tag: int, *parts: bytes) -> bytes:
    """Write one element around already encoded parts (or raw octets)."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Write a number in the fewest octets that keep its sign."""
    return wrap(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes, tag: int = OCTETS) -> bytes:
    """Write an octet string."""
    return wrap(tag, value)
