"""Signing in to the pretend domain, and what becomes of passwords.

Called by ``session`` (binds) and ``writing`` (``unicodePwd``). The sub-codes are Microsoft's, as
Samba answers them.
"""

import hmac
from datetime import datetime
from typing import Final

from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.forest.domain import NETBIOS, REALM
from deprovisioner.sandbox.forest.store import Item, State, ticks

DISABLED, NORMAL, NEVER_EXPIRES, SMART_CARD = 0x2, 0x200, 0x10000, 0x40000
ACCOUNT_TYPES: Final = 0x200 | 0x800 | 0x1000 | 0x2000
NEVER: Final = frozenset({0, 0x7FFFFFFFFFFFFFFF})
_SHORTEST, _KINDS = 7, 3
_MESSAGE: Final = (
    "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {}, v1db1"
)


class RefusedError(RefusalError):
    """A sign-in that is refused; ``sub`` is the code in the message."""

    def __init__(self, sub: str) -> None:
        super().__init__(Code.INVALID_CREDENTIALS, _MESSAGE.format(sub))
        self.sub = sub


def identify(state: State, who: str) -> Item | None:
    """Find an account by distinguished name, user principal name, or domain and login."""
    wanted = who.lower()
    for item in state.items.values():
        if item.deleted or not item.has_class("user"):
            continue
        login = item.first("samaccountname").lower()
        names = {
            item.first("userprincipalname").lower(),
            f"{login}@{REALM}",
            f"{NETBIOS.lower()}\\{login}",
            state.names[item.guid].lower(),
        }
        if wanted in names:
            return item
    return None


def sign_in(state: State, who: str, password: str, now: datetime) -> Item:
    """Return the account that a password opens; raises `RefusedError` with the sub-code.

    The password before the last reset still opens an account, once only: measured on Samba, and on
    Windows over NTLM for an hour.
    """
    item = identify(state, who)
    if item is None or not any(
        hmac.compare_digest(known.encode(), password.encode()) for known in item.passwords
    ):
        raise RefusedError("52e")
    control = item.number("useraccountcontrol")
    if control & DISABLED:
        raise RefusedError("533")
    if item.number("lockouttime"):
        raise RefusedError("775")
    expires = item.number("accountexpires")
    if expires not in NEVER and expires <= ticks(now):
        raise RefusedError("701")
    hours = item.values.get("logonhours")
    if hours and not any(hours[0]):
        raise RefusedError("530")
    if not item.number("pwdlastset") and not control & NEVER_EXPIRES:
        raise RefusedError("773")
    return item


def new_password(value: bytes, *, encrypted: bool) -> str:
    """Read a new ``unicodePwd``; raises `RefusalError` 53 or 19."""
    try:
        text = value.decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise RefusalError(Code.UNWILLING_TO_PERFORM, "0000001F: SvcErr: no UTF-16") from error
    if not encrypted or len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise RefusalError(Code.UNWILLING_TO_PERFORM, "0000001F: SvcErr: DSID-031A12D2")
    password = text[1:-1]
    kinds = (str.isupper, str.islower, str.isdigit, lambda one: not one.isalnum())
    found = sum(any(kind(letter) for letter in password) for kind in kinds)
    if len(password) < _SHORTEST or found < _KINDS:
        raise RefusalError(Code.CONSTRAINT_VIOLATION, "0000052D: the password is too weak")
    return password
