"""Resources tagged with the person as owner, and EC2 key pairs among them.

A tag is the only ownership that AWS knows; what nobody tagged, nobody owns here. EC2 key pairs are
deleted, and the key stays in ``authorized_keys`` of every machine: a duty of the card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from connectors.aws.rows import (
    Leaver,
    Look,
    Row,
    RowCard,
    RowReading,
    partly,
    stored,
    take,
    text,
)
from connectors.aws.session import Object
from connectors.aws.settings import Feature, Settings
from connectors.contract import Effect, Gap, Holding, Stage, Support, kind
from connectors.faults import Refused

OWNED: Final = kind("ownership.resource")
SSH_KEY: Final = kind("credential.ssh_key")
_PAIR: Final = ":key-pair/"
_SCAN: Final = (
    "Deleting a key pair does not take the key off machines. On every instance that was started "
    "with it: aws ssm send-command --document-name AWS-RunShellScript --targets "
    "Key=tag-key,Values=Name --parameters commands='grep -l KEY /home/*/.ssh/authorized_keys "
    "/root/.ssh/authorized_keys' and remove the line."
)
_UNTAGGED: Final = (
    "Untagged resources show no owner. Ask the team: Cloud9, CloudShell, SageMaker, WorkSpaces, "
    "QuickSight (transfer assets first), Transfer Family, Lightsail, API and IoT keys, CloudFront "
    "key groups (signed URLs outlive everything), database users, SNS e-mail subscriptions, "
    "alternate contacts, root mailboxes, chatbot identities, shared snapshots and images, SSM "
    "activations, Client VPN certificates."
)


def _owners(leaver: Leaver) -> list[str]:
    """By what a tag may name the person: login, address, HR number, as their own tags have it."""
    tags = {one.get("Key"): str(one.get("Value", "")) for one in leaver.user.get("Tags", [])}
    settings = leaver.settings
    values = (leaver.login, tags.get(settings.mail_tag), tags.get(settings.employee_number_tag))
    return [one for one in dict.fromkeys(values) if one]


def _tagged(leaver: Leaver, place: str, region: str) -> Iterator[tuple[str, str]]:
    asked = [{"Key": leaver.settings.owner_tag, "Values": _owners(leaver)}]
    for page in leaver.sessions.pages(
        place,
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        region,
        TagFilters=asked,
    ):
        for one in page:
            tags = {it.get("Key"): str(it.get("Value", "")) for it in one.get("Tags", [])}
            yield text(one, "ResourceARN"), tags.get(leaver.settings.owner_tag, "")


def _swept(
    leaver: Leaver, read: Callable[[Leaver, str, str], Iterator[Holding]], what: str, right: str
) -> RowReading:
    reading = RowReading()
    for place in leaver.settings.accounts:
        for region in leaver.settings.regions:
            words = f"{what} in {place} {region}"
            reading += partly(partial(read, leaver, place, region), words, right)
    return reading


def _read(leaver: Leaver) -> RowReading:
    return _swept(leaver, _owned, "tags", "tag:GetResources")


def _read_pairs(leaver: Leaver) -> RowReading:
    return _swept(leaver, _pairs, "key pairs", "ec2:DescribeKeyPairs")


def _owned(leaver: Leaver, place: str, region: str) -> Iterator[Holding]:
    for arn, value in _tagged(leaver, place, region):
        if _PAIR not in arn:
            yield leaver.holding(
                OWNED,
                f"{place}|{region}|{arn}",
                arn.rsplit(":", 1)[-1],
                restore={"owner": value},
            )


def _key_pairs(leaver: Leaver, place: str, region: str) -> list[Any]:
    answer = leaver.sessions.call(
        place,
        "ec2",
        "describe_key_pairs",
        region,
        IncludePublicKey=True,
        Filters=[{"Name": f"tag:{leaver.settings.owner_tag}", "Values": _owners(leaver)}],
    )
    listed = answer.get("KeyPairs")
    if not isinstance(listed, list):
        raise Refused("key pairs were not listed", code="aws:shape")
    return listed


def _pairs(leaver: Leaver, place: str, region: str) -> Iterator[Holding]:
    for one in _key_pairs(leaver, place, region):
        yield leaver.holding(
            SSH_KEY,
            f"ec2:{place}:{region}:{text(one, 'KeyName')}",
            "ec2 key pair",
            restore={
                "key": str(one.get("PublicKey", "")),
                "tags": [{"Key": t["Key"], "Value": t["Value"]} for t in one.get("Tags", [])],
            },
        )


# ---------------------------------------------------------------------------------------- writes
def _where(holding: Holding) -> tuple[str, str, str]:
    place, region, arn = holding.native_id.split("|", 2)
    return place, region, arn


def _owner_of(leaver: Leaver, holding: Holding) -> str:
    """Read one resource's owner tag; empty when it is gone or has none."""
    place, region, arn = _where(holding)
    listed = leaver.sessions.listed(
        place,
        "resourcegroupstaggingapi",
        "get_resources",
        "ResourceTagMappingList",
        region,
        ResourceARNList=[arn],
    )
    tags = [tag for one in listed for tag in one.get("Tags", [])]
    return next(
        (str(tag["Value"]) for tag in tags if tag.get("Key") == leaver.settings.owner_tag), ""
    )


