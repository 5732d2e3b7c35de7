"""Who speaks to a pump. Each role has a key of its own, and what it may say stands in the catalogue, nowhere else."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The parties that a pump knows; whoever has no key is a stranger and is told nothing."""

    PROGRAMMER = "programmer"
    PATIENT = "patient"  # the patient's own controller
    MONITOR = "monitor"
    SERVICE = "service"
    CARD = "card"  # the emergency card: reads and stops, in near field


class Field(StrEnum):
    """Over which radio a frame came in. The radio says so; no request can claim it."""

    NEAR = "near field"
    FAR = "far field"


SEAT = {Role.PROGRAMMER: 0, Role.SERVICE: 1, Role.CARD: 2}
"""Where the core remembers the newest command of a role. The patient's requests have a longer memory of their own."""

KID = {
    Role.PROGRAMMER: b"\x01",
    Role.PATIENT: b"\x02",
    Role.MONITOR: b"\x03",
    Role.SERVICE: b"\x04",
    Role.CARD: b"\x05",
}
"""The OSCORE sender ID of each role; the pump's own is PUMP_KID. Keys differ from pump to pump and role to role."""

PUMP_KID = b"\x00"

SKIN = frozenset({Role.CARD})
"""Roles that are heard in near field only, whatever they say: a lost card must be of no use from across the street."""

WHO = {role: kid[0] for role, kid in KID.items()}
"""The number of each role in the records of the pump's log; 0 is nobody over the link, or the patient's request."""
