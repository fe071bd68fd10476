"""Loading policy files: errors for people, bounds, and parents."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Stage
from policies.load import (
    MAX_ANCESTORS,
    PolicySet,
    Source,
    UnknownPolicy,
    load,
    load_directory,
    load_shipped,
    load_text,
    shipped_sources,
)
from policies.model import Approvals, Policy
from policies.positions import MAX_CHARACTERS
from policies.problems import PolicyError

WRONG = """\
policy: Engineering
extend: default
match: subject.org_unti.startsWith("R&D")
stages:
  contain: {at: acces_end}
  revoke: {at: access_end + 2bd, aprovals: 1}
  transfer: [manager]
  preserve: {at: now - 5d, to: manager}
holdings:
  credential: {revoke: with-contain}
  ownership.projct: {transfer: required, when: system = "gitlab"}
  data.*: {retain: 2 years}
  session: {}
exclude:
  - {system: legacy-erp, until: 2027-02-30}
emergency: {contain: now, quiet: yes}
guards: {people_per_day: 5}
time_zone: Asia/Shanghia
priority: high
"""

SAYS = """\
p.yaml:7:13: a list stands here; expected the stage 'transfer' with the words at, to or approvals
p.yaml:1:9: 'Engineering' does not fit; expected a name of lower-case letters, digits and '-' \
(did you mean 'engineering'?)
p.yaml:2:1: 'extend' is not a word of a policy (did you mean 'extends'?)
p.yaml:3:8: 'subject.org_unti' is not a field of 'match' (did you mean 'subject.org_unit'?)
p.yaml:5:17: 'acces_end' is not an anchor; expected access_end, now, notice or last_working_day \
(did you mean 'access_end'?)
p.yaml:6:30: business days ('bd') are not there yet: they need a calendar; \
expected one of the units m, h, d or w
p.yaml:6:34: 'aprovals' is not a word of the stage 'revoke' (did you mean 'approvals'?)
p.yaml:8:22: 'now' takes no offset, since every pass would move it; expected 'now' alone
p.yaml:8:28: 'to' belongs to the stage 'transfer'
p.yaml:10:3: 'credential' covers no kind of holding (did you mean 'credential.*'?)
p.yaml:10:24: 'with-contain' is not a time to revoke; expected never, with contain or on time \
(did you mean 'with contain'?)
p.yaml:11:3: 'ownership.projct' covers no kind of holding (did you mean 'ownership.project'?)
p.yaml:11:55: '=' has no meaning in a condition (did you mean '=='?)
p.yaml:12:22: 'years' is not a unit; expected d, w or y (did you mean 'y'?)
p.yaml:13:12: the rule decides nothing; \
expected contain, preserve, transfer, revoke, destroy or retain
p.yaml:15:5: 'reason' is missing; expected 'reason:'
p.yaml:15:33: '2027-02-30' is not a date of the calendar; expected a date, as in 2027-06-30
p.yaml:16:34: 'yes' is not a flag; expected true or false (did you mean 'true'?)
p.yaml:17:1: 'guards' are not a matter of one policy: limits stand in the configuration of the \
daemon, so that no policy file can loosen them
p.yaml:18:12: 'Asia/Shanghia' is not an IANA time zone (did you mean 'Asia/Shanghai'?)
p.yaml:19:11: 'high' is not a whole number; expected a whole number"""


def refusal(text: str) -> str:
    """What the loader says about a text that it refuses."""
    with pytest.raises(PolicyError) as caught:
        load_text(text, "p.yaml")
    return caught.value.render()


def test_all_mistakes_are_told_at_once_with_their_places() -> None:
    """File, line, column, the wrong word, what was expected, the nearest; structure first."""
    assert refusal(WRONG) == SAYS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "p.yaml:1:1: the file is empty; expected 'policy: NAME'"),
        ("# only a comment\n", "p.yaml:1:1: the file is empty"),
        ("- a", "p.yaml:1:1: a list stands here; expected a policy with the words policy,"),
        ("policy", "p.yaml:1:1: the word 'policy' stands here; expected a policy"),
        ("policy: ~", "p.yaml:1:9: there is no value; expected a name"),
        ("description: x", "p.yaml:1:1: 'policy' is missing; expected 'policy:'"),
        ("policy: a\npolicy: b", "p.yaml:2:1: 'policy' stands here twice, first in line 1"),
        ("policy: a\n---\npolicy: b", "p.yaml:2:1: a second document begins"),
        ("policy: &x a", "p.yaml:1:9: an anchor 'x'"),
        ("policy: *x", "p.yaml:1:9: an alias; expected the words themselves"),
        ("policy: !!python/name:os.system x", "p.yaml:1:9: a tag"),
        ("policy: a\nholdings:\n  *: {revoke: never}", "expected a word; write 'any'"),
        ("policy: a\n\tb: c", "p.yaml:2:1: this is not YAML"),
        (
            "policy: a\nmatch: !sole",
            "p.yaml:2:8: a tag '!sole'; expected quotes around what begins",
        ),
        (
            'policy: a\nmatch: "a" == role_key',
            "p.yaml:2:12: this is not YAML: expected <block end>",
        ),
        ("policy: a\nmatch: a: b", "expected quotes around a text that has any of"),
        ("holdings: {any: {when: kind in ['alias']}}", "expected quotes around a text that has"),
        ("policy: a\n<<: {b: c}", "p.yaml:2:1: '<<' is not a word of a policy"),
        ("? [a]\n: b", "p.yaml:1:3: a key made of several parts"),
        ("policy: a\x00", "p.yaml:1:10: character U+0000 is not allowed in YAML"),
        ("[" * 5000, "p.yaml:1:13: nested too deep"),
        ("- a\n" * 21_000, "the file has too many parts"),
        ("a" * (MAX_CHARACTERS + 1), "p.yaml:1:1: the file has 262145 characters"),
        ("policy: a\nrole: []", "p.yaml:2:7: the list is empty"),
        ("policy: a\nexclude: {system: x}", "p.yaml:2:10: a section stands here"),
        ("policy: a\nstages: {destroy: {approvals: {}}}", "'count' is missing"),
        (
            "policy: a\nstages: {destroy: {approvals: {from: [x], count: 2}}}",
            "p.yaml:2:32: groups of approvers ('from') are not there yet",
        ),
        ("policy: a\nstages: {contain: {approvals: 1}}", "'contain' waits for no approval"),
        ("policy: a\nstages: {destroy: {approvals: 10}}", "'10' is out of range; expected 0 to 9"),
        ("policy: a\nextends: defualt", "to extend (did you mean 'default'?)"),
        ("policy: a\nextends: a", "p.yaml:2:1: policies extend in a circle: a extends a"),
        ("policy: default\nextends: default", "'shipped/default' is the one that came with"),
        (
            'policy: a\nmatch: |\n  role_key ==\n  "a" &&\n  nonsense',
            "p.yaml:2:8: 'nonsense' is not a field of 'match'",
        ),
    ],
)
def test_each_refusal_names_its_place(text: str, says: str) -> None:
    """Structure, bounds and parents; one line each."""
    assert says in refusal(text)


def test_words_keep_their_text() -> None:
    """Nothing is a boolean, number or null because it looks like one."""
    policy = load_text("policy: no\nrole: [on, 0x10, 1_000, 2026-01-01]\n").named("no")
    assert policy.roles == ("on", "0x10", "1_000", "2026-01-01")


def test_a_rule_is_known_by_its_line() -> None:
    """A rule alone by the line of its key, one of several by its own."""
    text = (
        "policy: a\nholdings:\n  session:\n    revoke: never\n"
        "  alias:\n    - {revoke: never, system: x}\n    - {transfer: optional}\n"
    )
    rules = load_text(text, "folder/a.yaml", shipped=False).named("a").rules
    assert sorted(rule.position.rule for rule in rules) == [
        "folder/a.yaml:3",
        "folder/a.yaml:6",
        "folder/a.yaml:7",
    ]


def test_a_child_changes_only_the_words_it_says() -> None:
    """Stages and emergency are laid over word by word; exclusions add up; role is one's own."""
    parent = Source(
        "parent.yaml",
        "policy: parent\nrole: cook\npriority: 7\ntime_zone: Europe/Rome\n"
        "stages:\n  transfer: {at: notice, to: [manager]}\n  destroy: {approvals: 3}\n"
        "exclude: [{system: a, reason: old}]\nemergency: {quiet: false}\n",
    )
    child = Source(
        "child.yaml",
        "policy: child\nextends: parent\nstages:\n  transfer: {at: access_end}\n"
        "exclude: [{system: b, reason: new}]\n",
    )
    policy = load([child, parent]).named("child")
    transfer, destroy = policy.stage(Stage.TRANSFER), policy.stage(Stage.DESTROY)
    assert (str(transfer.at), [str(one) for one in transfer.to]) == ("access_end", ["manager"])
    assert (str(destroy.at), destroy.approvals) == ("access_end + 90d", Approvals(3))
    assert {one.system for one in policy.exclusions} == {"a", "b"}
    assert (policy.emergency.quiet, policy.time_zone) == (False, "Europe/Rome")
    assert (policy.roles, policy.match, policy.priority) == ((), None, 0)
    assert policy.lineage == ("child", "parent")


