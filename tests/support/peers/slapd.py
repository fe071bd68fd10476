"""OpenLDAP for tests: one slapd on loopback with memberof, refint, ppolicy and an accesslog.

The accesslog is an independent witness of who changed what. ``cn=config`` and ``cn=Monitor`` are
readable by the acting identity. Needs Debian's ``slapd``; no root.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import ldap3

from tests.support.peers import population, schema
from tests.support.peers.authority import Authority
from tests.support.peers.directory import Directory
from tests.support.peers.population import (
    ACTOR,
    CANARY,
    LIMITED,
    SUFFIX,
    UNLOCKABLE,
    VERIFIER,
    Entry,
)
from tests.support.peers.processes import ServerProcess, free_port, need, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLAPD = "/usr/sbin/slapd"
CONFIG_PASSWORD = "config-password-of-a-peer"
_CONFIGURATION = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
{schema}
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload back_monitor
moduleload memberof
moduleload refint
moduleload ppolicy
moduleload accesslog
sizelimit unlimited
authz-policy both
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/localhost.pem
TLSCertificateKeyFile {folder}/localhost.key
security simple_bind=128
localSSF 0

database config
rootdn cn=config
rootpw {config_password}
access to * by dn.exact="{actor}" read by dn.exact="{verifier}" read by * none

database monitor
access to * by dn.exact="{actor}" read by dn.exact="{verifier}" read by * none

database mdb
suffix cn=accesslog
directory {folder}/accesslog
maxsize 1073741824
dbnosync
rootdn cn=accesslog
index reqStart,reqDN,reqResult,objectClass eq
access to * by dn.exact="{root}" read by * none

database mdb
suffix {suffix}
rootdn {root}
rootpw {root_password}
directory {folder}/data
maxsize 4294967296
dbnosync
index objectClass,uid,mail,cn,sn,member,uniqueMember,memberOf,entryUUID,entryCSN eq
index employeeNumber,uidNumber,manager,owner,seeAlso,secretary,roleOccupant,aliasedObjectName eq
index memberUid,nisNetgroupTriple,sudoUser,sudoRunAsUser,authzFrom pres
index rfc822MailMember,mgrpRFC822MailMember eq
limits dn.exact="{limited}" size=7
access to attrs=userPassword,krbPrincipalKey by dn.exact="{actor}" write by anonymous auth by * none
access to * by dn.exact="{actor}" write by users read by * none

overlay memberof
memberof-group-oc groupOfNames
memberof-refint FALSE
overlay refint
refint_attributes member
overlay ppolicy
ppolicy_default "cn=default,ou=policies,{suffix}"
ppolicy_use_lockout
overlay accesslog
logdb cn=accesslog
logops writes bind
logsuccess FALSE
"""


