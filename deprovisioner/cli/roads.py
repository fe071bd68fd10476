"""Which road a command takes to the API: the daemon's socket, or a house opened in this process.

Called by ``shell`` alone. The embedded database belongs to one process, so a running daemon is
looked for first; a house at rest serves the same application, so there is one door and one set of
rules, whoever opens it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from deprovisioner import logs
from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.client import Client, listens

if TYPE_CHECKING:
    from config.settings import Settings
    from deprovisioner.wiring import House


@contextmanager
def door(settings: Settings, token: str, role: str, user: str) -> Iterator[Client]:
    """Open the way to the API. Raises :class:`CommandFailed` when there is none."""
    with ExitStack() as held:
        if _daemon_runs(settings):
            yield held.enter_context(Client.over_socket(settings.socket_path, token))
            return
        house = held.enter_context(house_at_rest(settings))
        from deprovisioner.api.app import make_app  # noqa: PLC0415 - only without a daemon

        if not token and role:
            token = held.enter_context(_own_token(house, role, user))
        yield held.enter_context(Client.in_process(make_app(house), token))


def _daemon_runs(settings: Settings) -> bool:
    try:
        return listens(settings.socket_path)
    except OSError as error:
        raise CommandFailed(
            Exit.UNAVAILABLE,
            f"the socket {settings.socket_path} may not be used: {error.strerror or error}",
            "run the command as the user that the daemon runs as",
        ) from error


@contextmanager
def house_at_rest(settings: Settings) -> Iterator[House]:
    """Open the database in this process. Raises :class:`CommandFailed` when that cannot be."""
    from deprovisioner.wiring import CannotStart, open_house  # noqa: PLC0415 - costs a second
    from policies.problems import PolicyError  # noqa: PLC0415 - the same
    from reconcile.store.errors import DatabaseError, DatabaseUnavailable  # noqa: PLC0415 - same

    logs.configure(level="error", console=True)
    try:
        house = open_house(settings, at_rest=True)
    except (CannotStart, PolicyError) as error:
        advice = "'deprovisioner doctor' checks everything that the daemon needs"
        raise CommandFailed(Exit.SETUP, str(error), advice) from error
    except DatabaseUnavailable as error:
        raise CommandFailed(Exit.UNAVAILABLE, str(error), "try again") from error
    except DatabaseError as error:
        raise CommandFailed(Exit.SETUP, str(error)) from error
    with house:
        yield house


@contextmanager
def _own_token(house: House, role: str, user: str) -> Iterator[str]:
    """A token for the length of one command.

    Whoever opens the database and its sealing key owns both already; the token only makes what
    they do pass the same checks and carry their name.
    """
    from reconcile.principals import Role  # noqa: PLC0415 - only without a daemon

    desk, principal = house.desk, f"local/{user}"
    before = {known.id for known in desk.tokens()}
    token = desk.issue_token(principal, Role(role))
    mine = [known.id for known in desk.tokens() if known.id not in before]
    try:
        yield token
    finally:
        for token_id in mine:
            desk.revoke_token(token_id)
