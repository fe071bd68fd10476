"""Microsoft Active Directory and Samba domains.

What a person holds there: an account with its password and tickets; groups, direct, primary and
nested; keys, certificates, names and delegation on the account; ownerships and delegations on other
objects; rights in access rules. ``rows`` is the list.

Rights: the acting identity writes what ``card`` names per kind; the verifying identity reads
everything, on every domain controller, and changes nothing.

What cannot be undone: the old password, sIDHistory. What cannot be done: end sessions and tickets,
look on hosts, revoke at an authority, read other domains; all of it is on the capability card. See
``docs/connectors/active-directory.md``.
"""

from connectors.active_directory.connector import ActiveDirectoryConnector, open_connector
from connectors.active_directory.settings import CanaryObject, Login, Settings

__all__ = ["ActiveDirectoryConnector", "CanaryObject", "Login", "Settings", "open_connector"]
