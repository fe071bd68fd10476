"""What a policy wants done with each holding."""

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import KINDS, HoldingState, Kind
from policies.dispose import SAFE_DEFAULT, Disposition, dispose, excluded, gives_access
from policies.grammar import PATTERNS
from policies.load import Source, load, load_shipped, load_text
from policies.model import Policy, Revocation, Transfer, pattern_covers

TODAY = date(2026, 11, 24)
EVERY_KIND = sorted(KINDS)


def policy_of(holdings: str, more: str = "") -> Policy:
    """A policy without parents."""
    return load_text(f"policy: p\n{more}\nholdings:\n{holdings}", "p.yaml", shipped=False).named(
        "p"
    )


def disposed(policy: Policy, kind: str, *, system: str = "x", sole: bool = False) -> Disposition:
    """Dispose one holding today."""
    return dispose(policy, system, Kind(kind), sole=sole, on=TODAY)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_kind_without_rule_is_treated_safely(kind: str) -> None:
    """Contain, preserve, transfer when sole, revoke on time; accounts and passwords stay."""
    bare = load_text("policy: bare\n", shipped=False).named("bare")
    got = disposed(bare, kind)
    stays = kind.startswith("account.") or kind == "credential.password"
    assert (got.contain, got.preserve, got.destroy) == (True, True, False)
    assert got.transfer is Transfer.WHEN_SOLE
    assert got.revoke is (Revocation.NEVER if stays else Revocation.ON_TIME)
    assert got.wanted is (HoldingState.CONTAINED if stays else HoldingState.GONE)
    assert (got.uncovered, got.rule) == (True, SAFE_DEFAULT)
    assert "no rule covers" in got.why


def test_words_are_weighed_one_by_one() -> None:
    """An exact kind outweighs its family, a family ``any``; silence leaves the word to others."""
    policy = policy_of(
        "  any: {preserve: never, revoke: on time, transfer: never}\n"
        "  credential.*: {revoke: with contain, retain: 7d}\n"
        "  credential.card: {retain: 1y}\n"
    )
    card = disposed(policy, "credential.card")
    assert (card.preserve, card.transfer) == (False, Transfer.NEVER)
    assert (card.revoke, card.retain) == (Revocation.WITH_CONTAIN, timedelta(days=365))
    assert (card.contain, card.uncovered) == (True, False)
    assert card.rule == "p.yaml:6"
    assert card.why == (
        "preserve by p.yaml:4 'any'; transfer by p.yaml:4 'any'; "
        "revoke by p.yaml:5 'credential.*'; retain by p.yaml:6 'credential.card'"
    )


def test_a_narrowed_rule_outweighs_a_plain_one_of_the_same_kind() -> None:
    """``system`` and ``when`` make exceptions, wherever they stand in the file."""
    policy = policy_of(
        "  ownership.project:\n"
        '    - {transfer: optional, when: system.startsWith("git") && !sole}\n'
        "    - {transfer: never, system: [wiki, blog]}\n"
        "    - {transfer: required}\n"
    )
    assert disposed(policy, "ownership.project").transfer is Transfer.REQUIRED
    assert disposed(policy, "ownership.project", system="gitlab").transfer is Transfer.OPTIONAL
    assert disposed(policy, "ownership.project", system="wiki").transfer is Transfer.NEVER
    assert disposed(policy, "ownership.project", system="wiki").rule == "p.yaml:6"


def test_later_wins_only_between_equals() -> None:
    """Two plain rules of one kind in one file."""
    policy = policy_of("  alias:\n    - {retain: 1d}\n    - {retain: 2d}\n")
    assert disposed(policy, "alias").retain == timedelta(days=2)


