"""Who of the pretend company has which doors: Shanghai on Hikvision, Berlin on Gallagher.

Called by tests and by whoever runs the company. The demo's leaver and successor travel, so they
have badges at both sites. Card numbers are made from the person's number: they open nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from deprovisioner.sandbox.company import Company
from deprovisioner.sandbox.doors.gallagher import GallagherSite
from deprovisioner.sandbox.doors.hikvision import HikvisionSite
from deprovisioner.sandbox.doors.unifi_access import UniFiSite
from deprovisioner.sandbox.doors.zkteco import ZktecoSite
from deprovisioner.sandbox.people import Person

CANARY_NUMBER = "900001"
CANARY_NAME = "Door Canary"
SHANGHAI, BERLIN = "Shanghai", "Berlin"


def at_site(company: Company, site: str) -> tuple[Person, ...]:
    """Return the people with a badge there, travellers first."""
    travellers = (company.demo_leaver(), company.demo_successor())
    locals_ = (one for one in company.people if one.site.name == site and one not in travellers)
    return (*travellers, *locals_)


def furnish_hikvision(site: HikvisionSite, people: Iterable[Person]) -> str:
    """Put up three panels and enrol people and the canary; returns the canary's person id."""
    for native_id, name in (("acs-1", "North gate"), ("acs-2", "Lobby"), ("acs-3", "Laboratory")):
        site.panels.add(native_id, name)
    canary = site.enrol(CANARY_NUMBER, CANARY_NAME)
    site.give_card(canary, "c-canary", "9000000001")
    site.grant(canary, "acs-2")
    for person in people:
        known = site.enrol(person.employee_number, person.display_name)
        site.give_card(known, f"c-{person.employee_number}", f"88{person.employee_number}01")
        site.enrol_face(known)
        site.grant(known, "acs-1")
        site.grant(known, "acs-2")
    return canary


def furnish_gallagher(site: GallagherSite, people: Iterable[Person], now: datetime) -> str:
    """Put up doors, zones and groups, enrol people and the canary; returns the canary's id."""
    for native_id, name in (("601", "Main entrance"), ("602", "Server room"), ("603", "Car park")):
        site.panels.add(native_id, name)
    everybody = site.add_group("Everybody", ("601", "603"), shows_number=True)
    servers = site.add_group("Server room", ("602",), shows_number=True)
    canary = site.enrol(CANARY_NUMBER, CANARY_NAME)
    site.join(canary, everybody)
    site.give_card(canary, "9000000001")
    for person in people:
        known = site.enrol(person.employee_number, person.display_name)
        site.join(known, everybody)
        site.join(known, servers)
        site.join(known, servers, until=now + timedelta(days=400))
        site.give_card(known, f"77{person.employee_number}")
        site.give_mobile(known, f"{person.employee_number}-phone")
    return canary


def furnish_unifi(site: UniFiSite, people: Iterable[Person]) -> str:
    """Put up hubs, a policy and a group, and make users and the canary; returns the canary's id."""
    site.panels.add("hub-1", "Front door")
    site.panels.add("hub-2", "Studio")
    policy, group = site.add_policy("Working hours"), site.add_group("Studio")
    canary = site.enrol(CANARY_NUMBER, CANARY_NAME)
    site.people[canary].cards.append("token-canary")
    site.people[canary].policies.append(policy)
    for person in people:
        user = site.people[
            site.enrol(person.employee_number, person.display_name, person.work_email)
        ]
        user.cards.append(f"token-{person.employee_number}")
        user.plates[f"plate-{person.employee_number}"] = f"B-XY {person.employee_number}"
        user.passes[f"pass-{person.employee_number}"] = "ACTIVE"
        user.pin = "set"
        user.policies.append(policy)
        site.groups[group][1].add(user.id)
    return canary


def furnish_zkteco(site: ZktecoSite, people: Iterable[Person]) -> str:
    """Put up two devices, and enrol people and the canary; returns the canary's personnel id."""
    site.panels.add("zk-1", "Warehouse")
    site.panels.add("zk-2", "Dock")
    canary = site.enrol(CANARY_NUMBER, CANARY_NAME, "900001", "1")
    for person in people:
        site.enrol(
            person.employee_number, person.display_name, f"66{person.employee_number}", "1,2"
        )
    return canary
