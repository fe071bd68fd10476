"""What pydantic found wrong, as complaints: a path, words without values, the nearest right word.

Used for the settings file (``config.load``) and for the events that HR sends
(``deprovisioner.intake``). A complaint never repeats a value: it may be a secret in the wrong
place, or somebody's name (Law 10).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ValidationError

from policies.problems import nearest_word, quoted

Path: TypeAlias = tuple[str | int, ...]

_WORDS: Final = {
    "missing": "it is missing",
    "extra_forbidden": "unknown word",
    "string_type": "text belongs here",
    "int_type": "a whole number belongs here",
    "int_parsing": "a whole number belongs here",
    "bool_type": "true or false belongs here",
    "bool_parsing": "true or false belongs here",
    "float_parsing": "a number belongs here",
    "model_type": "a section with keys belongs here",
    "dict_type": "a section with keys belongs here",
    "mapping_type": "a section with keys belongs here",
    "tuple_type": "a list belongs here",
    "list_type": "a list belongs here",
    "string_pattern_mismatch": "it is not written in the form that belongs here",
    "string_too_short": "it is empty",
    "path_type": "the path of a file or folder belongs here",
    "time_delta_type": "a length of time belongs here, such as 30s or 2h",
    "float_type": "a number belongs here",
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One mistake: where in the document, what, and the word that was probably meant."""

    path: Path
    message: str
    nearest: str = ""

    @property
    def dotted(self) -> str:
        """``data.dates.time_zone``, as people read it."""
        return ".".join(str(step) for step in self.path)

    def render(self) -> str:
        """One sentence for people."""
        hint = f" (did you mean '{self.nearest}'?)" if self.nearest else ""
        where = f"{self.dotted}: " if self.path else ""
        return f"{where}{self.message}{hint}"


def complaints(error: ValidationError, model: type[BaseModel]) -> Iterator[Complaint]:
    """Translate everything pydantic found wrong with a document of shape ``model``."""
    for found in error.errors(include_url=False, include_input=False):
        path: Path = tuple(found["loc"])
        if found["type"] == "extra_forbidden":
            word = str(path[-1])
            near = nearest_word(word, _known(model, path[:-1]))
            yield Complaint((*path[:-1], shown(word)), _WORDS["extra_forbidden"], near)
        else:
            yield Complaint(path, _words(found))


def shown(word: str) -> str:
    """A key of the document, printable and short."""
    return quoted(word)[1:-1]


def model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that describes the section at ``path``; None where there is none."""
    here: type[BaseModel] | None = model
    table = False
    for step in path:
        if table or isinstance(step, int):
            table = False  # a chosen key or a place in a list: the same model goes on
            continue
        field = here.model_fields.get(step) if here else None
        here = model_in(field.annotation) if field else None
        table = field is not None and is_table(field.annotation)
    return None if table else here


def _known(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    here = model_at(model, path)
    return tuple(here.model_fields) if here else ()


def model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any type may stand here
    """The model inside an annotation such as ``Mapping[str, System]`` or ``Hr | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := model_in(arg))), None)


def is_table(annotation: Any) -> bool:  # noqa: ANN401 - the same
    """Say whether the annotation is a mapping whose keys the operator chooses."""
    return get_origin(annotation) in (dict, Mapping)


def _words(found: Any) -> str:  # noqa: ANN401 - pydantic's own dictionary
    kind, context = str(found["type"]), found.get("ctx", {})
    match kind:
        case "value_error":
            words = str(context["error"])
        case "enum" | "literal_error":
            words = f"not one of {context['expected']}"
        case "too_short":
            words = f"at least {context['min_length']} must stand here"
        case "string_too_long":
            words = f"it is longer than {context['max_length']} characters"
        case _:
            message = str(found["msg"]).replace("Input should be", "it must be")
            if "<class" in message:  # a type of ours is no word for people
                message = "it is not written in the form that belongs here"
            words = _WORDS.get(kind, message.replace("Input should", "it should"))
    return words
