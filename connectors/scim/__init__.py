"""Any product that speaks SCIM 2.0 (RFC 7643, RFC 7644), as far as SCIM goes.

What a person holds there: a user resource that can be active (account, password), group
memberships, roles, entitlements and X.509 certificates. Products differ in how they take a PATCH,
whether they filter, and what DELETE means: ``settings`` names the dialect, ``dialect`` speaks it.

Rights: SCIM tokens are usually all or nothing, so the acting and the verifying token differ and
only the acting one writes. What SCIM cannot do (end sessions and API tokens, hand over what the
product's objects owe to the person) is on the capability card as gaps with duties. What cannot be
undone: a scrambled password, and the id of a deleted user. See ``docs/connectors/scim.md``.
"""

from connectors.scim.connector import ScimConnector, open_connector
from connectors.scim.settings import Booleans, CanaryObjects, Delete, Form, MemberName, Settings

__all__ = [
    "Booleans",
    "CanaryObjects",
    "Delete",
    "Form",
    "MemberName",
    "ScimConnector",
    "Settings",
    "open_connector",
]
