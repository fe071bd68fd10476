"""How values are compared: equality rules of RFC 4517 as normal forms, and the syntaxes worth
refusing.

Called by `tree` and `filters`. A rule that is not listed compares octets.
"""

import re
from collections.abc import Callable, Hashable

from deprovisioner.sandbox.directory.names import InvalidNameError, key_of
from deprovisioner.sandbox.directory.schema import AttributeType

TIME = re.compile(rb"\d{10}(\d{2}(\d{2})?)?([.,]\d+)?(Z|[+-]\d{2}(\d{2})?)")
_INTEGER, _BOOLEAN, _NAME_SYNTAX, _TIME = (
    f"1.3.6.1.4.1.1466.115.121.1.{number}" for number in (27, 7, 12, 24)
)
_TRIPLE, _CERTIFICATE = "1.3.6.1.1.1.0.0", "1.3.6.1.4.1.1466.115.121.1.8"
_TRIPLE_FORM = re.compile(rb"\([\w.-]*,[\w.-]*,[\w.-]*\)")
_IA5, _DIRECTORY_STRING = (f"1.3.6.1.4.1.1466.115.121.1.{number}" for number in (26, 15))


class InvalidValueError(Exception):
    """The value does not have the syntax of its attribute (result 21)."""


def normal(kind: AttributeType, value: bytes) -> Hashable:
    """Return a form that two values share when, and only when, they are equal for this
    attribute.
    """
    rule = kind.equality
    if rule is None:
        return value
    return _FORMS.get(rule, bytes)(value)


def substring_form(kind: AttributeType, value: bytes) -> str:
    """Return the text in which the pieces of a substring filter are looked for."""
    form = _text(value)
    return form if (kind.equality or "").startswith("caseExact") else form.lower()


def ordering_form(kind: AttributeType, value: bytes) -> int | bytes:
    """Return a form that sorts as the attribute's ordering rule does; raises
    `InvalidValueError`.
    """
    if kind.syntax == _INTEGER:
        return _number(value)
    return value


def check(kind: AttributeType, value: bytes) -> None:
    """Raise `InvalidValueError` where OpenLDAP answers invalidAttributeSyntax."""
    syntax = kind.syntax
    if syntax == _INTEGER:
        _number(value)
    elif syntax == _BOOLEAN and value not in {b"TRUE", b"FALSE"}:
        raise InvalidValueError("not TRUE or FALSE")
    elif syntax == _NAME_SYNTAX:
        _name(value)
    elif syntax == _TIME and not TIME.fullmatch(value):
        raise InvalidValueError("not a generalized time")
    elif syntax == _IA5 and not value.isascii():
        raise InvalidValueError("not ASCII")
    elif syntax == _DIRECTORY_STRING:
        _directory_string(value)
    elif syntax == _TRIPLE and not _TRIPLE_FORM.fullmatch(value):
        raise InvalidValueError("not a netgroup triple")


def is_name(kind: AttributeType) -> bool:
    """Tell whether values are distinguished names."""
    return kind.syntax == _NAME_SYNTAX


def needs_binary(kind: AttributeType) -> bool:
    """Tell whether values travel only under the `;binary` option (RFC 4522)."""
    return kind.syntax == _CERTIFICATE


def _directory_string(value: bytes) -> None:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidValueError("not UTF-8") from error
    if not text:
        raise InvalidValueError("an empty string")


def _text(value: bytes) -> str:
    # slapd folds runs of spaces and drops those at the ends, for IA5 strings too: measured on
    # 2.5.13.
    return (
        " ".join(value.decode("utf-8", "replace").split(" ")).strip()
        if b" " in value
        else (value.decode("utf-8", "replace"))
    )


def _folded(value: bytes) -> str:
    return " ".join(part for part in _text(value).split(" ") if part)


def _number(value: bytes) -> int:
    if not re.fullmatch(rb"-?(0|[1-9]\d*)", value) or len(value) > 40:
        raise InvalidValueError("not an integer")
    return int(value)


def _name(value: bytes) -> Hashable:
    try:
        return key_of(value.decode("utf-8"))
    except (InvalidNameError, UnicodeDecodeError) as error:
        raise InvalidValueError("not a distinguished name") from error


def _lenient(form: Callable[[bytes], Hashable]) -> Callable[[bytes], Hashable]:
    def read(value: bytes) -> Hashable:
        try:
            return form(value)
        except InvalidValueError:
            return value

    return read


_FORMS: dict[str, Callable[[bytes], Hashable]] = {
    "caseIgnoreMatch": lambda value: _folded(value).lower(),
    "caseIgnoreIA5Match": lambda value: _folded(value).lower(),
    "caseIgnoreListMatch": lambda value: _folded(value).lower(),
    "objectIdentifierMatch": lambda value: _text(value).lower(),
    "caseExactMatch": _folded,
    "caseExactIA5Match": _folded,
    "telephoneNumberMatch": lambda value: re.sub(rb"[ -]", b"", value).lower(),
    "numericStringMatch": lambda value: value.replace(b" ", b""),
    "booleanMatch": lambda value: value.upper(),
    "UUIDMatch": lambda value: value.lower().replace(b"-", b""),
    "integerMatch": _lenient(_number),
    "distinguishedNameMatch": _lenient(_name),
    "uniqueMemberMatch": _lenient(_name),
}
