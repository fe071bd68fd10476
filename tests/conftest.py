"""Settings that hold for every test: repeatable properties and a clean environment.

Fixtures of one kind of test live in that kind's folder; this file stays short on purpose.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

# "ci" finds the same counter-examples on every machine; "search" looks for new ones.
settings.register_profile(
    "ci",
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("search", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own environment (configuration, proxies) out of every test."""
    for name in list(os.environ):
        ours = name.startswith("DEPROVISIONER_") and name not in _MEANT_FOR_TESTS
        if ours or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


_MEANT_FOR_TESTS = frozenset({"DEPROVISIONER_REQUIRE_PEERS", "DEPROVISIONER_SHARED"})
