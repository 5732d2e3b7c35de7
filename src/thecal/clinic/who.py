"""Who acts: one person of the staff with what they may do, as every function of the clinic takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class StaffRole(StrEnum):
    """What somebody is in the clinic. A person may be several."""

    PHYSICIAN = "physician"
    NURSE = "nurse"
    PHARMACIST = "pharmacist"
    DESK = "desk"
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Who:
    """A signed-in person. ``actions`` are those of ``people.permissions`` that the roles allow."""

    person_id: int
    name: str
    roles: frozenset[StaffRole]
    actions: frozenset[str] = field(default_factory=frozenset)

    def may(self, action: str) -> bool:
        """Whether the table of permissions lets this person do something."""
        return action in self.actions


SYSTEM = Who(0, "Thecal", frozenset())
"""The clinic's own processes: readings by schedule, the board. They may do nothing that a person decides."""
