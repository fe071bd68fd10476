"""The correlation group of the settings: every rule is read, and a dangerous one does not load."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.load import ConfigError, load
from config.settings import Settings
from connectors.contract import AccountKind
from reconcile.correlate import DEFAULT_RULES, Match, Rule, Rules

LEAST = """\
data_directory: data
systems:
  door:
    type: memory
evidence:
  origin: example.com/log
  signing_key: env:LOG_KEY
  sealing_key: env:SEALING_KEY
"""
Write = Callable[[str], Settings]


@pytest.fixture
def read(tmp_path: Path) -> Write:
    """Loads the least settings with more below them, from line 9 on."""

    def read(more: str) -> Settings:
        path = tmp_path / "config.yaml"
        path.write_text(LEAST + more, encoding="utf-8")
        path.chmod(0o600)
        return load(path)

    return read


def test_without_a_word_the_shipped_rules_hold(read: Write) -> None:
    """The defaults of the settings are those of the core, not a second list."""
    assert read("").correlation.as_rules() == Rules(DEFAULT_RULES)


def test_rules_reach_the_core_as_they_are_written(read: Write) -> None:
    """Order, confidence, kind and systems; what is listed replaces what is shipped."""
    rules = read("""\
correlation:
  ask_from: 25
  services: [svc-*]
  one_account: [door]
  rules:
    - {match: pattern, pattern: "adm-{login}", confidence: 40, kind: admin, systems: [door]}
    - {match: mail, confidence: 70}
""").correlation.as_rules()

    assert rules == Rules(
        rules=(
            Rule(Match.PATTERN, 40, "adm-{login}", AccountKind.ADMIN, ("door",)),
            Rule(Match.MAIL, 70),
        ),
        services=("svc-*",),
        one_account=("door",),
        ask_from=25,
    )


PATTERN = "match: pattern, confidence: 5"
MAIL = "match: mail, confidence: 5"


@pytest.mark.parametrize(
    ("rule", "place", "said"),
    [
        ("match: mail, confidence: 100", "11:21", "less than or equal to 99"),
        ("match: mail, confidence: 0", "11:21", "greater than or equal to 1"),
        ("match: mail", "11:7", "'confidence': it is missing"),
        ("match: mial, confidence: 5", "11:8", "'match': not one of 'upn', 'mail', 'login'"),
        (f"{MAIL}, systms: [door]", "11:36", "(did you mean 'systems'?)"),
        (f"{MAIL}, kind: bot", "11:36", "'kind': not one of 'person', 'admin' or 'service'"),
        (f"{MAIL}, pattern: 'a{{login}}'", "11:7", "and 'match' is not 'pattern'"),
        (PATTERN, "11:7", "'pattern' needs {login} or {employee_number}"),
        (f"{PATTERN}, pattern: adm-root", "11:7", "without it everybody's account is the same"),
        (f"{PATTERN}, pattern: '{{login}}'", "11:7", "that is 'match: login'"),
        (f"{PATTERN}, pattern: '{{login}}-'", "11:7", "that is 'match: login'"),
        (f"{PATTERN}, pattern: 'a*{{login}}'", "11:7", "it would match everybody"),
        (f"{PATTERN}, pattern: 'a{{login}}{{name}}'", "11:7", "in braces"),
    ],
)
def test_a_wrong_rule_is_named_with_its_place(
    read: Write, rule: str, place: str, said: str
) -> None:
    """No rule is sure, matches everybody, or is misspelt in silence."""
    with pytest.raises(ConfigError) as caught:
        read(f"correlation:\n  rules:\n    - {{{rule}}}\n")
    (line,) = str(caught.value).splitlines()
    assert f"config.yaml:{place}: " in line
    assert said in line


@pytest.mark.parametrize("pattern", ["*", "?*", "[a-z]*"])
def test_a_pattern_for_services_that_fits_everybody_is_refused(read: Write, pattern: str) -> None:
    """Nobody's own account becomes a service account that is never blocked."""
    with pytest.raises(ConfigError, match="entry 2 would match everybody"):
        read(f"correlation: {{services: [svc-*, '{pattern}']}}\n")


@pytest.mark.parametrize(
    "group", ["one_account: [dor]", "rules: [{match: mail, confidence: 5, systems: [dor]}]"]
)
def test_a_system_that_is_not_there_is_named(read: Write, group: str) -> None:
    """A rule for a misspelt system would never fit, and nobody would notice."""
    with pytest.raises(ConfigError, match="a system that is not configured: dor"):
        read(f"correlation: {{{group}}}\n")
