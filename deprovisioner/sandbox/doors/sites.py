"""The door sites of the pretend company, furnished: Berlin on Gallagher, Shanghai on Hikvision.

Called by `running`, which starts and stops them with the company. Keys are made with the sites.
"""

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Final

from deprovisioner.sandbox.company import Company
from deprovisioner.sandbox.doors import populace
from deprovisioner.sandbox.doors.gallagher import GallagherSite
from deprovisioner.sandbox.doors.hikvision import HikvisionSite

_LAG: Final = timedelta(milliseconds=500)
"""Until a panel has taken a change over; half a minute at a real site."""


class DoorSites:
    """Both sites and the keys of two clients at each."""

    ACT: Final = "ak-act"
    VERIFY: Final = "ak-verify"

    def __init__(self, company: Company, clock: Callable[[], datetime]) -> None:
        names = ("berlin-act", "berlin-verify", "shanghai-act", "shanghai-verify")
        self.secrets = {name: secrets.token_urlsafe(24) for name in names}
        act, verify = self.secrets["berlin-act"], self.secrets["berlin-verify"]
        self.berlin = GallagherSite(clock, frozenset({act, verify}), frozenset({act}))
        signing = {
            self.ACT: self.secrets["shanghai-act"],
            self.VERIFY: self.secrets["shanghai-verify"],
        }
        self.shanghai = HikvisionSite(clock, signing, frozenset({self.ACT}))
        self.shanghai.panels.lag = _LAG
        berlin = populace.at_site(company, populace.BERLIN)
        shanghai = populace.at_site(company, populace.SHANGHAI)
        self.berlin_canary = populace.furnish_gallagher(self.berlin, berlin, clock())
        self.shanghai_canary = populace.furnish_hikvision(self.shanghai, shanghai)

    def start(self, starting: ExitStack) -> None:
        """Start both; ``starting`` stops them."""
        for server in (self.berlin.server, self.shanghai.server):
            server.start()
            starting.callback(server.stop)
