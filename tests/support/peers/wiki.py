"""How a rig reaches the sandbox company's wiki past its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from connectors.conformance import Situation
from deprovisioner.sandbox.scim_application import Wiki


class WikiHands:
    """Hands on the wiki's own store."""

    unused: tuple[str, ...] = ()
    pages: bool = True
    unsupported: Mapping[Situation, str] = MappingProxyType({})

    def __init__(self, wiki: Wiki, act_token: str, verify_token: str) -> None:
        """Keep the started wiki."""
        self._wiki, self.url = wiki, wiki.url
        self.act_token, self.verify_token = act_token, verify_token

    def add_user(self, login: str, number: str, **rights: list[str]) -> str:
        """Put a user there."""
        attributes: dict[str, Any] = {
            name: [{"value": value} for value in values] for name, values in rights.items()
        }
        mail = [{"value": f"{login}@example.com"}]
        name = login.title()
        return self._wiki.add_user(
            login, externalId=number, displayName=name, emails=mail, **attributes
        )

    def add_group(self, name: str, members: list[str]) -> str:
        """Put a group there."""
        return self._wiki.add_group(name, members)

    def edit(self, endpoint: str, native_id: str, name: str, value: object) -> None:
        """Replace one attribute."""
        self._wiki.edit(endpoint.strip("/"), native_id, name, value)

    def resources(self, endpoint: str) -> list[dict[str, Any]]:
        """Read everything of one sort; what of a password matters is that it is there."""
        if endpoint == "/Groups":
            return [
                {"id": native_id, "members": [{"value": one} for one in members]}
                for native_id, members in self._wiki.members_of().items()
            ]
        return [_readable(self._wiki.user(one)) for one in self._wiki.user_ids()]

    def settings(self) -> dict[str, Any]:
        """The wiki's dialect."""
        wanted = self._wiki.connector_settings("", "")
        return {name: wanted[name] for name in ("users", "members", "booleans", "delete")}


def _readable(user: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in user.items() if name != "password"}
