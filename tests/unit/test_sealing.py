"""Sealing: one key per case, tied to its place, and gone for good once destroyed."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconcile.sealing import KeyDestroyed, SealBroken, seal, unseal
from reconcile.store import ledger_schema as schema
from reconcile.store.case_keys import CaseKeys
from reconcile.store.database import Database

NOW = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
KEY = bytes(32)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    """A transaction on a fresh database that has the table of keys."""
    database = Database.open(f"sqlite:///{tmp_path / 'db'}")
    with database.begin() as connection:
        schema.case_keys.create(connection)
        yield connection
    database.close()


@pytest.fixture
def keys() -> CaseKeys:
    """Keys under some key-encryption key."""
    return CaseKeys(b"k" * 32, lambda: NOW, secrets.token_bytes)


def stored(connection: sa.Connection) -> sa.Row[tuple[str, bytes | None, float, float | None]]:
    return connection.execute(sa.select(schema.case_keys)).one()


def test_a_sealed_value_opens_only_where_it_belongs() -> None:
    """Another key, another place or a changed byte: refused, and the error says nothing."""
    sealed = seal(KEY, b"li.wei", "case-1/1", secrets.token_bytes)
    assert unseal(KEY, sealed, "case-1/1") == b"li.wei"
    assert b"li.wei" not in sealed
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for key, value, place in (
        (b"x" * 32, sealed, "case-1/1"),
        (KEY, sealed, "case-1/2"),
        (KEY, changed, "case-1/1"),
        (KEY, b"", "case-1/1"),
        (KEY, sealed[:12], "case-1/1"),
    ):
        with pytest.raises(SealBroken, match="cannot be opened"):
            unseal(key, value, place)


def test_a_nonce_is_never_used_twice() -> None:
    """The same value sealed twice gives two ciphertexts."""
    values = {seal(KEY, b"same", "place", secrets.token_bytes) for _ in range(50)}
    assert len(values) == 50
    assert len({value[:12] for value in values}) == 50


def test_a_key_is_stored_wrapped_and_comes_back(connection: sa.Connection, keys: CaseKeys) -> None:
    """The key in the table is not the key, and only its own key-encryption key unwraps it."""
    key = keys.create(connection, "case-1")
    row = stored(connection)
    assert row.wrapped is not None
    assert key not in row.wrapped
    assert keys.get(connection, "case-1") == keys.ensure(connection, "case-1") == key
    with pytest.raises(SealBroken):
        CaseKeys(b"o" * 32, lambda: NOW, secrets.token_bytes).get(connection, "case-1")


def test_keys_of_two_cases_cannot_be_swapped(connection: sa.Connection, keys: CaseKeys) -> None:
    """A wrapped key moved to another case's row does not unwrap there."""
    keys.create(connection, "case-1")
    keys.create(connection, "case-2")
    table = schema.case_keys
    wrapped = sa.select(table.c.wrapped).where(table.c.case_id == "case-1").scalar_subquery()
    connection.execute(sa.update(table).where(table.c.case_id == "case-2").values(wrapped=wrapped))
    with pytest.raises(SealBroken):
        keys.get(connection, "case-2")


def test_a_case_has_one_key(connection: sa.Connection, keys: CaseKeys) -> None:
    """A second key would make the first one's data unreadable: refused."""
    keys.create(connection, "case-1")
    with pytest.raises(sa.exc.IntegrityError):
        keys.create(connection, "case-1")


def test_a_destroyed_key_is_gone_and_is_not_made_anew(
    connection: sa.Connection, keys: CaseKeys
) -> None:
    """After erasure neither get nor ensure gives a key; the row says when it went."""
    keys.create(connection, "case-1")
    assert keys.destroy(connection, "case-1")
    assert stored(connection).wrapped is None
    assert stored(connection).destroyed_at == NOW.timestamp()
    for ask in (keys.get, keys.ensure):
        with pytest.raises(KeyDestroyed):
            ask(connection, "case-1")
    assert not keys.destroy(connection, "case-1")
    assert not keys.destroy(connection, "case-2")


def test_an_unknown_case_has_no_key(connection: sa.Connection, keys: CaseKeys) -> None:
    """Never had and no longer has are different answers."""
    with pytest.raises(LookupError):
        keys.get(connection, "case-1")


def test_a_short_key_encryption_key_is_refused() -> None:
    """AES-256 or nothing."""
    with pytest.raises(ValueError, match="32"):
        CaseKeys(b"short", lambda: NOW, secrets.token_bytes)
