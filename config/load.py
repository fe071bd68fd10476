"""Loads the one YAML file of the daemon, and says every mistake in it with file, line and column.

``load`` is called by the roof. It reads no secret (references only) and opens no connection, but
it does import the rooms of the connectors that the file names, because their settings are checked
here too. What it returns is complete: nothing about the file can fail later.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from config import shapes
from config.duration import parse_duration
from config.settings import HR_ROOMS, Hr, Settings, System
from connectors import registry
from policies.positions import Items, Node, Scalar, Section, parse
from policies.problems import (
    PolicyError,
    Position,
    Problem,
    WordError,
    nearest_word,
    one_of,
    quoted,
)

Model = TypeVar("Model", bound=BaseModel)
_OTHERS_MAY_WRITE: Final = 0o002
_MOST_BYTES: Final = 1024 * 1024


class ConfigError(Exception):
    """A settings file that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda p: (not p.shape, p.position)))
        super().__init__("\n".join(problem.render() for problem in self.problems))


def load(path: Path) -> Settings:
    """Read and check the file. Raises :class:`ConfigError` and nothing else."""
    reader = _Reader(path.absolute().parent)
    tree = reader.value(_read(path), Settings, ())
    settings = reader.checked(tree, Settings, ())
    if reader.problems or settings is None:
        raise ConfigError(reader.problems)
    return settings


def _read(path: Path) -> Section:
    start = Position(str(path), 1, 1)
    try:
        if path.stat().st_mode & _OTHERS_MAY_WRITE:
            # Whoever writes here decides whom the daemon cuts off and where its log goes.
            problem = Problem(start, "everybody may write this file", "chmod o-w")
            raise ConfigError([problem])
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES)
        root = parse(raw.decode("utf-8"), str(path))
    except OSError as error:
        raise ConfigError([Problem(start, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(start, "the file is not UTF-8")]) from error
    except PolicyError as error:
        raise ConfigError(error.problems) from error
    if not isinstance(root, Section):
        problem = Problem(
            root.position, "the file is not a section", "keys with values", shape=True
        )
        raise ConfigError([problem])
    return root


@dataclass(slots=True)
class _Reader:
    """Turns nodes into plain values for pydantic, remembering where each stood."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)
    places: dict[shapes.Path, Position] = field(default_factory=dict)

    def value(self, node: Node, wanted: Any, trail: shapes.Path) -> object:  # noqa: ANN401 - a type
        """A node as dict, list or text; lengths of time and paths where ``wanted`` is one."""
        self.places.setdefault(trail, node.position)
        if isinstance(node, Scalar):
            return self._scalar(node, wanted)
        if isinstance(node, Items):
            element = next(iter(get_args(wanted)), None)
            return [self.value(n, element, (*trail, i)) for i, n in enumerate(node.items)]
        if (roomed := shapes.model_in(wanted)) in (System, Hr) and not shapes.is_table(wanted):
            return self._roomed(node, roomed, trail)
        return self._section(node, wanted, trail)

    def checked(self, tree: object, model: type[Model], trail: shapes.Path) -> Model | None:
        """The validated model; None when there are complaints, which are noted with positions."""
        try:
            return model.model_validate(tree)
        except ValidationError as error:
            for complaint in shapes.complaints(error, model):
                self._note((*trail, *complaint.path), complaint)
        return None

    def _note(self, path: shapes.Path, complaint: shapes.Complaint) -> None:
        words = [step for step in complaint.path if isinstance(step, str)]
        name = f"'{words[-1]}': " if words else ""
        place = next(
            self.places[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.places
        )
        self.problems.append(
            Problem(place, f"{name}{complaint.message}", nearest=complaint.nearest)
        )

    def _section(self, node: Section, wanted: Any, trail: shapes.Path) -> dict[str, object]:  # noqa: ANN401 - a type
        values: dict[str, object] = {}
        for entry in node.entries:
            here = (*trail, entry.key.text)
            self.places[here] = entry.key.position
            if isinstance(entry.value, Scalar) and not entry.value.text:
                continue  # a key without a value keeps its default
            values[entry.key.text] = self.value(entry.value, _wanted(wanted, entry.key.text), here)
        return values

    def _scalar(self, node: Scalar, wanted: Any) -> object:  # noqa: ANN401 - a type
        types = set(_leaves(wanted))
        if timedelta in types:
            try:
                return parse_duration(node.text)
            except WordError as error:
                self.problems.append(
                    Problem(node.at(error.index), error.message, error.expected, error.nearest)
                )
                return timedelta(seconds=1)
        if Path in types:
            return self.folder / node.text
        return node.text

    def _roomed(self, node: Section, wanted: type[BaseModel], trail: shapes.Path) -> object:
        """A system or HR: ``settings`` read as the model of the room that ``type`` names."""
        inside = {entry.key.text: entry for entry in node.entries}.get("settings")
        rest = tuple(entry for entry in node.entries if entry is not inside)
        values = self._section(Section(rest, node.position), wanted, trail)
        model = self._room(values.get("type"), wanted, trail)
        here = (*trail, "settings")
        self.places[here] = inside.key.position if inside else node.position
        raw = self.value(inside.value, model, here) if inside else {}
        read = self.checked(raw, model, here) if model else None
        return {**values, "settings": read or _Unread()}

    def _room(
        self, word: object, wanted: type[BaseModel], trail: shapes.Path
    ) -> type[BaseModel] | None:
        if not isinstance(word, str):
            return None
        if wanted is Hr and word in HR_ROOMS:
            room: type[BaseModel] = importlib.import_module(HR_ROOMS[word]).Settings
            return room
        known = tuple(HR_ROOMS) if wanted is Hr else registry.known()
        if wanted is System and word in known:
            return registry.load(word).settings
        message = f"{quoted(word)} is not a kind of {'HR ' if wanted is Hr else ''}system"
        near = nearest_word(word, known)
        self.problems.append(Problem(self.places[(*trail, "type")], message, one_of(known), near))
        return None


class _Unread(BaseModel):
    """Stands in for settings that did not read, so that only the real mistake is reported."""


def _wanted(wanted: Any, key: str) -> Any:  # noqa: ANN401 - types
    model = shapes.model_in(wanted)
    if model is wanted and model is not None:
        known = model.model_fields.get(key)
        return known.annotation if known else None
    if shapes.is_table(wanted):
        return get_args(wanted)[-1]
    known = model.model_fields.get(key) if model else None
    return known.annotation if known else None


def _leaves(wanted: Any) -> Iterator[Any]:  # noqa: ANN401 - types
    arguments = get_args(wanted)
    if not arguments:
        yield wanted
    for argument in arguments:
        yield from _leaves(argument)
