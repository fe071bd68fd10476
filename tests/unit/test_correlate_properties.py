"""What holds of every verdict, whatever systems and people are called."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from connectors.contract import Account, AccountKind, Identifier, IdentityKey, Subject
from reconcile.alike import fold, fold_number, looks_like, skeleton
from reconcile.correlate import (
    DEFAULT_RULES,
    Known,
    Match,
    Reason,
    Rule,
    Rules,
    Standing,
    correlate,
    judge,
)

PROPERTY = settings(max_examples=150, deadline=None)
HOMOGLYPHS = {
    "a": "\u0430", "c": "\u0441", "e": "\u0435", "i": "\u0456", "l": "1", "o": "\u043e",
    "p": "\u0440", "s": "\u0455", "x": "\u0445", "y": "\u0443", "0": "O", "1": "l",
}  # fmt: skip
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
plain = st.text("aceilopsxy013", min_size=1, max_size=10)
numbers = st.text("0123456789", min_size=1, max_size=8)
names = st.sampled_from([key for key in IdentityKey if key != IdentityKey.EMPLOYEE_NUMBER])


def _proves(subject: Subject, shown: Identifier) -> bool:
    """Nobody's immutable id is known here, so only these two can prove anything."""
    if shown.key is IdentityKey.PERSON_ID:
        return shown.value.strip() == subject.person_id
    number = shown.key is IdentityKey.EMPLOYEE_NUMBER
    return number and fold_number(shown.value) == subject.employee_number


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    """People of whom HR knows everything."""
    return Subject(
        "E-1", person_id="P-1", employee_number=draw(numbers), emails=(draw(plain) + "@x.test",),
        upn=draw(plain) + "@y.test", names=(draw(plain),), logins=(draw(plain),),
    )  # fmt: skip


@st.composite
def accounts(draw: st.DrawFn, subject: Subject) -> Account:
    """Accounts that share as many words with the subject as chance gives them."""
    known = (*subject.emails, subject.upn, *subject.names, *subject.logins, subject.person_id)
    value = st.one_of(words, st.sampled_from(known))
    shown = draw(st.lists(st.builds(Identifier, names, value), max_size=5))
    for number in draw(st.lists(st.one_of(numbers, st.just(subject.employee_number)), max_size=2)):
        shown.append(Identifier(IdentityKey.EMPLOYEE_NUMBER, number))
    return Account(
        "door",
        draw(st.sampled_from(["a", "b", "c", "d"])),
        draw(value),
        draw(st.sampled_from(AccountKind)),
        draw(st.sampled_from(["mail", "login", "extension"])),
        draw(st.integers(0, 100)),
        identifiers=tuple(shown),
    )


@st.composite
def companies(draw: st.DrawFn) -> tuple[Known, list[Account], Rules]:
    """A person, what was found for them, and rules in some order."""
    subject = draw(subjects())
    found = draw(st.lists(accounts(subject), max_size=5))
    signed = st.frozensets(st.sampled_from(["a", "b", "c", "d"]), max_size=2)
    extra = Rule(Match.PATTERN, 40, "adm-{login}", AccountKind.ADMIN)
    rules = Rules(
        tuple(draw(st.permutations([*DEFAULT_RULES, extra]))), ask_from=draw(st.integers(1, 99))
    )
    return Known(subject, (), draw(signed), draw(signed)), found, rules


@PROPERTY
@given(companies(), st.randoms())
def test_the_order_of_what_was_found_says_nothing(
    company: tuple[Known, list[Account], Rules], chance: object
) -> None:
    """Pages may come in any order, and an account may come twice."""
    known, found, rules = company
    shuffled = [*found, *found[:1]]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert correlate(found, known, rules) == correlate(shuffled, known, rules)


@PROPERTY
@given(companies())
def test_sure_is_always_proven(company: tuple[Known, list[Account], Rules]) -> None:
    """A number, an id, a person's word, or a connector that shows no identity: nothing else."""
    known, found, rules = company
    for verdict in correlate(found, known, rules):
        account = verdict.account
        proven = any(_proves(known.subject, each) for each in account.identifiers)
        word = account.native_id in known.approved
        blind = not account.identifiers
        if verdict.standing is Standing.SURE:
            assert account.confidence == 100
            assert proven or word or blind
        else:
            assert account.confidence < 100


@PROPERTY
@given(companies(), numbers)
def test_a_foreign_number_never_matches(
    company: tuple[Known, list[Account], Rules], number: str
) -> None:
    """Whatever else agrees: rejected, or asked about where an id or a person says otherwise."""
    known, found, rules = company
    assume(fold_number(number) != fold_number(known.subject.employee_number))
    for account in found:
        kept = [
            each for each in account.identifiers
            if each.key not in {IdentityKey.EMPLOYEE_NUMBER, IdentityKey.PERSON_ID}
        ]  # fmt: skip
        foreign = replace(
            account,
            identifiers=(*kept, Identifier(IdentityKey.EMPLOYEE_NUMBER, number)),
            confidence=100,
        )
        verdict = judge(foreign, known, rules)
        if account.native_id in known.approved:
            assert (verdict.standing, verdict.reason) == (
                Standing.CANDIDATE, Reason.CONTRADICTORY,
            )  # fmt: skip
        elif verdict.reason is not Reason.LOOK_ALIKE:
            assert (verdict.standing, verdict.reason) == (
                Standing.REJECTED, Reason.ANOTHERS_NUMBER,
            )  # fmt: skip


@PROPERTY
@given(subjects(), st.data())
def test_a_look_alike_is_never_sure(subject: Subject, data: st.DataObject) -> None:
    """One homoglyph anywhere in login, address or number, and nothing is believed."""
    kind = data.draw(
        st.sampled_from([IdentityKey.LOGIN, IdentityKey.MAIL, IdentityKey.EMPLOYEE_NUMBER])
    )
    original = {
        IdentityKey.LOGIN: subject.logins[0],
        IdentityKey.MAIL: subject.emails[0],
        IdentityKey.EMPLOYEE_NUMBER: subject.employee_number,
    }[kind]
    places = [index for index, char in enumerate(original) if char in HOMOGLYPHS]
    assume(places)
    place = data.draw(st.sampled_from(places))
    alike = original[:place] + HOMOGLYPHS[original[place]] + original[place + 1 :]
    assert looks_like(alike, original)
    login = alike if kind is IdentityKey.LOGIN else "elsewhere"
    account = Account("door", "a", login, confidence=100, identifiers=(Identifier(kind, alike),))
    verdict = judge(account, Known(subject), Rules())
    assert verdict.standing is not Standing.SURE
    assert verdict.account.confidence < 100


@PROPERTY
@given(words)
def test_spelling_of_the_same_word_is_the_same_word(word: str) -> None:
    """Case, composition, width and outer blanks do not count; folding twice is folding once."""
    folded = fold(word)
    assert fold(folded) == folded
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(unicodedata.normalize(form, word)) == folded
    assert fold(f"  {word}\u3000") == folded
    assert not looks_like(word, f" {word} ")


@PROPERTY
@given(numbers, numbers)
def test_different_numbers_do_not_look_alike(one: str, other: str) -> None:
    """Digits are told apart: the table makes no two of them the same."""
    assume(one != other)
    assert skeleton(one) != skeleton(other)
    assert not looks_like(one, other)
