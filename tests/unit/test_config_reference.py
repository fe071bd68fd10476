"""Every setting is documented, and stands in the example file; neither page can lag behind."""

import re
from pathlib import Path

import pyrage
import pytest

import config
from config.reference import settings, tables
from policies.positions import Items, Node, Section, parse

ROOT = Path(config.__file__).parent.parent
EXAMPLE = ROOT / "config" / "example.yaml"


def uncommented() -> str:
    """The example with every option taken in: an option is a comment without a space."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return "\n".join(re.sub(r"^(\s*)#(?=\S)", r"\1", line) for line in lines) + "\n"


def taken_in() -> str:
    """The same with an escrow key of one's own in the place of the one that is nobody's."""
    own = str(pyrage.x25519.Identity.generate().to_public())
    text, changed = re.subn(r"age1replace-me\S*", own, uncommented())
    assert changed == 1
    return text


def words(node: Node, trail: str = "") -> set[str]:
    if isinstance(node, Items):
        return {trail}.union(*(words(item, trail) for item in node.items))
    if not isinstance(node, Section):
        return {trail}
    found = {trail}
    for entry in node.entries:
        found |= words(entry.value, f"{trail}.{entry.key.text}" if trail else entry.key.text)
    return found


def test_every_setting_says_what_it_means() -> None:
    """A setting without a docstring is not finished."""
    assert [s.name for s in settings() if len(s.meaning) < 20] == []


def test_every_setting_stands_in_the_example() -> None:
    """An operator sees all of them in one file."""
    present = words(parse(uncommented(), "example"))
    wanted = {s.name.replace("NAME", "corporate-directory") for s in settings()}
    assert wanted - present == set()


def test_the_page_prints_what_the_code_says() -> None:
    """docs/configuration.md holds the tables of config.reference, unchanged."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    begin, end = "<!-- python -m config.reference -->\n", "<!-- end -->"
    assert page[page.index(begin) + len(begin) : page.index(end)] == tables()


def test_the_example_loads_as_it_is(tmp_path: Path) -> None:
    """What we hand out works, with the options commented and with all of them taken in.

    Only the escrow key must be the operator's own: a working one would be a key of somebody else.
    """
    for text in (EXAMPLE.read_text(encoding="utf-8"), taken_in()):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        loaded = config.load(path)
        assert loaded.systems["corporate-directory"].type == "ldap"


def test_the_key_of_the_example_is_refused(tmp_path: Path) -> None:
    """Whoever copies the example without reading it does not encrypt backups to nobody."""
    path = tmp_path / "config.yaml"
    path.write_text(uncommented(), encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(config.ConfigError, match="no age public key"):
        config.load(path)


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    """A commented option shows its default, so taking the sign away changes nothing."""
    both = []
    for text in (EXAMPLE.read_text(encoding="utf-8"), taken_in()):
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        both.append(config.load(path))
    plain, full = both
    for group in ("guards", "pace", "limits", "log", "drain", "time_zone"):
        if group != "guards":
            assert getattr(plain, group) == getattr(full, group), group
    assert plain.guards.window == full.guards.window
    assert plain.socket_path == full.socket_path
    assert plain.publish_directory == full.publish_directory
    assert plain.anchor_path == full.anchor_path
