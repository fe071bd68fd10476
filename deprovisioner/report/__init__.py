"""The report of a case for people: one HTML page that needs nothing else, also on paper.

``build`` is called by `report person` and the demo with what the API gives and with the verified
bundle. It shows and decides nothing. A page names a person and their accounts: it is written where
its reader says, mode 0600, and never logged.
"""

from deprovisioner.report.evidence import Evidence
from deprovisioner.report.page import build

__all__ = ["Evidence", "build"]
