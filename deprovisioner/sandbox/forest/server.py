"""The listener of the pretend domain controller. Made by `running` and by tests."""

import time
from collections.abc import Callable

from deprovisioner.sandbox.directory.server import Certificate, Dialogue, LdapServer
from deprovisioner.sandbox.forest.domain import Domain
from deprovisioner.sandbox.forest.session import ForestSession


class ForestServer(LdapServer):
    """LDAPS on loopback with a certificate; without one nobody can sign in, as on a real one."""

    def __init__(
        self,
        domain: Domain,
        *,
        certificate: Certificate | None = None,
        implicit_tls: bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(certificate=certificate, implicit_tls=implicit_tls, sleep=sleep)
        self.domain = domain

    def _dialogue_with(self, send: Callable[[bytes], None]) -> Dialogue:
        return ForestSession(
            self.domain, send, self._sleep, encrypted=self._implicit_tls, tls=self._offers_tls
        )
