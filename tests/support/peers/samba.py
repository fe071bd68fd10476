"""Active Directory for tests: one Samba domain controller on a loopback address of its own.

Samba's ports are fixed, so every controller gets its own 127.x address; all its files lie in one
temporary folder. Nothing replicates by itself (no drepl service): a controller pulls when a test
says so. Needs root and Debian's ``samba-ad-dc`` with its companions; called by ``samba_domain``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.peers.directory import LdapPeer
from tests.support.peers.processes import ServerProcess, need, need_root, run
from tests.support.peers.samba_witness import Witness

if TYPE_CHECKING:
    from tests.support.peers.authority import Authority

SAMBA: Final = "/usr/sbin/samba"
TOOL: Final = "/usr/bin/samba-tool"
PACKAGES: Final = (
    "samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind krb5-user"
)
SYSTEM_PYTHON: Final = "/usr/bin/python3"
OFFLINE: Final = Path(__file__).with_name("samba_offline.py")
REALM: Final = "ad.example.com"
DOMAIN: Final = "EXAMPLE"
ROOT: Final = "DC=ad,DC=example,DC=com"
CONFIGURATION: Final = f"CN=Configuration,{ROOT}"
ADMINISTRATOR: Final = f"Administrator@{REALM}"
ADMINISTRATOR_PASSWORD: Final = "Administrator-password-of-a-peer-9"
_FILE = """\
[global]
  netbios name = {name}
  realm = {realm}
  workgroup = {domain}
  server role = active directory domain controller
  interfaces = {address}/8
  bind interfaces only = yes
  server services = ldap, cldap, rpc
  dcerpc endpoint servers = epmapper, drsuapi, samr, lsarpc, netlogon
  ldap server require strong auth = allow_sasl_over_tls
  private dir = {folder}/private
  lock directory = {folder}
  state directory = {folder}/state
  cache directory = {folder}/cache
  binddns dir = {folder}/bind-dns
  pid directory = {folder}/run
  ncalrpc dir = {folder}/run/ncalrpc
  ntp signd socket directory = {folder}/run/ntp
  winbindd socket directory = {folder}/run/winbindd
  log file = {folder}/samba.log
  log level = 1 auth_json_audit:3 dsdb_json_audit:5 dsdb_password_json_audit:5 \
dsdb_group_json_audit:5
  ldb:nosync = true
  dns update command = /bin/true
  spn update command = /bin/true
  tls certfile = {certificate}
  tls keyfile = {key}
  tls cafile = {authority}
[sysvol]
  path = {folder}/state/sysvol
[netlogon]
  path = {folder}/state/sysvol/{realm}/scripts
