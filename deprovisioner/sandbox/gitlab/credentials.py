"""What a user signs in and signs with: SSH keys, GPG keys, addresses; and whose key it is.

Keys are real enough to have a fingerprint: `fingerprints` is what GitLab computes of a line of
`authorized_keys`.
"""

import base64
import binascii
import hashlib

from deprovisioner.sandbox.gitlab.errors import invalid, not_found, refused
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
    NOTHING,
    SIGNED_IN,
    Answer,
    Call,
    Listing,
    Reply,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import found, show, shown
from deprovisioner.sandbox.gitlab.store import Record, Store, Table, stamp
from deprovisioner.sandbox.gitlab.users import of_path, user


def fingerprints(key: str) -> tuple[str, str]:
    """Return the MD5 and SHA256 fingerprints of a public key; raises Refusal 400."""
    parts = key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error):
        raise refused(400, "Key is invalid") from None
    md5 = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    sha = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return ":".join(md5[at : at + 2] for at in range(0, 32, 2)), f"SHA256:{sha}"


def example_key(name: str) -> str:
    """Return an SSH public key that is the same for the same name."""
    kind = b"ssh-ed25519"
    point = hashlib.sha256(name.encode()).digest()
    blob = len(kind).to_bytes(4) + kind + len(point).to_bytes(4) + point
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {name}"


def _keys(call: Call) -> Reply:
    """SSH keys are public in GitLab: whoever is signed in may list them."""
    return Listing(call.view.where(Table.SSH_KEYS, _user=of_path(call)["id"]), show(call))


def _key(call: Call) -> Reply:
    owner = of_path(call)["id"]
    key = found(call.view, Table.SSH_KEYS, call.number("key"), "Key", _user=owner)
    return Answer(200, shown(call.view, key))


def _key_added(call: Call) -> Reply:
    owner = of_path(call, call.world.truth)["id"]
    text, title = call.body.get("key"), call.body.get("title")
    if not text or not title:
        raise invalid("key is missing, title is missing")
    _, sha = fingerprints(str(text))
    if call.world.truth.first(Table.SSH_KEYS, _sha256=sha):
        raise refused(400, "fingerprint_sha256 has already been taken")
    new = add_key(call.world.store, owner, str(title), str(text), stamp(call.world.now))
    return Answer(201, shown(call.world.truth, new))


def add_key(store: Store, owner: int, title: str, key: str, created: str) -> Record:
    """Make an SSH key."""
    _, sha = fingerprints(key)
    return store.add(
        Table.SSH_KEYS,
        title=title,
        key=key,
        created_at=created,
        expires_at=None,
        last_used_at=None,
        usage_type="auth_and_signing",
        _user=owner,
        _sha256=sha,
    )


def _key_removed(call: Call) -> Reply:
    owner = of_path(call, call.world.truth)["id"]
    key = found(call.world.truth, Table.SSH_KEYS, call.number("key"), "Key", _user=owner)
    call.world.store.drop(Table.SSH_KEYS, key["id"])
    return NOTHING


def _whose_key(call: Call) -> Reply:
    """Find an SSH key or a deploy key by its fingerprint, with the person behind it."""
    wanted = call.query.get("fingerprint", "")
    if not wanted:
        raise invalid("fingerprint is missing")
    name = "_sha256" if wanted.startswith("SHA256:") else "_md5"
    for table in (Table.SSH_KEYS, Table.DEPLOY_KEYS):
        for key in call.view.every(table):
            if fingerprints(key["key"])[name == "_sha256"] == wanted:
                return Answer(200, _with_user(call, table, key))
    raise not_found("Key")


def _with_user(call: Call, table: Table, key: Record) -> Record:
    names = ("id", "title", "created_at", "expires_at", "last_used_at", "key", "usage_type")
    owner = call.view.get(Table.USERS, key["_user"])
    profile = shown(call.view, owner) if owner else None
    if profile is not None:
        profile.pop("custom_attributes")
        profile.pop("created_by", None)
    out = {**{name: key.get(name) for name in names}, "user": profile}
    if table is Table.DEPLOY_KEYS:
        links = call.view.where(Table.DEPLOY_KEY_PROJECTS, _key=key["id"])
        out["deploy_keys_projects"] = [
            {
                "id": row["id"],
                "deploy_key_id": key["id"],
                "project_id": row["_project"],
                "created_at": key["created_at"],
                "updated_at": key["created_at"],
                "can_push": row["can_push"],
            }
            for row in links
        ]
    return out


