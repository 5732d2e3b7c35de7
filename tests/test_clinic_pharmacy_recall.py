"""What goes wrong on a syringe's way: a recalled lot, a day that ends too soon, a broken one, a silent omission."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import give_booking, line_of, pump_at_work
from tests.test_clinic_pharmacy import (
    NEEDED,
    SHEET,
    TODAY,
    codes,
    done,
    entry,
    fields,
    labeled,
    ordered,
    written,
)

from thecal.clinic.desk.lines import refresh
from thecal.clinic.pharmacy import ordering, worksheets
from thecal.clinic.pharmacy.keeping import Verdict, pump_clocks, syringe_clock
from thecal.clinic.pharmacy.lookup import mixture_in, of_patient, stock_lot
from thecal.clinic.pharmacy.recalling import Recalled, recall
from thecal.clinic.pharmacy.refusing import Why
from thecal.clinic.pharmacy.states import State
from thecal.clinic.pharmacy.way import cancel, limits_on, move_needed_by, override, receive, release, step, use
from thecal.clinic.record.tables import NearMiss, Preparation, RecalledLot, Task
from thecal.clinic.refused import EditedMeanwhile, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from thecal.clinic.record.tables import Patient

WHY = "the maker's notice 7 of September"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


@pytest.fixture
def patient(world: ClinicWorld) -> Patient:
    return pump_at_work(world)


def now(world: ClinicWorld, row: Preparation) -> Preparation:
    with world.house.reading() as db:
        return db.get_one(Preparation, row.id)


def tasks(world: ClinicWorld, kind: str) -> list[Task]:
    with world.house.reading() as db:
        return list(db.scalars(select(Task).where(Task.kind == kind).order_by(Task.id)))


def received(world: ClinicWorld, patient: Patient, **over: object) -> Preparation:
    row = labeled(world, patient, **over)  # type: ignore[arg-type]
    done(release(world.house, world.people["pharmacist"], row.id))
    done(step(world.house, world.people["pharmacist"], row.id, State.SHIPPED))
    code = now(world, row).syringe_code
    assert code is not None
    return done(receive(world.house, world.people["nurse"], code))


def recalled(world: ClinicWorld, lot: str = "h-77") -> Recalled:
    made = recall(world.house, world.people["pharmacist"], lot, WHY)
    assert isinstance(made, Recalled), made
    return made


def booked(world: ClinicWorld, patient: Patient) -> None:
    with world.writing() as record:
        give_booking(record, patient, NOW_S + 14 * 86_400)
        refresh(record, patient.id)


def test_a_recalled_lot_gives_up_every_syringe_that_is_not_used_wherever_it_stands(
    world: ClinicWorld, patient: Patient
) -> None:
    at_work, on_shelf = written(world, patient), received(world, patient)
    other = written(world, patient, replace(SHEET, lots=("H-78", "B 12")))
    made = recalled(world)
    assert set(made.given_up) == {at_work.id, on_shelf.id}
    assert {now(world, row).state for row in (at_work, on_shelf)} == {State.CANCELED}
    assert now(world, other).state == State.MADE
    again = receive(world.house, world.people["nurse"], on_shelf.syringe_code or "")
    assert codes(again) == [Why.OUT_OF_ORDER]


def test_a_recalled_lot_that_is_in_a_pump_is_a_task_for_a_physician(world: ClinicWorld, patient: Patient) -> None:
    row = received(world, patient)
    with world.writing() as record:
        assert isinstance(use(record, record.session.get_one(Preparation, row.id), 1), Preparation)
    made = recalled(world)
    assert (made.given_up, made.in_pumps) == ((), (row.id,))
    (task,) = tasks(world, "recall")
    assert (task.for_role, task.patient_id, task.due_utc_s) == ("physician", patient.id, NOW_S)
    assert WHY in task.text
    assert now(world, row).state == State.USED


def test_nothing_is_made_of_a_recalled_lot_and_nobody_recalls_it_twice(world: ClinicWorld, patient: Patient) -> None:
    recalled(world, "s-1")
    row = ordered(world, patient)
    done(step(world.house, world.people["pharmacist"], row.id, State.ACCEPTED))
    found = worksheets.write(world.house, world.people["pharmacist"], row.id, SHEET, TODAY)
    assert codes(found) == [Why.RECALLED]
    assert fields(found) == {"diluent_lot"}
    assert codes(recall(world.house, world.people["pharmacist2"], "S-1", WHY)) == [Why.OUT_OF_ORDER]
    with world.house.reading() as db:
        assert db.scalars(select(NearMiss.code)).all() == [Why.RECALLED]
        assert len(db.scalars(select(RecalledLot)).all()) == 1


def test_a_worksheet_that_was_written_anew_without_the_lot_is_left_alone(world: ClinicWorld, patient: Patient) -> None:
    row = written(world, patient)
    anew = replace(SHEET, lots=("H-78", "B 12"))
    done(worksheets.write(world.house, world.people["pharmacist"], row.id, anew, TODAY))
    assert recalled(world).given_up == ()
    with world.house.reading() as db:
        assert [f.current for f in stock_lot(db, "H-77")] == [False]


@pytest.mark.parametrize(("lot", "why", "field"), [("", WHY, "lot"), ("H-77", "no", "why"), ("x" * 101, WHY, "lot")])
def test_a_recall_needs_a_lot_and_a_reason(world: ClinicWorld, lot: str, why: str, field: str) -> None:
    assert fields(recall(world.house, world.people["pharmacist"], lot, why)) == {field}


def test_a_broken_syringe_before_a_refill_is_a_task_until_another_is_ordered(
    world: ClinicWorld, patient: Patient
) -> None:
    row = labeled(world, patient)
    done(release(world.house, world.people["pharmacist"], row.id))
    done(step(world.house, world.people["pharmacist"], row.id, State.SHIPPED))
    booked(world, patient)
    done(cancel(world.house, world.people["pharmacist"], row.id, "broken in the parcel"))
    (task,) = tasks(world, "drug")
    assert (task.state, task.for_role, task.patient_id) == ("planned", "physician", patient.id)
    assert "broken in the parcel" in task.text
    ordered(world, patient)
    assert [t.state for t in tasks(world, "drug")] == ["done"]


def test_one_of_two_syringes_given_up_is_no_task(world: ClinicWorld, patient: Patient) -> None:
    first = ordered(world, patient)
    ordered(world, patient)
    booked(world, patient)
    done(cancel(world.house, world.people["pharmacist"], first.id, "ordered twice"))
    assert tasks(world, "drug") == []


def test_a_beyond_use_day_never_outlasts_the_stock(world: ClinicWorld, patient: Patient) -> None:
    row = ordered(world, patient)
    done(step(world.house, world.people["pharmacist"], row.id, State.ACCEPTED))
    short = replace(SHEET, diluent_expires="2026-10-19")
    found = worksheets.write(world.house, world.people["pharmacist"], row.id, short, TODAY)
    assert codes(found) == [Why.BEYOND_USE]
    assert fields(found) == {"beyond_use"}
    assert "S-1" in found[0].found  # type: ignore[index]
    done(
        worksheets.write(
            world.house, world.people["pharmacist"], row.id, replace(short, beyond_use="2026-10-19"), TODAY
        )
    )


def test_a_syringe_that_ends_before_it_is_needed_is_released_by_name_alone_and_stands_on_the_board(
    world: ClinicWorld, patient: Patient
) -> None:
    row = labeled(world, patient)
    late = date.fromisoformat(SHEET.beyond_use) + timedelta(days=1)
    done(move_needed_by(world.house, world.people["nurse"], row.id, late, "the visit moved"))
    line = line_of(world, patient)
    assert line is not None
    assert [m["kind"] for m in line.shown["marks"]] == ["drug"]
    assert codes(release(world.house, world.people["pharmacist"], row.id)) == [Why.ABOVE_CEILING]
    with world.house.reading() as db:
        limits = limits_on(db, now(world, row), world.house.formulary)
        assert syringe_clock(now(world, row)).verdict is Verdict.BEYOND
    key = next(line.key for line in limits if line.finding == "beyond-use-before-needed")
    done(override(world.house, world.people["pharmacist"], row.id, key, "used the day before, at home"))
    assert done(release(world.house, world.people["pharmacist"], row.id)).state == State.RELEASED


@pytest.mark.parametrize("behind", [0, 30])
def test_a_refill_after_next_that_lies_before_the_fill_never_says_that_the_drug_keeps(
    world: ClinicWorld, patient: Patient, behind: int
) -> None:
    row = ordered(world, patient, refill_by=(NEEDED + timedelta(days=20)).isoformat())
    moved = NEEDED + timedelta(days=20 + behind)
    done(move_needed_by(world.house, world.people["nurse"], row.id, moved, "the visit moved"))
    with world.house.reading() as db:
        clocks = pump_clocks(now(world, row), mixture_in(db, row), world.house.formulary)
    assert Verdict.WITHIN not in [c.verdict for c in clocks]


def test_no_ingredient_is_left_out_silently(world: ClinicWorld, patient: Patient) -> None:
    seven = ("morphine", "bupivacaine", "clonidine", "baclofen", "fentanyl", "ziconotide", "hydromorphone")
    many = entry(patient.id, drugs=seven, strengths=("1 mg/mL",) * 7)
    found = ordering.order(world.house, world.people["physician"], many, TODAY)
    assert codes(found) == [Why.NOT_ALLOWED]
    assert fields(found) == {"drugs.6"}
    odd = entry(patient.id, strengths=("4 mg/mL",))
    found = ordering.order(world.house, world.people["physician"], odd, TODAY)
    assert fields(found) == {"strengths.1"}
    with world.house.reading() as db:
        assert of_patient(db, patient.id) == []


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "1999-12-31", "2200-01-01"])
def test_a_day_that_no_calendar_of_a_clinic_has_is_refused(world: ClinicWorld, patient: Patient, day: str) -> None:
    found = ordering.order(world.house, world.people["physician"], entry(patient.id, needed_by=day), TODAY)
    assert fields(found) == {"needed_by"}


def test_three_ingredients_of_which_the_stock_of_one_is_too_weak_say_which(
    world: ClinicWorld, patient: Patient
) -> None:
    row = ordered(
        world, patient, drugs=("morphine", "bupivacaine", "clonidine"), strengths=("20 mg/mL", "10 mg/mL", "0.1 mg/mL")
    )
    done(step(world.house, world.people["pharmacist"], row.id, State.ACCEPTED))
    sheet = replace(
        SHEET, kinds=("solution",) * 3, strengths=("50 mg/mL", "7.5 mg/mL", "0.5 mg/mL"), products=("M", "B", "C"),
        lots=("1", "2", "3"), expires=("2027-01-31",) * 3, preservative_free=("yes",) * 3, phs=("",) * 3,
    )  # fmt: skip
    found = worksheets.write(world.house, world.people["pharmacist"], row.id, sheet, TODAY)
    assert fields(found) == {"strengths.1"}
    strong = replace(sheet, strengths=("50 mg/mL", "40 mg/mL", "0.5 mg/mL"))
    made = done(worksheets.write(world.house, world.people["pharmacist"], row.id, strong, TODAY))
    kept = worksheets.sheet_of(made.worksheet)
    assert kept.check_sum == kept.total == kept.volume + kept.overfill


def test_two_who_write_the_same_worksheet_do_not_write_over_each_other(world: ClinicWorld, patient: Patient) -> None:
    row = ordered(world, patient)
    row = done(step(world.house, world.people["pharmacist"], row.id, State.ACCEPTED))
    first, second = world.people["pharmacist"], world.people["pharmacist2"]
    done(worksheets.write(world.house, first, row.id, SHEET, TODAY, seen=row.revision))
    with pytest.raises(EditedMeanwhile):
        worksheets.write(world.house, second, row.id, replace(SHEET, overfill="2 mL"), TODAY, seen=row.revision)
    assert now(world, row).worksheet["overfill_mL"] == "1"
    with pytest.raises(EditedMeanwhile):
        cancel(world.house, second, row.id, "ordered twice", row.revision)


def test_a_syringe_is_given_up_with_a_reason_alone(world: ClinicWorld, patient: Patient) -> None:
    row = ordered(world, patient)
    assert isinstance(cancel(world.house, world.people["pharmacist"], row.id, "  no "), Refused)
