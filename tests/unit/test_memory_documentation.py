"""The page for authors is executed: its example is a connector that the registry could load."""

import ast
import importlib.util
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from connectors.conformance import CHECKS
from connectors.contract import Connector, Credential, Finds, Revokes, Subject, Surveys, gather
from connectors.registry import ENTRY_POINT_GROUP, ConnectorType
from tests.support import memory_rig, sinners

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "connectors" / "writing-a-connector.md"
NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)


@pytest.fixture(name="page")
def page_fixture() -> str:
    """Read the page; a wheel carries none."""
    if not PAGE.exists():
        pytest.skip("docs/ is not beside these tests")
    return PAGE.read_text(encoding="utf-8")


def python_blocks(page: str) -> list[str]:
    """Cut out the fenced Python."""
    return re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)


def imported(text: str, folder: Path) -> ModuleType:
    """Import a block of the page as an author's module would be."""
    file = folder / "example_room.py"
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("example_room", file)
    assert spec is not None
    assert spec.loader is not None
    room = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = room  # dataclasses and pydantic look their module up
    spec.loader.exec_module(room)
    return room


def test_the_example_is_a_connector(page: str, tmp_path: Path) -> None:
    """The first block defines what the registry asks for, and what it makes can be read."""
    room = imported(python_blocks(page)[0], tmp_path)
    example = ConnectorType("badges", room.Settings, room.open_connector)

    settings = example.settings.model_validate(
        {"base_url": "https://badges.example.com", "token": "env:BADGES_TOKEN"}
    )
    connector: Connector = example.open_connector(
        "badges", settings, Credential.VERIFY, lambda: NOW
    )

    found = gather(connector.find(Subject("E-1", employee_number="7")))
    assert (found.blind, found.items[0].native_id) == ("", "id-of-7")
    assert gather(connector.survey(found.items[0])).blind == ""
    assert connector.card().product == "Example Badges"
    assert isinstance(connector, Finds)
    assert isinstance(connector, Surveys)
    assert not isinstance(connector, Revokes)
    connector.close()


def test_the_page_names_what_is_there(page: str) -> None:
    """Files, the entry point group and names in the page exist."""
    assert ENTRY_POINT_GROUP in page
    for module in (memory_rig, sinners):
        assert Path(str(module.__file__)).relative_to(ROOT).as_posix() in page
    for path in re.findall(r"`((?:connectors|tests)/[a-z_/]+\.py)`", page):
        assert (ROOT / path).is_file(), path
    ast.parse(python_blocks(page)[1], str(PAGE))
    assert CHECKS