def _gpg_keys(call: Call) -> Reply:
    return Listing(call.view.where(Table.GPG_KEYS, _user=of_path(call)["id"]), show(call))


def _gpg_key(call: Call) -> Reply:
    owner = of_path(call)["id"]
    key = found(call.view, Table.GPG_KEYS, call.number("key"), "GPG Key", _user=owner)
    return Answer(200, shown(call.view, key))


def _gpg_key_added(call: Call) -> Reply:
    owner = of_path(call, call.world.truth)["id"]
    text = call.body.get("key")
    if not text or "BEGIN PGP PUBLIC KEY BLOCK" not in str(text):
        raise refused(400, "key is invalid. A valid public GPG key is required.")
    new = call.world.store.add(
        Table.GPG_KEYS, key=text, created_at=stamp(call.world.now), _user=owner, _verifies=True
    )
    return Answer(201, shown(call.world.truth, new))


def _gpg_key_removed(call: Call) -> Reply:
    """Delete: what was signed stays verified."""
    owner = of_path(call, call.world.truth)["id"]
    key = found(call.world.truth, Table.GPG_KEYS, call.number("key"), "GPG Key", _user=owner)
    call.world.store.drop(Table.GPG_KEYS, key["id"])
    return NOTHING


def _gpg_key_revoked(call: Call) -> Reply:
    """Revoke: what was signed is no longer verified, which cannot be undone."""
    owner = of_path(call, call.world.truth)["id"]
    key = found(call.world.truth, Table.GPG_KEYS, call.number("key"), "GPG Key", _user=owner)
    call.world.store.change(Table.USERS, owner, _unverified_commits=True)
    call.world.store.drop(Table.GPG_KEYS, key["id"])
    return Answer(202, None)


def _emails(call: Call) -> Reply:
    return Listing(call.view.where(Table.EMAILS, _user=of_path(call)["id"]), show(call))


def _email_added(call: Call) -> Reply:
    owner = of_path(call, call.world.truth)["id"]
    address = str(call.body.get("email", ""))
    if "@" not in address:
        raise invalid("email is missing")
    taken = {row["email"] for row in call.world.truth.every(Table.EMAILS)}
    taken |= {row["email"] for row in call.world.truth.every(Table.USERS)}
    if address in taken:
        raise refused(400, "Email has already been taken")
    confirmed = stamp(call.world.now) if call.body.get("skip_confirmation") else None
    new = call.world.store.add(Table.EMAILS, email=address, confirmed_at=confirmed, _user=owner)
    return Answer(201, shown(call.world.truth, new))


def _email_removed(call: Call) -> Reply:
    owner = user(call.world.truth, call.number("user"))["id"]
    row = found(call.world.truth, Table.EMAILS, call.number("email"), "Email", _user=owner)
    call.world.store.drop(Table.EMAILS, row["id"])
    return NOTHING


ROUTES = (
    *routes(
        SIGNED_IN,
        ("GET", "/users/{user}/keys", _keys),
        ("GET", "/users/{user}/keys/{key}", _key),
        ("GET", "/users/{user}/gpg_keys", _gpg_keys),
        ("GET", "/users/{user}/gpg_keys/{key}", _gpg_key),
    ),
    *routes(
        ADMINISTRATOR,
        ("GET", "/keys", _whose_key),
        ("POST", "/users/{user}/keys", _key_added),
        ("DELETE", "/users/{user}/keys/{key}", _key_removed),
        ("POST", "/users/{user}/gpg_keys", _gpg_key_added),
        ("DELETE", "/users/{user}/gpg_keys/{key}", _gpg_key_removed),
        ("POST", "/users/{user}/gpg_keys/{key}/revoke", _gpg_key_revoked),
        ("GET", "/users/{user}/emails", _emails),
        ("POST", "/users/{user}/emails", _email_added),
        ("DELETE", "/users/{user}/emails/{email}", _email_removed),
    ),
)