def test_silence_is_safe() -> None:
    """A policy that says nothing has the defaults: order of stages, two approvals to destroy."""
    policy = load_text("policy: bare\n", shipped=False).named("bare")
    assert {str(rule.stage): str(rule.at) for rule in policy.stages} == {
        "preserve": "access_end - 5d",
        "transfer": "access_end - 2d",
        "contain": "access_end",
        "revoke": "access_end + 1h",
        "destroy": "access_end + 90d",
    }
    assert policy.stage(Stage.DESTROY).approvals.count == 2
    assert (str(policy.emergency.contain), policy.emergency.quiet) == ("now", True)


def test_an_own_policy_hides_the_shipped_one_and_may_extend_it() -> None:
    """``shipped/NAME`` is how an own policy builds upon its namesake."""
    own = "policy: default\nextends: shipped/default\nstages: {revoke: {at: access_end + 2h}}\n"
    policies = load_text(own)
    default = policies.named("default")
    assert str(default.stage(Stage.REVOKE).at) == "access_end + 2h"
    assert default.lineage == ("default", "default")
    assert not default.shipped
    assert len([one for one in policies.policies if one.name == "default"]) == 1
    engineering = policies.named("engineering")  # a shipped policy keeps its shipped parent
    assert str(engineering.stage(Stage.REVOKE).at) == "access_end + 1h"


