"""Log lines: events with fields, and nothing that tells who somebody is."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from deprovisioner import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Logging into memory; the process's own setup comes back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(level="debug", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_has_its_fields_a_level_and_an_instant(lines: io.StringIO) -> None:
    """One JSON object per line, for machines."""
    structlog.get_logger().info("case.step.done", case="C-1", seconds=0.5, steps=("a", "b"))
    (line,) = written(lines)
    assert line["event"] == "case.step.done"
    assert (line["case"], line["seconds"], line["steps"]) == ("C-1", 0.5, ["a", "b"])
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("field", sorted(logs.PERSONAL))
def test_a_personal_field_is_emptied(lines: io.StringIO, field: str) -> None:
    """Law 10 holds even where somebody forgot it."""
    structlog.get_logger().info("a.b", **{field: "Robin", field.title(): "Robin"})
    assert "Robin" not in lines.getvalue()


def test_what_looks_like_an_address_is_emptied(lines: io.StringIO) -> None:
    """Under whatever name, and inside lists."""
    structlog.get_logger().info("a.b", note="robin@example.com", notes=["robin@example.com"])
    assert "robin" not in lines.getvalue()


def test_an_object_is_its_type(lines: io.StringIO) -> None:
    """A repr may show all of a person."""
    structlog.get_logger().info("a.b", thing={"a": "Robin"})
    assert written(lines)[0]["thing"] == "<dict>"


def test_an_exception_is_its_class_and_places(lines: io.StringIO) -> None:
    """A vendor's message may quote a name; where it arose is enough to find it."""
    try:
        raise ValueError("no such user: Robin")  # noqa: TRY301 - the point of the test
    except ValueError:
        structlog.get_logger().exception("a.b")
    (line,) = written(lines)
    assert line["fault"] == "ValueError"
    assert line["trace"][-1].startswith("test_logs.py:")
    assert "Robin" not in lines.getvalue()


def test_a_library_speaks_without_its_sentence(lines: io.StringIO) -> None:
    """Place, level and library; the text may quote a statement's values."""
    logging.getLogger("ldap3").warning("bound as %s", "cn=Robin")
    logging.getLogger("ldap3").error("bound as cn=Robin")
    first, second = written(lines)
    assert (first["event"], first["library"]) == ("library.spoke", "ldap3")
    assert first["at"].startswith("test_logs.py:")
    assert second["level"] == "error"
    assert "Robin" not in lines.getvalue()


def test_the_http_servers_templates_are_kept(lines: io.StringIO) -> None:
    """Its constant sentences help; the values put into them do not appear."""
    logging.getLogger("uvicorn.error").warning("Invalid request from %s", "Robin")
    assert written(lines)[0]["template"] == "Invalid request from %s"
    assert "Robin" not in lines.getvalue()


def test_below_the_level_nothing_is_written(lines: io.StringIO) -> None:
    """And libraries need a warning at least."""
    logging.getLogger("anything").info("chatter")
    assert lines.getvalue() == ""