"""


class DomainController(LdapPeer):
    """One controller: provisioned or joined once, then started and stopped at will."""

    root_dn = ADMINISTRATOR
    root_password = ADMINISTRATOR_PASSWORD

    def __init__(self, name: str, folder: Path, address: str, authority: Authority) -> None:
        """Keep where it will be; nothing is made yet. Skips or fails without Samba or root."""
        need(SAMBA, PACKAGES)
        need_root("Samba")
        super().__init__(389, 636, authority.ca_file)
        self.name, self.host = name, address
        self.host_name = f"{name}.{REALM}"
        self._folder = folder
        self._log = folder.parent / f"{name}-tools.log"
        self._authority = authority
        self._audit = folder.parent / f"{name}-audit.log"
        self.witness = Witness(self._audit)
        self.settings_file = folder / "smb.conf"
        command = [SAMBA, "-s", str(self.settings_file), "-F", "-M", "single"]
        command += ["--no-process-group", "--debug-stdout"]
        self._process = ServerProcess(command, self.secure_port, self._audit, address)

    @property
    def url(self) -> str:
        """Clear text."""
        return f"ldap://{self.host}:{self.port}"

    @property
    def secure_url(self) -> str:
        """TLS; the certificate names the address and ``host_name``."""
        return f"ldaps://{self.host}:{self.secure_port}"

    @property
    def database(self) -> Path:
        """The file of all naming contexts, for tools that work beside the server."""
        return self._folder / "private" / "sam.ldb"

    @property
    def settings_object(self) -> str:
        """The name of its NTDS Settings."""
        sites = f"CN=Sites,{CONFIGURATION}"
        return (
            f"CN=NTDS Settings,CN={self.name.upper()},CN=Servers,CN=Default-First-Site-Name,{sites}"
        )

    def provision(self) -> None:
        """Make a new forest with the recycle bin on (about four seconds)."""
        self._tool(
            "domain", "provision", f"--realm={REALM.upper()}", f"--domain={DOMAIN}",
            f"--host-name={self.name}", f"--host-ip={self.host}", "--server-role=dc",
            f"--adminpass={ADMINISTRATOR_PASSWORD}", "--use-rfc2307", *self._made_here(),
        )  # fmt: skip
        self._write_settings()
        self._offline("prepare", str(self.settings_file), str(self.database))

    def join(self, first: DomainController) -> None:
        """Become a second controller of the domain of ``first``, which must be running."""
        self._tool(
            "domain", "join", REALM, "DC", f"--server={first.host}", *_AS_ADMINISTRATOR,
            "--no-dns-updates", f"--option=netbios name={self.name.upper()}", *self._made_here(),
        )  # fmt: skip
        self._write_settings()

    def pull(self, source: DomainController, partition: str = ROOT) -> None:
        """Replicate everything that ``source`` knows, now; both must have joined."""
        self._tool(
            "drs", "replicate", self.name, source.host, partition, "--local",
            "-s", str(self.settings_file), *_AS_ADMINISTRATOR,
        )  # fmt: skip

    def tool(self, *arguments: str) -> None:
        """Run a samba-tool command on this controller's own files, as an administrator would."""
        self._tool(*arguments, "-H", str(self.database), "-s", str(self.settings_file))

    def give_privilege(self, sid: str, name: str) -> None:
        """Give an account a user right here; user rights do not replicate."""
        self._offline("privilege", str(self.database.with_name("privilege.ldb")), sid, name)

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

    def _made_here(self) -> list[str]:
        empty = (
            self._folder.parent / "empty.conf"
        )  # the machine's own smb.conf is nobody's business
        empty.touch()
        return [
            f"--configfile={empty}",
            f"--targetdir={self._folder}",
            "--dns-backend=NONE",
            f"--option=interfaces={self.host}/8",
            "--option=bind interfaces only=yes",
            "--option=ldb:nosync=true",  # it lives for one test run; no need to wait for the disk
            f"--option=pid directory={self._folder}/run",
        ]

    def _write_settings(self) -> None:
        certificate, key = self._authority.issue(self.host_name, self.host)
        (self._folder / "run" / "ncalrpc").mkdir(parents=True, exist_ok=True)
        text = _FILE.format(
            name=self.name.upper(), realm=REALM, domain=DOMAIN, address=self.host,
            folder=self._folder, certificate=certificate, key=key,
            authority=self._authority.ca_file,
        )  # fmt: skip
        self.settings_file.write_text(text, "utf-8")

    def _offline(self, *arguments: str) -> None:
        run([SYSTEM_PYTHON, "-I", str(OFFLINE), *arguments], output=self._log)

    def _tool(self, *arguments: str) -> None:
        run([TOOL, *arguments], output=self._log)


_AS_ADMINISTRATOR: Final = (
    "-U", f"{DOMAIN}\\Administrator", f"--password={ADMINISTRATOR_PASSWORD}", "--use-kerberos=off",
)  # fmt: skip


def sid_text(octets: bytes) -> str:
    """Write a security identifier as people do (MS-DTYP 2.4.2)."""
    numbers = [int.from_bytes(octets[at : at + 4], "little") for at in range(8, len(octets), 4)]
    authority = int.from_bytes(octets[2:8], "big")
    return "-".join(["S", str(octets[0]), str(authority), *map(str, numbers)])


def sub_code(message: str) -> str:
    """The sub-code in the message of a refused bind (52e, 533, 701 ...), or nothing."""
    found = re.search(r"\bdata ([0-9a-f]+)", message)
    return found.group(1) if found else ""
