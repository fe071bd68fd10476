"""What the guards of the pretend company do at their own consoles when a duty asks them to.

Called by ``duties``. As with ``deeds``, the answer is what was seen afterwards on the devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deprovisioner.sandbox.doors.sites import DoorSites
from deprovisioner.sandbox.people import Person

_FACE: Final = "Delete this person's face"


@dataclass(frozen=True, slots=True)
class Guard:
    """Whoever works at the console of the door sites, and who leaves."""

    sites: DoorSites
    leaver: Person

    def see_to(self, words: str) -> bool | None:
        """Do what is asked and tell whether it is so now; None: not a matter of the doors."""
        return self._delete_face() if _FACE in words else None

    def _delete_face(self) -> bool:
        site, number = self.sites.shanghai, self.leaver.employee_number
        theirs = [one for one in site.people.values() if one.number == number]
        for one in theirs:
            site.delete_face(one.id)
        return not any(site.state_of(one.id)["face"] for one in theirs)
