"""The real thing: a throw-away OpenLDAP on loopback with the sandbox company's content.

Called by `running` for `make demo DIRECTORY=slapd` and by the contract test. Needs
`/usr/sbin/slapd`; writes only into the folder it is given. Not a way to run a directory for
anybody else.
"""

import contextlib
import socket
import subprocess
import time
from importlib import resources
from pathlib import Path

from deprovisioner.sandbox.company import (
    ADMINISTRATOR,
    DEFAULT_POLICY,
    SUFFIX,
    WRITABLE_BRANCHES,
    Company,
)

SLAPD, SLAPADD = Path("/usr/sbin/slapd"), Path("/usr/sbin/slapadd")
_SCHEMAS = ("core", "cosine", "inetorgperson", "nis", "misc")
_LOOPBACK = "127.0.0.1"


class SlapdError(Exception):
    """The real directory could not be prepared or started."""


class OpenLdap:
    """One slapd, prepared and started by `start`, ended by `stop`."""

    def __init__(
        self,
        company: Company,
        folder: Path,
        *,
        size_limit: int = 500,
        services_unlimited: bool = True,
    ) -> None:
        self._company, self._folder = company, folder
        self._size_limit, self._services_unlimited = size_limit, services_unlimited
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The LDAP URL of the server."""
        return f"ldap://{_LOOPBACK}:{self.port}"

    def start(self, seconds: float = 10.0) -> None:
        """Load the company and listen; raises `SlapdError` when that does not work in time."""
        if not SLAPD.exists():
            raise SlapdError("slapd is not installed: apt-get install slapd")
        (self._folder / "database").mkdir(mode=0o700)
        configuration = self._folder / "slapd.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration(), encoding="utf-8")
        content = self._folder / "company.ldif"
        content.touch(mode=0o600)
        content.write_text(self._company.as_ldif(), encoding="utf-8")
        self._load(configuration, content)
        self.port = _free_port()
        command = [str(SLAPD), "-f", str(configuration), "-h", f"{self.url}/", "-d", "0"]
        self._process = subprocess.Popen(  # noqa: S603 - fixed program, own arguments
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait(seconds)

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=10)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait(timeout=10)
            self._process = None

    def _load(self, configuration: Path, content: Path) -> None:
        command = [str(SLAPADD), "-q", "-f", str(configuration), "-b", SUFFIX, "-l", str(content)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)  # noqa: S603
        if done.returncode:
            raise SlapdError(done.stderr.decode("utf-8", "replace")[-500:])

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection((_LOOPBACK, self.port), 1):
                return
            time.sleep(0.02)
        self.stop()
        raise SlapdError("slapd does not listen")

    def _configuration(self) -> str:
        company, folder = self._company, self._folder
        schema = folder / "additional.schema"
        source = resources.files("deprovisioner.sandbox.directory").joinpath("additional.schema")
        schema.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        includes = [f"include /etc/ldap/schema/{name}.schema" for name in _SCHEMAS]
        services = (company.act.name, company.verify.name) if self._services_unlimited else ()
        limits = [f'limits dn.exact="{name}" size=unlimited time=unlimited' for name in services]
        return "\n".join(
            (
                *includes,
                f"include {schema}",
                "modulepath /usr/lib/ldap",
                "moduleload back_mdb",
                "moduleload ppolicy",
                f"pidfile {folder}/slapd.pid",
                f"argsfile {folder}/slapd.args",
                f"sizelimit {self._size_limit}",
                "database mdb",
                f"suffix {SUFFIX}",
                f"rootdn {ADMINISTRATOR}",
                f"rootpw {company.administrator.password}",
                f"directory {folder}/database",
                "maxsize 1073741824",
                "index objectClass,uid,member,uniqueMember,memberUid,employeeNumber eq",
                *limits,
                *access_lines(company.act.name, company.verify.name),
                "overlay ppolicy",
                f"ppolicy_default {DEFAULT_POLICY}",
                "ppolicy_use_lockout",
                "",
            )
        )


def access_lines(act: str, verify: str) -> tuple[str, ...]:
    """Return the access rules of `directory.access` in slapd's words; also an example for
    operators.
    """
    everybody = f'by dn.exact="{act}" read by dn.exact="{verify}" read by self read by * none'
    passwords = [
        f'access to dn.subtree="{branch}" attrs=userPassword by dn.exact="{act}" write'
        " by anonymous auth by * none"
        for branch in WRITABLE_BRANCHES
    ]
    writable = [
        f'access to dn.subtree="{branch}" by dn.exact="{act}" write by dn.exact="{verify}" read'
        " by self read by * none"
        for branch in WRITABLE_BRANCHES
    ]
    closed = "access to attrs=userPassword by anonymous auth by * none"
    return (*passwords, closed, *writable, f"access to * {everybody}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
