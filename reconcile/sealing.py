"""Sealing personal data: AES-256-GCM, tied to the place where it belongs.

Called by everything in the reconcile core that stores something about a person. The key is the
case's (`reconcile.store.case_keys`), so that destroying it erases the person everywhere. Nothing
here stores anything.
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_SIZE: Final = 12


class SealBroken(Exception):
    """A ciphertext was changed, belongs elsewhere, or is of another key; never says which."""


class KeyDestroyed(Exception):
    """The key of this case was destroyed: its personal data was erased and nothing new may come."""


def seal(key: bytes, plaintext: bytes, context: str, token_bytes: Callable[[int], bytes]) -> bytes:
    """Nonce and ciphertext; ``context`` names the place and must be repeated to open it."""
    nonce = token_bytes(_NONCE_SIZE)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def unseal(key: bytes, sealed: bytes, context: str) -> bytes:
    """The plaintext; `SealBroken` when it was sealed by another key or for another place."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise SealBroken("a sealed value cannot be opened") from error
