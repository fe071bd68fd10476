"""Records and chains: one canonical form, salted commitments, erasure, and no gap."""

import json
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from reconcile.evidence import standalone
from reconcile.evidence.chain import CLOSING, ChainTip, check_end, follow, linked
from reconcile.evidence.encoding import canonical, parse_canonical
from reconcile.evidence.errors import NotVerified, UnfitValue
from reconcile.evidence.record import Record

KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)


def salts(size: int) -> bytes:
    return bytes(range(size))


@given(VALUES)
def test_canonical_form_is_rfc_8785(value: Any) -> None:
    """Our fast form, the standalone verifier's and an independent JCS library agree, and it comes
    back.
    """
    form = canonical(value)
    assert form == rfc8785.dumps(value)
    assert form == standalone.canonical(value)
    assert parse_canonical(form) == value
    assert standalone.parse(form) == value


class Word(StrEnum):
    """A closed set of one word."""

    DONE = "done"


def test_words_of_closed_sets_are_strings() -> None:
    """A StrEnum stands in evidence as its value; a tuple as an array."""
    assert (
        canonical({"outcome": Word.DONE, "list": (1, "a")}) == b'{"list":[1,"a"],"outcome":"done"}'
    )


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, -(2**53), b"bytes", {1: 2}, {"\u00e9": 1}, {"a": {1, 2}}, "\ud800"],
    ids=repr,
)
def test_what_evidence_cannot_hold_is_refused(value: Any) -> None:
    """Floats, huge integers, bytes, odd keys, sets and half characters, at any depth."""
    shapes: tuple[Any, ...] = (value, [value], {"a": [value]})
    for nested in shapes:
        with pytest.raises(UnfitValue):
            canonical(nested)


def test_endless_nesting_is_refused() -> None:
    """Depth is bounded when writing and when reading, in both verifiers."""
    value: list[Any] = []
    for _ in range(40):
        value = [value]
    with pytest.raises(UnfitValue):
        canonical(value)
    for raw in (json.dumps(value).encode(), b"[" * 100_000):
        with pytest.raises(NotVerified):
            parse_canonical(raw)
        with pytest.raises(standalone.NotVerified):
            standalone.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'"\\u0041"',
        b"1.0",
        b"1e3",
        b"NaN",
        b"-0",
        b"9007199254740992",
        b"1" * 5000,
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b"\xff",
        b"",
    ],
)
def test_json_of_another_spelling_is_refused(raw: bytes) -> None:
    """Duplicate keys, other orders, white space, escapes, floats: one spelling only, in both
    verifiers.
    """
    with pytest.raises(NotVerified):
        parse_canonical(raw)
    with pytest.raises(standalone.NotVerified):
        standalone.parse(raw)


@given(OBJECTS, OBJECTS)
def test_a_record_comes_back_and_both_verifiers_compute_its_entry(
    control: Any, person: Any
) -> None:
    """Encode, decode, encode: the same bytes and the same 32-byte entry."""
    record = Record.create(control, person, salts)
    raw = record.encode()
    assert Record.decode(raw) == record
    assert parse_canonical(raw) == json.loads(raw)
    assert standalone.record_entry(raw) == (control, False, record.entry)
    assert len(record.entry) == 32


@given(OBJECTS, OBJECTS)
def test_an_erased_record_keeps_its_entry(control: Any, person: Any) -> None:
    """Without person and salt the entry is the same, and nothing of the person is left."""
    record = Record.create(control, person, salts)
    erased = Record.restore(record.control, record.control_salt, None, record.person_commit)
    assert erased.erased
    assert erased.entry == record.entry
    assert Record.decode(erased.encode()) == erased
    assert standalone.record_entry(erased.encode())[1:] == (True, record.entry)


def test_equal_parts_have_unequal_entries() -> None:
    """The salts hide what the parts are: the same fact twice gives two unrelated entries."""
    sources = iter([b"\1" * 64, b"\2" * 64])
    first, second = (Record.create({"a": 1}, {"b": 2}, lambda _: next(sources)) for _ in range(2))
    assert first.entry != second.entry
    assert first.person_commit != second.person_commit


def fields(**changes: Any) -> bytes:
    """A record file with some fields changed, still in canonical form."""
    stored = json.loads(Record.create({"a": 1}, {"b": 2}, salts).encode())
    stored.update(changes)
    return canonical({name: value for name, value in stored.items() if value is not ...})


