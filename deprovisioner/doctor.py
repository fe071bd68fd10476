"""The doctor: proves that everything the daemon needs is there, allowed and sound.

Called by `doctor` and `connectors check`. It changes nothing anywhere: it opens no embedded
database (that would upgrade its tables), writes no file, and no connector's ``probe`` changes
anything. What it cannot know without changing something it does not claim.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from config.settings import Mode, Settings
from connectors.contract import Credential, Probe, Probes
from connectors.faults import Fault
from connectors.hr.contract import HrSource
from connectors.secret import Secret, SecretUnavailable
from deprovisioner.client import listens
from deprovisioner.intake import signature
from deprovisioner.wiring import (
    CannotStart,
    database_url,
    open_hr,
    open_signer,
    open_systems,
    policy_sources,
    read_sealing_key,
)
from policies.lint import Severity, lint
from policies.load import load
from policies.problems import PolicyError
from reconcile.estate import System
from reconcile.store.database import Database
from reconcile.store.embedded import file_system
from reconcile.store.errors import DatabaseError
from reconcile.store.looking import Waiting, look, waiting

_LONGEST_SOCKET: Final = 107
"""Bytes of ``sun_path`` without its end (unix(7))."""
_NO_DISK: Final = frozenset(
    {"proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs",
     "mqueue", "bpf", "pstore", "configfs", "efivarfs"}
)  # fmt: skip
"""What the kernel shows as files: root may "write" there, and nothing is kept."""
_FORGETS: Final = frozenset({"tmpfs", "ramfs"})
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. Advice with ``holds`` is a note, without it a failure."""

    area: str
    what: str
    holds: bool
    detail: str = ""
    advice: str = ""


def examine(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Check]:
    """Look at everything, in the order in which a new installation fails."""
    yield _mode(settings, clock())
    yield from _policies(settings, clock)
    yield from _keys(settings)
    yield from _webhooks(settings)
    yield from _passwords(settings)
    yield from _folders(settings)
    yield _database(settings)
    yield from _daemon(settings)
    try:
        systems = open_systems(settings, clock)
    except CannotStart as error:
        yield Check("systems", "configured", holds=False, detail=str(error))
        return
    for system in systems.values():
        yield from check_system(system)
    yield from _hr(settings, clock)


def _mode(settings: Settings, now: datetime) -> Check:
    what = f"mode {settings.mode}"
    if settings.mode is not Mode.ACT:
        words = "the daemon watches and changes nothing"
        return Check("configuration", what, holds=True, detail=words)
    try:
        found = _waiting(settings, now)
    except (DatabaseError, CannotStart) as error:
        words = f"the daemon changes things; open cases cannot be counted: {error}"
        return Check("configuration", what, holds=True, detail=words, advice="look before serve")
    words = (
        f"the daemon changes things: {found.open_cases} open cases, "
        f"{found.contain_due} past their access end and not blocked"
    )
    # What was only watched for weeks begins all at once with the next start.
    advice = "these begin at once: 'deprovisioner case list --open'" if found.contain_due else ""
    return Check("configuration", what, holds=True, detail=words, advice=advice)


def _waiting(settings: Settings, now: datetime) -> Waiting:
    scheme, _, place = settings.database_url.partition("///")
    if scheme == "sqlite:":
        return look(Path(place), now)
    with closing(Database.open(database_url(settings))) as database, database.connect() as rows:
        return waiting(rows, now)


def _policies(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Check]:
    try:
        policies = load(policy_sources(settings))
    except PolicyError as error:
        advice = "'deprovisioner policy lint' names every place"
        yield Check("policies", "load", holds=False, detail=str(error), advice=advice)
        return
    yield Check("policies", "load", holds=True, detail=f"{len(policies.policies)} policies")
    for finding in lint(policies, clock().date()):
        holds = finding.severity is not Severity.ERROR
        yield Check("policies", finding.code, holds, finding.message, f"see {finding.position}")


def _keys(settings: Settings) -> Iterator[Check]:
    evidence = settings.evidence
    for name, reference, read in (
        ("signing key", evidence.signing_key, open_signer),
        ("sealing key", evidence.sealing_key, read_sealing_key),
    ):
        advice = "'deprovisioner keys init' makes keys; the origin must be the key's name"
        try:
            read(settings)
        except CannotStart as error:
            yield Check("keys", name, holds=False, detail=str(error), advice=advice)
        else:
            yield _private("keys", name, reference)


def _private(area: str, name: str, secret: Secret) -> Check:
    """A secret in a file must be readable by its owner only."""
    scheme, _, place = secret.reference.partition(":")
    if scheme == "file" and Path(place).stat().st_mode & _OTHERS:
        advice = f"chmod 600 {place}"
        return Check(area, name, holds=False, detail="others may read the file", advice=advice)
    return Check(area, name, holds=True, detail=scheme)


def _webhooks(settings: Settings) -> Iterator[Check]:
    secrets = settings.webhooks.secrets
    if not secrets:
        detail = "no secret: HR cannot send events, only tokens can"
        yield Check("webhooks", "secret", holds=True, detail=detail)
    for number, secret in enumerate(secrets, 1):
        name = f"secret {number}"
        try:
            signature.key_of(secret)
        except (SecretUnavailable, ValueError) as error:
            advice = "a Standard Webhooks secret is whsec_ and base64"
            yield Check("webhooks", name, holds=False, detail=str(error), advice=advice)
        else:
            yield _private("webhooks", name, secret)


