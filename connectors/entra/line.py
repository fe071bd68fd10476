"""How connections leave for Microsoft: whose certificates they believe, and through which proxy.

Called by the session with Graph and by the sign-in, so that both go the same way. Neither reads the
environment: a proxy or a netrc that is set there would see or replace our token.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from connectors._http.trust import trust


@dataclass(frozen=True, slots=True)
class Line:
    """``ca_file`` replaces the machine's certificates; without ``proxy`` the way is direct."""

    ca_file: Path | None = None
    proxy: str = ""

    def client(
        self,
        url: str,
        connect_timeout: timedelta,
        read_timeout: timedelta,
        transport: httpx.BaseTransport | None,
    ) -> httpx.Client:
        """Make the client for ``url``. Raises Unauthorised when ``ca_file`` cannot be read."""
        return httpx.Client(
            verify=trust("graph", url, self.ca_file),
            timeout=httpx.Timeout(
                read_timeout.total_seconds(), connect=connect_timeout.total_seconds()
            ),
            proxy=self.proxy or None,
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )
