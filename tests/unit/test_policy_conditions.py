"""Conditions: checked when loaded, never true by accident."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import KINDS
from policies.expressions import Condition, Verdict, bind, compile_condition
from policies.fields import HOLDING, TERMINATION, Facts
from policies.problems import WordError

FACTS = Facts(
    worker_type="employee",
    org_unit="R&D East",
    role_key="developer",
    urgency="normal",
    last_working_day=date(2026, 12, 18),
    legal_hold=False,
)


def evaluate(source: str, facts: Facts = FACTS) -> Verdict:
    """Compile and evaluate against facts."""
    return compile_condition(source, TERMINATION).evaluate(bind(facts.values(), TERMINATION))


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ('subject.org_unit.startsWith("R&D") && worker.type == "employee"', True),
        ('worker.type in ["contractor", "dispatched"]', False),
        ('urgency != "covert" && !(role_key == "cook")', True),
        ('dates.last_working_day < "2026-12-19"', True),
        ('dates.last_working_day in ["2026-12-31"]', False),
        ("flags.legal_hold", False),
        ("!flags.legal_hold", True),
        ("has(employment.org_unit) && !has(employment.site)", True),
        ("size(role_key) == 9 && role_key.size() > 8", True),
        (r"employment.org_unit.matches(r'^R&D\s')", True),
        (r'employment.org_unit.matches("^R&D\\s")', True),
        ("role_key == 'dev\"'", False),
    ],
)
def test_conditions_hold_or_do_not(source: str, holds: bool) -> None:
    """Every operator and method of the language."""
    assert evaluate(source) == Verdict(holds)


@pytest.mark.parametrize(
    "source",
    [
        'employment.site == "Berlin"',
        'employment.site != "Berlin"',
        '!(employment.site == "Berlin")',
        '!employment.site.startsWith("B")',
        'employment.site == "Berlin" || worker.type == "intern"',
        "!flags.noncompete",
        'dates.termination_date > "2026-01-01"',
    ],
)
def test_what_is_not_known_is_false_with_its_reason(source: str) -> None:
    """A missing field never makes a condition true, negated or not."""
    verdict = evaluate(source)
    assert not verdict.holds
    assert verdict.reason.startswith("not known: ")


def test_a_decided_side_outweighs_a_missing_one() -> None:
    """CEL's own logic: what is missing does not matter where it cannot change the result."""
    assert evaluate('employment.site == "x" || worker.type == "employee"') == Verdict(holds=True)
    assert evaluate('employment.site == "x" && worker.type == "intern"') == Verdict(holds=False)


def test_blank_is_missing() -> None:
    """HR's empty text is no value: it neither equals nor differs from anything."""
    assert evaluate('employment.job != "cook"', Facts(job="")).reason == (
        "not known: employment.job"
    )


@pytest.mark.parametrize(
    ("source", "index", "says", "nearest"),
    [
        ('worker.typ == "x"', 0, "'worker.typ' is not a field of 'match'", "worker.type"),
        ('org_unit == "x"', 0, "'org_unit' is not a field", "subject.org_unit"),
        ('kind == "session"', 0, "'kind' is not a field of 'match'", ""),
        ('employment == "x"', 0, "is a group of fields", ""),
        ('worker.type == "employe"', 15, "is never a value of 'worker.type'", "employee"),
        ('worker.type in ["intern", "boss"]', 26, "'boss' is never a value", ""),
        ("urgency == 1", 11, "a text is compared with a number", ""),
        ("urgency == flags.legal_hold", 11, "a text is compared with a flag", ""),
        ('role_key < "b"', 9, "'<' orders dates and numbers", ""),
        ('worker.type = "x"', 12, "'=' has no meaning", "=="),
        ("true and true", 5, "'and' does not belong here", "&&"),
        ("not true", 0, "'not' is not a word of conditions", "!"),
        ('dates.notice_date < "2026-02-30"', 20, "'2026-02-30' is not a date", ""),
        ("dates.notice_date == role_key", 21, "a date is compared with a text", ""),
        ("role_key", 0, "a text stands where a condition belongs", ""),
        ("!role_key", 1, "a text stands where a condition belongs", ""),
        ("has(role_key)", 4, "has() asks whether a field is known", ""),
        ("has(worker.typ)", 4, "is not a field", "worker.type"),
        ("length(role_key) > 1", 0, "there is no function 'length'", ""),
        ('role_key.startWith("x")', 9, "there is no method 'startWith'", "startsWith"),
        ("role_key.startsWith(1)", 20, "a number stands where a text belongs", ""),
        ('role_key.matches("(")', 17, "is not a regular expression", ""),
        ('false && role_key.matches("[")', 26, "is not a regular expression", ""),
        ("role_key.matches(urgency)", 17, "takes a pattern written here", ""),
        ("role_key == null", 12, "there is no null", ""),
        ('role_key in ["a", 1]', 18, "a number in a list of text", ""),
        ('role_key in "a"', 12, "needs a list", ""),
        ('["a"] == ["a"]', 0, "a list cannot be compared", ""),
        ('role_key == "a" == true', 16, "'==' does not belong here", ""),
        ('role_key == "a', 12, "text without its closing quote", ""),
        ('role_key == "\\q"', 13, "is not an escape here", ""),
        ('(role_key == "a"', 16, "the condition ends too early", ""),
        ('role_key + "a" == "b"', 9, "'+' has no meaning", ""),
        ('["a"].exists(x, x == "a")', 6, "there is no method 'exists'", ""),
        ("", 0, "the condition ends too early", ""),
        ("(" * 30 + "true" + ")" * 30, 25, "nested too deep", ""),
        ("!" * 30 + "true", 25, "nested too deep", ""),
        ("true || " * 200 + "true", 0, "the condition has", ""),
    ],
)
def test_mistakes_are_found_when_loaded(source: str, index: int, says: str, nearest: str) -> None:
    """Where, what and the nearest right word, before any leaver depends on it."""
    with pytest.raises(WordError) as caught:
        compile_condition(source, TERMINATION)
    error = caught.value
    assert says in error.message
    assert (error.index, error.nearest) == (index, nearest)


