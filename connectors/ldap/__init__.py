"""OpenLDAP and 389 Directory Server.

What a person holds there: an entry that can bind (account, password), keys and certificates on it,
memberships in all styles (member, uniqueMember, memberUid, netgroup triples), sudo rules, entries
that name them as manager, owner and the like, aliases, rights to act for others, Kerberos data,
access rules and open connections. ``references.ROWS`` and ``own`` are the list.

Rights: the acting identity writes what ``card`` names per kind; the verifying identity reads
everything but hashes and changes nothing. Both need unlimited size limits, or every read is blind.

What cannot be undone: a password hash that the acting identity may not read or write back, and the
immutable id of an alias entry. What cannot be done: end an open connection, edit an access rule;
both are named on the capability card and become duties. See ``docs/connectors/ldap.md``.
"""

from connectors.ldap.connector import LdapConnector, open_connector
from connectors.ldap.settings import CanaryObject, Login, Product, Settings

__all__ = ["CanaryObject", "LdapConnector", "Login", "Product", "Settings", "open_connector"]
