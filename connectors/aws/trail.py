"""CloudTrail: what the person did, and which secrets they read.

Called by the connector's ``activity`` and as a row of its own. CloudTrail is minutes behind and
keeps 90 days; that nothing stands in it is no proof, a later read of it is evidence. Events of IAM
and sign-in are in ``sign_in_region``, so it is always read. Two look-ups a second for each account
and region: throttling is Transient and the engine's matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from connectors.aws.rows import Leaver, Row, RowCard, RowReading, partly, unless_missing
from connectors.aws.settings import Feature, Settings
from connectors.contract import Activity, Gap, Holding, Support, kind
from connectors.faults import Malformed

SECRET: Final = kind("secret_known")
_READS: Final = frozenset({"GetSecretValue", "GetParameter"})
_BULK: Final = frozenset({"BatchGetSecretValue", "GetParameters", "GetParametersByPath"})
_ROTATE: Final = (
    "The person read this secret. Put a new value in: aws secretsmanager put-secret-value (or "
    "rotate-secret), or aws ssm put-parameter --overwrite, account {place}, region {region}, {name}"
)
_BULK_DUTY: Final = (
    "The person read many secrets or parameters in one call ({what}), account {place}, region "
    "{region}. Look at the event in CloudTrail and rotate what it names."
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the person's."""

    at: datetime
    what: str
    region: str
    asked: Mapping[str, Any]


def regions(settings: Settings) -> tuple[str, ...]:
    """Return the regions in which something may have been recorded."""
    return tuple(dict.fromkeys((*settings.regions, settings.sign_in_region)))


def events(leaver: Leaver, place: str, region: str, since: datetime) -> Iterator[list[Event]]:
    """Page through the person's events. Raises faults."""
    asked = [{"AttributeKey": "Username", "AttributeValue": leaver.login}]
    for page in leaver.sessions.pages(
        place,
        "cloudtrail",
        "lookup_events",
        "Events",
        region,
        LookupAttributes=asked,
        StartTime=since,
    ):
        found = []
        for one in page:
            at = one.get("EventTime")
            if not isinstance(at, datetime) or at.tzinfo is None:
                raise Malformed("an event has no time", code="aws:event")
            body = _body(one)
            if at >= since and _theirs(body, leaver):
                asked_for = body.get("requestParameters") or {}
                found.append(Event(at, str(one.get("EventName", "?")), region, asked_for))
        yield found


def _body(event: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        body = json.loads(event.get("CloudTrailEvent") or "{}")
    except ValueError as error:
        raise Malformed("an event is not JSON", code="aws:event") from error
    if not isinstance(body, Mapping):
        raise Malformed("an event is not an object", code="aws:event")
    return body


def _theirs(body: Mapping[str, Any], leaver: Leaver) -> bool:
    """A user name may have been another's before: where the event has an id, it decides."""
    identity = body.get("userIdentity") or {}
    said = identity.get("onBehalfOf", {}).get("userId") or (
        identity.get("principalId") if identity.get("type") == "IAMUser" else ""
    )
    return not said or said == leaver.id


def activity(leaver: Leaver, place: str, since: datetime) -> Iterator[tuple[Activity, ...]]:
    """Page through activity in all regions of one account."""
    for region in regions(leaver.settings):
        for page in events(leaver, place, region, since):
            yield tuple(
                Activity(leaver.account.native_id, one.at, f"{one.what} in {place} {region}")
                for one in page
            )


# --------------------------------------------------------------------------------- secrets known
def places(leaver: Leaver) -> tuple[str, ...]:
    """Return where something may be recorded: an Identity Center user acts in every account."""
    accounts = leaver.settings.accounts
    return (leaver.place,) if leaver.place in accounts else accounts


def _read(leaver: Leaver) -> RowReading:
    reading = RowReading()
    for place in places(leaver):
        for region in regions(leaver.settings):
            reading += partly(
                partial(_known, leaver, place, region),
                f"cloudtrail of {place} {region}",
                "cloudtrail:LookupEvents, secretsmanager:DescribeSecret, ssm:DescribeParameters",
            )
    return reading


def _known(leaver: Leaver, place: str, region: str) -> Iterator[Holding]:
    since = leaver.sessions.clock() - leaver.settings.look_back
    last: dict[str, Event] = {}
    for page in events(leaver, place, region, since):
        for event in page:
            name = _named(event)
            if name and (name not in last or last[name].at < event.at):
                last[name] = event
    for name, event in sorted(last.items()):
        if not _changed_since(leaver, (place, region), name, event):
            duty = _BULK_DUTY if name.startswith("many:") else _ROTATE
            yield leaver.holding(
                SECRET,
                f"{place}:{region}:{name}",
                name.rsplit(":", 1)[-1],
                duty=duty.format(place=place, region=region, name=name, what=event.what),
                last_used=event.at,
            )


def _named(event: Event) -> str:
    if event.what in _BULK:
        return f"many:{event.what}"
    if event.what not in _READS:
        return ""
    secret = event.what == "GetSecretValue"
    name = event.asked.get("secretId" if secret else "name")
    return f"{'secret' if secret else 'parameter'}:{name}" if name else f"many:{event.what}"


def _changed_since(leaver: Leaver, where: tuple[str, str], name: str, event: Event) -> bool:
    """Read whether the value was changed after the person's last look (Law 1)."""
    sort, _, said = name.partition(":")
    call, (place, region) = leaver.sessions.call, where
    if sort == "secret":
        answer = unless_missing(
            lambda: call(place, "secretsmanager", "describe_secret", region, SecretId=said)
        )
        if answer is None:
            return True  # deleted: there is nothing left to know
        changed = answer.get("LastChangedDate")
    elif sort == "parameter":
        wanted = [{"Key": "Name", "Option": "Equals", "Values": [said]}]
        answer = call(place, "ssm", "describe_parameters", region, ParameterFilters=wanted)
        listed = answer.get("Parameters")
        if not isinstance(listed, list):
            raise Malformed("parameters were not listed", code="aws:shape")
        changed = listed[0].get("LastModifiedDate") if listed else None
    else:
        return False
    return isinstance(changed, datetime) and changed > event.at


def _card(settings: Settings) -> RowCard:
    why = "secrets that are not read through Secrets Manager or Systems Manager"
    duty = (
        "Ask the team which shared secrets the person knew (database passwords, root passwords, "
        "API keys in files) and change them. S3 presigned URLs die with the key; CloudFront "
        "signed URLs do not: rotate the CloudFront key group."
    )
    words = "Rotate it: the connector sees the new value's date, never the value."
    support = Support(SECRET, frozenset(), duty=words)
    note = f"Secrets are those read within {settings.look_back} by the user's own name."
    return RowCard((support,), (Gap(SECRET, why, duty),), (note,))


ROW: Final = Row(
    "secrets the person read",
    frozenset({SECRET}),
    _card,
    _read,
    absent=lambda settings: not settings.has(Feature.CLOUDTRAIL),
)
