"""``deprovisioner token``: who may speak to the daemon. A token is shown once and kept nowhere."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deprovisioner.api.administration import IssuedToken, Token
from deprovisioner.cli.shell import Shell, command, group
from reconcile.principals import Role

app = group("Hand out and end the tokens of people and programs.")


@command(app)
def issue(
    shell: Shell,
    principal: Annotated[str, typer.Argument(help="For whom: a name that evidence may carry.")],
    role: Annotated[Role, typer.Option(help="What it may do; docs/api.md has the table.")],
) -> None:
    """Make a token. Its text is printed once; keep it where only its owner can read it."""
    with shell.door(Role.ADMIN) as api:
        body = {"principal": principal, "role": role.value}
        issued = api.post("/v1/tokens", body, IssuedToken)
    shell.done(issued, issued.token)


@command(app, "list")
def list_tokens(shell: Shell) -> None:
    """List every token that was issued, without its text."""
    with shell.door(Role.ADMIN) as api:
        tokens = api.get("/v1/tokens", tuple[Token, ...])

    def text(console: Console) -> None:
        table = Table("id", "principal", "role", "issued", "revoked", box=None)
        for token in tokens:
            ended = f"{token.revoked_at:%Y-%m-%d %H:%M}" if token.revoked_at else ""
            table.add_row(token.id, token.principal, token.role,
                          f"{token.issued_at:%Y-%m-%d %H:%M}", ended)  # fmt: skip
        console.print(table)

    shell.say(tokens, text)


@command(app)
def revoke(
    shell: Shell, token_id: Annotated[str, typer.Argument(help="The id that the list shows.")]
) -> None:
    """End a token at once."""
    with shell.door(Role.ADMIN) as api:
        api.delete(f"/v1/tokens/{token_id}")
    shell.done({"revoked": token_id}, "revoked")
