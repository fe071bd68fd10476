"""Policies of resources that name the person, and KMS grants, in every account and region.

They are edited before the user goes: afterwards AWS shows the id instead of the ARN, and refuses
the old document on undo. One table says how each service reads and writes its policies; services
that are not in it are gaps of the card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from connectors.aws.documents import (
    Document,
    admits,
    beside,
    mentions,
    parsed,
    same,
    without,
    written,
)
from connectors.aws.rows import (
    Leaver,
    Look,
    Row,
    RowCard,
    RowReading,
    partly,
    stored,
    take,
    unless_missing,
)
from connectors.aws.session import Object, Sessions
from connectors.aws.settings import Feature, Settings
from connectors.contract import Effect, Gap, Holding, Stage, Support, kind
from connectors.faults import Missing

ACL: Final = kind("grant.acl")
DELEGATION: Final = kind("grant.delegation")


@dataclass(frozen=True, slots=True)
class Where:
    """One resource: account, region and the service's own name of it."""

    place: str
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class Service:
    """How one service lists resources and reads, writes and removes the policy of one.

    ``remove`` is None where a policy cannot be without statements; then a person edits it.
    """

    name: str
    list: Callable[[Sessions, str, str], Iterator[str]]
    read: tuple[str, str, str]
    """Operation, argument that names the resource, member of the answer."""
    write: Callable[[Sessions, Where, str], Object]
    remove: Callable[[Sessions, Where], Object] | None = None
    more: Mapping[str, object] | None = None

    def policy(self, sessions: Sessions, where: Where) -> Document | None:
        """Read one policy; None where there is none, or no such resource."""
        operation, argument, member = self.read
        asked = {argument: where.name, **(self.more or {})}
        answer = unless_missing(
            lambda: sessions.call(where.place, self.name, operation, where.region, **asked)
        )
        found: Any = answer or {}
        for step in member.split("."):
            found = found.get(step) or {}
        return parsed(found) if found else None


def _members(service: str, operation: str, member: str, key: str) -> Callable[..., Iterator[str]]:
    def listed(sessions: Sessions, place: str, region: str) -> Iterator[str]:
        for page in sessions.pages(place, service, operation, member, region):
            yield from (one if not key else str(one[key]) for one in page)

    return listed


def _buckets(sessions: Sessions, place: str, region: str) -> Iterator[str]:
    """List buckets once, with the first region: the list is the account's."""
    if region == sessions.settings.regions[0]:
        yield from _members("s3", "list_buckets", "Buckets", "Name")(sessions, place, region)


def _queues(sessions: Sessions, place: str, region: str) -> Iterator[str]:
    """List queues. Raises faults."""
    yield from sessions.listed(place, "sqs", "list_queues", "QueueUrls", region)


def _call(service: str, operation: str, name: str, **fixed: object) -> Callable[..., Object]:
    """Make a write: ``{policy}`` in a fixed argument is where the document goes."""

    def called(sessions: Sessions, where: Where, document: str = "") -> Object:
        arguments: dict[str, object] = {name: where.name}
        for key, value in fixed.items():
            arguments[key] = document if value == "{policy}" else value
            if value == {"Policy": "{policy}"}:
                arguments[key] = {"Policy": document}
        return sessions.call(where.place, service, operation, where.region, **arguments)

    return called


SERVICES: Final[Mapping[str, Service]] = {
    one.name: one
    for one in (
        Service(
            "s3",
            _buckets,
            ("get_bucket_policy", "Bucket", "Policy"),
            _call("s3", "put_bucket_policy", "Bucket", Policy="{policy}"),
            _call("s3", "delete_bucket_policy", "Bucket"),
        ),
        Service(
            "sqs",
            _queues,
            ("get_queue_attributes", "QueueUrl", "Attributes.Policy"),
            _call("sqs", "set_queue_attributes", "QueueUrl", Attributes={"Policy": "{policy}"}),
            _call("sqs", "set_queue_attributes", "QueueUrl", Attributes={"Policy": "{policy}"}),
            {"AttributeNames": ["Policy"]},
        ),
        Service(
            "sns",
            _members("sns", "list_topics", "Topics", "TopicArn"),
            ("get_topic_attributes", "TopicArn", "Attributes.Policy"),
            _call(
                "sns",
                "set_topic_attributes",
                "TopicArn",
                AttributeName="Policy",
                AttributeValue="{policy}",
            ),
        ),
        Service(
            "kms",
            _members("kms", "list_keys", "Keys", "KeyId"),
            ("get_key_policy", "KeyId", "Policy"),
            _call("kms", "put_key_policy", "KeyId", PolicyName="default", Policy="{policy}"),
            more={"PolicyName": "default"},
        ),
        Service(
            "secretsmanager",
            _members("secretsmanager", "list_secrets", "SecretList", "ARN"),
            ("get_resource_policy", "SecretId", "ResourcePolicy"),
            _call("secretsmanager", "put_resource_policy", "SecretId", ResourcePolicy="{policy}"),
            _call("secretsmanager", "delete_resource_policy", "SecretId"),
        ),
        Service(
            "ecr",
            _members("ecr", "describe_repositories", "repositories", "repositoryName"),
            ("get_repository_policy", "repositoryName", "policyText"),
            _call("ecr", "set_repository_policy", "repositoryName", policyText="{policy}"),
            _call("ecr", "delete_repository_policy", "repositoryName"),
        ),
    )
}


