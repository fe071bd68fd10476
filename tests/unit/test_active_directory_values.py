"""Values as the domain writes them: times, account flags, ids, rows."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors._directory.entries import Entry
from connectors.active_directory import rows
from connectors.active_directory.residual import disabled_since
from connectors.active_directory.values import (
    CLEARED,
    Flag,
    binary,
    contained,
    filetime,
    generalized,
    guid_dn,
    guid_text,
    immutable_id,
    instant,
    password,
)
from connectors.faults import Malformed


@given(st.integers(-(10**10), 10**11), st.integers(0, 999_999))
def test_times_come_back(seconds: int, microseconds: int) -> None:
    """To ticks and back, to the microsecond."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=microseconds)

    assert instant(str(filetime(at))) == at


@pytest.mark.parametrize("ticks", ["0", "9223372036854775807", "", "soon", "-1", "9" * 40])
def test_never_is_no_time(ticks: str) -> None:
    """Never, nothing and nonsense are no instants; ldap3 makes 1601 and 9999 of them."""
    assert instant(ticks) is None


def test_a_known_time() -> None:
    """116444736000000000 is the beginning of 1970."""
    assert instant("116444736000000000") == datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(0, 2**32 - 1))
def test_contained_flags(flags: int) -> None:
    """Disabled, not delegated, nothing that weakens; all else as stored, and twice is once."""
    now = contained(flags)

    assert now & Flag.DISABLED
    assert now & Flag.NOT_DELEGATED
    assert not now & CLEARED
    touched = CLEARED | Flag.DISABLED | Flag.NOT_DELEGATED
    assert now & ~touched == flags & ~touched
    assert contained(now) == now


def test_a_smart_card_stays_required() -> None:
    """The flag stays: clearing it would let a password in."""
    assert contained(0x200 | Flag.SMART_CARD_REQUIRED) & Flag.SMART_CARD_REQUIRED


@given(st.uuids())
def test_ids_are_the_cloud_s_too(guid: uuid.UUID) -> None:
    """The immutable id of a hybrid user is the id's bytes in base64."""
    octets = guid.bytes_le

    assert guid_text(octets) == str(guid)
    assert guid_dn(str(guid)) == f"<GUID={guid}>"
    assert base64.b64decode(immutable_id(octets)) == octets


def test_damaged_ids_are_malformed() -> None:
    """An id that is none never becomes a name to write to."""
    with pytest.raises(Malformed):
        guid_text(b"short")
    with pytest.raises(Malformed):
        guid_dn("CN=Somebody,DC=example,DC=com")


def test_passwords_and_filters_are_written_as_the_protocol_says() -> None:
    """UTF-16 in quotes; every byte escaped."""
    assert password("Aä") == b'"\0A\0\xe4\0"\0'
    assert binary(b"\x00*)") == "\\00\\2a\\29"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("20261125015904.0Z", datetime(2026, 11, 25, 1, 59, 4, tzinfo=UTC)),
        ("20261125015904Z", datetime(2026, 11, 25, 1, 59, 4, tzinfo=UTC)),
        ("20261399999999.0Z", None),
        ("", None),
    ],
)
def test_generalized_times(text: str, at: datetime | None) -> None:
    """Anything else is no time."""
    assert generalized(text) == at


def test_the_moment_of_disabling_is_the_attribute_s_own() -> None:
    """Replication data say when the flags changed; without them a later moment counts."""
    meta = (
        "<DS_REPL_ATTR_META_DATA><pszAttributeName>userAccountControl</pszAttributeName>"
        "<dwVersion>3</dwVersion><ftimeLastOriginatingChange>2026-11-25T01:00:00Z"
        "</ftimeLastOriginatingChange></DS_REPL_ATTR_META_DATA>"
    )
    changed = (b"20261125030000.0Z",)
    of_both = Entry("", {"msds-replattributemetadata": (meta.encode(),), "whenchanged": changed})
    of_one = Entry("", {"whenchanged": changed})

    first, second = disabled_since(of_both), disabled_since(of_one)

    assert first == datetime(2026, 11, 25, 1, tzinfo=UTC)
    assert second is not None
    assert second - first == timedelta(hours=2)


def test_a_key_is_the_same_after_a_move() -> None:
    """A key link carries the DN of its owner; only the key names it, and undo writes the new DN."""
    before, after = b"B:4:ABCD:CN=a,OU=one", b"B:4:ABCD:CN=a,OU=two"
    name = "msDS-KeyCredentialLink"

    assert rows.fingerprint(name, before) == rows.fingerprint(name, after)
    assert rows.fingerprint(name, before) != rows.fingerprint(name, b"B:4:ABCE:CN=a,OU=one")
    assert rows.bound_to(name, before, "CN=a,OU=two") == after
    assert rows.bound_to("sshPublicKey", before, "CN=a,OU=two") == before


def test_kinds_of_values_and_references() -> None:
    """A mapping that is an SSH key is one; an ownership is of what the object is."""
    (managed,) = [row for row in rows.REFERENCES if row.attribute == "managedBy"]

    assert rows.kind_of_value("altSecurityIdentities", b"SSHKey:ssh-ed25519 AAAA") == rows.SSH_KEY
    assert rows.kind_of_value("altSecurityIdentities", b"X509:<I>a<S>b") == rows.CERTIFICATE
    assert rows.kind_of_reference(managed, ("top", "group")) == rows.OWNED_GROUP
    assert rows.kind_of_reference(managed, ("top", "user", "computer")) == rows.OWNED_DEVICE
    assert rows.kind_of_reference(managed, ("organizationalUnit",)) == rows.OWNED_ENTRY
