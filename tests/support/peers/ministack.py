"""ministack on loopback with ``AUTH=true``: keys that really stop working, denies that really deny.

It binds every interface unless told otherwise, so it is told.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.peers.processes import LOOPBACK, PeerError, ServerProcess, free_port, need

if TYPE_CHECKING:
    from collections.abc import Sequence

_SERVICES = "iam,sts,s3,kms,sqs,sns,secretsmanager,tagging,ec2,cloudtrail,ecr"


class Ministack:
    """One ministack process."""

    def __init__(self, folder: Path) -> None:
        """Keep where its log goes; nothing runs yet."""
        program = Path(sys.executable).with_name("ministack")
        need(str(program), "ministack (requirements/dev.lock)")
        self._port = free_port()
        environment = {
            "BIND_HOST": LOOPBACK,
            "IOT_MTLS_ENABLED": "0",
            "GATEWAY_PORT": str(self._port),
            "AUTH": "true",
            "SERVICES": _SERVICES,
            "HOME": str(folder),
            "PATH": os.environ.get("PATH", ""),
        }
        given = [f"{name}={value}" for name, value in environment.items()]
        command: Sequence[str] = ("/usr/bin/env", "-i", *given, str(program))
        self._process = ServerProcess(command, self._port, folder / "ministack.log")

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start, wait for the port, and see that nothing else of it listens elsewhere."""
        self._process.start(60)

    def stop(self) -> None:
        """End the process by its id."""
        self._process.stop()


__all__ = ["Ministack", "PeerError"]
