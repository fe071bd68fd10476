"""389 Directory Server for tests: one instance on loopback, removed again afterwards.

Needs root and Debian's ``389-ds-base``. Its tools call systemctl where Debian's defaults.inf says
so; they are started with that one answer overridden in their own process, so that no file of the
machine is edited.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import ldap3
from ldap3.core.exceptions import LDAPAttributeOrValueExistsResult

from tests.support.peers import population, schema
from tests.support.peers.directory import Directory
from tests.support.peers.population import ACTOR, CANARY, LIMITED, SUFFIX, VERIFIER, Entry
from tests.support.peers.processes import ServerProcess, free_port, need, need_root, run

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = Path(tempfile.gettempdir()) / "deprovisioner-389ds.lock"
_WITHOUT_SYSTEMD = """
import runpy, sys
import lib389.paths
lib389.paths.Paths.with_systemd = property(lambda self: False)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_ANSWERS = """\
[general]
config_version = 2
full_machine_name = localhost
start = False
strict_host_checking = False
systemd = False
selinux = False
[slapd]
instance_name = {name}
port = {port}
secure_port = {secure_port}
root_dn = cn=Directory Manager
root_password = {root_password}
self_sign_cert = True
db_lib = bdb
user = dirsrv
group = dirsrv
[backend-userroot]
suffix = {suffix}
create_suffix_entry = True
sample_entries = no
"""


