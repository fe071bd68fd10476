"""Amazon Web Services: many accounts of one organisation, and its Identity Center.

What a person holds there: IAM users in any account (password, keys, certificates, MFA, groups,
policies, boundary), sessions that were issued, roles and resources whose policies name them, KMS
grants, tagged resources, key pairs, secrets that they read; an Identity Center user with groups,
assignments, applications and entitlements. An account is ``<AWS account>:<UserId>`` or ``<identity
store>:<user id>``: names are re-used and are looked up at each call.

Rights: two roles in each account, one reads and one also writes (docs/connectors/aws.md has the
policies). What cannot be undone: deleted keys and passwords, MFA seeds, and the id of a deleted
user. What is not read is on the capability card as gaps with the commands for a person.
"""

from connectors.aws.connector import AwsConnector, open_connector
from connectors.aws.settings import (
    CredentialReport,
    ExternalId,
    Feature,
    Identity,
    IdentityCenter,
    RoleSessions,
    Settings,
)

__all__ = [
    "AwsConnector",
    "CredentialReport",
    "ExternalId",
    "Feature",
    "Identity",
    "IdentityCenter",
    "RoleSessions",
    "Settings",
    "open_connector",
]
