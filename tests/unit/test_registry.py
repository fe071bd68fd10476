"""The table of connector types: known by name, loaded when needed, outsiders never in front."""

import subprocess
import sys
from pathlib import Path

import pytest

from connectors import memory, registry
from connectors.registry import UnknownConnector

OUTSIDER = """
from connectors.memory import Settings, open_connector
"""


@pytest.fixture(name="outsider")
def outsider_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with two entry points: a new name, and one of ours."""
    (tmp_path / "acme_connector.py").write_text(OUTSIDER)
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[deprovisioner.connectors]\nacme = acme_connector\nmemory = acme_connector\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_known_types_are_sorted_names() -> None:
    """What an operator may write after type: is a list in order."""
    names = registry.known()

    assert list(names) == sorted(names)
    assert {"ldap", "memory"} <= set(names)


def test_a_type_brings_its_settings_and_constructor() -> None:
    """Loading by name gives the room's own two exports."""
    loaded = registry.load("memory")

    assert loaded.name == "memory"
    assert loaded.settings is memory.Settings
    assert loaded.open_connector is memory.open_connector


@pytest.mark.parametrize("name", ["", "Memory", "os", "connectors.memory", "memory "])
def test_an_unknown_type_names_the_known_ones(name: str) -> None:
    """Nothing outside the table is imported, and the message helps."""
    with pytest.raises(UnknownConnector, match=r"known: .*memory"):
        registry.load(name)


@pytest.mark.usefixtures("outsider")
def test_an_outside_author_adds_a_type() -> None:
    """A distribution with the entry point group is found and loaded."""
    assert "acme" in registry.known()
    assert registry.load("acme").settings is memory.Settings
    assert "acme_connector" in sys.modules


@pytest.mark.usefixtures("outsider")
def test_an_outsider_cannot_take_a_name_of_ours() -> None:
    """A name in the table always wins, or a package could put itself before our directory."""
    assert registry.load("memory").open_connector.__module__ == "connectors.memory.connector"
    assert registry.known().count("memory") == 1


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    """An unused connector costs nothing: not even its client library is loaded."""
    program = (
        "import sys, connectors.registry as registry; registry.known();"
        "rooms = [name for name in sys.modules if name.startswith('connectors.')];"
        "print(sorted(rooms), 'ldap3' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    ).stdout

    assert printed == "['connectors.registry'] False\n"
