"""Makes what a new installation needs: keys, a commented configuration, a first policy.

Called by `deprovisioner init`, `keys init` and the demo. It asks nothing, overwrites nothing and
speaks to nobody. Private halves are files of mode 0600; the one that must not stay on the machine
(the escrow identity) is shown once and written nowhere.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from errno import EEXIST
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

import pyrage

from reconcile.evidence.keys import SigningKey

SECRETS: Final = "secrets"
SIGNING_KEY: Final = "log-signing-key"
SEALING_KEY: Final = "sealing-key"
WEBHOOK_SECRET: Final = "webhook-secret"  # noqa: S105 - the name of a file
_OURS_ONLY: Final = 0o600
_SIZE: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """Fresh keys of one log, as text; all but ``vkey`` are secrets."""

    signing_key: str
    sealing_key: str
    vkey: str


@dataclass(frozen=True, slots=True, repr=False)
class Escrow:
    """An age key pair: the identity opens backups and belongs to a person, off this machine."""

    identity: str
    recipient: str


def new_keys(origin: str, token_bytes: Callable[[int], bytes]) -> Keys:
    """Make the signing key of a log and the key that wraps the keys of its cases."""
    signer = SigningKey.generate(origin, token_bytes)
    sealing = base64.b64encode(token_bytes(_SIZE)).decode()
    return Keys(signer.encode(), sealing, str(signer.verifier))


def new_webhook_secret(token_bytes: Callable[[int], bytes]) -> str:
    """Make a Standard Webhooks secret."""
    return f"whsec_{base64.b64encode(token_bytes(_SIZE)).decode()}"


def new_escrow() -> Escrow:
    """Make an age identity for a person who may open backups."""
    identity = pyrage.x25519.Identity.generate()
    return Escrow(str(identity), str(identity.to_public()))


def write_secret(path: Path, value: str) -> None:
    """Write a new file that only its owner can read. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OURS_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())


def write_all(secrets: Mapping[Path, str]) -> None:
    """Write secret files, all or none. Raises FileExistsError that names the first in the way."""
    for path in secrets:
        if path.exists():
            raise FileExistsError(EEXIST, "is there already", str(path))
    for path, value in secrets.items():
        write_secret(path, value)


@dataclass(frozen=True, slots=True)
class Directory:
    """What is known of the operator's directory; the rest is marked CHANGE in the file."""

    url: str = "ldaps://directory.example.com"
    base: str = "dc=example,dc=com"
    act_dn: str = ""
    verify_dn: str = ""
    canary: str = ""

    @property
    def canary_person(self) -> str:
        """The DN of the person who never leaves."""
        return self.canary or f"uid=canary,ou=people,{self.base}"


_CANARIES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("cn=canaries,ou=groups", ("member", "owner")),
    ("cn=unique-canaries,ou=groups", ("uniqueMember",)),
    ("cn=posix-canaries,ou=groups", ("memberUid",)),
    ("cn=canaries,ou=sudoers", ("sudoUser", "sudoRunAsUser")),
    ("cn=canaries,ou=netgroups", ("nisNetgroupTriple",)),
    ("cn=canaries,ou=roles", ("roleOccupant",)),
    ("cn=canary,ou=aliases", ("aliasedObjectName",)),
    ("cn=canaries,ou=aliases", ("rfc822MailMember",)),
)
"""The entries of ``initial/canaries.ldif`` beside the person, with what each shows."""
_ON_PERSON: Final = (
    ("uid", "employeeNumber", "mail", "uidNumber", "userPassword"),
    ("manager", "secretary", "seeAlso", "sshPublicKey", "krbPrincipalName", "krbPrincipalKey"),
)


@dataclass(frozen=True, slots=True, repr=False)
class Installed:
    """What was written, and what its maker must keep: the escrow identity is nowhere else."""

    config: Path
    canaries: Path
    policy: Path
    vkey: str
    escrow: Escrow


def install(
    folder: Path, origin: str, directory: Directory, token_bytes: Callable[[int], bytes]
) -> Installed:
    """Write configuration, policy and secrets below ``folder``; all new, or nothing at all.

    Raises FileExistsError that names what is in the way, OSError, and ``UnfitValue`` for a name
    that cannot be a log's.
    """
    folder = folder.absolute()
    config, policy = folder / "config.yaml", folder / "policies" / "company.yaml"
    canaries = folder / "canaries.ldif"
    keys, escrow = new_keys(origin, token_bytes), new_escrow()
    secrets = folder / SECRETS
    made = {
        secrets / SIGNING_KEY: keys.signing_key,
        secrets / SEALING_KEY: keys.sealing_key,
        secrets / WEBHOOK_SECRET: new_webhook_secret(token_bytes),
    }
    for path in (config, policy, canaries, *made):
        if path.exists():
            raise FileExistsError(EEXIST, "is there already", str(path))
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    policy.parent.mkdir(exist_ok=True)
    write_all(made)
    policy.write_text(_initial("policy.yaml"), encoding="utf-8")
    names = {"person": directory.canary_person, "base": directory.base}
    canaries.write_text(Template(_initial("canaries.ldif")).substitute(names), encoding="utf-8")
    values = _values(folder, origin, directory, escrow)
    write_secret(config, Template(_initial("config.yaml")).substitute(values).rstrip("\n"))
    return Installed(config, canaries, policy, keys.vkey, escrow)


def _values(folder: Path, origin: str, directory: Directory, escrow: Escrow) -> dict[str, str]:
    system = folder.is_relative_to("/etc")
    data = Path("/var/lib/deprovisioner") if system else folder / "data"
    base, secrets = directory.base, folder / SECRETS
    values = {
        "data_directory": str(data),
        "vault_directory": str(data.with_name(data.name + "-vault")),
        "url": directory.url,
        "base": base,
        "act_dn": directory.act_dn or f"cn=deprovisioner,ou=services,{base}",
        "verify_dn": directory.verify_dn or f"cn=deprovisioner-verify,ou=services,{base}",
        "escrow": escrow.recipient,
        "origin": origin,
        "webhook_secret": f"file:{secrets / WEBHOOK_SECRET}",
        "signing_key": f"file:{secrets / SIGNING_KEY}",
        "sealing_key": f"file:{secrets / SEALING_KEY}",
        "act_password": f"file:{secrets / 'directory-act-password'}",
        "verify_password": f"file:{secrets / 'directory-verify-password'}",
        "hr_token": f"file:{secrets / 'hr-token'}",
    }
    # A JSON string is a YAML string, whatever stands in it.
    quoted = {word: json.dumps(value, ensure_ascii=False) for word, value in values.items()}
    return quoted | {"canaries": _canaries(directory)}


def _canaries(directory: Directory) -> str:
    named = [(f"{name},{directory.base}", ", ".join(shown)) for name, shown in _CANARIES]
    on_person = (",\n" + " " * 23).join(", ".join(line) for line in _ON_PERSON)
    return "\n".join(
        f"        - dn: {json.dumps(name, ensure_ascii=False)}\n          attributes: [{shown}]"
        for name, shown in ((directory.canary_person, on_person), *named)
    )


def _initial(name: str) -> str:
    return files("deprovisioner").joinpath("initial", name).read_text(encoding="utf-8")
