"""The child process that encrypts and decrypts; run by ``connectors.vaults.age`` as a file.

Why a process of its own: pyrage holds the interpreter lock while it works, and decrypting to a
file leaves partial plaintext behind when the data is damaged. Here the lock is nobody else's, and
plaintext only ever goes into a pipe. It imports nothing of ours, so it starts alone and fast.

    age_child.py encrypt RECIPIENT      plaintext on 0, ciphertext on 1
    age_child.py decrypt DESCRIPTOR     ciphertext on 0, plaintext on 1, identity on DESCRIPTOR

Says nothing but one line of JSON on 2 (size and digest of what it wrote, or an errno), and ends
with one of the codes below. The identity never appears in arguments or environment.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
from typing import Final

import pyrage

DONE: Final = 0
BAD_KEY: Final = 10
WRONG_IDENTITY: Final = 11
DAMAGED: Final = 12
OUT_OF_SPACE: Final = 13
BROKEN: Final = 14

_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_IDENTITY_BYTES: Final = 4096


class Counted:
    """A writer that writes all it is given, and remembers size, digest and errno."""

    def __init__(self, descriptor: int) -> None:
        """Write to ``descriptor``."""
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self.size = 0
        self.errno = 0

    def write(self, data: bytes) -> int:
        """Go on until all is written, since the system call may take less."""
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self.errno = error.errno or errno.EIO
            raise
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def report(self) -> str:
        """Say what was written."""
        return json.dumps({"size": self.size, "sha256": self._digest.hexdigest()})


def encrypt(recipient: str) -> int:
    """Encrypt standard input to standard output."""
    try:
        key = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        return BAD_KEY
    writer = Counted(sys.stdout.fileno())
    try:
        pyrage.encrypt_io(sys.stdin.buffer, writer, [key])
    except (OSError, pyrage.EncryptError):
        return OUT_OF_SPACE if writer.errno in _SPACE else BROKEN
    sys.stderr.write(writer.report())
    return DONE


def decrypt(descriptor: int) -> int:
    """Decrypt standard input to standard output."""
    with os.fdopen(descriptor, "rb") as source:
        text = source.read(_IDENTITY_BYTES).decode("ascii", "replace").strip()
    try:
        key = pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        return BAD_KEY
    writer = Counted(sys.stdout.fileno())
    try:
        pyrage.decrypt_io(sys.stdin.buffer, writer, [key])
    except pyrage.DecryptError as error:
        # The header is read before the first byte of plaintext, so nothing was written yet.
        return WRONG_IDENTITY if "No matching keys" in str(error) else DAMAGED
    except OSError:
        # pyrage reports a truncated or altered body as OSError, not as DecryptError.
        return BROKEN if writer.errno else DAMAGED
    sys.stderr.write(writer.report())
    return DONE


def main(arguments: list[str]) -> int:
    """Do one of the two."""
    if arguments[0] == "encrypt":
        return encrypt(arguments[1])
    return decrypt(int(arguments[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
