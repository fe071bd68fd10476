"""Scrambles, pre-images, fingerprints, Kerberos times and LDIF: small things that must be exact."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors._directory.entries import Change, Edit, Entry
from connectors._directory.ldif import ldif
from connectors._directory.preimage import pack, unpack
from connectors.contract import Account, HoldingState
from connectors.faults import Malformed
from connectors.ldap import own
from connectors.ldap.settings import Product
from connectors.ldap.sign_in import is_scramble, scramble_value

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACCOUNT = Account("directory", "id-1", "lmeyer")
KEY = b"ssh-ed25519 AAAAC3Nza work laptop"


def ssha(password: bytes, salt: bytes) -> bytes:
    """A real salted hash."""
    return b"{SSHA}" + base64.b64encode(hashlib.sha1(password + salt).digest() + salt)  # noqa: S324 - the scheme's own


def test_our_scramble_is_recognised() -> None:
    """A reader with the right to see hashes can prove that no password is stored."""
    assert is_scramble(scramble_value(Product.OPENLDAP, lambda count: b"\x07" * count))


@pytest.mark.parametrize(
    "stored",
    [ssha(b"secret", b"salt1234"), b"secret", b"{CRYPT}!", b"{SSHA}", b"{SSHA}%%%", b"", b"}"],
)
def test_other_hashes_are_no_scramble(stored: bytes) -> None:
    """Anything else may still be somebody's password."""
    assert not is_scramble(stored)


def test_clear_scramble_is_long_and_fresh() -> None:
    """Where hashes are not accepted, a long random password is stored."""
    made = {scramble_value(Product.THREE_EIGHT_NINE, lambda n: bytes([n % 7]) * n) for _ in "ab"}

    assert all(len(value) > 40 for value in made)


@given(st.lists(st.binary(max_size=40)))
def test_pre_images_are_lossless(values: list[bytes]) -> None:
    """What is put back is byte for byte what was."""
    assert unpack({"name": pack(values)}, "name") == tuple(values)


@pytest.mark.parametrize("damaged", ["text", 7, ["no base64!"], [None]])
def test_damaged_pre_image_is_refused(damaged: object) -> None:
    """Nothing is restored from an image that cannot be read."""
    with pytest.raises(Malformed):
        unpack({"name": damaged}, "name")  # type: ignore[dict-item]


def test_key_comment_does_not_make_another_key() -> None:
    """A key keeps its identity when its comment is edited."""
    other = b"ssh-ed25519 AAAAC3Nza renamed"

    assert own.fingerprint("sshPublicKey", KEY) == own.fingerprint("sshPublicKey", other)
    assert own.fingerprint("sshPublicKey", KEY) != own.fingerprint("sshPublicKey", b"AAAAother")


def test_each_value_is_a_holding_that_can_be_found_again() -> None:
    """Two keys are two holdings, each addressed by what it is."""
    entry = Entry("uid=x", {"sshpublickey": (KEY, b"ssh-rsa AAAAB3 home")})
    found = list(own.holdings(ACCOUNT, entry, NOW, timedelta(hours=10), images=True))

    assert len(found) == 2
    assert {own.value_of(entry, one.native_id) for one in found} == {
        ("sshPublicKey", KEY),
        ("sshPublicKey", b"ssh-rsa AAAAB3 home"),
    }
    assert own.value_of(Entry("uid=x"), found[0].native_id) is None


def test_locking_role_is_no_grant() -> None:
    """The role that disables an account gives nothing."""
    roles = (b"cn=nsManagedDisabledRole,dc=example", b"cn=buyers,dc=example")
    entry = Entry("uid=x", {"nsroledn": roles})

    labels = [one.label for one in own.holdings(ACCOUNT, entry, NOW, timedelta(), images=False)]
    assert labels == ["cn=buyers,dc=example"]


@pytest.mark.parametrize(
    ("expiration", "state"),
    [
        ((), HoldingState.LIVE),
        ((b"20260301115900Z",), HoldingState.CONTAINED),
        ((b"20270101000000Z",), HoldingState.LIVE),
        ((b"soon",), HoldingState.LIVE),
    ],
)
def test_principal_is_contained_only_by_a_past_expiry(
    expiration: tuple[bytes, ...], state: HoldingState
) -> None:
    """A date we cannot read is not a date in the past."""
    entry = Entry(
        "uid=x", {"krbprincipalname": (b"x@EXAMPLE.COM",), "krbprincipalexpiration": expiration}
    )
    (principal,) = own.holdings(ACCOUNT, entry, NOW, timedelta(hours=10), images=False)

    assert principal.state is state


def test_tickets_outlive_the_expiry_by_their_life() -> None:
    """The residual clock counts from the moment we stopped new tickets."""
    entry = Entry("uid=x", {"krbprincipalname": (b"x@EXAMPLE.COM",)})
    (change,) = own.expire(entry, NOW)
    assert change == Change(Edit.REPLACE, "krbPrincipalExpiration", (b"20260301115500Z",))

    after = Entry("uid=x", dict(entry.attributes) | {"krbprincipalexpiration": change.values})
    (principal,) = own.holdings(ACCOUNT, after, NOW, timedelta(hours=10), images=False)
    assert principal.residual_until == NOW + timedelta(hours=10)
    assert own.expire(after, NOW) == []


def test_ldif_encodes_what_is_not_safe() -> None:
    """RFC 2849: values that could be misread go as base64."""
    entry = Entry("cn=Zoë", {"cn": ("Zoë".encode(),), "sn": (b" blank", b"ok: fine"), "x": (b"",)})

    lines = ldif(entry).decode().splitlines()

    assert lines[0] == "dn:: " + base64.b64encode("cn=Zoë".encode()).decode()
    assert "sn:: " + base64.b64encode(b" blank").decode() in lines
    assert "sn: ok: fine" in lines
    assert "x: " in lines


@given(st.binary(max_size=30))
def test_ldif_gives_every_value_back(value: bytes) -> None:
    """Whatever a value is, a reader of LDIF gets the same bytes."""
    line = ldif(Entry("cn=x", {"a": (value,)})).split(b"\n")[1]
    name, _, rest = line.partition(b":")
    read = base64.b64decode(rest[2:]) if rest.startswith(b": ") else rest[1:]

    assert (name, read) == (b"a", value)
