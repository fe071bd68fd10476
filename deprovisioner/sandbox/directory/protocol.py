"""LDAP messages (RFC 4511) as frozen nouns: requests read from BER, answers written to it.

Called by `session` (reading, framing) and `operations` (writing). Not a client: only what a server
reads and writes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from deprovisioner.sandbox.directory import ber
from deprovisioner.sandbox.directory.witness import Change

PAGING = "1.2.840.113556.1.4.319"
PRE_READ, POST_READ, ASSERTION = "1.3.6.1.1.13.1", "1.3.6.1.1.13.2", "1.3.6.1.1.12"
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"
WHO_AM_I, PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.3", "1.3.6.1.4.1.4203.1.11.1"
START_TLS = "1.3.6.1.4.1.1466.20037"
_ACTIONS = {0: "add", 1: "delete", 2: "replace"}


class Request(IntEnum):
    """Tags of the requests."""

    BIND = 0x60
    UNBIND = 0x42
    SEARCH = 0x63
    MODIFY = 0x66
    ADD = 0x68
    DELETE = 0x4A
    RENAME = 0x6C
    COMPARE = 0x6E
    ABANDON = 0x50
    EXTENDED = 0x77


ANSWERS = {
    Request.BIND: 0x61,
    Request.SEARCH: 0x65,
    Request.MODIFY: 0x67,
    Request.ADD: 0x69,
    Request.DELETE: 0x6B,
    Request.RENAME: 0x6D,
    Request.COMPARE: 0x6F,
    Request.EXTENDED: 0x78,
}
ENTRY_ANSWER = 0x64


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a request or an answer."""

    oid: str
    critical: bool
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Message:
    """One request: its number, what it is, the undecoded operation, the controls by OID."""

    number: int
    request: Request
    operation: ber.Element
    controls: dict[str, Control]


@dataclass(frozen=True, slots=True)
class Search:
    """The parameters of a search; the filter is still BER."""

    base: str
    scope: int
    dereference: int
    size_limit: int
    types_only: bool
    condition: ber.Element
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What a request ends with."""

    code: int
    message: str = ""
    matched: str = ""
    controls: tuple[Control, ...] = ()
    extension: bytes = b""
    """Already encoded tail of an extended answer."""


def read_message(data: bytes) -> Message:
    """Read one LDAPMessage; raises `MalformedMessageError`."""
    envelope = ber.only(data)
    parts = envelope.children()
    if envelope.tag != ber.SEQUENCE or len(parts) not in {2, 3}:
        raise ber.MalformedMessageError("not an LDAPMessage")
    number = parts[0].integer()
    try:
        request = Request(parts[1].tag)
    except ValueError as error:
        raise ber.MalformedMessageError("unknown operation") from error
    controls = parts[2].children() if len(parts) == 3 else []
    return Message(number, request, parts[1], {c.oid: c for c in map(_control, controls)})


def _control(element: ber.Element) -> Control:
    oid, *rest = parts(element, 1)
    critical = any(part.tag == ber.BOOLEAN and part.content != b"\x00" for part in rest)
    value = next((part.content for part in rest if part.tag == ber.OCTETS), None)
    return Control(oid.text(), critical, value)


def parts(operation: ber.Element, least: int) -> list[ber.Element]:
    """Split an operation into its parts; raises `MalformedMessageError` when there are too few."""
    found = operation.children()
    if len(found) < least:
        raise ber.MalformedMessageError("operation with too few parts")
    return found


def read_search(operation: ber.Element) -> Search:
    """Read a search request."""
    base, scope, alias, size, _time, types, condition, wanted = parts(operation, 8)[:8]
    return Search(
        base.text(),
        scope.integer(),
        alias.integer(),
        size.integer(),
        types.content != b"\x00",
        condition,
        tuple(name.text() for name in wanted.children()),
    )


def read_attributes(element: ber.Element) -> list[tuple[str, tuple[bytes, ...]]]:
    """Read the attribute list of an add request."""
    return [_attribute(one) for one in element.children()]


def read_changes(element: ber.Element) -> tuple[Change, ...]:
    """Read the change list of a modify request."""
    return tuple(_change(one) for one in element.children())


def _change(element: ber.Element) -> Change:
    action, attribute = parts(element, 2)[:2]
    if action.integer() not in _ACTIONS:
        raise ber.MalformedMessageError("unknown modification")
    description, values = _attribute(attribute)
    return Change(_ACTIONS[action.integer()], description, values)


def _attribute(element: ber.Element) -> tuple[str, tuple[bytes, ...]]:
    description, values = parts(element, 2)[:2]
    return description.text(), tuple(value.content for value in values.children())


def read_page(control: Control) -> tuple[int, bytes]:
    """Read the paging control (RFC 2696): page size and cookie."""
    size, cookie = parts(ber.only(control.value), 2)[:2]
    return size.integer(), cookie.content


def page_control(cookie: bytes) -> Control:
    """Write the paging control of an answer; the size estimate is 0, as slapd gives none."""
    value = ber.wrap(ber.SEQUENCE, ber.integer(0), ber.octets(cookie))
    return Control(PAGING, critical=False, value=value)


def partial_attributes(attributes: Iterable[tuple[str, Sequence[bytes]]]) -> bytes:
    """Write attributes with their values as a PartialAttributeList."""
    return ber.wrap(
        ber.SEQUENCE,
        *(
            ber.wrap(
                ber.SEQUENCE,
                ber.octets(description.encode()),
                ber.wrap(ber.SET, *map(ber.octets, values)),
            )
            for description, values in attributes
        ),
    )


def write_entry(number: int, name: str, attributes: bytes) -> bytes:
    """Write one search entry; `attributes` is a PartialAttributeList."""
    entry = ber.wrap(ENTRY_ANSWER, ber.octets(name.encode()), attributes)
    return ber.wrap(ber.SEQUENCE, ber.integer(number), entry)


def write_result(number: int, request: Request, result: Result) -> bytes:
    """Write the answer that ends a request."""
    body = ber.wrap(
        ANSWERS[request],
        ber.integer(result.code, ber.ENUMERATED),
        ber.octets(result.matched.encode()),
        ber.octets(result.message.encode()),
        result.extension,
    )
    controls = b""
    if result.controls:
        controls = ber.wrap(0xA0, *map(_write_control, result.controls))
    return ber.wrap(ber.SEQUENCE, ber.integer(number), body, controls)


def _write_control(control: Control) -> bytes:
    value = b"" if control.value is None else ber.octets(control.value)
    return ber.wrap(ber.SEQUENCE, ber.octets(control.oid.encode()), value)


def write_disconnection(message: str) -> bytes:
    """Write the notice of disconnection (RFC 4511 clause 4.4.1) for bytes that are no message."""
    notice = Result(2, message, extension=ber.octets(b"1.3.6.1.4.1.1466.20036", 0x8A))
    return write_result(0, Request.EXTENDED, notice)
