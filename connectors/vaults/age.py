"""age encryption for vaults: streams through a child process, and identities of cases.

The format is age (C2SP), so anybody with the ``age`` program and the identity can open a backup
without us. Called by vaults; keys of the escrow holders stay with them and are never needed here,
except their public halves.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import IO, Final

import pyrage

from connectors.faults import Fault, Malformed, Refused, Transient, Unauthorised
from connectors.secret import Secret, SecretUnavailable
from connectors.vaults import age_child
from connectors.vaults.contract import CaseIdentity, Damaged, OutOfSpace, WrongIdentity

CHUNK_BYTES: Final = 256 * 1024
ESCROW_MOST: Final = 2
_FAULTS: Final[dict[int, tuple[type[Fault], str]]] = {
    age_child.BAD_KEY: (Refused, "not an age X25519 key"),
    age_child.WRONG_IDENTITY: (WrongIdentity, "this identity does not open the object"),
    age_child.DAMAGED: (Damaged, "the ciphertext was cut short or altered"),
    age_child.OUT_OF_SPACE: (OutOfSpace, "no space left for the object"),
}


@dataclass(frozen=True, slots=True)
class Measure:
    """Size in bytes and SHA-256 in hex of a stream."""

    size: int
    sha256: str


def software() -> str:
    """Name what encrypted, for receipts."""
    return f"pyrage {version('pyrage')}"


def is_recipient(text: str) -> bool:
    """Tell whether a text is an age X25519 public key."""
    try:
        pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        return False
    return True


def new_case_identity(escrow: Sequence[str]) -> CaseIdentity:
    """Make the key pair of a case and seal its private half to one or two escrow recipients.

    The unsealed private half is dropped here: workers hold no key that opens what they store.
    Raises :class:`~connectors.faults.Refused` for a key that is none.
    """
    if not 1 <= len(escrow) <= ESCROW_MOST or len(set(escrow)) != len(escrow):
        raise Refused("one or two different escrow keys are needed", code="vault:escrow")
    if not all(is_recipient(key) for key in escrow):
        raise Refused("an escrow key is not an age X25519 key", code="vault:escrow")
    holders = [pyrage.x25519.Recipient.from_str(key) for key in escrow]
    identity = pyrage.x25519.Identity.generate()
    sealed = pyrage.encrypt(str(identity).encode(), holders)
    return CaseIdentity(str(identity.to_public()), sealed, tuple(escrow))


def unseal(sealed: bytes, holder: Secret) -> Secret:
    """Open a sealed case identity with an escrow holder's own. Raises :class:`WrongIdentity`."""
    try:
        key = pyrage.x25519.Identity.from_str(_revealed(holder).strip())
        text = pyrage.decrypt(sealed, [key]).decode("ascii")
    except pyrage.IdentityError as error:
        raise Refused("not an age X25519 identity", code="vault:identity") from error
    except pyrage.DecryptError as error:
        raise WrongIdentity("this holder cannot open the sealed identity") from error
    return Secret.held(lambda: text, "case identity")


def encrypt(chunks: Iterable[bytes], recipient: str, into: int) -> tuple[Measure, Measure]:
    """Encrypt a stream into the open file ``into``; measure the plaintext and the ciphertext.

    An exception of ``chunks`` passes through after the child was ended. Raises faults.
    """
    with _child("encrypt", recipient, stdin=subprocess.PIPE, stdout=into) as child:
        digest, size = hashlib.sha256(), 0
        # A child that stopped reading has a reason, and its own ending says it.
        with suppress(BrokenPipeError), _stream(child.stdin) as plaintext:
            for chunk in chunks:
                plaintext.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        return Measure(size, digest.hexdigest()), _ending(child)


def decrypt(ciphertext: IO[bytes], identity: Secret) -> Iterator[bytes]:
    """Stream the plaintext of an age file from its start. Raises faults, also at the end.

    The identity goes to the child through a pipe: arguments and environment can be seen by others.
    """
    text = _revealed(identity).encode()
    ciphertext.seek(0)
    reading, writing = os.pipe()
    try:
        with _child(
            "decrypt", str(reading), stdin=ciphertext, stdout=subprocess.PIPE, pass_fds=(reading,)
        ) as child:
            os.write(writing, text)
            os.close(writing)
            writing = -1
            plaintext, size = _stream(child.stdout), 0
            while chunk := plaintext.read(CHUNK_BYTES):
                size += len(chunk)
                yield chunk
            if _ending(child).size != size:
                raise Transient("the child's plaintext did not arrive whole", code="age:pipe")
    finally:
        for descriptor in (reading, writing):
            if descriptor >= 0:
                os.close(descriptor)


def _revealed(identity: Secret) -> str:
    try:
        return identity.reveal()
    except SecretUnavailable as error:
        raise Unauthorised("the identity cannot be read", code="vault:identity") from error


@contextmanager
def _child(
    *arguments: str,
    stdin: int | IO[bytes],
    stdout: int,
    pass_fds: tuple[int, ...] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the child and, whatever happens, leave none behind."""
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and file, arguments never from outside
        [sys.executable, "-I", age_child.__file__, *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        env={},
        cwd="/",
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        child.wait()


def _ending(child: subprocess.Popen[bytes]) -> Measure:
    """Read what the child says of its work. Raises the fault its code stands for."""
    said = _stream(child.stderr).read(CHUNK_BYTES)
    code = child.wait()
    if code in _FAULTS:
        fault, message = _FAULTS[code]
        raise fault(message, code=f"age:{code}")
    if code != age_child.DONE:
        raise Transient("the encrypting process ended early", code=f"age:{code}")
    try:
        document = json.loads(said)
        return Measure(int(document["size"]), str(document["sha256"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Malformed("the encrypting process said nothing readable", code="age:said") from error


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("opened as a pipe above")
    return stream
