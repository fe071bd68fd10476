"""C2SP signed notes (c2sp.org/signed-note v1.0.0): text, blank line, signature lines.

Called by `checkpoint`. The text of a note must be ignored until `open_note` has verified it, which
is why no function here returns the text of an unverified note.
"""

from dataclasses import dataclass
from typing import Final

from reconcile.evidence.encoding import from_base64, to_base64
from reconcile.evidence.errors import NotVerified, UnfitValue
from reconcile.evidence.keys import KEY_ID_SIZE, SigningKey, VerifierKey, check_name

LARGEST_NOTE: Final = 1_000_000
MOST_SIGNATURES: Final = 100
_DASH: Final = "\u2014 "


@dataclass(frozen=True, slots=True)
class _Signature:
    name: str
    key_id: bytes
    payload: bytes


def sign_note(text: str, *signers: SigningKey) -> bytes:
    """The note over ``text`` (which must end in a newline) with one line per signer."""
    _check_characters(text)
    if not text.endswith("\n") or not signers:
        raise UnfitValue("a note needs a final newline and a signer")
    lines = [
        f"{_DASH}{key.name} {to_base64(key.verifier.key_id + key.sign(text.encode()))}\n"
        for key in signers
    ]
    return f"{text}\n{''.join(lines)}".encode()


def open_note(raw: bytes, *trusted: VerifierKey) -> str:
    """The text of a note that at least one trusted key signed.

    Signatures by unknown keys are ignored; a line that claims to be a trusted key's and does not
    verify spoils the whole note.
    """
    text, signatures = _split(raw)
    known = {(key.name, key.key_id): key for key in trusted}
    verified = False
    for signature in signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            key.verify(text.encode(), signature.payload)
            verified = True
    if not verified:
        raise NotVerified("no trusted key signed this note")
    return text


def _split(raw: bytes) -> tuple[str, list[_Signature]]:
    if len(raw) > LARGEST_NOTE:
        raise NotVerified("the note is too large")
    try:
        note = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotVerified("the note is not UTF-8") from error
    _check_characters(note)
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NotVerified("the note has no signatures")
    lines = tail[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise NotVerified("the note has too many signatures")
    return text + "\n", [_parse_line(line) for line in lines]


def _parse_line(line: str) -> _Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise NotVerified("a signature line of the note is malformed")
    check_name(name)
    payload = from_base64(encoded)
    if len(payload) <= KEY_ID_SIZE:
        raise NotVerified("a signature of the note is empty")
    return _Signature(name, payload[:KEY_ID_SIZE], payload[KEY_ID_SIZE:])


def _check_characters(note: str) -> None:
    if any(char < " " and char != "\n" for char in note):
        raise NotVerified("a note holds a control character")
