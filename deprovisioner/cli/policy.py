"""``deprovisioner policy``: check policy files, and explain which policy governs whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.person import as_known
from deprovisioner.cli.shell import Shell, command, group
from deprovisioner.cli.subject import Email, Employment, Name, Number
from deprovisioner.intake.canonical import person_of
from deprovisioner.wiring import policy_sources, utc_now
from policies.lint import Finding, Severity, lint
from policies.load import PolicySet, Source, load, read_folder, shipped_sources
from policies.problems import PolicyError
from policies.select import SelectionError, select
from reconcile.folding import facts_of

app = group("Check policies and explain which one governs.")


@command(app, "lint")
def lint_policies(
    shell: Shell,
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of policies; otherwise the configured one.")
    ] = None,
) -> Exit:
    """Load every policy and say what is wrong, or legal but probably not meant.

    Exit code 1 when a policy has an error; warnings alone are 0.
    """
    policies = _loaded(_sources(shell, folder))
    found = lint(policies, utc_now().date())
    said = [_shown(finding) for finding in found]

    def text(screen: Console) -> None:
        for finding in found:
            screen.print(finding.render(), soft_wrap=True)
        names = ", ".join(policy.name for policy in policies.policies)
        screen.print(f"{len(policies.policies)} policies ({names}), {len(found)} findings")

    shell.say({"policies": [p.name for p in policies.policies], "findings": said}, text)
    return Exit.NO if any(f.severity is Severity.ERROR for f in found) else Exit.OK


def _shown(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"position": str(finding.position)}


@command(app)
def explain(
    shell: Shell,
    employment: Employment,
    *,
    employee_number: Number = "",
    email: Email = "",
    name: Name = "",
    role_key: Annotated[str, typer.Option(help="The role, when it is not HR's word.")] = "",
) -> Exit:
    """Say which policy governs an employment, why, and why no other does."""
    data = as_known(
        shell, employment, number=employee_number, email=email, name=name,
        last_day=None, time_zone="", successor="",
    )  # fmt: skip
    if role_key:
        data = data.model_copy(update={"role_key": role_key})
    policies = _loaded(_sources(shell, None))
    try:
        chosen = select(policies.policies, facts_of(person_of(data)))
    except SelectionError as error:
        raise CommandFailed(Exit.NO, str(error), "the case would be held for two people") from error
    said = {
        "policy": chosen.policy.name,
        "hash": chosen.policy.policy_hash,
        "reason": chosen.reason,
        "rejected": {rejected.name: rejected.why for rejected in chosen.rejected},
    }

    def text(screen: Console) -> None:
        screen.print(f"{chosen.policy.name}: {chosen.reason}", soft_wrap=True)
        screen.print(f"hash {chosen.policy.policy_hash}", soft_wrap=True)
        for rejected in chosen.rejected:
            screen.print(f"  not {rejected.name}: {rejected.why}", soft_wrap=True)

    shell.say(said, text)
    return Exit.OK


def _sources(shell: Shell, folder: Path | None) -> Sequence[Source]:
    try:
        if folder is not None:
            return (*shipped_sources(), *read_folder(folder))
        return policy_sources(shell.settings())
    except PolicyError as error:
        raise CommandFailed(
            Exit.UNREADABLE, str(error), "docs/policies.md has every word"
        ) from error


def _loaded(sources: Sequence[Source]) -> PolicySet:
    try:
        return load(sources)
    except PolicyError as error:
        raise CommandFailed(Exit.NO, str(error), "docs/policies.md has every word") from error
