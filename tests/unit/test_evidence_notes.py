"""Keys, signed notes, checkpoints and proofs: what is accepted, and everything that must not be."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.evidence.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from reconcile.evidence.encoding import from_base64
from reconcile.evidence.errors import NotVerified, UnfitValue
from reconcile.evidence.keys import SigningKey, VerifierKey
from reconcile.evidence.note import open_note, sign_note
from reconcile.evidence.proof import TlogProof

KEY = SigningKey("example.com/log", bytes(range(32)))
OTHER = SigningKey("example.com/other", bytes(32))
TEXT = "first\n\nlast\n"


def test_keys_come_back_from_their_text() -> None:
    """Both text forms are read again; the representation of a signing key shows no secret."""
    assert VerifierKey.parse(str(KEY.verifier)) == KEY.verifier
    assert SigningKey.decode(KEY.encode() + "\n") == KEY
    assert KEY.seed.hex() not in repr(KEY)
    assert repr(KEY.seed) not in repr(KEY)
    assert len(KEY.verifier.fingerprint.replace(" ", "")) == 64


def test_a_generated_key_takes_its_seed_from_the_given_source() -> None:
    """Randomness comes in from outside."""
    assert SigningKey.generate("a", lambda size: b"\7" * size).seed == b"\7" * 32


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "+00000000+AQ==",
        "two words+c2bd5fd0+" + "A" * 44,
        str(KEY.verifier).replace("log+", "lag+"),
        str(KEY.verifier)[:-4],
        str(KEY.verifier).replace("+A", "+B", 1),
        str(KEY.verifier).upper(),
    ],
)
def test_a_malformed_vkey_is_refused(vkey: str) -> None:
    """A key whose id, type, length or spelling is wrong is no key."""
    with pytest.raises(NotVerified):
        VerifierKey.parse(vkey)


@pytest.mark.parametrize("secret", ["", "PRIVATE+KEY+a", KEY.encode()[:-4], str(KEY.verifier)])
def test_a_malformed_signing_key_is_refused_without_repeating_it(secret: str) -> None:
    """The error text holds nothing of the secret."""
    with pytest.raises(NotVerified) as caught:
        SigningKey.decode(secret)
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize("seed", [b"", bytes(31)])
def test_a_seed_of_another_length_is_refused(seed: bytes) -> None:
    """Ed25519 seeds have 32 bytes."""
    with pytest.raises(UnfitValue):
        SigningKey("a", seed)


def test_a_note_opens_for_each_of_its_signers() -> None:
    """Two signers (key rotation): either key opens it, an unrelated key does not."""
    note = sign_note(TEXT, KEY, OTHER)
    assert open_note(note, KEY.verifier) == TEXT
    assert open_note(note, OTHER.verifier, KEY.verifier) == TEXT
    with pytest.raises(NotVerified, match="no trusted key"):
        open_note(note, SigningKey("example.com/third", bytes(32)).verifier)


def test_a_known_key_with_a_bad_signature_spoils_the_note() -> None:
    """One good signature does not excuse another trusted key's bad one."""
    good = sign_note(TEXT, KEY, OTHER)
    line = sign_note("something else\n", OTHER).split(b"\n\n")[1]
    spoiled = good[: good.index("\u2014 example.com/other".encode())] + line
    assert open_note(spoiled, KEY.verifier) == TEXT
    with pytest.raises(NotVerified, match="does not verify"):
        open_note(spoiled, KEY.verifier, OTHER.verifier)


def test_unknown_signatures_are_ignored_up_to_a_number() -> None:
    """Sixteen strangers are fine, as the specification demands; a hundred and one are not."""
    note = sign_note(TEXT, KEY)
    stranger = f"\u2014 example.com/witness {base64.b64encode(bytes(80)).decode()}\n".encode()
    assert open_note(note + 16 * stranger, KEY.verifier) == TEXT
    with pytest.raises(NotVerified, match="too many"):
        open_note(note + 100 * stranger, KEY.verifier)


def broken_notes() -> dict[str, bytes]:
    """Notes that are almost right."""
    good = sign_note(TEXT, KEY)
    dash = "\u2014".encode()
    return {
        "no final newline": good[:-1],
        "text changed": good.replace(b"first", b"First"),
        "no signatures": b"first\n\n",
        "no blank line": good.replace(b"\n\n", b"\n"),
        "carriage return": good.replace(b"first\n", b"first\r\n"),
        "tab": good.replace(b"first", b"fir\tst"),
        "not UTF-8": b"\xff" + good,
        "hyphen for the dash": good.replace(dash, b"-"),
        "two spaces": good.replace(dash + b" ", dash + b"  "),
        "blank in base64": good[:-5] + b" " + good[-5:],
        "no padding": good.replace(b"=\n", b"\n"),
        "signature cut": good[:-9] + b"\n",
        "text after the signatures": good + b"more\n",
        "empty signature": b"a\n\n" + dash + b" example.com/log AAAAAA==\n",
        "huge": b"a" * 1_000_001,
    }


