"""The attributes that the pretend domain knows: syntax, links, and who may write them.

Called by every room of this package. The schema partition that clients read is made from this
table, so nothing can be known here and hidden there.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from deprovisioner.sandbox.directory.schema import Schema

_WIRE: Final = "1.3.6.1.4.1.1466.115.121.1."


class Syntax(StrEnum):
    """How values look; each with its rule in RFC 4517's words."""

    TEXT = "text"
    INTEGER = "integer"
    NAME = "name"
    KEYED_NAME = "keyed name"
    """``B:length:hexadecimal:name`` (MS-ADTS 3.1.1.3.1.1.4)."""
    OCTETS = "octets"
    TIME = "time"
    BOOLEAN = "boolean"


_RULES: Final = {
    Syntax.TEXT: f"EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX {_WIRE}15",
    Syntax.INTEGER: f"EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX {_WIRE}27",
    Syntax.NAME: f"EQUALITY distinguishedNameMatch SYNTAX {_WIRE}12",
    Syntax.KEYED_NAME: f"EQUALITY caseIgnoreMatch SYNTAX {_WIRE}15",
    Syntax.OCTETS: f"EQUALITY octetStringMatch SYNTAX {_WIRE}40",
    Syntax.TIME: f"EQUALITY caseIgnoreMatch SYNTAX {_WIRE}15",
    Syntax.BOOLEAN: f"EQUALITY booleanMatch SYNTAX {_WIRE}7",
}
_USER: Final = frozenset({"user"})
_GROUP: Final = frozenset({"group"})
_COMPUTER: Final = frozenset({"computer"})
_MANAGED: Final = frozenset({"group", "computer", "organizationalunit"})
ANY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. ``holders``: the classes that may hold it; empty is every class.

    ``back``: the attribute that shows the link at its other end. ``kept``: written by the domain
    only. ``computed``: worked out when asked for by name, never searched, never in ``*``.
    """

    name: str
    syntax: Syntax = Syntax.TEXT
    holders: frozenset[str] = ANY
    single: bool = False
    back: str = ""
    kept: bool = False
    computed: bool = False

    @property
    def key(self) -> str:
        """The name under which values are stored."""
        return self.name.lower()

    @property
    def linked(self) -> bool:
        """Whether values name other objects and follow them."""
        return self.syntax in (Syntax.NAME, Syntax.KEYED_NAME) and not self.kept


def _one(name: str, syntax: Syntax = Syntax.TEXT, **more: object) -> Attribute:
    return Attribute(name, syntax, single=True, **more)  # type: ignore[arg-type]


TABLE: Final[tuple[Attribute, ...]] = (
    Attribute("objectClass"),
    _one("cn"), _one("ou"), _one("dc"), _one("name", kept=True), _one("description"),
    _one("distinguishedName", Syntax.NAME, kept=True),
    _one("objectGUID", Syntax.OCTETS, kept=True), _one("objectSid", Syntax.OCTETS, kept=True),
    _one("objectCategory", Syntax.NAME, kept=True), _one("instanceType", Syntax.INTEGER, kept=True),
    _one("whenCreated", Syntax.TIME, kept=True), _one("whenChanged", Syntax.TIME, kept=True),
    _one("uSNCreated", Syntax.INTEGER, kept=True), _one("uSNChanged", Syntax.INTEGER, kept=True),
    _one("isDeleted", Syntax.BOOLEAN, kept=True),
    _one("lastKnownParent", Syntax.NAME, kept=True), _one("msDS-LastKnownRDN", kept=True),
    _one("sAMAccountName"), _one("sAMAccountType", Syntax.INTEGER, kept=True),
    _one("userPrincipalName", holders=_USER), _one("givenName", holders=_USER),
    _one("sn", holders=_USER), _one("displayName"), _one("title", holders=_USER),
    _one("department", holders=_USER), _one("l", holders=_USER), _one("mail"),
    _one("employeeID", holders=_USER), _one("employeeNumber", holders=_USER),
    _one("employeeType", holders=_USER), Attribute("proxyAddresses"),
    _one("userAccountControl", Syntax.INTEGER, holders=_USER),
    _one("msDS-User-Account-Control-Computed", Syntax.INTEGER, computed=True, kept=True),
    _one("pwdLastSet", Syntax.INTEGER, holders=_USER),
    _one("accountExpires", Syntax.INTEGER, holders=_USER),
    _one("lockoutTime", Syntax.INTEGER, holders=_USER),
    _one("lastLogon", Syntax.INTEGER, kept=True),
    _one("lastLogonTimestamp", Syntax.INTEGER, kept=True),
    _one("badPwdCount", Syntax.INTEGER, kept=True),
    _one("logonHours", Syntax.OCTETS, holders=_USER),
    _one("unicodePwd", Syntax.OCTETS, holders=_USER), _one("adminCount", Syntax.INTEGER),
    _one("primaryGroupID", Syntax.INTEGER, holders=_USER),
    _one("primaryGroupToken", Syntax.INTEGER, computed=True, kept=True),
    Attribute("tokenGroups", Syntax.OCTETS, computed=True, kept=True),
    Attribute("servicePrincipalName", holders=_USER),
    Attribute("msDS-AllowedToDelegateTo", holders=_USER),
    Attribute("altSecurityIdentities", holders=_USER),
    Attribute("userCertificate", Syntax.OCTETS, holders=_USER),
    Attribute("userSMIMECertificate", Syntax.OCTETS, holders=_USER),
    Attribute("sshPublicKey", Syntax.OCTETS, holders=_USER),
    Attribute("msDS-KeyCredentialLink", Syntax.KEYED_NAME, _USER, back="msDS-KeyCredentialLink-BL"),
    _one("mS-DS-ConsistencyGuid", Syntax.OCTETS), Attribute("sIDHistory", Syntax.OCTETS, kept=True),
    _one("msNPAllowDialin", Syntax.BOOLEAN, holders=_USER), _one("loginShell", holders=_USER),
    _one("unixHomeDirectory", holders=_USER), _one("uid", holders=_USER),
    _one("uidNumber", Syntax.INTEGER, holders=_USER), _one("gidNumber", Syntax.INTEGER),
    Attribute("memberUid", holders=_GROUP), _one("groupType", Syntax.INTEGER, holders=_GROUP),
    _one("dNSHostName", holders=_COMPUTER),
    _one("mS-DS-CreatorSID", Syntax.OCTETS, kept=True),
    _one("msDS-AllowedToActOnBehalfOfOtherIdentity", Syntax.OCTETS, holders=_COMPUTER),
    _one("msDS-GroupMSAMembership", Syntax.OCTETS, holders=_COMPUTER),
    _one("msDS-ManagedPasswordInterval", Syntax.INTEGER, holders=_COMPUTER),
    _one("nTSecurityDescriptor", Syntax.OCTETS),
    Attribute("member", Syntax.NAME, _GROUP, back="memberOf"),
    _one("manager", Syntax.NAME, holders=_USER, back="directReports"),
    _one("managedBy", Syntax.NAME, holders=_MANAGED, back="managedObjects"),
    Attribute("msDS-PSOAppliesTo", Syntax.NAME, back="msDS-PSOApplied"),
    *(Attribute(name, Syntax.NAME, kept=True) for name in (
        "memberOf", "directReports", "managedObjects", "msDS-PSOApplied",
        "msDS-KeyCredentialLink-BL", "msDS-EnabledFeature",
    )),
    _one("lDAPDisplayName"), _one("searchFlags", Syntax.INTEGER),
    _one("schemaIDGUID", Syntax.OCTETS), _one("attributeSyntax"),
    _one("options", Syntax.INTEGER), _one("systemFlags", Syntax.INTEGER),
    _one("nETBIOSName"), _one("dnsRoot"), _one("nCName", Syntax.NAME, kept=True),
    _one("serverReference", Syntax.NAME, kept=True),
)  # fmt: skip
_BY_KEY: Final = {one.key: one for one in TABLE}
BACK: Final = {one.back.lower(): one for one in TABLE if one.back}
"""The other end of a link, by lower-case name, to the attribute that is written."""


def attribute(name: str) -> Attribute | None:
    """Find an attribute by its description; options such as ``;range=`` do not matter."""
    return _BY_KEY.get(name.partition(";")[0].lower())


@cache
def filter_schema() -> Schema:
    """The same table in the words that the directory's filters understand."""
    return Schema(
        f"attributetype ( 1.3.6.1.4.1.55555.{number} NAME '{one.name}' {_RULES[one.syntax]} )"
        for number, one in enumerate(TABLE)
    )