class Slapd(Directory):
    """One OpenLDAP server; made by the fixture ``slapd``."""

    product = "openldap"
    root_dn = f"cn=root,{SUFFIX}"

    def __init__(self, folder: Path, ldif: Path | None = None) -> None:
        """Write configuration, certificates and a database (``ldif``, or empty) into ``folder``."""
        need(SLAPD, "slapd slapd-contrib")
        authority = Authority(folder)
        authority.issue()
        super().__init__(free_port(), free_port(), authority.ca_file)
        self._folder = folder
        for name in ("data", "accesslog"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
        self._configuration = folder / "slapd.conf"
        self._configuration.write_text(self._render(), "utf-8")
        self.load_ldif(ldif or self._only_suffix())
        self._process = ServerProcess(self._command(), self.secure_port, folder / "slapd.log")

    def start(self) -> None:
        """Start and wait until it listens."""
        self._process.start()

    def stop(self) -> None:
        """Stop it; the data stay."""
        self.forget_root()
        self._process.stop()

    def freeze(self) -> None:
        """Keep connections open and answer nothing."""
        self._process.freeze()

    def thaw(self) -> None:
        """Go on after :meth:`freeze`."""
        self._process.thaw()

    def reset(self, certificate: bytes) -> None:
        """Put exactly the population back."""
        entries = [*population.entries(certificate), *self._policies()]
        self._replace_all(entries)
        self.modify(
            CANARY,
            {
                name: [(ldap3.MODIFY_REPLACE, [f"dn.exact:{CANARY}"])]
                for name in ("authzTo", "authzFrom")
            },
        )
        self.modify(
            UNLOCKABLE,
            {
                "pwdPolicySubentry": [
                    (ldap3.MODIFY_REPLACE, [f"cn=no lockout,ou=policies,{SUFFIX}"])
                ]
            },
        )

    def load_ldif(self, ldif: Path) -> None:
        """Load entries with slapadd; the server must be stopped."""
        options = ["-q", "-f", str(self._configuration), "-b", SUFFIX, "-l", str(ldif)]
        run(["/usr/sbin/slapadd", *options], output=self._folder / "slapadd.log")

    @contextlib.contextmanager
    def copied_to(self, folder: Path) -> Iterator[Slapd]:
        """Run a second server that holds the same entries as now, ids included, and never syncs."""
        ldif = folder / "copy.ldif"
        run(
            ["/usr/sbin/slapcat", "-f", str(self._configuration), "-b", SUFFIX, "-l", str(ldif)],
            output=self._folder / "slapcat.log",
        )
        home = folder / "replica"
        home.mkdir()
        replica = Slapd(home, ldif)
        replica.start()
        try:
            yield replica
        finally:
            replica.stop()

    def access(self, *rules: str) -> contextlib.AbstractContextManager[None]:
        """Put access rules in front of the others for the length of a ``with`` block."""
        return self._configured("olcAccess", rules)

    def limits(self, *limits: str) -> contextlib.AbstractContextManager[None]:
        """Put limits in front of the others for the length of a ``with`` block."""
        return self._configured("olcLimits", limits)

    def changes_by(self, dn: str) -> list[dict[str, list[str]]]:
        """Return the accesslog's records of what an identity changed, oldest first."""
        with self.root() as connection:
            connection.search(
                "cn=accesslog",
                f"(&(objectClass=auditWriteObject)(reqAuthzID={dn}))",
                attributes=["reqStart", "reqType", "reqDN", "reqMod", "reqResult"],
            )
            rows: list[dict[str, Any]] = connection.response or []
        return [
            {
                name: [value.decode("utf-8", "replace") for value in values]
                for name, values in row["raw_attributes"].items()
            }
            for row in rows
        ]

    def _command(self) -> list[str]:
        urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.secure_port}/"
        return [SLAPD, "-f", str(self._configuration), "-h", urls, "-d", "0"]

    def _render(self) -> str:
        return _CONFIGURATION.format(
            schema=schema.for_slapd("ssh", "sudo", "mail", "mailgroup", "kerberos"),
            folder=self._folder,
            suffix=SUFFIX,
            root=self.root_dn,
            root_password=self.root_password,
            config_password=CONFIG_PASSWORD,
            actor=ACTOR,
            verifier=VERIFIER,
            limited=LIMITED,
        )

    def _only_suffix(self) -> Path:
        ldif = self._folder / "suffix.ldif"
        ldif.write_text(
            f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\n"
            "o: Example\ndc: example\n",
            "utf-8",
        )
        return ldif

    @staticmethod
    def _policies() -> list[Entry]:
        def policy(name: str, lockout: str) -> Entry:
            attributes = {"cn": name, "pwdAttribute": "userPassword", "pwdLockout": lockout}
            dn = f"cn={name},ou=policies,{SUFFIX}"
            return Entry(dn, ("device", "pwdPolicy"), dict(attributes))

        return [policy("default", "TRUE"), policy("no lockout", "FALSE")]

    @staticmethod
    def _database(connection: Any) -> str:
        connection.search("cn=config", f"(olcSuffix={SUFFIX})", attributes=["1.1"])
        return str(connection.response[0]["dn"])

    @contextlib.contextmanager
    def _configured(self, attribute: str, first: tuple[str, ...]) -> Iterator[None]:
        with self.session("cn=config", CONFIG_PASSWORD) as connection:
            database = self._database(connection)
            connection.search(database, "(objectClass=*)", ldap3.BASE, attributes=[attribute])
            values = connection.response[0]["raw_attributes"][attribute]
            before = [value.decode().split("}", 1)[1] for value in values]
            try:
                _configure(connection, database, attribute, [*first, *before])
                yield
            finally:
                _configure(connection, database, attribute, before)


def _configure(connection: Any, database: str, attribute: str, values: list[str]) -> None:
    numbered = [f"{{{index}}}{value}" for index, value in enumerate(values)]
    connection.modify(database, {attribute: [(ldap3.MODIFY_REPLACE, numbered)]})
