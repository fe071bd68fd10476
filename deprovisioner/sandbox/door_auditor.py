"""An independent look at the door sites: does any door still open for this person?

Called by the demo and by acceptance tests after a case has closed, beside the other auditors. It
reads what the platforms and their devices hold, past their interfaces, and knows nothing of our
connectors. No part of any proof.
"""

from deprovisioner.sandbox.auditor import Look
from deprovisioner.sandbox.doors.gallagher_cardholders import STATES, Cardholder
from deprovisioner.sandbox.doors.sites import DoorSites
from deprovisioner.sandbox.people import Person


def look(sites: DoorSites, person: Person) -> tuple[Look, ...]:
    """Look at both sites; one look each."""
    opened = _shanghai(sites, person)
    badges = _berlin(sites, person)
    return (
        Look("doors in Berlin", not badges, ", ".join(badges) or "no card, group or pass works"),
        Look(
            "doors in Shanghai",
            not opened,
            ", ".join(opened) or f"none of {len(sites.shanghai.panels.units)} panels lets them in",
        ),
    )


def holds_now(sites: DoorSites, person: Person) -> int:
    """Count what opens doors for a person, before anything was done."""
    return len(_berlin(sites, person)) + len(_shanghai(sites, person))


def _berlin(sites: DoorSites, person: Person) -> list[str]:
    site, number = sites.berlin, person.employee_number
    theirs = [one for one in site.people.values() if one.number == number]
    return [word for one in theirs for word in _works(one)]


def _works(holder: Cardholder) -> list[str]:
    cards = [f"card {one.id}" for one in holder.cards if STATES[one.value] != "inactive"]
    access = [f"access group {one.group_id}" for one in holder.access]
    operator = [f"operator group {one.group_id}" for one in holder.operator]
    return [*cards, *access, *operator, *(["authorised"] if holder.authorised else [])]


def _shanghai(sites: DoorSites, person: Person) -> list[str]:
    site, number = sites.shanghai, person.employee_number
    theirs = [one.id for one in site.people.values() if one.number == number]
    cards = [
        f"card {one.id}" for one in site.cards.values() if one.person_id in theirs and not one.lost
    ]
    panels = [
        f"panel {unit.name}"
        for unit in site.panels.units.values()
        if any(site.opens(who, unit.id) for who in theirs)
    ]
    return cards + panels