def _passwords(settings: Settings) -> Iterator[Check]:
    """Every other secret in a file that is there; one that is not, its own check names."""
    checked = {*settings.webhooks.secrets, settings.evidence.signing_key}
    checked.add(settings.evidence.sealing_key)
    for name, secret in _secrets_in(settings, ""):
        scheme, _, place = secret.reference.partition(":")
        if secret not in checked and scheme == "file" and Path(place).exists():
            yield _private("secrets", name, secret)


def _secrets_in(value: object, name: str) -> Iterator[tuple[str, Secret]]:
    """Every reference to a secret, with its dotted place in the configuration."""
    match value:
        case Secret():
            yield name, value
        case BaseModel():
            for word in type(value).model_fields:
                yield from _secrets_in(getattr(value, word), f"{name}.{word}".lstrip("."))
        case Mapping():
            for key, each in value.items():
                yield from _secrets_in(each, f"{name}.{key}")
        case tuple():
            for number, each in enumerate(value, 1):
                yield from _secrets_in(each, f"{name}.{number}")


def _folders(settings: Settings) -> Iterator[Check]:
    vault = settings.vault
    yield _folder("data", settings.data_directory)
    yield _folder("publish", settings.publish_directory)
    anchor = _folder("anchor", settings.anchor_path.parent)
    same = _device(settings.anchor_path.parent) == _device(settings.data_directory)
    if anchor.holds and same:
        advice = "better on another disk: a restored backup would bring its anchor along"
        anchor = Check("folders", "anchor", holds=True, detail="on the data's disk", advice=advice)
    yield anchor
    if vault is None:
        detail = "no vault is configured: a case with data to keep will stay open"
        yield Check("folders", "vault", holds=True, detail=detail, advice="set vault")
    else:
        yield _folder("vault", vault.directory)


def _existing(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))


def _device(path: Path) -> int:
    return _existing(path).stat().st_dev


def _folder(name: str, path: Path) -> Check:
    there = _existing(path)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        advice = "make it writable for the user that the daemon runs as"
        return Check("folders", name, holds=False, detail=f"cannot write {there}", advice=advice)
    if (kind := file_system(there) or "") in _NO_DISK:
        advice = "name a folder on a local disk"
        detail = f"{there} is no place for files ({kind})"
        return Check("folders", name, holds=False, detail=detail, advice=advice)
    if kind in _FORGETS:
        advice = "name a folder on a local disk: this one is empty after a restart of the machine"
        return Check("folders", name, holds=True, detail=f"{path} is in memory", advice=advice)
    detail = str(path) if there == path else f"{path} will be made"
    return Check("folders", name, holds=True, detail=detail)


def _database(settings: Settings) -> Check:
    url = settings.database_url
    if url.startswith("sqlite"):
        folder = _existing(Path(url.partition("///")[2]).parent)
        kind = file_system(folder) or ""
        network = kind.startswith(("nfs", "cifs", "smb", "9p", "fuse.sshfs"))
        advice = "use a local disk, or PostgreSQL" if network else ""
        return Check("database", "embedded", not network, f"file system {kind or '?'}", advice)
    try:
        Database.open(database_url(settings)).close()
    except (DatabaseError, CannotStart) as error:
        advice = "look at database.url and database.password"
        return Check("database", "PostgreSQL", holds=False, detail=str(error), advice=advice)
    return Check("database", "PostgreSQL", holds=True, detail="answers")


def _daemon(settings: Settings) -> Iterator[Check]:
    if len(str(settings.socket_path).encode()) > _LONGEST_SOCKET:
        advice = "set http.socket to a shorter path"
        detail = f"a Unix socket's path has at most {_LONGEST_SOCKET} bytes"
        yield Check("daemon", "socket", holds=False, detail=detail, advice=advice)
        return
    try:
        runs = listens(settings.socket_path)
    except OSError as error:
        advice = "run this as the user that the daemon runs as"
        detail = f"the socket may not be used: {error.strerror or error}"
        yield Check("daemon", "socket", holds=False, detail=detail, advice=advice)
        return
    detail = "running" if runs else "not running"
    yield Check("daemon", "socket", holds=True, detail=detail)


def check_system(system: System) -> Iterator[Check]:
    """Ask a system with both credentials, one line per check."""
    for credential in Credential:
        area = f"{system.name} ({credential.value})"
        connector = system.connect(credential)
        try:
            if isinstance(connector, Probes):
                yield from _probed(area, connector.probe())
            else:
                yield Check(area, "probe", holds=True, detail="this connector cannot be probed")
        except (Fault, SecretUnavailable) as fault:
            yield _unreachable(area, fault)
        finally:
            connector.close()


def _hr(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Check]:
    source: HrSource | None = open_hr(settings, clock)
    if source is None:
        detail = "none is configured: a person is asked before anything irreversible"
        yield Check("hr", "source", holds=True, detail=detail)
        return
    try:
        yield from _probed("hr", source.probe())
    except (Fault, SecretUnavailable) as fault:
        yield _unreachable("hr", fault)
    finally:
        source.close()


def _probed(area: str, probes: Iterable[Probe]) -> Iterator[Check]:
    for probe in probes:
        yield Check(area, probe.check, probe.holds, probe.detail, probe.advice)


def _unreachable(area: str, fault: Exception) -> Check:
    code = getattr(fault, "code", "")
    detail = f"{fault} ({code})" if code else str(fault)
    advice = "look at its address, certificate, name and password"
    return Check(area, "reachable", holds=False, detail=detail, advice=advice)