def test_a_child_outweighs_its_parent_but_not_a_more_exact_kind() -> None:
    """Kind first, then generation."""
    parent = Source("parent.yaml", "policy: parent\nholdings: {alias: {retain: 1d}}")
    child = "policy: child\nextends: parent\nholdings: {any: {retain: 9d}, alias: {retain: 2d}}"
    other = "policy: other\nextends: parent\nholdings: {any: {retain: 9d}}"
    loaded = load([parent, Source("child.yaml", child), Source("other.yaml", other)])
    assert disposed(loaded.named("child"), "alias").retain == timedelta(days=2)
    assert disposed(loaded.named("other"), "alias").retain == timedelta(days=1)
    assert disposed(loaded.named("other"), "device").retain == timedelta(days=9)


@pytest.mark.parametrize("words", ["never", "optional", "when sole", "required"])
def test_what_nobody_else_has_is_handed_over(words: str) -> None:
    """Law 5: no rule lets a sole holding be taken away as it is."""
    policy = policy_of(f"  any: {{transfer: {words}, revoke: with contain}}\n")
    got = disposed(policy, "ownership.project", sole=True)
    assert got.must_transfer
    assert got.revoke is Revocation.ON_TIME  # Law 3: contain never waits for the transfer
    destroyed = policy_of(f"  any: {{transfer: {words}, revoke: never, destroy: required}}\n")
    assert disposed(destroyed, "data.repository", sole=True).must_transfer
    kept = disposed(policy_of(f"  any: {{transfer: {words}, revoke: never}}\n"), "data.home")
    assert kept.transfer == words


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_rules_leave_no_access(kind: str) -> None:
    """Law 4: only an exclusion with its reason leaves access alone; things may stay."""
    policy = policy_of("  any: {contain: never, revoke: never}\n")
    got = disposed(policy, kind)
    assert (got.wanted is HoldingState.LIVE) == (not gives_access(Kind(kind)))
    assert ("Law 4" in got.why) == gives_access(Kind(kind))


EXCLUSIONS = (
    "exclude:\n"
    "  - {system: erp, reason: an archive without login, until: 2026-11-24}\n"
    "  - {system: wiki, reason: kept by law, kinds: [data.*, alias]}\n"
)


def test_an_exclusion_leaves_alone_with_its_reason() -> None:
    """The whole system, with reason and place."""
    policy = policy_of("  any: {preserve: required}\n", EXCLUSIONS)
    got = disposed(policy, "account.person", system="erp")
    assert got.wanted is HoldingState.LIVE
    assert {got.contain, got.preserve, got.destroy, got.must_transfer} == {False}
    assert got.why == "excluded until 2026-11-24: an archive without login"
    assert got.rule == "p.yaml:3"
    found = excluded(policy, "erp", TODAY)
    assert found == got.excluded
    assert found is not None


def test_an_expired_exclusion_does_not_count() -> None:
    """Law 4: from the day after ``until`` the system is in again."""
    policy = policy_of("  any: {preserve: required}\n", EXCLUSIONS)
    tomorrow = TODAY + timedelta(days=1)
    assert excluded(policy, "erp", tomorrow) is None
    later = dispose(policy, "erp", Kind("account.person"), sole=False, on=tomorrow)
    assert (later.excluded, later.wanted) == (None, HoldingState.CONTAINED)


