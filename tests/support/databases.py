"""Fresh databases of both kinds for tests that must hold on both.

`BOTH` parametrises a test; `fresh_url` makes the database it asks for. PostgreSQL comes from the
fixture `postgres` of `tests.support.peers.fixtures`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.support.peers.postgres import Postgres

BOTH: Final = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)]


def fresh_url(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty database; starts PostgreSQL only when it is asked for."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/test.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()
