"""Whose certificates a connection believes. Called where a room makes its httpx client."""

from __future__ import annotations

import ssl
from pathlib import Path

from connectors.faults import Unauthorised


def trust(room: str, url: str, ca_file: Path | None) -> ssl.SSLContext:
    """Trust ``ca_file`` or else the machine's certificates; there is no way to trust anybody.

    Over clear text, which settings allow on loopback only, nobody is trusted: loading the roots
    costs 20 ms and is for TLS. Raises :class:`~connectors.faults.Unauthorised` when ``ca_file``
    cannot be read.
    """
    if url.startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:  # also what is there and is no certificate
        raise Unauthorised(f"{room}: ca_file cannot be read", code=f"{room}:tls") from error
