"""Configures the door sites of the pretend company as an operator would.

Called by ``staging``. Secrets of both clients of each site go to files; the text refers to them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deprovisioner.initialise import write_secret
from deprovisioner.sandbox.doors.gallagher import NUMBER_FIELD
from deprovisioner.sandbox.doors.populace import CANARY_NUMBER
from deprovisioner.sandbox.doors.sites import DoorSites

_BLOCKS: Final = """\
  doors-berlin:
    type: gallagher
    settings:
      url: {berlin}              # loopback only; a real server is https://
      act: "file:{secrets}/berlin-act"
      verify: "file:{secrets}/berlin-verify"
      number_field: {{id: {field}, name: {field_name}}}
      operator_scope: every division
      canaries: [{{id: {berlin_canary}, number: "{number}"}}]
      panel_wait: 1s
  doors-shanghai:
    type: hikvision
    settings:
      url: {shanghai}
      act: {{app_key: {act_key}, secret: "file:{secrets}/shanghai-act"}}
      verify: {{app_key: {verify_key}, secret: "file:{secrets}/shanghai-verify"}}
      canaries: [{{id: "{shanghai_canary}", number: "{number}"}}]
      events_subscribed: true
      panel_wait: 1s
"""


def stage_doors(secrets: Path, sites: DoorSites) -> str:
    """Write the secrets of both sites; return their part of the configuration."""
    for name, value in sites.secrets.items():
        write_secret(secrets / name, value)
    return _BLOCKS.format(
        secrets=secrets,
        berlin=sites.berlin.server.url,
        field=NUMBER_FIELD[0],
        field_name=NUMBER_FIELD[1],
        berlin_canary=sites.berlin_canary,
        number=CANARY_NUMBER,
        shanghai=sites.shanghai.server.url,
        act_key=sites.ACT,
        verify_key=sites.VERIFY,
        shanghai_canary=sites.shanghai_canary,
    )
