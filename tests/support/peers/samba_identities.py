"""Our two identities in the Samba peer, made as the documentation tells an operator to.

``docs/connectors/active_directory.md`` lists the same commands. The acting identity may do what a
survey finds and no more; the verifying one reads. Run once on the files of a controller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.peers.samba import ROOT
from tests.support.peers.samba_population import SERVICE_PASSWORD, SERVICES

if TYPE_CHECKING:
    from tests.support.peers.samba import DomainController

LOGINS: Final = ("deprovisioner-act", "deprovisioner-verify")


def make_identities(controller: DomainController) -> None:
    """Create the two accounts."""
    controller.tool("ou", "add", SERVICES)
    unit = SERVICES.removesuffix(f",{ROOT}")
    for login in LOGINS:
        controller.tool("user", "add", login, SERVICE_PASSWORD, f"--userou={unit}")
