"""The credential report: IAM's own second opinion, read by the verifying identity.

It is made by another part of IAM than the lists, and cached for up to four hours. Where it was
made after the quarantine it must agree that nothing works any more; where it disagrees, the read
is blind and names what it still shows.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Final

from connectors.aws import quarantine
from connectors.aws.rows import Leaver
from connectors.aws.settings import CredentialReport
from connectors.contract import Holding, HoldingState
from connectors.faults import Fault, Malformed, Refused, Transient, Unauthorised

_RIGHT: Final = "iam:GenerateCredentialReport, iam:GetCredentialReport"
_COLUMNS: Final = {
    "password_enabled": ("credential.password", "console password"),
    "access_key_1_active": ("credential.access_key", "first access key"),
    "access_key_2_active": ("credential.access_key", "second access key"),
    "cert_1_active": ("credential.certificate", "first certificate"),
    "cert_2_active": ("credential.certificate", "second certificate"),
}
MAX_REPORT: Final = 64 * 1024 * 1024
_SLACK: Final = timedelta(seconds=1)


def gaps(leaver: Leaver, holdings: tuple[Holding, ...]) -> tuple[str, ...]:
    """Compare the report with what the lists showed. Raises faults that concern all."""
    how = leaver.settings.credential_report
    if how is CredentialReport.OFF or not leaver.sessions.verifying:
        return ()
    since = quarantine.since(leaver)
    if since is None:  # nothing was cut yet, so there is nothing that it could confirm
        return ()
    missing = ("credential report made after the quarantine",)
    unread = missing if how is CredentialReport.REQUIRED else ()
    try:
        made_at, row = _row(leaver)
    except Transient:
        raise
    except Unauthorised as fault:
        if fault.code.removeprefix("aws:") not in {"AccessDenied", "AccessDeniedException"}:
            raise
        return (f"credential report (needs {_RIGHT})",)
    except Refused:  # NotPresent, Expired, NotReady
        return unread
    if made_at < since + _SLACK:
        return unread
    return _disagreements(row, holdings)


def _row(leaver: Leaver) -> tuple[datetime, dict[str, str]]:
    call = leaver.sessions.call
    call(leaver.place, "iam", "generate_credential_report")
    answer = call(leaver.place, "iam", "get_credential_report")
    content, made_at = answer.get("Content"), answer.get("GeneratedTime")
    if not isinstance(content, bytes) or len(content) > MAX_REPORT:
        raise Malformed("the credential report is none", code="aws:report")
    if not isinstance(made_at, datetime) or made_at.tzinfo is None:
        raise Malformed("the credential report has no time", code="aws:report")
    rows = csv.DictReader(io.StringIO(content.decode("utf-8", "replace")))
    arn = str(leaver.user["Arn"])
    found = next((row for row in rows if row.get("arn") == arn), None)
    if found is None:
        raise Malformed("the credential report leaves the user out", code="aws:report")
    return made_at, found


def _disagreements(row: dict[str, str], holdings: tuple[Holding, ...]) -> tuple[str, ...]:
    live = {one.kind for one in holdings if one.state is HoldingState.LIVE}
    return tuple(
        f"credential report shows the {what} still at work"
        for column, (of, what) in _COLUMNS.items()
        if row.get(column, "").lower() == "true" and of not in live
    )


__all__ = ["Fault", "gaps"]
