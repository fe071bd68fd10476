"""``deprovisioner serve``: the daemon in the foreground, for a service manager or a terminal."""

from __future__ import annotations

from deprovisioner.api.serving import DoorTaken
from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.shell import Shell, command, single
from deprovisioner.daemon import serve
from deprovisioner.wiring import CannotStart
from policies.problems import PolicyError
from reconcile.store.errors import DatabaseError, DatabaseUnavailable

app = single()


@command(app)
def run(shell: Shell) -> Exit:
    """Run the daemon until SIGTERM or Ctrl-C; a second signal ends it at once.

    Log lines go to standard error. A service manager is told when it is ready (sd_notify).
    """
    try:
        return Exit.OK if serve(shell.settings()) == 0 else Exit.UNAVAILABLE
    except (CannotStart, PolicyError, DoorTaken) as error:
        advice = "'deprovisioner doctor' checks everything that the daemon needs"
        raise CommandFailed(Exit.SETUP, str(error), advice) from error
    except DatabaseUnavailable as error:
        raise CommandFailed(Exit.UNAVAILABLE, str(error)) from error
    except DatabaseError as error:
        raise CommandFailed(Exit.SETUP, str(error)) from error