def test_an_exclusion_of_some_kinds_does_not_exclude_the_system() -> None:
    """The system is surveyed and closed like any other; only those kinds are left."""
    policy = policy_of("  any: {preserve: required}\n", EXCLUSIONS)
    assert excluded(policy, "wiki", TODAY) is None
    assert disposed(policy, "data.home", system="wiki").excluded
    assert not disposed(policy, "session", system="wiki").excluded
    assert not disposed(policy, "data.home", system="gitlab").excluded


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("account.person", (True, True, "when sole", "never", True, "contained")),
        ("account.service", (True, True, "required", "never", True, "contained")),
        ("session", (True, False, "never", "with contain", False, "gone")),
        ("credential.password", (True, True, "never", "never", False, "contained")),
        ("credential.ssh_key", (True, True, "never", "with contain", False, "gone")),
        ("grant.group", (True, True, "when sole", "on time", False, "gone")),
        ("ownership.project", (False, True, "required", "on time", False, "gone")),
        ("alias", (False, True, "optional", "on time", False, "gone")),
        ("data.mailbox", (False, True, "optional", "never", False, "live")),
        ("device", (True, True, "never", "on time", False, "gone")),
        ("secret_known", (False, False, "when sole", "on time", False, "gone")),
        ("asset.laptop", (False, False, "never", "on time", False, "gone")),
        ("duty.handover", (False, False, "never", "on time", False, "gone")),
    ],
)
def test_the_shipped_default(kind: str, expected: tuple[object, ...]) -> None:
    """One line per family: contain, preserve, transfer, revoke, destroy, wanted."""
    got = disposed(load_shipped().named("default"), kind)
    words = (got.contain, got.preserve, got.transfer, got.revoke, got.destroy, got.wanted)
    assert words == expected
    assert not got.uncovered
    assert (got.retain == timedelta(days=730)) == kind.startswith("data.")


def test_a_shipped_child_makes_its_exceptions() -> None:
    """Engineering: a token that nobody else has is handed over before it goes."""
    policy = load_shipped().named("engineering")
    token = disposed(policy, "credential.api_token", sole=True)
    assert (token.must_transfer, token.revoke) == (True, Revocation.ON_TIME)
    shared = disposed(policy, "credential.api_token")
    assert (shared.transfer, shared.revoke) == (Transfer.NEVER, Revocation.WITH_CONTAIN)
    assert disposed(policy, "data.snippet", system="gitlab").retain == timedelta(days=365)
    assert disposed(policy, "data.snippet", system="forge").retain == timedelta(days=730)


_RULES = st.lists(
    st.tuples(
        st.sampled_from(sorted(PATTERNS)),
        st.sampled_from(["", "system: gitlab", "when: sole", 'when: kind != "session"']),
        st.sampled_from(
            [
                "contain: never",
                "preserve: never",
                "transfer: required",
                "revoke: never",
                "revoke: with contain, transfer: never",
                "destroy: required, retain: 3d",
            ]
        ),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda rule: (rule[0], rule[1] != ""),
)


@given(
    _RULES,
    st.sampled_from(EVERY_KIND),
    st.booleans(),
    st.sampled_from(["gitlab", "x"]),
    st.randoms(use_true_random=False),
)
def test_dispositions_do_not_depend_on_the_order_in_a_file(
    written: list[tuple[str, str, str]], kind: str, sole: bool, system: str, random: Random
) -> None:
    """Rules of different weight may stand in any order, and the laws hold for all of them."""
    first = disposed(_policy(written), kind, sole=sole, system=system)
    shuffled = list(written)
    random.shuffle(shuffled)
    second = disposed(_policy(shuffled), kind, sole=sole, system=system)
    assert _decided(first) == _decided(second)
    assert not (first.must_transfer and first.revoke is Revocation.WITH_CONTAIN)
    if sole and (first.revoke is not Revocation.NEVER or first.destroy):
        assert first.must_transfer
    if gives_access(Kind(kind)):
        assert first.wanted is not HoldingState.LIVE
    covered = any(pattern_covers(pattern, Kind(kind)) for pattern, _, _ in written)
    assert covered or first.uncovered


def _policy(written: list[tuple[str, str, str]]) -> Policy:
    rules: dict[str, list[str]] = {}
    for pattern, narrowed, words in written:
        rules.setdefault(pattern, []).append(f"{{{', '.join(filter(None, (words, narrowed)))}}}")
    lines = [f"  {pattern}: [{', '.join(several)}]\n" for pattern, several in rules.items()]
    return policy_of("".join(lines))


def _decided(got: Disposition) -> tuple[object, ...]:
    """All but the place of the rule."""
    words = (got.contain, got.preserve, got.transfer, got.revoke, got.destroy, got.retain)
    return (*words, got.wanted, got.uncovered)