def test_two_policies_of_one_name_are_refused() -> None:
    """Which of them governs would depend on the order of files."""
    with pytest.raises(PolicyError, match=r"b\.yaml:1:1: a second policy 'x'; .* a\.yaml:1:1"):
        load([Source("a.yaml", "policy: x"), Source("b.yaml", "policy: x")])


def test_ancestors_are_bounded() -> None:
    """A line of parents has an end, circle or not."""
    line = [
        Source(f"{n}.yaml", f"policy: p{n}\nextends: p{n + 1}\n") for n in range(MAX_ANCESTORS + 1)
    ]
    line.append(Source("last.yaml", f"policy: p{MAX_ANCESTORS + 1}\n"))
    with pytest.raises(PolicyError, match="too many ancestors"):
        load(line)
    circle = [Source("a", "policy: a\nextends: b"), Source("b", "policy: b\nextends: a")]
    with pytest.raises(PolicyError, match="a extends b extends a"):
        load(circle)


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    """Every YAML file below it, hidden ones left out; errors of all files come together."""
    folder = tmp_path / "policies"
    (folder / "emea").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "a.yaml").write_text("\ufeffpolicy: a\nextends: b\n", encoding="utf-8")
    (folder / "emea" / "b.yml").write_text("policy: b\n", encoding="utf-8")
    (folder / ".git" / "c.yaml").write_text("nonsense", encoding="utf-8")
    (folder / "notes.txt").write_text("nonsense", encoding="utf-8")
    policies = load_directory(folder)
    assert policies.named("a").source == "policies/a.yaml"
    assert policies.named("b").source == "policies/emea/b.yml"
    assert policies.named("default").shipped
    (folder / "d.yaml").write_bytes(b"policy: d\ndescription: \xff\n")
    with pytest.raises(PolicyError, match=r"policies/d\.yaml:2:1: the file is not UTF-8 text"):
        load_directory(folder)
    (folder / "d.yaml").write_text("policy: d\nfoo: 1\n", encoding="utf-8")
    (folder / "emea" / "b.yml").write_text("policy: b\nbar: 1\n", encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load_directory(folder)
    assert [str(problem.position) for problem in caught.value.problems] == [
        "policies/d.yaml:2:1",
        "policies/emea/b.yml:2:1",
    ]


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    """A wrong path must not look like a folder without policies."""
    with pytest.raises(PolicyError, match="there is no such folder"):
        load_directory(tmp_path / "polcies")


def test_an_unknown_name_has_a_nearest() -> None:
    """Asking for a policy by a misspelt name."""
    with pytest.raises(UnknownPolicy, match="did you mean 'engineering'"):
        load_shipped().named("enginering")


def hash_of(text: str) -> str:
    """The hash of policy ``a`` in a text laid over the shipped ones."""
    return load_text(text).named("a").policy_hash


def test_the_hash_is_of_what_decides() -> None:
    """Comments, order and spelling do not count; any deciding word does, an ancestor's too."""
    plain = hash_of("policy: a\nextends: default\nholdings: {session: {retain: 7d}}\n")
    same = (
        "# why\nholdings:\n  session:\n    retain: 1w\n"
        "extends: default\npolicy: a\ndescription: text\n"
    )
    assert hash_of(same) == plain
    assert len(plain) == 64
    two = "policy: a\nextends: default\nholdings: {%s, %s}\n"
    alias, session = "alias: {retain: 1d}", "session: [{retain: 7d}, {retain: 8d}]"
    turned = "session: [{retain: 8d}, {retain: 7d}]"
    assert hash_of(two % (alias, session)) == hash_of(two % (session, alias))
    assert hash_of(two % (alias, session)) != hash_of(two % (alias, turned))
    others = [
        "policy: a\nholdings: {session: {retain: 7d}}\n",
        "policy: a\nextends: default\nholdings: {session: {retain: 8d}}\n",
        "policy: a\nextends: default\nholdings: {session: {retain: 7d, system: x}}\n",
        "policy: a\nextends: default\nholdings: {session: {retain: 7d, when: sole}}\n",
        "policy: a\nextends: engineering\nholdings: {session: {retain: 7d}}\n",
        "policy: a\nextends: default\npriority: 1\nholdings: {session: {retain: 7d}}\n",
    ]
    assert len({plain, *map(hash_of, others)}) == len(others) + 1


def test_a_changed_ancestor_changes_the_hash() -> None:
    """A case is tied to what governed it, wherever the words stood."""
    child = Source("a.yaml", "policy: a\nextends: p\n")
    one = load([child, Source("p.yaml", "policy: p\nstages: {destroy: {approvals: 2}}\n")])
    two = load([child, Source("p.yaml", "policy: p\nstages: {destroy: {approvals: 3}}\n")])
    assert one.named("a").policy_hash != two.named("a").policy_hash


def summary(policies: PolicySet) -> list[tuple[Policy, str]]:
    """Everything that decides, comparable."""
    return [(policy, policy.policy_hash) for policy in policies.policies]


@given(st.randoms(use_true_random=False))
def test_the_order_of_files_changes_nothing(random: Random) -> None:
    """A folder listing in another order loads the same policies with the same hashes."""
    sources = [*shipped_sources(), Source("own.yaml", "policy: default\nextends: shipped/default")]
    shuffled = list(sources)
    random.shuffle(shuffled)
    assert summary(load(shuffled)) == summary(load(sources))


@given(st.text(max_size=200))
def test_any_text_loads_or_is_refused(text: str) -> None:
    """The loader raises :class:`PolicyError` and nothing else."""
    _load_or_refuse(text)


_SEEDS = [source.text for source in shipped_sources()] + [WRONG]
_BITS = [
    *(
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\t",
        "#",
        "&a ",
        "*a",
        "!!int ",
        "|",
        ">",
    ),
    *(
        "'",
        '"',
        "~",
        "\x00",
        "\ufeff",
        "\ud800",
        "any",
        "never",
        "access_end",
        "9" * 400,
        "%YAML 1.1\n",
    ),
    *("---\n", "...\n", "? ", "<<: ", "policy: x\n", "role: \n", "match: ((((((\n", "é", "\u2028"),
]


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    """A real policy file with a few cuts and insertions."""
    text = draw(st.sampled_from(_SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        text = text[:start] + draw(st.sampled_from(_BITS)) + text[end:]
    return text


@given(_mutated())
def test_any_mutated_policy_loads_or_is_refused(text: str) -> None:
    """Cut, doubled and broken files: still nothing but :class:`PolicyError`, with real places."""
    _load_or_refuse(text)


def _load_or_refuse(text: str) -> None:
    try:
        load([Source("p.yaml", text)])
    except PolicyError as refused:
        problems = refused.problems
    else:
        return
    assert problems
    lines = len(text.splitlines()) + 1
    assert all(1 <= one.position.line <= lines and one.position.column >= 1 for one in problems)
    assert not any("\n" in one.render() for one in problems)