# ----------------------------------------------------------------------------- resource policies
def _read(leaver: Leaver) -> RowReading:
    reading = RowReading()
    for place in leaver.settings.accounts:
        for region in leaver.settings.regions:
            for service in SERVICES.values():
                reading += partly(
                    partial(_named, leaver, place, region, service),
                    f"{service.name} policies in {place} {region}",
                    f"{service.name}: list, and get policies",
                )
    return reading


def _named(leaver: Leaver, place: str, region: str, service: Service) -> Iterator[Holding]:
    names = leaver.names
    for name in service.list(leaver.sessions, place, region):
        document = service.policy(leaver.sessions, Where(place, region, name))
        if document is None:
            continue
        named = mentions(document, names)
        if named or admits(document, names):
            yield leaver.holding(
                ACL,
                f"{service.name}:{place}:{region}:{name}",
                f"{service.name} {name.rsplit(':', 1)[-1]} in {place}",
                restore={"document": written(document)},
                duty=_duty(service, place, region, name) if named else "",
            )


def _duty(service: Service, place: str, region: str, name: str) -> str:
    return (
        f"A condition of the policy of {service.name} {name} names the person. In account {place}, "
        f"region {region}: aws {service.name} {service.read[0].replace('_', '-')}, edit and write."
    )


def _where(holding: Holding) -> tuple[Service, Where]:
    service, place, region, name = holding.native_id.split(":", 3)
    return SERVICES[service], Where(place, region, name)


def _revoke(leaver: Leaver, holding: Holding) -> Effect:
    service, where = _where(holding)
    names = leaver.names

    def write(before: Document) -> Object:
        after = without(before, names)
        if after["Statement"]:
            return _put(leaver, service, where, before, after)
        return service.remove(leaver.sessions, where) if service.remove else {}

    def look() -> Look:
        document = service.policy(leaver.sessions, where)
        there = document is not None and admits(document, names)
        stuck = there and document and not without(document, names)["Statement"]
        return Look(
            not there,
            {"named": there},
            lambda: write(document or {}),
            refuse="the policy would be empty, which this service does not take: edit it by hand"
            if stuck and not service.remove
            else "",
        )

    return take(leaver, holding, look)


def _put(
    leaver: Leaver, service: Service, where: Where, before: Document | None, after: Document
) -> Object:
    """Write over what was read; there is no etag, so it is read again right before."""
    now = service.policy(leaver.sessions, where)
    unchanged = now is None if before is None else now is not None and same(now, before)
    return service.write(leaver.sessions, where, written(after)) if unchanged else {}


def _restore(leaver: Leaver, holding: Holding) -> Effect:
    service, where = _where(holding)
    wanted = parsed(stored(holding, "document"))

    def look() -> Look:
        now = service.policy(leaver.sessions, where)
        there = now is not None and same(now, wanted)
        return Look(there, {"as before": there}, lambda: _put(leaver, service, where, now, wanted))

    return take(leaver, holding, look)


def _transfer(leaver: Leaver, holding: Holding, successor: Leaver) -> Effect:
    service, where = _where(holding)

    def look() -> Look:
        document = service.policy(leaver.sessions, where)
        if document is None:
            return Look(reached=False, refuse="the policy is gone")
        there = admits(document, successor.names)
        after = beside(document, leaver.names, successor.names)
        return Look(there, {"named": there}, lambda: _put(leaver, service, where, document, after))

    return take(leaver, holding, look)


