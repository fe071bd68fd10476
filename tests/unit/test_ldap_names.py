"""How values name a person: folded for comparison, original for action."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors._directory.entries import (
    Entry,
    any_of,
    below,
    equals,
    normal,
    normal_dn,
    same_dn,
)
from connectors.ldap.references import (
    ROW_OF,
    ROWS,
    Identity,
    Names,
    matching,
    names,
    search_filter,
    user_of,
    value_for,
)

DN = "uid=lmeyer,ou=people,dc=example,dc=com"
PERSON = Identity.known(DN, ("lmeyer",), ("lmeyer@example.com",), "10042")


@pytest.mark.parametrize(
    "spelling",
    [
        "UID=LMeyer, OU=People, DC=Example, DC=Com",
        "uid=lmeyer,ou=people,dc=example,dc=com",
        "uid=\\6cmeyer,ou=people,dc=example,dc=com",
        "uid = lmeyer , ou=people,dc=example,dc=com",
    ],
)
def test_spellings_of_one_dn(spelling: str) -> None:
    """Case, blanks and escapes do not make another entry."""
    assert same_dn(DN, spelling)


@pytest.mark.parametrize(
    "other",
    [
        "uid=lmeyer2,ou=people,dc=example,dc=com",
        "uid=lmeyer,ou=people,dc=example,dc=org",
        "uid=lmeyer\\,ou=people,dc=example,dc=com",
        "lmeyer",
        "",
    ],
)
def test_other_dns_stay_others(other: str) -> None:
    """What merely looks alike is not the person."""
    assert not same_dn(DN, other)


def test_escaped_comma_is_one_name() -> None:
    """Both escapes of RFC 4514 name the same entry."""
    assert same_dn("cn=Meyer\\, Lena,dc=example", "cn=meyer\\2c lena,dc=example")


def test_below_counts_whole_names() -> None:
    """A base is an ancestor only at a name's border."""
    assert below(DN, "OU=people,dc=example,dc=com")
    assert below(DN, DN)
    assert not below("uid=x,ou=otherpeople,dc=example", "ou=people,dc=example")
    assert not below("uid=x,ou=xou=people,dc=example", "ou=people,dc=example")


@given(st.text(max_size=40))
def test_folding_any_text_never_fails_and_is_stable(text: str) -> None:
    """Directories hold anything; folding twice is folding once."""
    normal_dn(text)
    assert normal(normal(text)) == normal(text)


@given(st.text(min_size=1, max_size=30))
def test_filters_cannot_be_broken_out_of(value: str) -> None:
    """No value adds a parenthesis or a star to a filter."""
    inside = equals("uid", value)[len("(uid=") : -1]

    assert not set("()*\0") & set(inside)


def test_alternative_of_nothing_is_an_error() -> None:
    """An empty "or" matches nothing and would look like an empty directory."""
    with pytest.raises(ValueError, match="matches nothing"):
        any_of([])


@pytest.mark.parametrize(
    ("style", "text", "is_the_person"),
    [
        (Names.LOGIN, "lmeyer", True),
        (Names.LOGIN, "LMEYER ", True),
        (Names.LOGIN, "\uff4cmeyer", True),
        (Names.LOGIN, "#10042", True),
        (Names.LOGIN, "#1004", False),
        (Names.LOGIN, "%lmeyer", False),
        (Names.LOGIN, "lmeyer2", False),
        (Names.TRIPLE, "(web1,lmeyer,example.com)", True),
        (Names.TRIPLE, "(web2, LMeyer ,)", True),
        (Names.TRIPLE, "(lmeyer,,)", False),
        (Names.TRIPLE, "(,,)", False),
        (Names.TRIPLE, "nonsense", False),
        (Names.MAIL, "LMeyer@Example.com", True),
        (Names.MAIL, "lmeyer", True),
        (Names.MAIL, "lmeyer@example.org", False),
        (Names.DN, f"{DN}#'0101'B", True),
        (Names.AUTHORISATION, f"dn:{DN}", True),
        (Names.AUTHORISATION, f"dn.exact:{DN}", True),
        (Names.AUTHORISATION, "u:lmeyer", True),
        (Names.AUTHORISATION, DN, True),
        (Names.AUTHORISATION, "dn.regex:.*", False),
    ],
)
def test_who_a_value_names(style: Names, text: str, is_the_person: bool) -> None:
    """Each way of naming a person is understood, and only that."""
    assert names(style, PERSON, text) is is_the_person


def test_originals_are_returned_for_action() -> None:
    """Deleting the folded value would leave the original one behind."""
    values = (b"lmeyer", b"LMEYER ", b"skhan")

    assert matching(ROW_OF["memberuid"], PERSON, values) == (b"lmeyer", b"LMEYER ")


def test_nobody_known_matches_nothing() -> None:
    """A gone account whose name somebody else bears names nobody any more."""
    nobody = Identity.known("", ())

    assert not any(
        names(row.names, nobody, text) for row in ROWS for text in ("", DN, "lmeyer", "(,,)", "u:")
    )


def test_search_asks_for_every_row() -> None:
    """Every attribute that can name a person is in the one filter."""
    asked = search_filter(PERSON)

    assert all(f"({row.attribute}=" in asked for row in ROWS)
    assert "(nisNetgroupTriple=*)" in asked


def test_absent_and_empty_attributes_are_the_same() -> None:
    """An attribute without values gives an empty tuple, whatever its case."""
    entry = Entry(DN, {"uid": (b"lmeyer",)})

    assert entry.values("UID") == (b"lmeyer",)
    assert entry.values("manager") == ()
    assert entry.text("manager") == ""


def test_successors_value_fits_the_attribute() -> None:
    """A group by DN gets a DN, one by login a login, an alias an address, a netgroup nothing."""
    assert value_for(ROW_OF["member"], PERSON) == DN.encode()
    assert value_for(ROW_OF["memberuid"], PERSON) == b"lmeyer"
    assert value_for(ROW_OF["rfc822mailmember"], PERSON) == b"lmeyer@example.com"
    assert value_for(ROW_OF["nisnetgrouptriple"], PERSON) == b""


def test_triple_without_user_is_for_everybody() -> None:
    """An empty user field is a wildcard and names nobody in particular."""
    assert user_of("(web1,,example.com)") == ""