class ThreeEightNine(Directory):
    """One 389-ds instance; made by the fixture ``three_eight_nine``."""

    product = "389ds"
    root_dn = "cn=Directory Manager"

    def __init__(self, folder: Path, name: str) -> None:
        """Create the instance ``name`` (about ten seconds)."""
        need("/usr/sbin/dscreate", "389-ds-base")
        need_root("389-ds")
        super().__init__(free_port(), free_port(), folder / "ca.pem")
        self._name = name
        self._home = Path(f"/etc/dirsrv/slapd-{name}")
        answers = folder / "instance.inf"
        answers.write_text(self._render(), "utf-8")
        self._log = folder / "tools.log"
        self._remove_abandoned()
        self._tool("/usr/sbin/dscreate", "from-file", str(answers))
        self._only_loopback()
        self._add_schema()
        shutil.copy(self._home / "ca.crt", self.ca_file)
        command = ["/usr/sbin/ns-slapd", "-D", str(self._home), "-d", "0"]
        self._process = ServerProcess(command, self.secure_port, folder / "ns-slapd.log")

    def start(self) -> None:
        """Start and wait until it listens."""
        self._process.start(60)

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

    def remove(self) -> None:
        """Stop the instance and take it off the machine."""
        self.stop()
        self._tool("/usr/sbin/dsctl", self._name, "remove", "--do-it")

    def prepare(self) -> None:
        """Set once what outlives a reset: who may do what, and limits."""
        rules = [
            f'(targetattr="*")(version 3.0; acl "actor"; allow (all) userdn="ldap:///{ACTOR}";)',
            (
                '(targetattr!="userPassword || krbPrincipalKey")(version 3.0; acl "readers";'
                f' allow (read,search,compare) userdn="ldap:///{VERIFIER} || ldap:///{LIMITED}";)'
            ),
        ]
        self.modify(SUFFIX, {"aci": [(ldap3.MODIFY_REPLACE, rules)]})
        watching = (
            '(targetattr="connection")(version 3.0; acl "watch";'
            f' allow (read,search,compare) userdn="ldap:///{ACTOR} || ldap:///{VERIFIER}";)'
        )
        with contextlib.suppress(LDAPAttributeOrValueExistsResult):
            self.modify("cn=monitor", {"aci": [(ldap3.MODIFY_ADD, [watching])]})
        self.modify(
            "cn=config",
            {
                "nsslapd-sizelimit": [(ldap3.MODIFY_REPLACE, ["-1"])],
                "passwordAdminDN": [(ldap3.MODIFY_REPLACE, [ACTOR])],
            },
        )

    @contextlib.contextmanager
    def aci(self, dn: str, rule: str) -> Iterator[None]:
        """Add an access rule to an entry for the length of a ``with`` block."""
        self.modify(dn, {"aci": [(ldap3.MODIFY_ADD, [rule])]})
        try:
            yield
        finally:
            self.modify(dn, {"aci": [(ldap3.MODIFY_DELETE, [rule])]})

    def add_disabling_role(self) -> None:
        """Define the roles and the class of service by which this server disables by role."""
        managed, nested = f"cn=nsManagedDisabledRole,{SUFFIX}", f"cn=nsDisabledRole,{SUFFIX}"
        templates = f"cn=nsAccountInactivationTmp,{SUFFIX}"
        role = ("LDAPsubentry", "nsRoleDefinition")
        for entry in (
            Entry(managed, (*role, "nsSimpleRoleDefinition", "nsManagedRoleDefinition"), {}),
            Entry(
                nested,
                (*role, "nsComplexRoleDefinition", "nsNestedRoleDefinition"),
                {"nsRoleDN": managed},
            ),
            Entry(templates, ("nsContainer",), {}),
            Entry(
                f'cn="{nested}",{templates}',
                ("extensibleObject", "costemplate", "ldapsubentry"),
                {"nsAccountLock": "true", "cosPriority": "1"},
            ),
            Entry(
                f"cn=nsAccountInactivation_cos,{SUFFIX}",
                ("LDAPsubentry", "cosSuperDefinition", "cosClassicDefinition"),
                {
                    "cosTemplateDn": templates,
                    "cosSpecifier": "nsRole",
                    "cosAttribute": "nsAccountLock operational",
                },
            ),
        ):
            self.add(entry)

    def reset(self, certificate: bytes) -> None:
        """Put exactly the population back."""
        self._replace_all(population.entries(certificate))
        role = f"cn=canary role,{SUFFIX}"
        self.modify(CANARY, {"nsRoleDN": [(ldap3.MODIFY_REPLACE, [role])]})
        self.modify(LIMITED, {"nsSizeLimit": [(ldap3.MODIFY_REPLACE, ["7"])]})

    def _render(self) -> str:
        return _ANSWERS.format(
            name=self._name,
            port=self.port,
            secure_port=self.secure_port,
            root_password=self.root_password,
            suffix=SUFFIX,
        )

    def _remove_abandoned(self) -> None:
        """Take away instances whose test run was killed; their names end in its process id."""
        for home in Path("/etc/dirsrv").glob("slapd-peer*"):
            owner = home.name.removeprefix("slapd-peer")
            if owner.isdigit() and not Path("/proc", owner).exists():
                self._tool("/usr/sbin/dsctl", home.name.removeprefix("slapd-"), "remove", "--do-it")

    def _only_loopback(self) -> None:
        configuration = self._home / "dse.ldif"
        text = configuration.read_text("utf-8")
        hosts = "nsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\n"
        changed = re.sub(r"^dn: cn=config\n", f"dn: cn=config\n{hosts}", text, flags=re.MULTILINE)
        configuration.write_text(changed, "utf-8")

    def _add_schema(self) -> None:
        lines = [
            line for topic in ("ssh", "mail", "kerberos") for line in schema.definitions(topic)
        ]
        text = "dn: cn=schema\n" + "\n".join(lines) + "\n"
        target = self._home / "schema" / "98peers.ldif"
        target.write_text(text, "utf-8")
        target.chmod(0o644)

    def _tool(self, *command: str) -> None:
        """Run one of the server's tools; never two at once on a machine.

        All instances of a machine share one certificate authority, which the tools make with the
        first instance and delete with the last.
        """
        with _LOCK.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            run(["/usr/bin/python3", "-c", _WITHOUT_SYSTEMD, *command], 300, self._log)
