"""The capability card of a GitLab: every row's part, joined, and what nobody can see. No I/O.

Several rows may offer one kind; their offers are one line of the card. What the API does not show,
or shows without telling whose it is, is a gap with a duty (Law 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connectors.contract import Card, Gap, Support, kind
from connectors.gitlab.rows import Row
from connectors.gitlab.settings import Feature, Mode, Settings

_SECRETS: Final = (
    "Change what a Maintainer or Owner could read and nobody can be named for: CI/CD variables "
    "(GET /projects/:id/variables, /groups/:id/variables, /admin/ci/variables), deploy tokens (GET "
    "/deploy_tokens; the audit event is the only attribution), secure files, integrations', "
    "pull mirrors' credentials, runner registration tokens (POST "
    "/projects/:id/runners/reset_registration_token), feed and incoming-mail tokens."
)
_GAPS: Final = (
    Gap(
        kind("secret_known"),
        "deploy tokens, variables, integrations and registration tokens name no maker",
        _SECRETS,
    ),
    Gap(
        kind("grant.consent"),
        "the API lists nobody's OAuth grants; the block stops them, an unblock revives them",
        "Before anybody unblocks this account: revoke its OAuth grants in a console "
        "(OauthAccessToken.where(resource_owner_id: ID).each(&:revoke)) or delete the account.",
    ),
    Gap(
        kind("ownership.application"),
        "OAuth applications show no owner, and their secret works without the person",
        "Look through GET /applications and the applications of the person's groups: renew secrets "
        "that the person knew (POST /applications/:id/renew-secret), delete what nobody needs.",
    ),
    Gap(
        kind("credential.certificate"),
        "a group SSH certificate authority works for whoever holds its private key",
        "If the person could hold the key of a group's SSH certificate authority (GET "
        "/groups/:id/ssh_certificates): add a new one, then DELETE the old one.",
    ),
    Gap(
        kind("grant.delegation"),
        "shared groups and job-token allow lists are not one person's",
        "Take groups that the person owned out of shared_with_groups of company groups (DELETE "
        "/groups/:id/share/:group_id), and their personal projects out of job-token allow lists "
        "(DELETE /projects/:id/job_token_scope/allowlist/:target_project_id).",
    ),
    Gap(
        kind("account.service"),
        "service accounts of single projects are not looked for",
        "Look through service accounts of projects that the person maintained (GET "
        "/projects/:id/service_accounts): name who is next, rotate their tokens.",
    ),
    Gap(
        kind("data.drive"),
        "container images and Pages sites are not in an export, and name no maker",
        "Copy container images of personal projects that are needed (GET /projects/:id/registry/"
        "repositories), and look through Pages domains (GET /pages/domains).",
    ),
)
_OWNER_GAPS: Final = (
    Gap(
        kind("credential.access_key"),
        "who made a project or group access token is shown to administrators only",
        "Look through GET /groups/:id/manage/resource_access_tokens (Ultimate) or the tokens "
        "of each project: rotate or revoke those that this person made (audit events name them).",
    ),
    Gap(
        kind("ownership.resource"),
        "who owns a deploy key is shown to administrators only",
        "Add deploy keys that the person may own again as somebody who stays (GET "
        "/projects/:id/deploy_keys).",
    ),
    Gap(
        kind("ownership.schedule"),
        "a group's token may not act as the successor",
        "As the successor: POST /projects/:id/pipeline_schedules/:schedule/take_ownership.",
    ),
)


def card(settings: Settings, rows: Sequence[Row]) -> Card:
    """Make the card for these settings."""
    parts = [row.card(settings) for row in rows]
    kinds: dict[str, Support] = {}
    for support in (one for part in parts for one in part.supports):
        known = kinds.get(support.kind)
        kinds[support.kind] = _joined(known, support) if known else support
    own = (*_GAPS, *(_OWNER_GAPS if settings.owner else ()))
    gaps = (*own, *(gap for part in parts for gap in part.gaps))
    words = "as owner of a group" if settings.mode is Mode.GROUP else "as administrator"
    return Card(
        product=f"GitLab, {words}",
        supports=tuple(kinds.values()),
        settle=settings.settle,
        gaps=gaps,
        notes=(*(note for part in parts for note in part.notes), *_notes(settings)),
    )


def _joined(one: Support, other: Support) -> Support:
    """Make one line of two offers for the same kind."""
    lost = [words for words in (one.not_restorable, other.not_restorable) if words]
    return Support(
        one.kind,
        one.stages | other.stages,
        verifies=one.verifies,
        rights=tuple(dict.fromkeys((*one.rights, *other.rights))),
        not_restorable="; ".join(dict.fromkeys(lost)),
        order=tuple(dict.fromkeys((*one.order, *other.order))),
        bundle=one.bundle or other.bundle,
        duty=one.duty or other.duty,
    )


def _notes(settings: Settings) -> tuple[str, ...]:
    names = ", ".join(sorted(settings.absent))
    absent = (f"Named absent by the settings, read by nobody: {names}.",) if names else ()
    mails = "Secondary e-mail addresses stay: commits are attributed by them."
    known = "" if settings.has(Feature.SERVICE_ACCOUNTS) else "service accounts are not looked for"
    return (mails, *absent, *((known,) if known else ()))
