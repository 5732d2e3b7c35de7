"""Who may do what: every cell of the table of permissions against this one, which was written by itself.

A new action fails here until somebody has said, for each role, whether it may.
"""

from __future__ import annotations

import itertools

import pytest

from thecal.clinic.people.permissions import actions_of, permissions
from thecal.clinic.who import SYSTEM, StaffRole

MAY: dict[StaffRole, str] = {
    StaffRole.PHYSICIAN: """
        account.own board.see bolus.single booking.see check.second contact.add device.see formulary.see
        formulary.sign mri.do notice.handle notice.see observation.add order.move order.see order.write
        override.see paper.print patient.contact patient.edit patient.find patient.see program.send
        program.write pump.alarm pump.clock pump.give_up pump.resolve pump.start pump.stop refill.bridge_waive
        refill.change refill.do restart.second restart.write session.begin session.see syringe.receive task.do
        watch.do world.move
    """,
    StaffRole.NURSE: """
        account.own board.see booking.edit booking.see check.second contact.add device.see formulary.see
        mri.do notice.handle notice.see observation.add order.move order.see paper.print patient.contact
        patient.edit patient.find patient.see pump.alarm pump.resolve pump.start pump.stop refill.do
        session.begin session.see syringe.receive task.do watch.do world.move
    """,
    StaffRole.PHARMACIST: """
        account.own board.see check.second compounding.check compounding.do compounding.override
        compounding.release formulary.edit formulary.see formulary.sign order.move order.see override.see
        paper.print patient.find patient.see pharmacy.settings session.see syringe.receive task.do world.move
    """,
    StaffRole.DESK: """
        account.own board.see booking.edit booking.see contact.add feed.edit notice.handle notice.see
        patient.contact patient.find task.do world.move
    """,
    StaffRole.ENGINEER: """
        account.own board.see device.pair device.see formulary.see notice.edit notice.handle notice.see
        session.see world.move
    """,
    StaffRole.ADMINISTRATOR: """
        account.own audit.see feed.edit notice.edit notice.see override.see people.edit pharmacy.settings
        site.edit world.move
    """,
}
"""What each role may do; whatever does not stand under a role is forbidden to it."""

SENDS = {"program.send", "bolus.single", "refill.change", "refill.bridge_waive", "pump.give_up", "pump.clock"}
"""What changes a dose beyond stopping, starting and refilling the same: for physicians alone."""


@pytest.mark.parametrize(("role", "action"), list(itertools.product(StaffRole, sorted(permissions()))), ids=str)
def test_every_cell_of_the_table(role: StaffRole, action: str) -> None:
    assert (action in actions_of([role])) == (action in MAY[role].split())


def test_no_action_is_expected_that_the_table_does_not_have() -> None:
    for role, words in MAY.items():
        assert set(words.split()) <= set(permissions()), role
        assert len(words.split()) == len(set(words.split())), role


def test_several_roles_may_what_any_of_them_may_and_no_role_may_nothing() -> None:
    both = actions_of([StaffRole.DESK, StaffRole.ENGINEER])
    assert both == actions_of([StaffRole.DESK]) | actions_of([StaffRole.ENGINEER])
    assert actions_of([]) == frozenset()
    assert not any(SYSTEM.may(action) for action in permissions())


@pytest.mark.parametrize("action", sorted(SENDS))
def test_what_changes_a_dose_is_for_physicians_alone(action: str) -> None:
    assert permissions()[action].roles == {StaffRole.PHYSICIAN}


def test_whoever_looks_after_people_sees_no_patient_and_no_pump() -> None:
    seen = actions_of([StaffRole.ADMINISTRATOR])
    assert not {a for a in seen if a.startswith(("patient.", "session.", "program.", "pump.", "refill.", "board."))}


def test_every_action_says_what_it_is_and_somebody_may_do_it() -> None:
    for permission in permissions().values():
        assert permission.roles, permission.action
        assert len(permission.what) > 10 or " " in permission.what, permission.action
