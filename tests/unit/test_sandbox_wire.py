"""The lowest rooms of the fake directory: BER, names, filters and stored passwords."""

import contextlib
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deprovisioner.sandbox.directory import ber, protocol
from deprovisioner.sandbox.directory.names import InvalidNameError, key_of, pretty
from deprovisioner.sandbox.directory.passwords import matches, ssha
from deprovisioner.sandbox.directory.session import Session
from deprovisioner.sandbox.fake_directory import fake_directory
from deprovisioner.sandbox.running import new_company


@given(st.integers(min_value=-(2**31), max_value=2**31 - 1))
def test_integers_come_back(number: int) -> None:
    """Every number that LDAP can carry is read as it was written."""
    (element,) = ber.elements(ber.integer(number))

    assert element.integer() == number


@given(st.binary(max_size=70_000))
def test_octets_come_back(value: bytes) -> None:
    """Short and long lengths are read as they were written."""
    assert list(ber.elements(ber.octets(value))) == [ber.Element(ber.OCTETS, value)]


@given(st.binary(max_size=200))
def test_nonsense_is_one_error(data: bytes) -> None:
    """Bytes are a message, or they raise the one typed error, nothing else."""
    with contextlib.suppress(ber.MalformedMessageError):
        assert protocol.read_message(data).number <= 2**63


@pytest.fixture(scope="module")
def session() -> Session:
    """A dialogue with a directory, bound as its administrator."""
    company = new_company(lambda: datetime.now(UTC))
    server = fake_directory(company, clock=lambda: datetime.now(UTC), new_id=uuid.uuid4)
    made = Session(server.directory, lambda _data: None, lambda _seconds: None, tls=False)
    made.who = company.administrator.name
    return made


def elements() -> st.SearchStrategy[bytes]:
    """Well-formed BER of any shape, with the tags that LDAP uses."""
    tags = st.sampled_from([1, 2, 4, 10, 0x30, 0x31, 0x80, 0x81, 0x82, 0x87, *range(0xA0, 0xAA)])
    leaves = st.builds(ber.wrap, tags, st.binary(max_size=8) | st.just(b"cn=x,dc=example,dc=com"))
    return st.recursive(
        leaves,
        lambda inner: st.builds(lambda tag, parts: ber.wrap(tag, *parts), tags, st.lists(inner)),
        max_leaves=12,
    )


@given(st.sampled_from(list(protocol.Request)), st.lists(elements(), max_size=8))
def test_a_well_formed_but_senseless_request_is_answered(
    session: Session, request_: protocol.Request, parts: list[bytes]
) -> None:
    """Whatever the parts are, the request is answered or refused as malformed: no thread dies."""
    operation = ber.Element(request_, b"".join(parts))

    with contextlib.suppress(ber.MalformedMessageError):
        assert session.handle(protocol.Message(1, request_, operation, {})) in {"", "end"}


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30))
def test_any_value_survives_a_name(value: str) -> None:
    """A value escaped into a name is the same name however often it is printed."""
    if not value.strip():
        return
    escaped = "".join(f"\\{octet:02X}" for octet in value.encode())
    printed = pretty(f"cn={escaped},dc=example")

    assert pretty(printed) == printed
    assert key_of(printed) == key_of(f"CN={escaped}, DC=example")


@pytest.mark.parametrize("text", ["nonsense", "=x", "cn=a,,dc=b", "cn=a\\", "c n=x", "cn=\\ff"])
def test_what_is_no_name(text: str) -> None:
    """Each of these is refused, not guessed at."""
    with pytest.raises(InvalidNameError):
        key_of(text)


@given(st.text(min_size=1, max_size=30), st.binary(min_size=4, max_size=12))
def test_a_hash_opens_to_its_password_only(password: str, salt: bytes) -> None:
    """{SSHA} opens to the password it was made of and to no other."""
    encodable = password.encode("utf-8", "ignore").decode()
    stored = ssha(encodable, salt)

    assert matches(stored, encodable.encode())
    assert not matches(stored, encodable.encode() + b"x")


@pytest.mark.parametrize("stored", [b"{CRYPT}!", b"{SASL}somebody", b"{SSHA}not base64", b"{SSHA}"])
def test_unknown_schemes_open_to_nobody(stored: bytes) -> None:
    """A value whose scheme cannot be checked never opens."""
    assert not matches(stored, b"!")
    assert not matches(stored, b"")


def test_clear_text_is_compared_as_it_is() -> None:
    """A value without a scheme is the password."""
    assert matches(b"open", b"open")
    assert not matches(b"open", b"Open")
