"""PostgreSQL for tests: one cluster on loopback, run as the user ``postgres``.

Needs root (it changes user through setpriv) and Debian's ``postgresql``. ``stop("immediate")``
is the closest thing to pulling the plug.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Literal

import psycopg

from tests.support.peers.processes import free_port, need, need_root, run

_USER = "deprovisioner"
_PASSWORD = "postgres-password-of-a-peer"
_AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


class Postgres:
    """One PostgreSQL cluster; made by the fixture ``postgres``."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """Initialise a cluster below ``folder``; ``durable=False`` turns fsync off."""
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        need(str(programs[-1] / "initdb") if programs else "initdb", "postgresql")
        need_root("PostgreSQL")
        self._programs = programs[-1]
        self._data = folder / "data"
        self._durable = durable
        self.port = free_port()
        folder.chmod(0o711)
        self._data.mkdir()
        shutil.chown(self._data, "postgres", "postgres")
        self._data.chmod(0o700)
        self._log = folder / "programs.log"
        password = folder / "password"
        password.write_text(_PASSWORD, "utf-8")
        shutil.chown(password, "postgres", "postgres")
        self._program(
            "initdb", "-A", "scram-sha-256", "-U", _USER, f"--pwfile={password}", "-E", "UTF8",
            "--no-locale",
        )  # fmt: skip

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._data),
            "max_connections": "200",
        }
        if not self._durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        line = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._program("pg_ctl", "-w", "-l", str(self._data / "log"), "-o", line, "start")

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop; ``immediate`` drops everything without a checkpoint. May be stopped already."""
        if self.running:
            self._program("pg_ctl", "-w", "-m", mode, "stop")

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop and start on the same port."""
        self.stop(mode)
        self.start()

    @property
    def running(self) -> bool:
        """Say whether a server process owns the cluster."""
        return (self._data / "postmaster.pid").exists()

    @property
    def url(self) -> str:
        """URL of the maintenance database."""
        return self._url("postgres")

    def database(self) -> str:
        """Make a new empty database and return its URL (``postgresql://``, no driver)."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://{_USER}:{_PASSWORD}@127.0.0.1:{self.port}/{name}"

    def _program(self, name: str, *arguments: str) -> None:
        command = [*_AS_POSTGRES, str(self._programs / name), "-D", str(self._data), *arguments]
        run(command, output=self._log)
