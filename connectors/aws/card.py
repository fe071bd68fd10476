"""The capability card of an organisation: every row's part, joined. Called by the connector.

Two rows may offer the same kind (an IAM user's groups, an Identity Center user's): the card says
what either can do, and a holding that cannot be helped carries its own duty. No I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from connectors.aws.rows import Row
from connectors.aws.settings import Settings
from connectors.contract import Card, Gap, Kind, Support, kind

_PLATFORM: Final = (
    Gap(
        kind("ownership.application"),
        "root users, alternate contacts and sign-in helpers are outside IAM",
        "Check that the person holds no root mailbox, root MFA device or alternate contact: aws "
        "account get-alternate-contact --alternate-contact-type SECURITY (also BILLING, "
        "OPERATIONS), and aws iam list-organizations-features for central root access.",
    ),
    Gap(
        kind("device"),
        "open Systems Manager and Client VPN sessions, and hybrid activations, are not read",
        "End them: aws ssm describe-sessions --state Active, aws ssm terminate-session "
        "--session-id S; aws ssm describe-activations, aws ssm delete-activation --activation-id "
        "A; aws ec2 describe-client-vpn-connections --client-vpn-endpoint-id V, aws ec2 "
        "terminate-client-vpn-connections.",
    ),
    Gap(
        kind("account.service"),
        "users of Cognito pools, databases and other services are not read",
        "Where the person has one: aws cognito-idp admin-disable-user and "
        "admin-user-global-sign-out; users of RDS, Redshift, OpenSearch, QuickSight, Transfer "
        "Family and WorkSpaces by their own commands.",
    ),
)


def card(settings: Settings, rows: Sequence[Row]) -> Card:
    """Make the card for these settings."""
    used = [row for row in rows if not row.absent(settings)]
    parts = [row.card(settings) for row in used]
    return Card(
        product=f"AWS ({settings.partition}, {len(settings.accounts)} accounts)",
        supports=_joined([support for part in parts for support in part.supports]),
        settle=settings.settle,
        gaps=(*(gap for part in parts for gap in part.gaps), *_PLATFORM),
        notes=(*dict.fromkeys(note for part in parts for note in part.notes), *_absent(settings)),
    )


def _joined(supports: Sequence[Support]) -> tuple[Support, ...]:
    made: dict[Kind, Support] = {}
    for one in supports:
        known = made.get(one.kind)
        if known is None:
            made[one.kind] = one
            continue
        made[one.kind] = replace(
            known,
            stages=known.stages | one.stages,
            rights=tuple(dict.fromkeys((*known.rights, *one.rights))),
            not_restorable=known.not_restorable or one.not_restorable,
            duty=known.duty or one.duty,
        )
    return tuple(made.values())


def _absent(settings: Settings) -> tuple[str, ...]:
    """Name what the operator says is not there, so that nobody takes it for proven."""
    names = ", ".join(sorted(settings.absent))
    return (f"Named absent by the settings, read by nobody: {names}.",) if names else ()
