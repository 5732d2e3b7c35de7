"""Field notices: matched by what implants and readings say, dealt with patient by patient, closed when all are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import give_reading, line_of, pump_at_work

from thecal.clinic.desk import notices
from thecal.clinic.desk.lines import refresh
from thecal.clinic.desk.notices import Entry, No, listed
from thecal.clinic.record.tables import Act, FieldNotice, NoticeHandled
from thecal.clinic.refused import EditedMeanwhile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.clinic.record.tables import Patient

ENTRY = Entry("Motor stall", "Maker, FN-7", "2026-09-01", "Read the pump and check the log", softwares="1.3, 1.4")


@pytest.fixture
def world(tmp_path: Any) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def entered(world: ClinicWorld, entry: Entry = ENTRY) -> FieldNotice:
    made = notices.enter(world.house, world.people["engineer"], entry)
    assert isinstance(made, FieldNotice), made
    return made


def about(world: ClinicWorld, notice: FieldNotice) -> list[str]:
    with world.store.reading() as session:
        return [m.implant.serial for m in notices.matched(session, session.get_one(FieldNotice, notice.id))]


def three(world: ClinicWorld) -> list[Patient]:
    return [pump_at_work(world, str(n), f"B-{n}", software=f"1.{n}") for n in (2, 3, 4)]


def refused(found: Any) -> list[tuple[str, str]]:
    assert isinstance(found, tuple), found
    return [(r.code, r.field) for r in found]


def test_j8_a_notice_lists_the_patients_whose_software_it_names_and_counts_on_the_board(world: ClinicWorld) -> None:
    patients = three(world)
    notice = entered(world)
    assert about(world, notice) == ["B-3", "B-4"]
    assert [line_of(world, p).notices for p in patients] == [0, 1, 1]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lists", "found"),
    [
        ({"serials": "b-2\nB-4"}, ["B-2", "B-4"]),
        ({"models": "Bench 20", "softwares": "1.2"}, ["B-2"]),
        ({"families": "bench-20"}, ["B-2", "B-3", "B-4"]),
        ({"families": "another", "serials": "B-2"}, []),
        ({"all_pumps": "yes"}, ["B-2", "B-3", "B-4"]),
    ],
)
def test_a_pump_is_matched_where_it_is_in_every_list(
    world: ClinicWorld, lists: dict[str, str], found: list[str]
) -> None:
    three(world)
    entry = Entry("Motor stall", "Maker", "2026-09-01", "Read the pump", **lists)
    assert about(world, entered(world, entry)) == found


def test_software_that_nobody_knows_is_matched(world: ClinicWorld) -> None:
    patient = world.patient()
    notice = entered(world)
    assert about(world, notice) == ["B-1"]
    with world.writing() as record:
        give_reading(record, patient, "B-1", software="2.0")
        refresh(record, patient.id)
    assert about(world, notice) == []


def test_a_notice_is_closed_when_every_patient_was_dealt_with(world: ClinicWorld) -> None:
    _, third, fourth = three(world)
    notice = entered(world)
    nurse, engineer = world.people["nurse"], world.people["engineer"]
    assert refused(notices.close(world.house, engineer, notice.id, 1, "")) == [(No.OPEN_PATIENTS, "reason")]
    handled = notices.handle(world.house, nurse, notice.id, third.id, "Log read, no stall")
    assert isinstance(handled, NoticeHandled) and (handled.by_person, handled.at_utc_s) == (nurse.person_id, NOW_S)
    assert line_of(world, third).notices == 0  # type: ignore[union-attr]
    assert refused(notices.handle(world.house, nurse, notice.id, third.id, "again"))[0][0] == No.ALREADY
    notices.handle(world.house, nurse, notice.id, fourth.id, "Log read, no stall")
    closed = notices.close(world.house, engineer, notice.id, 1, "")
    assert isinstance(closed, FieldNotice) and not closed.open
    with world.store.reading() as session:
        acts = session.query(Act).filter_by(subject_kind="field_notice", kind="handled").all()
    assert [a.patient_id for a in acts] == [third.id, fourth.id]


def test_a_notice_is_closed_over_open_patients_with_a_reason_alone(world: ClinicWorld) -> None:
    patients = three(world)
    notice = entered(world)
    closed = notices.close(world.house, world.people["engineer"], notice.id, 1, "withdrawn by the maker")
    assert isinstance(closed, FieldNotice)
    assert [line_of(world, p).notices for p in patients] == [0, 0, 0]  # type: ignore[union-attr]
    found = notices.handle(world.house, world.people["nurse"], notice.id, patients[1].id, "read")
    assert refused(found) == [(No.CLOSED, "")]


def test_two_who_close_the_same_notice(world: ClinicWorld) -> None:
    notice = entered(world)
    with pytest.raises(EditedMeanwhile):
        notices.close(world.house, world.people["engineer"], notice.id, 9, "a reason")


def test_only_a_patient_of_the_list_is_dealt_with(world: ClinicWorld) -> None:
    second, *_ = three(world)
    notice = entered(world)
    assert (
        refused(notices.handle(world.house, world.people["nurse"], notice.id, second.id, "read"))[0][0]
        == No.NOT_MATCHED
    )
    assert refused(notices.handle(world.house, world.people["nurse"], 99, second.id, "read"))[0][0] == No.NO_NOTICE


def test_a_notice_without_anything_to_match_is_refused_unless_it_is_meant(world: ClinicWorld) -> None:
    found = notices.enter(world.house, world.people["engineer"], Entry("", "x", "soon", " "))
    assert [field for _, field in refused(found)] == ["title", "source", "action", "published_on", "all_pumps"]


def test_a_list_is_typed_one_a_line_or_with_commas() -> None:
    assert listed(" a , b\n\nb\n  c d ,") == ["a", "b", "c d"]
