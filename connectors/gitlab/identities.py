"""Row 1.2: links to identity providers, by which somebody signs in or is made anew.

After the block: an LDAP link that stays lets the directory unblock the account. In group mode the
links are those of SAML and SCIM of our group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from connectors.contract import Effect, Holding, Json, Stage, Support, kind
from connectors.gitlab.answers import Object, parts, text
from connectors.gitlab.rows import Leaver, Row, RowCard, RowReading, seen
from connectors.gitlab.settings import Feature, Settings
from connectors.gitlab.steps import Look, Write, take, there

IDENTITY: Final = kind("grant.trust")
_GROUP_LINKS: Final = {"saml": Feature.SAML, "scim": Feature.SCIM}


def _card(settings: Settings) -> RowCard:
    right = "owner of the group" if settings.owner else "administrator, scope api"
    lost = "a SAML or SCIM link: it comes back with the next sign-in" if settings.owner else ""
    support = Support(IDENTITY, frozenset({Stage.REVOKE}), rights=(right,), not_restorable=lost)
    return RowCard(supports=(support,))


def _read(leaver: Leaver) -> RowReading:
    if leaver.settings.owner:
        return _read_group_links(leaver)
    found = [_identity(leaver, one) for one in parts(leaver.user, "identities")]
    return RowReading(tuple(found))


def _identity(leaver: Leaver, identity: Object) -> Holding:
    provider = text(identity, "provider")
    image: dict[str, Json] = {"provider": provider, "extern_uid": text(identity, "extern_uid")}
    native = f"identity:{provider}"
    return leaver.holding(IDENTITY, native, provider, state=leaver.frozen, restore=image)


def _read_group_links(leaver: Leaver) -> RowReading:
    reading = RowReading()
    for name, feature in _GROUP_LINKS.items():
        if leaver.settings.has(feature):
            path = f"/groups/{leaver.settings.group}/{name}/identities"
            (answer,) = leaver.gitlab.gather([(path, None)], paged=False)
            rows, gaps = seen(answer, f"{name} identities", "owner of the group")
            mine = [one for one in rows if one.get("user_id") == leaver.id]
            held = [leaver.holding(IDENTITY, f"{name}:link", f"{name} link") for one in mine[:1]]
            reading += RowReading(tuple(held), gaps)
    return reading


def _revoke(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, lambda one=one: _look(leaver, one)) for one in holdings]  # type: ignore[misc]


def _look(leaver: Leaver, holding: Holding) -> Look:
    name, _, provider = holding.native_id.partition(":")
    if name == "identity":
        path = f"{leaver.path}/identities/{quote(provider, safe='')}"
        linked = _linked(leaver, provider)
        return Look(not linked, {"linked": linked}, lambda: [Write("delete", path)])
    root = f"/groups/{leaver.settings.group}/{name}"
    rows = leaver.gitlab.every(f"{root}/identities", paged=False)
    mine = [text(one, "extern_uid") for one in rows if one.get("user_id") == leaver.id]
    writes = [Write("delete", f"{root}/{quote(uid, safe='')}") for uid in mine]
    return Look(not mine, {"linked": bool(mine)}, lambda: writes)


def _linked(leaver: Leaver, provider: str) -> str:
    """Return the ``extern_uid`` that the user has at a provider now; empty for none."""
    user = there(leaver.gitlab, leaver.path) or {}
    links = {text(one, "provider"): text(one, "extern_uid") for one in parts(user, "identities")}
    return links.get(provider, "")


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, lambda one=one: _look_back(leaver, one)) for one in holdings]  # type: ignore[misc]


def _look_back(leaver: Leaver, holding: Holding) -> Look:
    if not holding.restore.get("extern_uid"):
        return Look(reached=False, refuse="the person signs in again, which makes the link anew")
    provider = str(holding.restore["provider"])
    linked = _linked(leaver, provider) == holding.restore["extern_uid"]
    return Look(
        linked, {"linked": linked}, lambda: [Write("put", leaver.path, dict(holding.restore))]
    )


ROW: Final = Row(
    "identities",
    frozenset({"identity", "saml", "scim"}),
    _card,
    _read,
    revoke=_revoke,
    restore=_restore,
)
