"""What a second look found: a token that no header carries."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.contract import Credential
from connectors.faults import Unauthorised
from connectors.gitlab.session import GitLab
from connectors.gitlab.settings import CanaryUser, Settings
from connectors.secret import Secret


def _open(url: str, token: str) -> GitLab:
    held = Secret.held(lambda: token, "act")
    other = Secret.held(lambda: "x", "verify")
    canary = CanaryUser(id=2, username="canary", project=3)
    settings = Settings(
        url=url, act=held, verify=other, canary=canary, receive_timeout=timedelta(seconds=1)
    )
    return GitLab(
        settings, settings.token(Credential.ACT), lambda: datetime(2026, 12, 1, tzinfo=UTC)
    )


def test_a_token_with_a_line_break_is_refused_without_being_told() -> None:
    """The refusal is ours and holds nothing of the token, in its text or its cause."""
    gitlab = _open("http://127.0.0.1:9", "glpat-secret\n")
    with pytest.raises(Unauthorised) as refusal:
        gitlab.get("/user")
    told = repr(refusal.value) + repr(refusal.value.__cause__) + repr(refusal.value.__context__)
    assert "glpat-secret" not in told
