"""Canaille, a real identity provider with a SCIM side, in a virtual environment of its own.

Its requirements do not fit ours (it needs an older scim2-models), so ``install_canaille.sh`` puts
it into the tests' cache folder by hash. Where it is not installed, tests skip with the reason, or
fail when peers are required.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.conformance import Situation
from tests.support.peers.processes import LOOPBACK, REQUIRE, PeerError, ServerProcess, free_port
from tests.support.peers.scim import CORE, ENTERPRISE, StandardHands

FOLDER = "deprovisioner-tests/canaille"
NUMBER = f"{ENTERPRISE}:employeeNumber"
_CLIENT = "deprovisioner"


def installed() -> Path:
    """Return the folder of its programs; skip, or fail where peers are required."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    programs = cache / FOLDER / "bin"
    if (programs / "canaille").exists():
        return programs
    message = "canaille is missing: bash tests/support/install_canaille.sh"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(message)
    pytest.skip(message)


class Canaille:
    """The server with an SQLite file in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Keep what it needs; nothing runs yet."""
        self._programs = installed()
        self._folder = folder
        self._port = free_port()
        self.url = f"http://{LOOPBACK}:{self._port}"
        self._secret = secrets.token_hex(16)
        self._environment = {
            **os.environ,
            "CANAILLE_CONFIG": str(folder / "config.toml"),
            "AUTHLIB_INSECURE_TRANSPORT": "1",  # loopback without TLS
        }
        self._process: ServerProcess | None = None

    def start(self) -> None:
        """Make its database and a client, and start it. Raises PeerError."""
        (self._folder / "config.toml").write_text(self._configuration())
        self._run("install")
        self._run(
            *("create", "client", "--quiet", "--client-id", _CLIENT),
            *("--client-secret", self._secret, "--client-name", _CLIENT),
            *("--grant-types", "client_credentials", "--scope", "openid"),
            *("--token-endpoint-auth-method", "client_secret_basic"),
            *("--redirect-uris", f"{self.url}/callback", "--response-types", "code"),
        )
        program = str(self._programs / "canaille")
        command = ("/usr/bin/env", *self._settings(), program, "run", "--bind", self._address)
        self._process = ServerProcess(command, self._port, self._folder / "canaille.log")
        self._process.start()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()

    def token(self) -> str:
        """Return a fresh token of the client (RFC 6749 section 4.4)."""
        response = httpx.post(
            f"{self.url}/oauth/token",
            data={"grant_type": "client_credentials", "scope": "openid"},
            auth=(_CLIENT, self._secret),
            timeout=30,
            trust_env=False,
        )
        assert response.status_code == httpx.codes.OK, response.text
        token: str = response.json()["access_token"]
        return token

    @property
    def _address(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    def _settings(self) -> list[str]:
        names = ("CANAILLE_CONFIG", "AUTHLIB_INSECURE_TRANSPORT")
        return [f"{name}={self._environment[name]}" for name in names]

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / "canaille"), *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            message = f"canaille {arguments[0]} failed: {done.stderr.decode()[-1000:]}"
            raise PeerError(message)

    def _configuration(self) -> str:
        return f"""\
SECRET_KEY = "{secrets.token_hex(32)}"
SERVER_NAME = "{self._address}"
PREFERRED_URL_SCHEME = "http"
[CANAILLE]
DATABASE = "sql"
NAME = "Peer"
JAVASCRIPT = false
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{self._folder / "canaille.sqlite"}"
[CANAILLE_SCIM]
ENABLE_SERVER = true
[CANAILLE_OIDC]
ACTIVE_JWKS = [{_key()}]
"""


class CanailleHands(StandardHands):
    """Hands on Canaille's SCIM side."""

    unused: tuple[str, ...] = ("roles", "entitlements", "x509Certificates")
    pages: bool = False
    unsupported: Mapping[Situation, str] = MappingProxyType(
        {Situation.RENAMED: "a login of Canaille is for ever (mutability immutable)"}
    )

    def __init__(self, server: Canaille) -> None:
        """Fetch two tokens."""
        super().__init__(f"{server.url}/scim/v2", server.token(), server.token())

    def empty(self) -> None:
        """Delete everybody and everything."""
        for endpoint in ("/Groups", "/Users"):
            for one in super().resources(endpoint):
                self.client.delete(f"{endpoint}/{one['id']}")

    def add_user(self, login: str, number: str, **rights: list[str]) -> str:
        """Post a user with the number where Canaille has one."""
        assert not rights
        body = {
            "schemas": [f"{CORE}:User", ENTERPRISE],
            "userName": login,
            "displayName": login.title(),
            "name": {"formatted": login.title(), "familyName": login.title()},
            "emails": [{"value": f"{login}@example.com"}],
            "active": True,
            ENTERPRISE: {"employeeNumber": number},
        }
        return self._made("/Users", body)

    def member(self, native_id: str) -> dict[str, str]:
        """Canaille wants the reference too."""
        return {"value": native_id, "$ref": f"{self.url}/Users/{native_id}"}

    def settings(self) -> dict[str, Any]:
        """Its dialect: 500 to a page size and to a value filter, logins where ids should be."""
        return {
            "delete": "removes",
            "certain": {NUMBER: "employee_number"},
            "members": "pathless",
            "member_name": "userName",
            "page_size": 0,
        }

    def resources(self, endpoint: str) -> list[dict[str, Any]]:
        """Get all, with ids for members."""
        listed = super().resources(endpoint)
        if endpoint == "/Groups":
            ids = {one["userName"]: one["id"] for one in super().resources("/Users")}
            for group in listed:
                for one in group.get("members", []):
                    one["value"] = ids[one["value"]]
        return listed


def _key() -> str:
    """Make a signing key as TOML. It signs nothing that we use, but Canaille wants one."""
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    parts: Mapping[str, int] = {
        "n": numbers.public_numbers.n,
        "e": numbers.public_numbers.e,
        "d": numbers.d,
        "p": numbers.p,
        "q": numbers.q,
        "dp": numbers.dmp1,
        "dq": numbers.dmq1,
        "qi": numbers.iqmp,
    }
    key = {"kty": "RSA", "kid": "peer", **{name: _base64(part) for name, part in parts.items()}}
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in key.items()).join("{}")


def _base64(number: int) -> str:

    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
