"""The nouns of the contract, and the one function in it: reading all pages or saying it was not."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import (
    KINDS,
    Canary,
    Card,
    Credential,
    Holding,
    Kind,
    Page,
    ReadEnd,
    Reading,
    Stage,
    Support,
    gather,
    kind,
)

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)


def end(*, complete: bool = True, seen: bool = True, gaps: tuple[str, ...] = ()) -> ReadEnd:
    """Make the end of a read."""
    return ReadEnd(complete, Canary("canary", seen), NOW, Credential.VERIFY, gaps)


@given(pages=st.lists(st.lists(st.integers(), max_size=3).map(tuple), min_size=1, max_size=5))
def test_all_pages_are_gathered_in_order(pages: list[tuple[int, ...]]) -> None:
    """However a read is cut into pages, the items and their order are the same."""
    stream = [Page(items) for items in pages[:-1]] + [Page(pages[-1], end())]

    reading = gather(stream)

    assert reading.items == tuple(item for items in pages for item in items)
    assert (reading.blind, reading.read_at, reading.credential) == ("", NOW, Credential.VERIFY)


@given(
    pages=st.lists(
        st.tuples(st.lists(st.integers(), max_size=2).map(tuple), st.booleans()), max_size=5
    )
)
def test_only_a_single_end_on_the_last_page_is_a_complete_read(
    pages: list[tuple[tuple[int, ...], bool]],
) -> None:
    """No end, an end too early, or two of them: the read is blind (Law 2)."""
    reading = gather(Page(items, end() if ends else None) for items, ends in pages)

    whole = [ends for _, ends in pages] == [False] * (len(pages) - 1) + [True] and bool(pages)
    assert (reading.blind == "") == whole


def test_an_empty_stream_is_blind() -> None:
    """Nothing at all was said, so nothing may be concluded (Law 2)."""
    assert gather(iter([])).blind == "the read was cut short"


def test_a_reading_sees_only_when_all_three_hold() -> None:
    """Complete, canary seen, no gaps: one missing makes it blind, with the reason."""
    for complete, seen, gaps in product((True, False), (True, False), ((), ("aliases",))):
        blind = gather([Page((), end(complete=complete, seen=seen, gaps=gaps))]).blind
        if not complete:
            assert blind == "the read was cut short"
        elif not seen:
            assert blind == "the canary was not seen"
        elif gaps:
            assert blind == "not readable: aliases"
        else:
            assert blind == ""


def test_a_reading_without_canary_is_blind() -> None:
    """A reading that somebody built without a canary closes nothing."""
    assert Reading((), complete=True, canary=None, read_at=NOW, credential=None).blind


def test_a_fault_in_the_middle_is_not_swallowed() -> None:
    """What a stream raises comes out of gather; half a read is never returned."""

    def breaks() -> "list[Page[int]]":
        raise RuntimeError("page 2")

    with pytest.raises(RuntimeError, match="page 2"):
        gather(page for part in ([Page((1,))], None) for page in (part or breaks()))


def test_the_vocabulary_is_closed() -> None:
    """A word that is not in it is refused; each word in it is one or two lower-case parts."""
    for word in KINDS:
        assert kind(word) == word
        assert word.replace("_", "").replace(".", "", 1).isalpha()
        assert word == word.lower()
    for wrong in ("", "account", "credential.*", "Account.person", "grant.group "):
        with pytest.raises(ValueError, match="not a kind of holding"):
            kind(wrong)


def test_no_kind_is_a_family_too() -> None:
    """A policy's `data.*` never means a holding of kind `data` itself."""
    families = {word.partition(".")[0] for word in KINDS if "." in word}

    assert families & KINDS == set()


def test_a_holding_is_known_by_account_kind_and_native_id() -> None:
    """State, label and pre-image do not change which holding it is."""
    one = Holding("a", Kind("alias"), "1", label="sales")
    other = Holding("a", Kind("alias"), "1", label="support", restore={"state": "live"})

    assert one.key == other.key == "a|alias|1"
    assert one.key != Holding("b", Kind("alias"), "1").key


def test_a_card_finds_the_support_of_a_kind() -> None:
    """What is not declared is not supported."""
    alias = Support(Kind("alias"), frozenset({Stage.REVOKE}))
    card = Card("example", (alias,), timedelta(0))

    assert card.support(Kind("alias")) is alias
    assert card.support(Kind("session")) is None


def test_the_stages_stand_in_the_order_of_a_case() -> None:
    """Contain first, destroy last: code that walks the stages walks them in this order."""
    assert list(Stage) == ["contain", "preserve", "transfer", "revoke", "destroy"]
