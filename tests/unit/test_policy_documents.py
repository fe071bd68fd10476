"""What is written about policies is true: shipped files, documentation, schema, vocabulary."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import policies
from connectors.contract import Json, Stage
from policies.fields import TERMINATION
from policies.lint import Severity, lint
from policies.load import Source, load, load_shipped, load_text, shipped_sources
from policies.positions import Items, Node, Section, parse
from policies.problems import PolicyError
from policies.schema import json_schema, schema_text

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
TODAY = date(2026, 11, 24)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_of_the_guide_loads(block: str) -> None:
    """Each is a whole policy over the shipped ones, and has no error of lint."""
    loaded = load_text(block, "guide.yaml")
    errors = [one.render() for one in lint(loaded, TODAY) if one.severity is Severity.ERROR]
    assert errors == []


def test_the_guide_has_examples() -> None:
    """The test above cannot pass by finding nothing."""
    assert len(BLOCKS) >= 8


def test_the_mistakes_of_the_guide_are_real() -> None:
    """The messages shown are the ones that people get."""
    shown = re.search(r"^```text\n(.*?)\n```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert shown is not None
    wrong = (
        'policy: rnd\nextend: default\nmatch: subject.org_unti.startsWith("R&D")\n'
        "stages:\n  contain: {at: access_end}\n  revoke: {at: access_end + 2bd, approvals: 1}\n"
    )
    with pytest.raises(PolicyError) as caught:
        load([Source("policies/rnd.yaml", wrong)])
    assert str(caught.value) == shown[1]


def test_the_guide_names_every_field_and_finding() -> None:
    """Nothing undocumented."""
    source = Path(policies.__file__).parent / "lint.py"
    codes = re.findall(r'"([a-z]+-[a-z-]+)"', source.read_text(encoding="utf-8"))
    codes = [code for code in codes if code != "any-other-system"]
    assert len(set(codes)) >= 10
    missing = [word for word in (*TERMINATION.fields, *codes) if f"`{word}`" not in GUIDE]
    assert missing == []


def test_the_schema_is_the_one_checked_in() -> None:
    """Write it anew with ``python -m policies.schema > policies/policy.schema.json``."""
    checked_in = Path(policies.__file__).parent / "policy.schema.json"
    assert checked_in.read_text(encoding="utf-8") == schema_text()
    assert json.loads(schema_text()) == json_schema()


@pytest.mark.parametrize("text", [*BLOCKS, *(source.text for source in shipped_sources())])
def test_the_schema_accepts_what_loads(text: str) -> None:
    """An editor must not mark a right file as wrong."""
    assert list(mistakes(plain(parse(text, "x")), json_schema())) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("policy: A", "/policy"),
        ("policy: a\nfoo: 1", "/foo"),
        ("policy: a\nstages: {contain: {at: now - 5d}}", "/stages/contain/at"),
        ("policy: a\nstages: {contain: {approvals: 1}}", "/stages/contain/approvals"),
        ("policy: a\nholdings: {sesion: {revoke: never}}", "/holdings/sesion"),
        ("policy: a\nholdings: {session: {revoke: now}}", "/holdings/session"),
        ("policy: a\nexclude: [{system: x}]", "/exclude/0"),
        ("policy: a\nexclude: [{system: x, reason: ' '}]", "/exclude/0/reason"),
        ("policy: a\npriority: 1001", "/priority"),
    ],
)
def test_the_schema_refuses_what_does_not_load(text: str, place: str) -> None:
    """And marks the place."""
    with pytest.raises(PolicyError):
        load([Source("p.yaml", text)])
    assert list(mistakes(plain(parse(text, "x")), json_schema())) == [place]


def plain(node: Node) -> Json:
    """The file as a JSON Schema validator of an editor sees it (YAML 1.2)."""
    if isinstance(node, Section):
        return {entry.key.text: plain(entry.value) for entry in node.entries}
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    if node.text in ("true", "false"):
        return node.text == "true"
    return int(node.text) if re.fullmatch(r"-?[0-9]+", node.text) else node.text


def mistakes(value: Json, schema: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """The keywords of JSON Schema that our schema uses, and no other."""
    unknown = schema.keys() - _KEYWORDS
    assert not unknown, unknown
    if "anyOf" in schema:
        if all(list(mistakes(value, option, place)) for option in schema["anyOf"]):
            yield place
    elif not isinstance(value, _TYPES[schema.get("type", "string")]):
        yield place
    elif isinstance(value, dict):
        yield from _mistakes_of_section(value, schema, place)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield place
        for number, item in enumerate(value):
            yield from mistakes(item, schema["items"], f"{place}/{number}")
    elif not _word_fits(value, schema):
        yield place


def _mistakes_of_section(
    value: dict[str, Json], schema: Mapping[str, Any], place: str
) -> Iterator[str]:
    if set(schema.get("required", ())) - value.keys():
        yield place
    for key, item in value.items():
        if not _word_fits(key, schema.get("propertyNames", {})):
            yield f"{place}/{key}"
        shape = schema.get("properties", {}).get(key, schema["additionalProperties"])
        if shape is False:
            yield f"{place}/{key}"
        else:
            yield from mistakes(item, shape, f"{place}/{key}")


def _word_fits(value: Json, schema: Mapping[str, Any]) -> bool:
    if value not in schema.get("enum", [value]):
        return False
    if isinstance(value, str):
        longest = schema.get("maxLength", len(value))
        return bool(re.search(schema.get("pattern", ""), value)) and len(value) <= longest
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "integer": int,
    "boolean": bool,
    "string": str,
}
_KEYWORDS = {
    *("$schema", "$id", "title", "description", "type", "anyOf", "enum", "pattern", "format"),
    *("minLength", "maxLength", "minimum", "maximum", "items", "minItems"),
    *("required", "properties", "additionalProperties", "propertyNames"),
}


def words_of_schema(schema: Mapping[str, Json], path: str = "") -> set[str]:
    """Every word that the language has, with its place."""
    words: set[str] = set()
    options = schema.get("anyOf", ())
    assert isinstance(options, tuple | list)
    for option in (*options, schema.get("items")):
        if isinstance(option, Mapping):
            words |= words_of_schema(option, path)
    properties = schema.get("properties", {})
    assert isinstance(properties, Mapping)
    for word, shape in properties.items():
        assert isinstance(shape, Mapping)
        words |= {f"{path}/{word}", *words_of_schema(shape, f"{path}/{word}")}
    named = schema.get("additionalProperties")
    if isinstance(named, Mapping):
        words |= words_of_schema(named, f"{path}/*")
    return words


def words_of_file(node: Node, path: str = "") -> set[str]:
    """Every word that a file uses, in the same form."""
    if isinstance(node, Items):
        return {word for item in node.items for word in words_of_file(item, path)}
    if not isinstance(node, Section):
        return set()
    words: set[str] = set()
    for entry in node.entries:
        word = "*" if path == "/holdings" else entry.key.text
        words |= {f"{path}/{word}", *words_of_file(entry.value, f"{path}/{word}")}
    return words - {"/holdings/*"}


def test_shipped_policies_use_every_word() -> None:
    """Together they are an example of the whole language; stages share their words."""
    used: set[str] = set()
    for source in shipped_sources():
        used |= words_of_file(parse(source.text, source.file))
    known = words_of_schema(json_schema())
    assert used <= known
    assert set(map(of_any_stage, used)) == set(map(of_any_stage, known))
    assert {f"/stages/{stage}" for stage in Stage} <= used


def of_any_stage(word: str) -> str:
    """The word without the name of its stage."""
    return re.sub(r"^/stages/[a-z]+", "/stages/*", word)


def test_shipped_policies_are_marked_and_described() -> None:
    """They govern only where no policy of the operator fits."""
    for policy in load_shipped().policies:
        assert policy.shipped
        assert policy.description
        assert policy.source == f"shipped/{policy.name}.yaml"
        assert re.fullmatch(r"[0-9a-f]{64}", policy.policy_hash)
