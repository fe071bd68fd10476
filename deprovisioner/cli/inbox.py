"""``deprovisioner inbox``: what was delivered, above all what was refused and kept."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from deprovisioner.api.inbox import Shown
from deprovisioner.cli import tables
from deprovisioner.cli.shell import OPERATOR, Shell, command, group
from reconcile.store.inbox_rows import Delivery, Taken

app = group("Look at what was delivered, above all what was refused and kept.")


@command(app, "list")
def list_deliveries(
    shell: Shell,
    *,
    state: Annotated[
        Taken | None, typer.Option(help="Only deliveries of this state; refused ones: rejected.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=500)] = 100,
) -> None:
    """List deliveries, newest first, without their bodies."""
    query: dict[str, Any] = {"limit": limit} | ({"state": state.value} if state else {})
    with shell.door(OPERATOR) as api:
        found = api.get("/v1/inbox", tuple[Delivery, ...], **query)

    def text(screen: Console) -> None:
        table = tables.plain("event", "received", "from", "state", "case", "problem")
        for each in found:
            table.add_row(each.event_id, tables.instant(each.received_at), each.principal,
                          each.state.value, each.case_id or "", each.problem)  # fmt: skip
        screen.print(table)

    shell.say(found, text)


@command(app)
def show(
    shell: Shell,
    event: Annotated[str, typer.Argument(help="The id that the list shows.")],
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="Also the body as it came; it names a person.")
    ] = False,
) -> None:
    """Show one delivery. A refused one is sent again by HR, mended, or typed by hand."""
    with shell.door(OPERATOR) as api:
        path = f"/v1/inbox/{quote(event, safe='')}"
        found = api.get(path, Shown, **({"raw": True} if raw else {}))

    def text(screen: Console) -> None:
        one = found.delivery
        for word, value in (
            ("event", one.event_id), ("received", tables.instant(one.received_at)),
            ("from", one.principal), ("source", one.source), ("employment", one.employment_id),
            ("state", one.state.value), ("case", one.case_id or ""),
            ("problem", one.problem), ("sha-256", one.raw_sha256),
        ):  # fmt: skip
            screen.print(f"{word:<11}{value}", soft_wrap=True)
        if found.raw is not None:
            screen.print(f"\n{found.raw}", soft_wrap=True)

    shell.say(found, text)
