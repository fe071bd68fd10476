"""Who is meant: the options that name a person and dates, shared by plan, terminate and rescind."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from config.shapes import complaints
from deprovisioner.cli.exits import CommandFailed, Exit

Shape = TypeVar("Shape", bound=BaseModel)

Employment = Annotated[str, typer.Argument(help="The employment id, as HR has it.")]
Number = Annotated[str, typer.Option("--employee-number", help="The employee number.")]
Email = Annotated[str, typer.Option(help="The work e-mail address.")]
Name = Annotated[str, typer.Option(help="The display name.")]
LastDay = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="The last working day; access ends with it."),
]
TimeZone = Annotated[
    str, typer.Option(help="IANA zone of the last day; otherwise the configured one.")
]
Successor = Annotated[
    str, typer.Option(help="Who takes over: an employment id or a work e-mail address.")
]


def subject(employment: str, number: str, email: str, name: str) -> dict[str, str]:
    """The subject of a canonical event, without what was not said."""
    said = {
        "employment_id": employment,
        "employee_number": number,
        "work_email": email,
        "display_name": name,
    }
    return {word: value for word, value in said.items() if value}


def dates(last_day: datetime | None, time_zone: str) -> dict[str, str]:
    """The civil dates of a canonical event (Law 12: a date stays a date)."""
    said = {"last_working_day": last_day.date().isoformat() if last_day else "",
            "time_zone": time_zone}  # fmt: skip
    return {word: value for word, value in said.items() if value}


def checked(shape: type[Shape], values: dict[str, object]) -> Shape:
    """Make a shape of what was typed. Raises :class:`CommandFailed` in words."""
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        words = "; ".join(found.render() for found in complaints(error, shape))
        raise CommandFailed(Exit.UNREADABLE, words, "see --help") from error
