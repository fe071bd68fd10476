"""Which policy governs a termination, and why not another."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.fields import Facts
from policies.load import PolicySet, Source, load, load_shipped, load_text
from policies.model import Policy
from policies.select import Ambiguous, NoPolicy, Selection, select


def policies(*texts: str) -> PolicySet:
    """Own policies over the shipped ones."""
    shipped = "policy: default\n"
    sources = [Source(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return load([Source("shipped/default.yaml", shipped, shipped=True), *sources])


def why(selection: Selection) -> dict[str, str]:
    """Rejections by name."""
    return dict(selection.rejected)


def test_a_role_key_selects_its_policy() -> None:
    """An explicit role outweighs a match, whatever the priorities."""
    loaded = policies(
        "policy: cooks\nrole: [cook, chef]\npriority: -5\n",
        'policy: staff\nmatch: worker.type == "employee"\npriority: 900\n',
        "policy: drivers\nrole: driver\n",
        "policy: base\n",
    )
    selection = select(loaded.policies, Facts(role_key="chef", worker_type="employee"))
    assert selection.policy.name == "cooks"
    assert selection.reason == "'role' names 'chef'"
    assert why(selection) == {
        "base": "only a parent",
        "default": "governs where nothing else does",
        "drivers": "is for the roles driver",
        "staff": "fits, but 'cooks' names the role",
    }


def test_role_and_match_must_both_hold() -> None:
    """``match`` narrows ``role``."""
    loaded = policies('policy: berlin-cooks\nrole: cook\nmatch: employment.site == "Berlin"\n')
    assert select(loaded.policies, Facts(role_key="cook", site="Berlin")).policy.name == (
        "berlin-cooks"
    )
    elsewhere = select(loaded.policies, Facts(role_key="cook", site="Rome"))
    assert (elsewhere.policy.name, elsewhere.reason) == ("default", "no other policy fits")
    assert why(elsewhere) == {"berlin-cooks": "'match' does not hold"}


def test_a_missing_fact_is_told() -> None:
    """A policy that could not be asked is rejected with what was not known."""
    loaded = policies('policy: a\nmatch: employment.site == "Berlin"\n', "policy: b\nrole: cook\n")
    assert why(select(loaded.policies, Facts())) == {
        "a": "'match' does not hold: not known: employment.site",
        "b": "no role is known",
    }


def test_the_greater_priority_wins() -> None:
    """Among matches of one sort."""
    loaded = policies("policy: a\nmatch: 'true'\n", "policy: b\nmatch: 'true'\npriority: 1\n")
    selection = select(loaded.policies, Facts())
    assert selection.policy.name == "b"
    assert why(selection)["a"] == "fits, but 'b' has priority 1 over 0"


def test_a_tie_is_a_question_that_names_the_policies() -> None:
    """Never a guess by name or order of files."""
    loaded = policies("policy: b\nmatch: 'true'\n", "policy: a\nmatch: 'true'\n")
    with pytest.raises(Ambiguous, match="a, b; give one a 'priority'") as caught:
        select(loaded.policies, Facts())
    assert caught.value.names == ("a", "b")


def test_own_policies_come_before_shipped_ones() -> None:
    """A shipped example never takes a case away from the operator's policy."""
    loaded = load_text("policy: rnd\nmatch: role_key == 'engineering'\npriority: -100\n")
    selection = select(loaded.policies, Facts(role_key="engineering"))
    assert selection.policy.name == "rnd"
    assert why(selection)["engineering"] == "fits, but 'rnd' is the operator's own"


def test_without_default_nothing_governs() -> None:
    """A typed question instead of a policy that nobody wrote."""
    bare = load([Source("a.yaml", "policy: a\nrole: cook\n")])
    with pytest.raises(NoPolicy):
        select(bare.policies, Facts())


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        (Facts(role_key="developer", worker_type="employee"), "engineering"),
        (Facts(role_key="developer", worker_type="contractor"), "engineering"),
        (Facts(role_key="cook", worker_type="dispatched"), "contractor"),
        (Facts(role_key="cook", worker_type="employee"), "default"),
        (Facts(), "default"),
    ],
)
def test_shipped_policies_select(facts: Facts, name: str) -> None:
    """The three shipped files, as their comments say."""
    assert select(load_shipped().policies, facts).policy.name == name


_FACTS = st.builds(
    Facts,
    role_key=st.sampled_from(["", "cook", "driver"]),
    worker_type=st.sampled_from(["", "employee", "contractor"]),
)
_POLICIES = st.lists(
    st.tuples(
        st.sampled_from(["", "role: cook", "role: [cook, driver]"]),
        st.sampled_from(["", "match: worker.type == 'employee'", "match: 'true'"]),
        st.integers(0, 2),
    ),
    max_size=5,
)


@given(_POLICIES, _FACTS, st.randoms(use_true_random=False))
def test_selection_does_not_depend_on_order(
    written: list[tuple[str, str, int]], facts: Facts, random: Random
) -> None:
    """Shuffled, the same policy or the same question; every other policy has its reason."""
    texts = [
        f"policy: p{number}\npriority: {priority}\n{role}\n{match}\n"
        for number, (role, match, priority) in enumerate(written)
    ]
    loaded = list(policies(*texts).policies)
    first = outcome(loaded, facts)
    random.shuffle(loaded)
    assert outcome(loaded, facts) == first
    if isinstance(first, Selection):
        told = {first.policy.name, *why(first)}
        assert told == {policy.name for policy in loaded}


def outcome(loaded: list[Policy], facts: Facts) -> Selection | tuple[str, ...]:
    """The selection, or the names of a tie."""
    try:
        return select(loaded, facts)
    except Ambiguous as error:
        return error.names
