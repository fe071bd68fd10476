"""Fixtures of the integration tests: a core over a remembered world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.scenario import scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.scenario import Scenario


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Scenario]:
    """Give a core over an empty memory world, without HR."""
    with scenario(tmp_path) as made:
        yield made
