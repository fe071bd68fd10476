"""Which commands there are: one table of names, sentences and modules, loaded when one is run.

``--help`` reads the table alone, so that it answers before anything heavy is imported. A command
is a typer application of its own in its module; this tree only finds it.
"""

from __future__ import annotations

import importlib
from typing import Annotated, Final, NamedTuple

import typer
import typer.core
import typer.main


class Leaf(NamedTuple):
    """A command or a group: the module that holds its ``app``, and its one sentence."""

    module: str
    words: str


COMMANDS: Final = {
    "demo": Leaf("demo", "Watch one termination in a pretend company."),
    "init": Leaf("initialise", "Write a configuration, a policy and keys."),
    "doctor": Leaf("doctor", "Prove that the set-up works; changes nothing."),
    "serve": Leaf("serve", "Run the daemon until it is told to stop."),
    "plan": Leaf("plan", "Show what would happen to somebody; changes nothing."),
    "terminate": Leaf("terminate", "Open a case, or change the dates of an open one."),
    "rescind": Leaf("rescind", "Take a termination back."),
    "case": Leaf("case", "Look at cases and decide about them."),
    "correlate": Leaf("correlate", "Say whose an account is that may be a leaver's."),
    "inbox": Leaf("inbox", "Look at what was delivered, above all what was refused."),
    "connectors": Leaf("connectors", "Show systems and what each can do."),
    "policy": Leaf("policy", "Check policies and explain which one governs."),
    "evidence": Leaf("evidence", "Verify, export and publish evidence."),
    "report": Leaf("report", "Write the report of a case."),
    "keys": Leaf("keys", "Make keys, show their public halves."),
    "token": Leaf("token", "Hand out and end tokens of people and programs."),
    "backup": Leaf("backup", "Copy database and keys, and put them back."),
}


class Tree(typer.core.TyperGroup):
    """Finds commands by the table."""

    def list_commands(self, _ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Every name, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, _ctx: typer.Context, cmd_name: str) -> typer.core.TyperCommand | None:  # type: ignore[override]
        """A command's place in the list of commands; nothing is imported."""
        leaf = COMMANDS.get(cmd_name)
        if leaf is None:
            return None
        return typer.core.TyperCommand(cmd_name, help=leaf.words, rich_markup_mode=None)

    def resolve_command(self, ctx: typer.Context, args: list[str]):  # type: ignore[no-untyped-def,override] # noqa: ANN201 - typer's private types
        """The command itself; this is where its module is imported."""
        name, found, rest = super().resolve_command(ctx, args)
        leaf = COMMANDS.get(name or "")
        if found is None or leaf is None:
            return name, found, rest
        module = importlib.import_module(f"deprovisioner.cli.{leaf.module}")
        command = typer.main.get_command(module.app)
        command.name = name
        return name, command, rest


app = typer.Typer(
    cls=Tree,
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - only to say it

        typer.echo(version("deprovisioner"))
        raise typer.Exit


@app.callback()
def deprovisioner(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Take a leaver's access away, keep what must be kept, hand over, and prove it.

    Every command takes --json and --config. Beside a running daemon it speaks to it over its Unix
    socket; without one it opens the database itself. docs/command-line.md lists the exit codes.
    """
    _say_version(wanted=version)
