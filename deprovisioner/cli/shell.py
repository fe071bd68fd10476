"""What all commands share: options, settings, the door to the daemon, and how they end.

A command is a plain function whose first argument is a :class:`Shell`; :func:`command` gives it
``--json``, ``--config`` and ``--token-file`` and turns every refusal into one message on standard
error, what to do next, and an exit code. Commands never print a stack trace.
"""

from __future__ import annotations

import functools
import getpass
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deprovisioner.cli.exits import CommandFailed, Exit

if TYPE_CHECKING:
    from rich.console import Console

    from config.settings import Settings
    from deprovisioner.client import Client, Problem

TOKEN: Final = "DEPROVISIONER_TOKEN"  # noqa: S105 - the name of the variable
OPERATOR: Final = "operator"
ADMIN: Final = "admin"
"""Roles that the owner of a database may act as (`reconcile.principals.Role`, not loaded here)."""
DEFAULT_CONFIG: Final = Path("/etc/deprovisioner/config.yaml")
_LONGEST_TOKEN: Final = 1024

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="DEPROVISIONER_CONFIG", help="The configuration file."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help=f"File that holds your token; otherwise {TOKEN} is read."),
]
_SHARED: Final = {"as_json": (Json, False), "config": (Config, DEFAULT_CONFIG),
                  "token_file": (TokenFile, None)}  # fmt: skip


@dataclass(slots=True)
class Shell:
    """One run of one command."""

    as_json: bool
    config: Path
    token_file: Path | None

    def settings(self) -> Settings:
        """Read the configuration. Raises :class:`CommandFailed` with every mistake in it."""
        from config.load import ConfigError, load  # noqa: PLC0415 - costs a fifth of a second

        if not self.config.exists():
            raise CommandFailed(
                Exit.SETUP,
                f"there is no configuration {self.config}",
                "write one with 'deprovisioner init', or name yours with --config",
            )
        try:
            return load(self.config)
        except ConfigError as error:
            raise CommandFailed(Exit.SETUP, str(error), "mend the file, then try again") from error

    def token(self) -> str:
        """The caller's token; empty without one."""
        if self.token_file is None:
            return os.environ.get(TOKEN, "").strip()
        try:
            with self.token_file.open(encoding="utf-8") as file:
                return file.read(_LONGEST_TOKEN).strip()
        except (OSError, UnicodeDecodeError) as error:
            message = f"the token file {self.token_file} cannot be read"
            raise CommandFailed(Exit.UNREADABLE, message) from error

    @contextmanager
    def door(self, role: str = "") -> Iterator[Client]:
        """The API: of the running daemon, else of a house that this process opens.

        ``role`` is what the owner of the database may act as without a token, for the length of
        this command; empty where only a person's own token will do (releases and approvals).
        """
        from deprovisioner.cli.roads import door  # noqa: PLC0415 - loads an HTTP client

        with door(self.settings(), self.token(), role, _user()) as client, refusals():
            yield client

    def say(self, value: object, text: Callable[[Console], None]) -> None:
        """Print ``value`` as JSON, or what ``text`` makes of it for people."""
        if self.as_json:
            typer.echo(_as_json(value))
        else:
            text(console())

    def done(self, value: object, words: str) -> None:
        """Print one short result."""
        typer.echo(_as_json(value) if self.as_json else words)


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Register a function as a command, with the options that all commands have."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(**values: Any) -> None:  # noqa: ANN401 - typer's
            shared = {word: values.pop(word) for word in _SHARED}
            try:
                code = function(Shell(**shared), **values)
            except CommandFailed as failed:
                _complain(failed, as_json=shared["as_json"])
                code = failed.code
            raise typer.Exit(int(code or Exit.OK))

        own = inspect.signature(function, eval_str=True).parameters.values()
        extra = [
            inspect.Parameter(word, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=of)
            for word, (of, value) in _SHARED.items()
        ]
        signature = inspect.Signature([*list(own)[1:], *extra])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        app.command(name)(run)
        return function

    return register


def group(words: str) -> typer.Typer:
    """An application that holds several commands."""
    app = typer.Typer(help=words, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
    app.callback()(lambda: None)  # a group, also when it holds one command only
    return app


def single() -> typer.Typer:
    """An application that is one command."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def console(*, error: bool = False) -> Console:
    """A console that colours only a terminal, and never under NO_COLOR (no-color.org)."""
    from rich.console import Console  # noqa: PLC0415 - not for --json

    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else int(os.environ.get("COLUMNS", "120"))
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the API answers into how a command ends."""
    from deprovisioner.client import NoAnswer, Problem  # noqa: PLC0415 - loads an HTTP client

    try:
        yield
    except NoAnswer as error:
        advice = "look at the daemon's log; 'deprovisioner doctor' checks what it needs"
        raise CommandFailed(Exit.UNAVAILABLE, str(error), advice) from error
    except Problem as problem:
        code, advice = _meaning(problem)
        raise CommandFailed(code, str(problem), advice) from problem


_BY_KIND: Final = {
    "unauthenticated": (
        Exit.DENIED,
        f"put your token into {TOKEN} or name its file with --token-file",
    ),
    "forbidden": (Exit.DENIED, "ask somebody whose role may do this"),
    "not-allowed": (Exit.REFUSED, ""),
    "unknown-case": (Exit.UNKNOWN, "'deprovisioner case list' shows the cases"),
    "unknown-question": (Exit.UNKNOWN, "'deprovisioner case show CASE' shows what the case has"),
    "stale-approval": (Exit.REFUSED, "look at the case again, then decide with its new plan hash"),
    "not-published": (Exit.UNAVAILABLE, "records are published every few seconds: try again"),
    "outside-system": (Exit.UNAVAILABLE, "'deprovisioner doctor' says which system and why"),
    "unavailable": (Exit.UNAVAILABLE, "try again in a few seconds"),
    "internal": (Exit.DEFECT, "the daemon's log has the place; please report it"),
}
_BY_STATUS: Final = {401: Exit.DENIED, 403: Exit.REFUSED, 404: Exit.UNKNOWN, 503: Exit.UNAVAILABLE}


def _meaning(problem: Problem) -> tuple[Exit, str]:
    return _BY_KIND.get(problem.kind, (_BY_STATUS.get(problem.status, Exit.REFUSED), ""))


def _complain(failed: CommandFailed, *, as_json: bool) -> None:
    if as_json:
        said = {"error": failed.message, "advice": failed.advice, "exit": int(failed.code)}
        typer.echo(json.dumps(said, ensure_ascii=False), err=True)
        return
    typer.echo(f"deprovisioner: {failed.message}", err=True)
    if failed.advice:
        typer.echo(f"  {failed.advice}", err=True)


def _as_json(value: object) -> str:
    from pydantic_core import to_json  # noqa: PLC0415 - not for text

    return to_json(value, indent=2).decode()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for this user id, as in small containers
        return f"uid-{os.getuid()}"