def test_holding_rules_have_their_own_fields() -> None:
    """``system``, ``kind`` and ``sole``; a kind outside the vocabulary is refused."""
    condition = compile_condition('system == "gitlab" && sole', HOLDING)
    known = bind({"system": "gitlab", "kind": "session", "sole": True}, HOLDING)
    assert condition.evaluate(known) == Verdict(holds=True)
    with pytest.raises(WordError, match="never a value of 'kind'") as caught:
        compile_condition('kind == "ownership.projct"', HOLDING)
    assert caught.value.nearest == "ownership.project"


def test_every_declared_field_has_its_fact() -> None:
    """A field that nothing could ever fill would be a condition that is always false."""
    assert {one.source for one in TERMINATION.fields.values()} == set(Facts.__slots__)
    values: dict[str, Any] = {
        one.source: {"flag": True, "date": date(2026, 1, 1)}.get(one.type, "x")
        for one in TERMINATION.fields.values()
    }
    full = Facts(**values)
    assert full.values().keys() == TERMINATION.fields.keys()


def compiled(source: str) -> tuple[Condition | None, WordError | None]:
    """The condition, or its refusal."""
    try:
        return compile_condition(source, TERMINATION), None
    except WordError as error:
        return None, error


_PART = st.sampled_from(
    [
        *TERMINATION.fields,
        *sorted(KINDS)[:2],
        *("&&", "||", "!", "==", "!=", "<", "in", "(", ")", "[", "]", ",", ".", "has", "size"),
        *(
            '"x"',
            "'2026-01-01'",
            "1",
            "true",
            "null",
            ".matches(",
            ".startsWith(",
            "\\",
            '"',
            "and",
        ),
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(_PART, max_size=12).map(" ".join)))
def test_any_text_is_a_condition_or_a_refusal(source: str) -> None:
    """No crash and no hang; what is accepted decides, and only ever true or false."""
    condition, refusal = compiled(source)
    if condition is None:
        assert refusal is not None
        assert 0 <= refusal.index <= len(source)
        return
    for facts in (Facts(), FACTS):
        verdict = condition.evaluate(bind(facts.values(), TERMINATION))
        assert verdict.reason == "" or verdict.reason.startswith("not known: ")


_ATOMS = {
    'role_key == "developer"': True,
    'worker.type == "intern"': False,
    'dates.last_working_day > "2027-01-01"': False,
    "has(employment.org_unit)": True,
    "true": True,
    "!flags.legal_hold": True,
}


@st.composite
def _formulas(draw: st.DrawFn, depth: int = 3) -> tuple[str, bool]:
    """A condition over known facts, with the truth computed beside it."""
    shape = draw(st.sampled_from(["atom", "not", "and", "or"])) if depth else "atom"
    if shape == "atom":
        return draw(st.sampled_from(sorted(_ATOMS.items())))
    left, left_holds = draw(_formulas(depth=depth - 1))
    if shape == "not":
        return f"!({left})", not left_holds
    right, right_holds = draw(_formulas(depth=depth - 1))
    if shape == "and":
        return f"({left}) && ({right})", left_holds and right_holds
    return f"({left}) || ({right})", left_holds or right_holds


@given(_formulas())
def test_conditions_mean_what_they_say(formula: tuple[str, bool]) -> None:
    """Checker and engine agree on every combination of ``!``, ``&&`` and ``||``."""
    source, holds = formula
    assert evaluate(source) == Verdict(holds)