@pytest.mark.parametrize("name", broken_notes())
def test_a_note_that_is_almost_right_is_refused(name: str) -> None:
    """Every deviation from the one form is refused."""
    with pytest.raises(NotVerified):
        open_note(broken_notes()[name], KEY.verifier)


@pytest.mark.parametrize("text", ["no newline", "bell\a\n"])
def test_what_cannot_be_a_note_is_not_signed(text: str) -> None:
    """The writer is as strict as the reader."""
    with pytest.raises((UnfitValue, NotVerified)):
        sign_note(text, KEY)


@given(st.binary(max_size=300))
def test_any_bytes_are_either_refused_or_not_a_note(raw: bytes) -> None:
    """No input makes the reader fail in another way than by refusing."""
    with pytest.raises(NotVerified):
        open_note(raw, KEY.verifier)
    with pytest.raises(NotVerified):
        TlogProof.decode(raw)


@given(st.binary(min_size=1, max_size=40))
def test_base64_has_one_spelling(data: bytes) -> None:
    """The canonical spelling is read; the same bytes with loose trailing bits or no padding are
    not.
    """
    text = base64.b64encode(data).decode()
    assert from_base64(text) == data
    if text.endswith("="):
        with pytest.raises(NotVerified):
            from_base64(text.rstrip("="))
        body = text.rstrip("=")
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        loose = alphabet[alphabet.index(body[-1]) + 1]
        with pytest.raises(NotVerified):
            from_base64(body[:-1] + loose + text[len(body) :])


CHECKPOINT = Checkpoint("example.com/log", 5, bytes(32))


def test_a_checkpoint_comes_back() -> None:
    """What was signed is read, under the right key only."""
    raw = sign_checkpoint(CHECKPOINT, KEY)
    assert open_checkpoint(raw, KEY.verifier) == CHECKPOINT
    with pytest.raises(NotVerified):
        open_checkpoint(raw, OTHER.verifier)


@pytest.mark.parametrize(
    "text",
    [
        CHECKPOINT.text + "extension\n",
        CHECKPOINT.text.replace("\n5\n", "\n05\n"),
        CHECKPOINT.text.replace("\n5\n", "\n-5\n"),
        CHECKPOINT.text.replace("\n5\n", "\n\n"),
        CHECKPOINT.text.replace("\n5\n", "\n\u0665\n"),
        CHECKPOINT.text.replace("AAAA", "", 1),
        CHECKPOINT.text.replace("A=\n", "B=\n"),
        "\n5\n" + CHECKPOINT.text.split("\n")[2] + "\n",
        "example.com/log\n5\n",
        CHECKPOINT.text.replace("example.com/log", "example.com/else"),
    ],
)
def test_a_signed_text_that_is_no_checkpoint_of_this_log_is_refused(text: str) -> None:
    """A good signature does not make a checkpoint out of another text."""
    with pytest.raises(NotVerified):
        open_checkpoint(sign_note(text, KEY), KEY.verifier)


@given(st.integers(0, 2**62), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_proof_comes_back(index: int, path: list[bytes]) -> None:
    """Index, path and checkpoint survive the file, byte for byte."""
    proof = TlogProof(index, tuple(path), sign_checkpoint(CHECKPOINT, KEY))
    assert TlogProof.decode(proof.encode()) == proof
    assert TlogProof.decode(proof.encode()).encode() == proof.encode()


GOOD_PROOF = TlogProof(3, (bytes(32),), sign_checkpoint(CHECKPOINT, KEY)).encode()


@pytest.mark.parametrize(
    "raw",
    [
        GOOD_PROOF.replace(b"@v1", b"@v2"),
        GOOD_PROOF.replace(b"index 3", b"index 03"),
        GOOD_PROOF.replace(b"index 3", b"index -3"),
        GOOD_PROOF.replace(b"index 3\n", b"extra AAAA\nindex 3\n"),
        GOOD_PROOF.replace(b"AAAA=", b"AAAB=", 1),
        GOOD_PROOF.replace(b"AAAA", b"", 1),
        GOOD_PROOF.replace(b"\n", b"\r\n"),
        GOOD_PROOF.split(b"\n\n")[0] + b"\n",
        b"c2sp.org/tlog-proof@v1\n\n",
        TlogProof(3, (bytes(32),) * 64, b"").encode(),
    ],
)
def test_a_proof_of_another_form_is_refused(raw: bytes) -> None:
    """One spelling per proof; the unauthenticated extra line is not accepted at all."""
    with pytest.raises(NotVerified):
        TlogProof.decode(raw)
