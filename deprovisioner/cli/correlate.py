"""``deprovisioner correlate``: accounts that may be a leaver's, and what you say of them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from deprovisioner.cli import tables
from deprovisioner.cli.exits import Exit
from deprovisioner.cli.naming import CaseId, found
from deprovisioner.cli.shell import OPERATOR, Shell, command, group
from deprovisioner.client import Client
from reconcile.attribution import Word
from reconcile.views import AccountView

app = group("Accounts that may be a leaver's: look, approve, reject.")

System = Annotated[str, typer.Argument(help="The system that the account is in.")]
Account = Annotated[str, typer.Argument(help="The account's id, as the list shows it.")]
Why = Annotated[str, typer.Option(help="Why; it stands in the sealed part of the evidence.")]


@command(app, "list")
def list_accounts(
    shell: Shell,
    case: Annotated[str, typer.Argument(help="A case or employment id; all if left out.")] = "",
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Of one case: also who is decided about, and why.")
    ] = False,
) -> Exit:
    """List accounts that wait for a person. Exit code 1 when there are any.

    With a CASE and --all: every account that was found, the rejected ones with their reasons.
    """
    with shell.door(OPERATOR) as api:
        path = f"/v1/cases/{found(api, case)}/accounts" if case else "/v1/accounts"
        known = api.get(path, tuple[AccountView, ...])
    waiting = tuple(each for each in known if each.decision == "candidate")
    listed = known if every and case else waiting
    shell.say(listed, lambda screen: tables.accounts(screen, listed))
    return Exit.NO if waiting else Exit.OK


@command(app)
def approve(
    shell: Shell,
    case: CaseId,
    system: System,
    account: Account,
    *,
    service: Annotated[
        bool,
        typer.Option("--service", help="It is theirs to hand over, and nobody's own."),
    ] = False,
    why: Why = "",
) -> None:
    """Say that an account is theirs. It is treated like the others, and remembered.

    With --service it is not disabled: handing it over and changing its secrets becomes a duty.
    """
    word = Word.SERVICE if service else Word.ACCEPT
    with shell.door(OPERATOR) as api:
        _say(api, case, system, account, word, why)
    said = "theirs to hand over" if service else "theirs"
    shell.done({"account": account, "answer": word.value}, f"noted: {said}")


@command(app)
def reject(shell: Shell, case: CaseId, system: System, account: Account, *, why: Why = "") -> None:
    """Say that an account is not theirs. Nothing is done to it; you are asked again when it
    matches for sure. Exit code 5 when something of it was changed already.
    """
    with shell.door(OPERATOR) as api:
        _say(api, case, system, account, Word.REJECT, why)
    shell.done({"account": account, "answer": Word.REJECT.value}, "noted: not theirs")


def _say(api: Client, case: str, system: str, account: str, word: Word, why: str) -> None:
    place = f"{quote(system, safe='')}/{quote(account, safe='/')}"
    path = f"/v1/cases/{found(api, case)}/accounts/{place}"
    api.command(path, {"answer": word.value, "why": why})
