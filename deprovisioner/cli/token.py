"""``deprovisioner token``: who may speak to the daemon. A token is shown once and kept nowhere."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from deprovisioner.cli import tables
from deprovisioner.cli.shapes import KnownToken, NewToken
from deprovisioner.cli.shell import ADMIN, Shell, command, group
from reconcile.principals import Role

app = group("Hand out and end the tokens of people and programs.")


@command(app)
def issue(
    shell: Shell,
    principal: Annotated[str, typer.Argument(help="For whom: a name that evidence may carry.")],
    role: Annotated[Role, typer.Option(help="What it may do; docs/api.md has the table.")],
) -> None:
    """Make a token. Its text is printed once; keep it where only its owner can read it."""
    with shell.door(ADMIN) as api:
        body = {"principal": principal, "role": role.value}
        issued = api.post("/v1/tokens", body, NewToken)
    shell.done(issued, issued["token"])


@command(app, "list")
def list_tokens(shell: Shell) -> None:
    """List every token that was issued, without its text."""
    with shell.door(ADMIN) as api:
        tokens = api.get("/v1/tokens", tuple[KnownToken, ...])

    def text(console: Console) -> None:
        table = tables.plain("id", "principal", "role", "issued", "revoked")
        for token in tokens:
            issued, revoked = (
                tables.instant(token["issued_at"]),
                tables.instant(token["revoked_at"]),
            )
            table.add_row(token["id"], token["principal"], token["role"], issued, revoked)
        console.print(table)

    shell.say(tokens, text)


@command(app)
def revoke(
    shell: Shell, token_id: Annotated[str, typer.Argument(help="The id that the list shows.")]
) -> None:
    """End a token at once."""
    with shell.door(ADMIN) as api:
        api.delete(f"/v1/tokens/{token_id}")
    shell.done({"revoked": token_id}, "revoked")
