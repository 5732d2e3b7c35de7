"""The pump's clock in a session: found at the visit, chosen by dose, kept with a message for the patient."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from tests.clinic_world import FIRST_ORDER
from tests.session_world import begun, entered, now, programmed, sent, session_clinic

from thecal.clinic.programming.order_text import parsed_by
from thecal.clinic.record.tables import ClockDecision, Interrogation
from thecal.clinic.refused import Refused
from thecal.clinic.session import propose, reading
from thecal.clinic.session.readings import believed_offset
from thecal.clinic.session.timing import clock_entry, clock_view, clock_view_of
from thecal.clinic.workflow import Step, Workflow
from thecal.formulary import load
from thecal.pump.wall_clock import Kind, PumpClock, clock_task, offset_for, wall_day
from thecal.quantities import Mass
from thecal.therapy.pattern import Pattern, pattern_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient
    from thecal.therapy.order import Order

CHICAGO = ZoneInfo("America/Chicago")
WINTER_S = -6 * 3600
UPTIME_S = 10_000
STEPS = """steps = [
  { from = "00:00", dose = "0.05 mg/h" },
  { from = "02:00", dose = "0.1 mg/h" },
  { from = "06:00", dose = "0.05 mg/h" },
]"""


def stepped() -> Order:
    """Base 0.05 mg/h, with 0.1 mg/h from 02:00 to 06:00."""
    head, rest = FIRST_ORDER.split("[run]")[0].split("steps = [", 1)
    found = parsed_by(head + STEPS + rest.split("\n]", 1)[1], load())
    assert not isinstance(found, tuple), found
    return found.order


def pattern(order: Order) -> Pattern:
    found = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    assert isinstance(found, Pattern)
    return found


def utc_s(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def clock_at(moment_s: int, keeps_s: int = WINTER_S) -> PumpClock:
    """A pump clock that keeps an offset to the second."""
    offset = offset_for(UPTIME_S, moment_s, keeps_s)
    assert offset is not None
    return PumpClock(UPTIME_S, offset, keeps_s)


@pytest.mark.parametrize(
    ("day", "wall"), [(date(2026, 3, 8), "1.3"), (date(2026, 11, 1), "1.45"), (date(2026, 6, 1), "1.4")]
)
def test_a_pump_of_fixed_offset_gives_the_same_every_24_h_where_the_wall_does_not(day: date, wall: str) -> None:
    order = stepped()
    task = clock_task(
        clock_at(utc_s(day.year, day.month, day.day, 12)),
        utc_s(day.year, day.month, day.day, 12),
        WINTER_S,
        pattern(order),
        order.mixture,
    )
    assert task.choice(Kind.LEAVE).next_24h["morphine"] == Mass.of(Fraction("1.4"), "mg")  # type: ignore[union-attr]
    assert wall_day(pattern(order), order.mixture, CHICAGO, day).doses["morphine"] == Mass.of(Fraction(wall), "mg")


def test_the_change_in_spring_is_found_at_the_visit_before_the_refill() -> None:
    at = utc_s(2026, 2, 1, 16)
    view = clock_view_of(clock_at(at), at, CHICAGO, stepped(), load())
    assert not isinstance(view, Refused)
    assert not view.differs
    assert view.matters
    assert view.notice is not None
    assert "8 Mar 2026" in view.notice.clinician
    assert view.notice.patient.startswith("On 8 Mar 2026 your clock goes forward by 1 h.")
    later = clock_view_of(clock_at(at), at, CHICAGO, stepped(), load(), until_s=at + 86_400)
    assert not isinstance(later, Refused)
    assert later.notice is None


def test_changing_now_in_spring_skips_an_hour_in_dose() -> None:
    at = utc_s(2026, 3, 9, 8)  # pump 02:00, on the wall 03:00
    view = clock_view_of(clock_at(at), at, CHICAGO, stepped(), load())
    assert not isinstance(view, Refused)
    assert view.text == "pump 06:00 = clock on the wall 07:00 until 1 Nov 2026"
    leave, change = view.choices
    assert leave.lines == ("Leave it: the pump clock stays as it is. Nothing is skipped or repeated.",)
    assert "Skipped: 0.1 mg morphine, 0.25 mg bupivacaine, 3.75 mcg cloNIDine." in change.lines
    assert any(line.startswith("In the 24 h after it: 1.4 mg morphine") for line in change.lines)


def test_changing_now_in_autumn_repeats_an_hour_in_dose() -> None:
    at = utc_s(2026, 11, 2, 9)  # a pump on summer time: 04:00, on the wall 03:00
    view = clock_view_of(clock_at(at, -5 * 3600), at, CHICAGO, stepped(), load())
    assert not isinstance(view, Refused)
    change = view.choices[1]
    assert change.shift_s == -3600
    assert "Given a second time: 0.1 mg morphine, 0.25 mg bupivacaine, 3.75 mcg cloNIDine." in change.lines


# In a session -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from session_clinic(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    patient = world.patient()
    programmed(world, patient)
    return patient


def row_of(world: ClinicWorld) -> Interrogation:
    with world.house.reading() as db:
        row = reading(db, "B-1")
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "kind"),
        ({"kind": "leave it"}, "reason"),
        ({"kind": "change it later", "reason": "a trip"}, "later_on"),
        ({"kind": "change it later", "reason": "a trip", "later_on": "2001-01-01"}, "later_on"),
    ],
)
@pytest.mark.usefixtures("patient")
def test_a_choice_without_its_reason_or_day_is_refused_at_its_field(
    world: ClinicWorld, values: dict[str, str], field: str
) -> None:
    with world.house.reading() as db:
        found = clock_entry(db, row_of(world), world.house.formulary, values, world.house.now_s())
    assert isinstance(found, Refused)
    assert found.field == field


def test_a_clock_is_set_by_review_and_send_and_the_decision_is_kept(world: ClinicWorld, patient: Patient) -> None:
    session = begun(world, patient, Workflow.CLOCK)
    entered(world, session, Step.READ)
    values = {"kind": "change it now", "reason": "it was never set", "message": "Your pump clock is right now."}
    with world.house.reading() as db:
        made = clock_entry(db, row_of(world), world.house.formulary, values, world.house.now_s())
    assert not isinstance(made, Refused)
    entered(world, session, Step.CLOCK, **made)
    found = propose(world.house, world.people["physician"], session.id)
    assert not isinstance(found, Refused), found
    sent(world, session, found.digest)
    with world.house.reading() as db:
        kept = db.scalars(select(ClockDecision).where(ClockDecision.session_id == session.id)).one()
        view = clock_view(db, row_of(world), world.house.formulary)
        believed = believed_offset(db, "B-1")
    assert not isinstance(view, Refused)
    assert (kept.kind, kept.message, kept.reason) == (
        "change it now",
        "Your pump clock is right now.",
        values["reason"],
    )
    assert not view.differs
    assert believed == kept.utc_offset_s
    assert now(world, session).entered["send"]
