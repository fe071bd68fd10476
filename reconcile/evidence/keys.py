"""Ed25519 keys in the text forms of C2SP signed notes.

A `VerifierKey` is what an auditor gets by another road than the bundle (contract, printed
fingerprint). A `SigningKey` is the log's own; its text form is a secret and belongs into a vault
or a file of mode 0600. Only signature type 1 (plain Ed25519 notes) is made and understood here;
other types are ignored by notes.
"""

# ruff: noqa: PLR2004 - the numbers are those of Ed25519 and of the format

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconcile.evidence.encoding import from_base64, to_base64
from reconcile.evidence.errors import NotVerified, UnfitValue

ED25519: Final = b"\x01"
KEY_ID_SIZE: Final = 4
_SECRET_PREFIX: Final = "PRIVATE+KEY+"  # noqa: S105 - the marker of the form, not a secret

_PRIME: Final = 2**255 - 19
_ORDER_8_Y: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
# The y of the eight points of low order. Under such a key one signature verifies any message.
_LOW_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _PRIME - 1,
        _ORDER_8_Y,
        _PRIME - _ORDER_8_Y,
    }
)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and an Ed25519 public key; ``str()`` gives ``name+keyid+base64`` (a *vkey*)."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        y = int.from_bytes(self.public, "little") & (2**255 - 1)
        if len(self.public) != 32 or y >= _PRIME or y in _LOW_ORDER_Y:
            raise NotVerified("the public key is no sound Ed25519 key (RFC 8032 section 5.1.3)")

    @property
    def key_id(self) -> bytes:
        """First four bytes of ``SHA256(name || 0x0A || type || public)``."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:KEY_ID_SIZE]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the vkey in groups of four, to be read out and compared."""
        digest = sha256(str(self).encode()).hexdigest()
        return " ".join(digest[at : at + 4] for at in range(0, 64, 4))

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(ED25519 + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """The key of a vkey; `NotVerified` when it is malformed or its id is not its own."""
        name, key_id, encoded = _three_parts(vkey)
        material = from_base64(encoded)
        if material[:1] != ED25519:
            raise NotVerified("the key is of a type that is not understood here")
        key = cls(name, material[1:])
        if key.key_id.hex() != key_id:
            raise NotVerified("the id in the key is not the key's own")
        return key

    def verify(self, message: bytes, signature: bytes) -> None:
        """`NotVerified` unless ``signature`` is this key's over ``message`` (RFC 8032)."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise NotVerified(f"the signature of {self.name} does not verify") from error


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The log's private key. Its representation shows the name only."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.seed) != 32:
            raise UnfitValue("an Ed25519 seed is 32 bytes long")

    @classmethod
    def generate(cls, name: str, token_bytes: Callable[[int], bytes]) -> Self:
        """A new key; ``token_bytes`` must be a cryptographic source: `secrets.token_bytes`."""
        return cls(name, token_bytes(32))

    @classmethod
    def decode(cls, secret: str) -> Self:
        """The key of `encode`'s text; `NotVerified` when malformed (the text is never repeated)."""
        if not secret.startswith(_SECRET_PREFIX):
            raise NotVerified("this is no signing key")
        name, key_id, encoded = _three_parts(secret.removeprefix(_SECRET_PREFIX).strip())
        material = from_base64(encoded)
        if material[:1] != ED25519 or len(material) != 33:
            raise NotVerified("the signing key is of a type that is not understood here")
        key = cls(name, material[1:])
        if key.verifier.key_id.hex() != key_id:
            raise NotVerified("the id in the signing key is not the key's own")
        return key

    def encode(self) -> str:
        """``PRIVATE+KEY+name+keyid+base64``, the form that Go's note package uses. A secret."""
        material = to_base64(ED25519 + self.seed)
        return f"{_SECRET_PREFIX}{self.name}+{self.verifier.key_id.hex()}+{material}"

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        public = self._private().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VerifierKey(self.name, public)

    def sign(self, message: bytes) -> bytes:
        """64 bytes, deterministic (RFC 8032)."""
        return self._private().sign(message)

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def check_name(name: str) -> None:
    """`NotVerified` unless ``name`` may name a key: not empty, no space, no plus, no control
    character.
    """
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise NotVerified("a key name is empty or holds a space, a plus or a control character")


def _three_parts(text: str) -> tuple[str, str, str]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NotVerified("a key is not of the form name+id+base64")
    return parts[0], parts[1], parts[2]
