"""What the demo says while it runs: live on a terminal, plain lines elsewhere, nothing with --json.

Called by ``running``. It only talks; nothing that happens depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from deprovisioner.progress import Teller, picture, shortened
from deprovisioner.sandbox.people import Person
from reconcile.views import CaseView, QuestionView

_LAST_ANSWERS = 6
"""So many lines of what people did stand below the picture; the report has all of them."""
_SETTLE, _GAP = 5.0, 300.0
"""Seconds that a directory gets to settle and between the two closing reads, unshortened."""


@dataclass(frozen=True, slots=True)
class Named:
    """How many objects of each system name the leaver beside their account; None: not there."""

    directory: int
    domain: int | None = None
    tenant: int | None = None
    doors: int | None = None


@dataclass(slots=True)
class Telling:
    """One run's talk. ``console`` decides by itself whether it is a terminal."""

    console: Console
    quiet: bool = False
    _teller: Teller = field(default_factory=Teller)
    _live: Live | None = None
    _answers: list[str] = field(default_factory=list)

    def _say(self, *lines: str) -> None:
        if not self.quiet:
            for line in lines:
                self.console.print(line, soft_wrap=True, markup=False)

    def no_tenant(self) -> None:
        """Say that the Entra tenant is left out, and how to have it."""
        self._say(
            "Without the Entra tenant: its client is not installed (pip install"
            " 'deprovisioner[entra]'; make demo does)."
        )

    def company(self, people: int, leaver: Person, named: Named) -> None:
        """Introduce everybody."""
        systems = ["a directory"]
        holds = [f"an account, and {named.directory} other entries of the directory that name it"]
        if named.domain is not None:
            systems.append("an Active Directory domain")
            holds.append(f"an account of the domain, and {named.domain} other objects there")
        if named.tenant is not None:
            systems.append("an Entra tenant")
            holds.append(f"an account of the tenant, and {named.tenant} other objects there")
        if named.doors is not None:
            systems.append("two door sites")
            holds.append(f"badges at both sites, {named.doors} things that open doors")
        self._say(
            f"The pretend company: {people} people, {', '.join(systems)}, an HR system, all on"
            " loopback.",
            f"{leaver.display_name} ({leaver.employment_id}), {leaver.title} in {leaver.site.name},"
            f" has left: {', '.join(holds)}.",
        )

    def tenant(self, holds: str) -> None:
        """Say what the tenant is made of."""
        self._say(f"The tenant: {holds}.")

    def waits(self, policy: Path, factor: float) -> None:
        """Say how much shorter than in earnest everything is waited for."""
        self._say(
            f"Policy: {policy}. Waits are shortened {1 / factor:g} times: "
            f"settle {_SETTLE:g} s -> {_SETTLE * factor:g} s, "
            f"between the two closing reads {_GAP:g} s -> {_GAP * factor:g} s.",
        )

    def daemon(self, pid: int, url: str) -> None:
        """Say that the daemon is ready."""
        self._say(f"The daemon runs as process {pid} on SQLite and listens on {url}.")

    def sent(self, url: str) -> None:
        """Say that HR has told."""
        self._say(f"HR sent a signed event to {url}/v1/terminations: 202, stored.", "")

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show progress for the length of the block; on a terminal the picture stays."""
        if self.quiet or not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def progress(self, view: CaseView, now: datetime) -> None:
        """Show where the case stands."""
        if self._live is not None:
            said = (Text(line, style="magenta") for line in self._answers[-_LAST_ANSWERS:])
            self._live.update(Group(picture(view, now), *said), refresh=True)
            return
        self._say(*self._teller.news(view))

    def answered(self, question: QuestionView, done: str) -> None:
        """Say what a scripted person did before they answered."""
        line = f"scripted person: {done} - {shortened(question.words)}"
        self._answers.append(line)
        if self._live is None:
            self._say(line)
