"""LDIF (RFC 2849), writing only: what slapadd reads.

Called by `company`.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass

Attributes = tuple[tuple[str, tuple[bytes, ...]], ...]


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """A name with its attributes, as an add request or an LDIF record has them."""

    name: str
    attributes: Attributes


def render(entries: Iterable[DirectoryEntry]) -> str:
    """Write the entries as LDIF records, unfolded lines, in the given order."""
    return "\n".join(_record(entry) for entry in entries)


def _record(entry: DirectoryEntry) -> str:
    lines = [_line("dn", entry.name.encode())]
    lines += [_line(name, value) for name, values in entry.attributes for value in values]
    return "\n".join(lines) + "\n"


def _line(name: str, value: bytes) -> str:
    if _is_safe(value):
        return f"{name}: {value.decode('ascii')}"
    return f"{name}:: {base64.b64encode(value).decode('ascii')}"


def _is_safe(value: bytes) -> bool:
    if not value:
        return True
    printable = all(0x20 <= octet < 0x7F for octet in value)
    return printable and value[:1] not in b" :<" and value[-1:] != b" "
