"""The IAM user itself and its issued sessions: one unconditional deny stops both.

Inactive keys do not end sessions that they issued, and a deleted key still works for seconds, long
enough to mint another; an explicit deny on the user covers keys, password, ``GetSessionToken`` and
``GetFederationToken`` alike. Its statement carries the instant at which it was put, so the end of
what outlives it (sessions of roles that were assumed before) is read back, not remembered.
Where no room is left for an inline policy, the managed ``AWSDenyAll`` is attached instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final

from connectors.aws import scp
from connectors.aws.documents import parsed, statements, written
from connectors.aws.rows import Leaver, Look, Row, RowCard, RowReading, take, unless_missing
from connectors.aws.session import Object
from connectors.aws.settings import Settings
from connectors.contract import Effect, Holding, HoldingState, Json, Stage, Strength, Support, kind
from connectors.faults import Refused

POLICY: Final = "deprovisioner-quarantine"
BUNDLE: Final = "quarantine"
SESSION: Final = kind("session")
ISSUED: Final = "issued-sessions"
_SINCE: Final = "Since%Y%m%dT%H%M%SZ"
_FULL: Final = "aws:LimitExceeded"
_LOST: Final = "sessions that were issued: the person signs in again"


def deny_all(since: datetime) -> str:
    """Write the quarantine. ``since`` is when it is put."""
    sid = since.astimezone(UTC).strftime(_SINCE)
    deny = {"Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*"}
    return written({"Version": "2012-10-17", "Statement": [deny]})


def is_deny_all(document: Mapping[str, Any]) -> bool:
    """Tell whether a policy denies everything, with no condition that could let something by."""
    return any(
        one.get("Effect") == "Deny"
        and one.get("Action") in ("*", ["*"])
        and one.get("Resource") in ("*", ["*"])
        and not one.get("Condition")
        for one in statements(document)
    )


def deny_everything_arn(settings: Settings) -> str:
    """Return the managed policy that denies everything."""
    return f"arn:{settings.partition}:iam::aws:policy/AWSDenyAll"


def in_force(leaver: Leaver) -> bool:
    """Read whether the person is denied everything, in one form or the other."""
    return _inline(leaver) is not None or _attached(leaver)


def since(leaver: Leaver) -> datetime | None:
    """Read since when the inline quarantine stands; None where it says nothing."""
    document = _inline(leaver)
    for one in statements(document) if document else []:
        try:
            return datetime.strptime(str(one.get("Sid", "")), _SINCE).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _inline(leaver: Leaver) -> Mapping[str, Any] | None:
    found = unless_missing(lambda: leaver.iam("get_user_policy", PolicyName=POLICY))
    document = parsed(found.get("PolicyDocument")) if found else None
    return document if document and is_deny_all(document) else None


def _attached(leaver: Leaver) -> bool:
    wanted = deny_everything_arn(leaver.settings)
    listed = leaver.iam_list("list_attached_user_policies", "AttachedPolicies")
    return any(one.get("PolicyArn") == wanted for one in listed)


def kind_of(login: str, settings: Settings) -> str:
    """Tell what an IAM user is for, by its name."""
    if any(fnmatchcase(login, one) for one in settings.services):
        return "service"
    if any(fnmatchcase(login, one.replace("{login}", "*")) for one in settings.admin_logins):
        return "admin"
    return "person"


def _card(settings: Settings) -> RowCard:
    freeze = frozenset({Stage.CONTAIN, Stage.PRESERVE})
    rights = ("iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:AttachUserPolicy")
    users = [
        Support(
            kind(f"account.{word}"),
            freeze | {Stage.DESTROY},
            rights=(*rights, "iam:DeleteUser", *scp.rights(settings)),
            bundle=BUNDLE,
        )
        for word in ("person", "admin", "service")
    ]
    sessions = Support(
        SESSION,
        frozenset({Stage.CONTAIN}),
        Strength.BOUNDED,
        settings.session_life,
        rights=rights,
        not_restorable=_LOST,
        bundle=BUNDLE,
    )
    return RowCard(
        (*users, sessions),
        notes=(
            (
                "A deny on the user does not reach sessions of roles that were assumed before: "
                f"they may work until {settings.session_life} after the quarantine."
            ),
        ),
    )


def _read(leaver: Leaver) -> RowReading:
    contained, put = in_force(leaver), since(leaver)
    gaps: tuple[str, ...] = ()
    if contained and leaver.settings.quarantine_scp:
        contained = scp.denies(leaver.sessions, scp.PRINCIPAL_ARN, str(leaver.user["Arn"]))
    return RowReading(tuple(_holdings(leaver, put, contained=contained)), gaps)


def _holdings(leaver: Leaver, put: datetime | None, *, contained: bool) -> Iterator[Holding]:
    state = HoldingState.CONTAINED if contained else HoldingState.LIVE
    image: dict[str, Json] = {"user": leaver.login, "contained": contained}
    word = kind_of(leaver.login, leaver.settings)
    native_id = leaver.account.native_id
    yield leaver.holding(
        kind(f"account.{word}"), native_id, leaver.login, state=state, restore=image
    )
    until = put + leaver.settings.session_life if put else None
    if not contained:
        until = None
    elif until and until <= leaver.sessions.clock():
        return
    yield leaver.holding(
        SESSION, ISSUED, "issued sessions", state=state, restore=image, residual_until=until
    )


def _contain(leaver: Leaver, holding: Holding) -> Effect:
    def look() -> Look:
        there = in_force(leaver)
        listed = scp.looked(leaver.sessions, scp.PRINCIPAL_ARN, str(leaver.user["Arn"]), add=True)
        return Look(
            there and listed.reached,
            {"quarantine": there, **listed.read_back},
            lambda: _put(leaver, listed, there=there),
        )

    return take(leaver, holding, look)


def _put(leaver: Leaver, listed: Look, *, there: bool) -> Object:
    """Deny in the account first: it needs no organisation."""
    answer: Object = {}
    if not there:
        document = deny_all(leaver.sessions.clock())
        try:
            answer = leaver.iam("put_user_policy", PolicyName=POLICY, PolicyDocument=document)
        except Refused as fault:
            if not fault.code.startswith(_FULL):
                raise
            arn = deny_everything_arn(leaver.settings)
            answer = leaver.iam("attach_user_policy", PolicyArn=arn)
    return answer if listed.reached else listed.write()


def _restore(leaver: Leaver, holding: Holding) -> Effect:
    if holding.restore.get("contained") is not False:
        why = "it was contained before, or no pre-image was stored"
        raise Refused(why, code="aws:pre-image")

    def look() -> Look:
        there = in_force(leaver)
        listed = scp.looked(leaver.sessions, scp.PRINCIPAL_ARN, str(leaver.user["Arn"]), add=False)
        read_back: Mapping[str, Json] = {"quarantine": there, **listed.read_back}
        return Look(not there and listed.reached, read_back, lambda: _lift(leaver, listed))

    return take(leaver, holding, look)


def _lift(leaver: Leaver, listed: Look) -> Object:
    """Take our denies away, in whatever form they stand; the organisation's first."""
    answer: Object = {} if listed.reached else listed.write()
    if _inline(leaver) is not None:
        answer = leaver.iam("delete_user_policy", PolicyName=POLICY)
    if _attached(leaver):
        answer = leaver.iam("detach_user_policy", PolicyArn=deny_everything_arn(leaver.settings))
    return answer


def lift(leaver: Leaver) -> None:
    """Take our denies away right before the user is deleted: IAM refuses while they stand.

    The organisation's list names an ARN, which would hit whoever gets the name next.
    """
    arn = str(leaver.user["Arn"])
    _lift(leaver, scp.looked(leaver.sessions, scp.PRINCIPAL_ARN, arn, add=False))


def put_again(leaver: Leaver) -> None:
    """Put the quarantine back: the user could not be deleted."""
    arn = str(leaver.user["Arn"])
    listed = scp.looked(leaver.sessions, scp.PRINCIPAL_ARN, arn, add=True)
    _put(leaver, listed, there=in_force(leaver))


ROW: Final = Row(
    "quarantine",
    frozenset({SESSION, *(kind(f"account.{word}") for word in ("person", "admin", "service"))}),
    _card,
    _read,
    contain=_contain,
    restore=_restore,
    together=True,
)