def _tag(leaver: Leaver, holding: Holding, owner: str) -> Object:
    place, region, arn = _where(holding)
    answer = leaver.sessions.call(
        place,
        "resourcegroupstaggingapi",
        "tag_resources",
        region,
        ResourceARNList=[arn],
        Tags={leaver.settings.owner_tag: owner},
    )
    if answer.get("FailedResourcesMap"):  # a 200 that says no (Law 1)
        raise Refused("the tag was not written", code="aws:tag")
    return answer


def _owner(leaver: Leaver, holding: Holding, wanted: str) -> Effect:
    def look() -> Look:
        reached = _owner_of(leaver, holding) == wanted
        return Look(reached, {"owner changed": reached}, lambda: _tag(leaver, holding, wanted))

    return take(leaver, holding, look)


def _transfer(leaver: Leaver, holding: Holding, successor: Leaver) -> Effect:
    """Name the successor the way the tag named the leaver."""
    mine, theirs = _ways(leaver), _ways(successor)
    now = _owner_of(leaver, holding)
    way = next((name for name, value in mine.items() if value and value == now), "login")
    return _owner(leaver, holding, theirs.get(way) or successor.login)


def _ways(leaver: Leaver) -> dict[str, str]:
    tags = {one.get("Key"): str(one.get("Value", "")) for one in leaver.user.get("Tags", [])}
    settings = leaver.settings
    return {
        "login": leaver.login,
        "mail": tags.get(settings.mail_tag, ""),
        "number": tags.get(settings.employee_number_tag, ""),
    }


def _restore(leaver: Leaver, holding: Holding) -> Effect:
    return _owner(leaver, holding, stored(holding, "owner"))


def _pair(leaver: Leaver, holding: Holding) -> tuple[tuple[str, str, str], bool]:
    _, place, region, name = holding.native_id.split(":", 3)
    there = any(one.get("KeyName") == name for one in _key_pairs(leaver, place, region))
    return (place, region, name), there


def _delete_pair(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        (place, region, name), there = _pair(leaver, holding)
        return Look(
            not there,
            {"key_pair": there},
            lambda: leaver.sessions.call(place, "ec2", "delete_key_pair", region, KeyName=name),
        )

    return take(leaver, holding, look)


def _import_pair(leaver: Leaver, holding: Holding) -> Effect:
    key = stored(holding, "key")

    def look() -> Look:
        (place, region, name), there = _pair(leaver, holding)
        tags = [{"ResourceType": "key-pair", "Tags": holding.restore.get("tags", [])}]
        return Look(
            there,
            {"key_pair": there},
            lambda: leaver.sessions.call(
                place,
                "ec2",
                "import_key_pair",
                region,
                KeyName=name,
                PublicKeyMaterial=key.encode(),
                TagSpecifications=tags,
            ),
            refuse="" if key else "AWS did not show the public key: import it by hand",
        )

    return take(leaver, holding, look)


def _card(_settings: Settings) -> RowCard:
    return RowCard(
        (
            Support(
                OWNED, frozenset({Stage.PRESERVE, Stage.TRANSFER}), rights=("tag:TagResources",)
            ),
        ),
        (Gap(OWNED, "what nobody tagged", _UNTAGGED),),
    )


def _pairs_card(_settings: Settings) -> RowCard:
    gap = Gap(SSH_KEY, "authorized_keys of machines are not read", _SCAN)
    stages = frozenset({Stage.CONTAIN, Stage.PRESERVE, Stage.REVOKE})
    support = Support(SSH_KEY, stages, rights=("ec2:DeleteKeyPair", "ec2:ImportKeyPair"))
    return RowCard((support,), (gap,), ("EC2 key pairs are found by their owner tag.",))


def _absent(settings: Settings) -> bool:
    return not settings.has(Feature.TAGS)


ROW: Final = Row(
    "tagged ownerships",
    frozenset({OWNED}),
    _card,
    _read,
    transfer=_transfer,
    restore=_restore,
    absent=_absent,
)
PAIRS_ROW: Final = Row(
    "EC2 key pairs",
    frozenset({SSH_KEY}),
    _pairs_card,
    _read_pairs,
    contain=_delete_pair,  # there is no freeze, and the public key is kept for undo
    revoke=_delete_pair,
    restore=_import_pair,
    owns=lambda native_id: native_id.startswith("ec2:"),
    absent=_absent,
)
