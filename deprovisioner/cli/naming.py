"""Which case a word names: its own id, or an employment id, which names its newest case.

Called by every command that takes a CASE, so that all of them understand the same words.
"""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.shapes import CasePage
from deprovisioner.client import Client, Problem

CaseId = Annotated[str, typer.Argument(help="The id of a case, or an employment id.")]
_PREFIX: Final = "C-"


def found(api: Client, word: str) -> str:
    """The id of the case, fit for a path; without a word that of the newest case of all.

    An employment id may look like the id of a case, so both are tried. Raises
    :class:`CommandFailed` when there is none.
    """
    query: dict[str, Any] = {"employment_id": word} if word else {"limit": 1}
    if word.startswith(_PREFIX) and _is_case(api, word):
        return quote(word, safe="")
    cases = api.get("/v1/cases", CasePage, **query)["cases"]
    if not cases:
        message = f"there is no case of that name, and no employment {word!r} has one"
        if not word:
            message = "there is no case"
        raise CommandFailed(Exit.UNKNOWN, message, "'deprovisioner case list' shows the cases")
    return cases[0].id


def _is_case(api: Client, word: str) -> bool:
    try:
        api.get(f"/v1/cases/{quote(word, safe='')}/records", tuple[Any, ...])
    except Problem as problem:
        if problem.kind in {"unknown-case", "unusable"}:
            return False
        raise
    return True