_UNREAD: Final = (
    "In every account and region: aws lambda list-functions and aws lambda get-policy "
    "--function-name F (then aws lambda remove-permission --function-name F --statement-id S); "
    "likewise the policies of EFS, Backup vaults, OpenSearch, Glue, EventBridge, DynamoDB, "
    "Kinesis, CodeArtifact, API Gateway, SES, Glacier and RAM shares; S3 ACLs, access points and "
    "aws s3control list-access-grants; aws eks list-access-entries "
    "--cluster-name C and the aws-auth "
    "ConfigMap; aws rolesanywhere list-trust-anchors (import the CRL). aws accessanalyzer "
    "list-findings-v2 --analyzer-arn A shows what names somebody. Remove the person's ARN and id."
)


def _card(settings: Settings) -> RowCard:
    if not settings.has(Feature.RESOURCE_POLICIES):
        return RowCard()
    stages = frozenset({Stage.PRESERVE, Stage.TRANSFER, Stage.REVOKE})
    rights = (
        "s3:PutBucketPolicy",
        "s3:DeleteBucketPolicy",
        "sqs:SetQueueAttributes",
        "sns:SetTopicAttributes",
        "kms:PutKeyPolicy",
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:DeleteResourcePolicy",
        "ecr:SetRepositoryPolicy",
        "ecr:DeleteRepositoryPolicy",
    )
    return RowCard(
        (Support(ACL, stages, rights=rights),),
        (Gap(ACL, "policies of services that are not read", _UNREAD),),
        (f"Resource policies are read of {', '.join(SERVICES)}.",),
    )


POLICIES_ROW: Final = Row(
    "resource policies",
    frozenset({ACL}),
    _card,
    _read,
    revoke=_revoke,
    restore=_restore,
    transfer=_transfer,
    absent=lambda settings: not settings.has(Feature.RESOURCE_POLICIES),
)


# ------------------------------------------------------------------------------------ KMS grants
_LOST: Final = "the KMS grant: a new one has another id, and its token is new"


def _grants(leaver: Leaver, place: str, region: str, key: str) -> Iterator[dict[str, Any]]:
    names = leaver.names
    try:
        for page in leaver.sessions.pages(place, "kms", "list_grants", "Grants", region, KeyId=key):
            for one in page:
                holders = {str(one.get("GranteePrincipal")), str(one.get("RetiringPrincipal"))}
                if any(names.is_principal(it) for it in holders):
                    yield one
    except Missing:
        return  # the key went meanwhile, and its grants with it


def _read_grants(leaver: Leaver) -> RowReading:
    reading = RowReading()
    for place in leaver.settings.accounts:
        for region in leaver.settings.regions:
            reading += partly(
                partial(_granted, leaver, place, region),
                f"kms grants in {place} {region}",
                "kms:ListKeys, kms:ListGrants",
            )
    return reading


def _granted(leaver: Leaver, place: str, region: str) -> Iterator[Holding]:
    for key in SERVICES["kms"].list(leaver.sessions, place, region):
        for one in _grants(leaver, place, region, key):
            name = f"kms:{place}:{region}:{key}:{one['GrantId']}"
            said = {"grantee": str(one.get("GranteePrincipal")), "key": key}
            yield leaver.holding(DELEGATION, name, f"grant on {key}", restore={**said})


def _revoke_grant(leaver: Leaver, holding: Holding) -> Effect:
    _, place, region, key, grant = holding.native_id.split(":", 4)

    def look() -> Look:
        there = any(one["GrantId"] == grant for one in _grants(leaver, place, region, key))
        return Look(
            not there,
            {"granted": there},
            lambda: leaver.sessions.call(
                place, "kms", "revoke_grant", region, KeyId=key, GrantId=grant
            ),
        )

    return take(leaver, holding, look, lost=_LOST)


def _grants_card(_settings: Settings) -> RowCard:
    stages = frozenset({Stage.PRESERVE, Stage.REVOKE})
    support = Support(DELEGATION, stages, rights=("kms:RevokeGrant",), not_restorable=_LOST)
    return RowCard(
        (support,), notes=("Revoking a KMS grant takes usually less than five minutes.",)
    )


GRANTS_ROW: Final = Row(
    "KMS grants",
    frozenset({DELEGATION}),
    _grants_card,
    _read_grants,
    revoke=_revoke_grant,
    absent=lambda settings: not settings.has(Feature.RESOURCE_POLICIES),
)
