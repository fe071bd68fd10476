"""Prints every setting with its meaning and default, from the docstrings in ``config.settings``.

``python -m config.reference`` writes the tables of ``docs/configuration.md``; a test compares the
two, so the page cannot say something else than the code. The daemon never imports this module.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.duration import spell_duration
from config.group import Group
from config.settings import Settings
from config.shapes import is_table, model_in


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name (``NAME`` stands for a word of the operator's), its default."""

    name: str
    default: str
    meaning: str


def settings(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Setting]:
    """Every setting, in the order of the file."""
    for word, field in model.model_fields.items():
        group = model_in(field.annotation)
        if group is not None and issubclass(group, Group):
            if field.description:
                yield _setting(prefix, word, field, default="as shipped")
            inner = f"{prefix}{word}.NAME." if is_table(field.annotation) else f"{prefix}{word}."
            yield from settings(group, inner)
        else:
            yield _setting(prefix, word, field, default=_default(field))


def _setting(prefix: str, word: str, field: FieldInfo, *, default: str) -> Setting:
    meaning = " ".join((field.description or "").split())
    return Setting(f"{prefix}{word}", default, meaning)


def tables() -> str:
    """The tables in Markdown, one per group."""
    lines: list[str] = []
    group: str | None = None
    for setting in settings():
        section = setting.name.rpartition(".")[0]
        if section != group:
            group = section
            lines += ["", f"### {section or 'The daemon as a whole'}", ""]
            lines += ["| setting | default | meaning |", "| --- | --- | --- |"]
        meaning = setting.meaning.replace("``", "`").replace("|", "\\|")
        lines.append(f"| `{setting.name}` | {setting.default} | {meaning} |")
    return "\n".join(lines).strip() + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    return _spelled(field.get_default(call_default_factory=True))


def _spelled(value: Any) -> str:  # noqa: ANN401 - the default of any setting
    if isinstance(value, timedelta):
        return f"`{spell_duration(value)}`"
    if value is None or value == "":
        return "left out"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, tuple):
        return "none" if not value else ", ".join(f"`{item}`" for item in value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(tables())