@pytest.mark.parametrize(
    "raw",
    [
        fields(person={"b": 3}),
        fields(person_salt="00" * 32),
        fields(person=None),
        fields(person_salt=None),
        fields(person=[]),
        fields(control=[]),
        fields(control=...),
        fields(more=1),
        fields(control_salt="00"),
        fields(control_salt="AB" * 32),
        fields(person_commit=None),
        fields(person_commit="00" * 32),
        b"[]",
        b"{}",
    ],
)
def test_a_changed_person_part_or_field_is_refused(raw: bytes) -> None:
    """Both verifiers refuse a record whose person part is not what was committed to."""
    with pytest.raises(NotVerified):
        Record.decode(raw)
    with pytest.raises(standalone.NotVerified):
        standalone.record_entry(raw)


def test_a_changed_control_part_has_another_entry() -> None:
    """The control part cannot be changed under the same entry."""
    original = Record.create({"a": 1}, {"b": 2}, salts)
    assert Record.decode(fields(control={"a": 2})).entry != original.entry


def test_a_record_beyond_the_bound_is_refused() -> None:
    """Backups and dumps belong into the vault, not into evidence."""
    with pytest.raises(UnfitValue, match="vault"):
        Record.create({}, {"dump": "x" * 4_000_001}, salts)


def chained(types: list[str], case: str = "case-1") -> list[Record]:
    """A chain with these types."""
    tip, records = ChainTip(), []
    for kind in types:
        control = linked(case, tip, kind, "2026-01-01T00:00:00Z", {"outcome": "done"})
        records.append(Record.create(control, {}, salts))
        tip = ChainTip(tip.seq + 1, records[-1].entry)
    return records


def walk(records: list[Record], case: str = "case-1") -> ChainTip:
    tip = ChainTip()
    for record in records:
        tip = follow(case, tip, record)
    return tip


def test_a_chain_is_followed_to_its_counted_end() -> None:
    """An unbroken chain leads to its tip, and its last record counts all."""
    records = chained(["case.opened", "effect.recorded", CLOSING])
    assert walk(records) == ChainTip(3, records[-1].entry)
    assert check_end(records, may_be_open=False)
    assert json.loads(records[-1].control)["records"] == 3


def test_an_open_chain_is_accepted_only_on_request() -> None:
    """A missing end may be a dropped end."""
    records = chained(["case.opened", "effect.recorded"])
    assert not check_end(records, may_be_open=True)
    with pytest.raises(NotVerified):
        check_end(records, may_be_open=False)


@pytest.mark.parametrize("types", [["a", CLOSING, "b"], [CLOSING, CLOSING]])
def test_a_closing_record_that_is_not_the_one_last_is_refused(types: list[str]) -> None:
    """Nothing follows the end, even where the chain may be open."""
    for may_be_open in (True, False):
        with pytest.raises(NotVerified):
            check_end(chained(types), may_be_open=may_be_open)


@given(st.integers(2, 6), st.data())
def test_a_dropped_swapped_or_repeated_record_breaks_the_chain(
    length: int, data: st.DataObject
) -> None:
    """Any record missing from the middle, out of order or twice is found."""
    records = chained(["effect.recorded"] * length)
    at = data.draw(st.integers(0, length - 2))
    dropped = records[:at] + records[at + 1 :]
    swapped = [*records[:at], records[at + 1], records[at], *records[at + 2 :]]
    repeated = [*records[: at + 1], *records[at:]]
    for broken in (dropped, swapped, repeated):
        with pytest.raises(NotVerified):
            walk(broken)


def test_a_record_of_another_case_is_refused() -> None:
    """A record fits into its own case's chain only."""
    with pytest.raises(NotVerified, match="another case"):
        walk(chained(["case.opened"], case="case-2"))


@pytest.mark.parametrize(
    "change", [{"v": True}, {"v": 2}, {"seq": True}, {"seq": "1"}, {"at": 1}, {"type": None}]
)
def test_a_control_part_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    """True is not 1, and a record says what and when."""
    control = {**linked("case-1", ChainTip(), "a", "b", {}), **change}
    with pytest.raises(NotVerified):
        walk([Record.create(control, {}, salts)])


def test_reserved_names_cannot_be_set_from_outside() -> None:
    """A caller cannot forge the link of a record."""
    with pytest.raises(UnfitValue, match="seq"):
        linked("case-1", ChainTip(), "a", "b", {"seq": 9})
