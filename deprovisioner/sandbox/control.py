"""The control endpoint: faults, terminations and the directory's diary for tests that run in
another process.

Started by `running` on a loopback port of its own with its own token. No part of any imitated
system.

| call | does |
| --- | --- |
| `GET /faults` | the current faults of the directory |
| `POST /faults` | replaces them: `{"directory": {...}, "human_resources": {...}}`, each absent one
is healthy | | `POST /connections/drop` | cuts every LDAP connection |
| `PUT /employments/{id}/termination` | schedules: `last_working_day` and optional fields |
| `DELETE /employments/{id}/termination` | rescinds |
| `GET /writes` | every write the directory saw, with its result |
"""

import dataclasses
from typing import Any

from deprovisioner.sandbox.directory.names import InvalidNameError
from deprovisioner.sandbox.directory.server import DirectoryServer
from deprovisioner.sandbox.directory.witness import Write
from deprovisioner.sandbox.human_resources import (
    HumanResources,
    HumanResourcesFaults,
    as_wire,
    termination_from_wire,
)
from deprovisioner.sandbox.loopback_http import Answer, Call, JsonServer, problem
from deprovisioner.sandbox.people import EmploymentId


class Control:
    """The switches of one sandbox. Without a fake directory its part answers 409."""

    def __init__(
        self,
        human_resources: HumanResources,
        directory: DirectoryServer | None,
        token: str,
    ) -> None:
        self._human_resources, self._directory = human_resources, directory
        self.server = JsonServer(self._respond, token)

    def _respond(self, call: Call) -> Answer:
        try:
            return self._dispatch(call)
        except (ValueError, TypeError, InvalidNameError) as error:
            return problem(422, str(error)[:200])
        except KeyError:
            return problem(404, "no such employment")

    def _dispatch(self, call: Call) -> Answer:
        match call.method, call.path:
            case ("PUT", ("employments", who, "termination")):
                termination = termination_from_wire(call.body)
                changed = self._human_resources.schedule(EmploymentId(who), termination)
                return Answer(200, as_wire(changed))
            case ("DELETE", ("employments", who, "termination")):
                return Answer(200, as_wire(self._human_resources.rescind(EmploymentId(who))))
            case (_, ("faults" | "writes" | "connections", *_)):
                return self._about_directory(call)
        return problem(404, "no such switch")

    def _about_directory(self, call: Call) -> Answer:
        if self._directory is None:
            return problem(409, "a real directory is running")
        shared = self._directory.directory
        match call.method, call.path:
            case ("GET", ("faults",)):
                return Answer(200, {"directory": dataclasses.asdict(shared.faults.current())})
            case ("POST", ("faults",)):
                return self._set_faults(call.body)
            case ("POST", ("connections", "drop")):
                self._directory.drop_connections()
                return Answer(200, {})
            case ("GET", ("writes",)):
                return Answer(200, {"writes": list(map(_write, shared.witness.writes()))})
        return problem(404, "no such switch")

    def _set_faults(self, body: dict[str, Any]) -> Answer:
        strangers = sorted(set(body) - {"directory", "human_resources"})
        if strangers or self._directory is None:
            return problem(422, "faults are of the directory or of human_resources")
        of_hr = HumanResourcesFaults(**body.get("human_resources", {}))
        set_now = self._directory.directory.faults.set_from_wire(body.get("directory", {}))
        self._human_resources.faults = of_hr
        return Answer(200, {"directory": dataclasses.asdict(set_now)})


def _write(write: Write) -> dict[str, Any]:
    changes = [
        {
            "action": change.action,
            "attribute": change.attribute,
            "values": [value.decode("utf-8", "replace") for value in change.values],
        }
        for change in write.changes
    ]
    return {**dataclasses.asdict(write), "at": write.at.isoformat(), "changes": changes}
