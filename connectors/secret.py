"""Secrets by reference: what a connector holds is where the secret lies, never the secret.

Settings of every connector use :class:`Secret`; the value is read at the moment of use and is
never kept, printed, compared in variable time, or written to a log (Law 10). This is not a secret
store: it reads the places an operator already trusts (environment, a file, a systemd credential).
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler

MAX_SECRET_BYTES: Final = 64 * 1024
"""A secret file larger than this is a mistake (a wrong path), not a secret."""


class SecretUnavailable(Exception):
    """The reference cannot be read now. The message names the reference, never a value."""


class Secret:
    """A reference to a secret: ``env:NAME``, ``file:/path`` or ``credential:NAME`` (systemd).

    ``credential:NAME`` is read below ``$CREDENTIALS_DIRECTORY`` (systemd.exec(5),
    ``LoadCredential=``). Raises :class:`ValueError` when built from anything else, so that a
    literal password in a settings file is refused when the file is loaded.
    """

    __slots__ = ("_read", "reference")

    def __init__(self, reference: str) -> None:
        """Keep the reference; nothing is read yet."""
        scheme, _, name = reference.partition(":")
        if scheme not in _READERS or not name:
            message = "a secret is given by reference: env:NAME, file:/path or credential:NAME"
            raise ValueError(message)
        self.reference = reference
        self._read = _READERS[scheme]

    @classmethod
    def held(cls, read: Callable[[], str], name: str) -> Secret:
        """Make a secret that ``read`` produces, for callers that made the value themselves.

        The sandbox company and tests use this for passwords invented at start.
        """
        secret = cls(f"env:{name}")
        secret.reference = f"held:{name}"
        secret._read = lambda _name: read()
        return secret

    def reveal(self) -> str:
        """Read the secret now. Raises :class:`SecretUnavailable`."""
        return self._read(self.reference.partition(":")[2])

    def matches(self, candidate: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.reveal().encode(), candidate.encode())

    def __repr__(self) -> str:
        """Show where the secret lies, never what it is."""
        return f"Secret({self.reference!r})"

    @classmethod
    def _validated(cls, value: object) -> Secret:
        """Take a Secret or a reference; anything else is refused without being repeated."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        message = "a secret is given by reference: env:NAME, file:/path or credential:NAME"
        raise ValueError(message)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: type[Any], _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Let settings models take a reference string or a Secret."""
        return core_schema.no_info_plain_validator_function(
            cls._validated,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.reference
            ),
        )


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        message = f"environment variable {name} is not set"
        raise SecretUnavailable(message)
    return value


def _from_file(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        message = f"cannot read secret file {name}: {error.strerror}"
        raise SecretUnavailable(message) from error
    if len(raw) > MAX_SECRET_BYTES:
        message = f"secret file {name} is larger than {MAX_SECRET_BYTES} bytes"
        raise SecretUnavailable(message)
    try:
        value = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        value = None
    if value is None:
        # Raised outside the handler: the decoding error carries the secret's bytes (Law 10).
        message = f"secret file {name} is not UTF-8 text"
        raise SecretUnavailable(message)
    if not value:
        message = f"secret file {name} is empty"
        raise SecretUnavailable(message)
    return value


def _from_credential(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or "/" in name:
        message = f"no systemd credential {name}: CREDENTIALS_DIRECTORY is not set"
        raise SecretUnavailable(message)
    return _from_file(str(Path(folder) / name))


_READERS: Final[dict[str, Callable[[str], str]]] = {
    "env": _from_environment,
    "file": _from_file,
    "credential": _from_credential,
}
