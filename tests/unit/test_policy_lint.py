"""What is legal in a policy but probably not meant."""

from datetime import date

import pytest

from policies.lint import Severity, lint
from policies.load import Source, load, load_shipped

TODAY = date(2026, 11, 24)
COVERED = "holdings: {any: {preserve: required}}\n"


def findings(*texts: str) -> list[tuple[str, str, str]]:
    """Lint texts: (place, severity, code)."""
    sources = [Source(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return [
        (finding.position.rule, str(finding.severity), finding.code)
        for finding in lint(load(sources), TODAY)
    ]


def test_shipped_policies_lint_clean() -> None:
    """What we ship is what we preach."""
    assert lint(load_shipped(), TODAY) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (COVERED, []),
        (
            COVERED + "stages:\n  revoke: {at: access_end - 1h}\n",
            [("0.yaml:4", "error", "stage-order")],
        ),
        (
            COVERED + "stages:\n  preserve: {at: access_end + 2h}\n",
            [("0.yaml:4", "error", "stage-order")],
        ),
        (
            COVERED + "stages:\n  transfer: {at: access_end + 2h}\n  revoke: {at: notice}\n",
            [],
        ),
        (
            COVERED + "stages:\n  destroy: {at: access_end + 5m}\n",
            [("0.yaml:4", "error", "stage-order")],
        ),
        (
            COVERED + "stages:\n  destroy: {at: access_end + 9d, approvals: 0}\n",
            [("0.yaml:4", "error", "destroy-unapproved")],
        ),
        (
            COVERED + "stages:\n  destroy: {approvals: {count: 1}}\n",
            [("0.yaml:4", "warning", "destroy-approvals")],
        ),
        (
            COVERED + "exclude:\n  - {system: a, reason: old, until: 2026-11-23}\n",
            [("0.yaml:4", "warning", "exclusion-expired")],
        ),
        (COVERED + "exclude:\n  - {system: a, reason: old, until: 2026-11-24}\n", []),
        (
            COVERED + "exclude:\n  - {system: a, reason: old}\n",
            [("0.yaml:4", "warning", "exclusion-endless")],
        ),
        (
            "holdings: {account.*: {preserve: required}}\n",
            [("0.yaml:1", "warning", "kind-uncovered")],
        ),
        (
            (
                "holdings:\n  any: {preserve: required}\n  session:\n"
                '    - {retain: 1d, when: kind == "alias"}\n'
            ),
            [("0.yaml:4", "warning", "rule-idle")],
        ),
        (
            (
                "holdings:\n  any: {preserve: required}\n  session:\n"
                "    - {retain: 1d}\n    - {retain: 2d}\n"
            ),
            [("0.yaml:5", "warning", "rule-idle")],
        ),
        (
            (
                "holdings:\n  any: {preserve: required}\n  session:\n"
                '    - {retain: 1d}\n    - {retain: 2d, when: system == "gitlab"}\n'
            ),
            [],
        ),
        (
            (
                "holdings:\n  any: {preserve: required}\n"
                "  grant.group: {transfer: required, revoke: with contain}\n"
            ),
            [("0.yaml:4", "error", "transfer-too-late")],
        ),
        (
            "holdings:\n  any: {preserve: required}\n  ownership.*: {transfer: never}\n",
            [("0.yaml:4", "warning", "ownership-kept")],
        ),
        (
            "holdings:\n  any: {preserve: required}\n  account.*: {contain: never}\n",
            [("0.yaml:1", "error", "access-left")],
        ),
    ],
)
def test_each_finding_has_its_place(text: str, expected: list[tuple[str, str, str]]) -> None:
    """A policy that is fine but for one thing."""
    assert findings(f"policy: p\n{text}") == expected


def test_two_policies_for_one_role() -> None:
    """They would be a question for every leaver of that role."""
    one, other = f"policy: a\nrole: [x, y]\n{COVERED}", f"policy: b\nrole: y\n{COVERED}"
    assert findings(one, other) == [("1.yaml:1", "error", "role-claimed-twice")]
    assert findings(one, other + "priority: 1\n") == []
    narrowed = "match: employment.site == "
    assert findings(f"{one}{narrowed}'a'\n", f"{other}{narrowed}'b'\n") == []


def test_inherited_rules_are_the_parents_business() -> None:
    """A child may overrule all that its parent says without being told about it."""
    parent = f"policy: a\n{COVERED}"
    child = "policy: b\nextends: a\nholdings: {any: {preserve: never}}\n"
    assert findings(parent, child) == []


def test_findings_render_for_an_editor() -> None:
    """file:line:column, severity, code, words."""
    text = "policy: p\nstages: {destroy: {at: access_end + 9d, approvals: 0}}\n" + COVERED
    (finding,) = lint(load([Source("p.yaml", text)]), TODAY)
    assert finding.severity is Severity.ERROR
    assert finding.render() == (
        "p.yaml:2:19: error destroy-unapproved: "
        "destroy needs no approval, and nothing brings back what it deletes"
    )
