"""The board, its search, its notices and its feeds against what nobody means to do to them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import give_booking, line_of, pump_at_work

from thecal.clinic.desk import bookings, feeds, notices
from thecal.clinic.desk.board import Asked, Band, Only, board
from thecal.clinic.desk.days import WhyNoMoment
from thecal.clinic.desk.lines import refresh
from thecal.clinic.desk.matching import bad_range, in_range
from thecal.clinic.desk.notices import Entry, No
from thecal.clinic.desk.tasks import tasks_due
from thecal.clinic.formulary_versions import Decision, Why, decide, versions, write
from thecal.clinic.observing import newest
from thecal.clinic.record.tables import (
    Feed,
    FieldNotice,
    FormularyDecision,
    FormularyVersion,
    Implant,
    Observation,
    Person,
)
from thecal.clinic.sought import folded, sought

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from thecal.clinic.desk.board import Board

DAY_S = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def shown(world: ClinicWorld, **asked: object) -> Board:
    with world.house.reading() as db:
        return board(db, Asked(**asked), NOW_S)  # type: ignore[arg-type]


def numbers(found: Board) -> list[str]:
    return [row.line.shown["number"] for row in found.rows]


# Pumps that deliver nothing -------------------------------------------------------------------------------------------


def test_a_pump_that_runs_and_delivers_nothing_is_in_the_top_band(world: ClinicWorld) -> None:
    patient = pump_at_work(world, running=True, delivering=False, alarms=1)
    (row,) = shown(world, only=Only.STOPPED).rows
    assert (row.line.patient_id, row.band, row.line.stopped_utc_s) == (patient.id, Band.NOW, NOW_S)
    assert "the pump runs and delivers nothing" in [m["text"] for m in row.line.shown["marks"]]


def test_a_pump_that_lost_its_program_is_in_the_top_band(world: ClinicWorld) -> None:
    patient = pump_at_work(world, running=False, loaded=False, delivering=False)
    (row,) = shown(world, only=Only.STOPPED).rows
    assert (row.line.patient_id, row.band) == (patient.id, Band.NOW)
    assert "lost its program" in row.line.shown["marks"][0]["text"]


def test_of_stopped_pumps_the_one_with_a_dangerous_drug_comes_first_whatever_its_date(world: ClinicWorld) -> None:
    pump_at_work(world, "1", "B-1", drug="morphine", strength="10 mg/mL", dose="4 mg/day", running=False, level="3")
    pump_at_work(world, "2", "B-2", drug="baclofen", strength="2000 mcg/mL", dose="100 mcg/day", running=False)
    first, second = shown(world).rows
    assert first.line.due_day > second.line.due_day
    assert numbers(shown(world)) == ["2", "1"]


# Searching ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked", ["Müller", "muller", "MÜLLER", unicodedata.normalize("NFD", "müller"), "mul ÜLL", "o'neil", "100%", "a_b"]
)
def test_names_are_found_with_accents_quotes_and_signs_as_they_are(world: ClinicWorld, asked: str) -> None:
    wanted = pump_at_work(
        world,
        "7",
        "B-7",
        about={"given": "Zoë 100% a_b", "family": "Müller-O'Neil"},
    )
    pump_at_work(world, "8", "B-8", about={"given": "Axb", "family": "Smith"})
    assert [r.line.patient_id for r in shown(world, search=asked).rows] == [wanted.id]


@pytest.mark.parametrize("asked", ["%", "_", "\\", "'; drop table patient; --", "*", "%%", "B_7"])
def test_signs_of_the_database_are_letters_like_others(world: ClinicWorld, asked: str) -> None:
    pump_at_work(world, "7", "B-7")
    assert shown(world, search=asked).total == 0


@given(st.text(max_size=30))
def test_a_text_is_found_however_its_letters_are_put_together(text: str) -> None:
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    assert len({folded(form) for form in forms}) == 1
    assert folded(folded(text)) == folded(text)
    assert all(word in folded(text) for word in sought(text))


# Days -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1970-01-01", "2200-01-01"])
def test_a_day_at_the_end_of_time_is_refused_at_its_field(world: ClinicWorld, day: str) -> None:
    patient = pump_at_work(world)
    entry = bookings.Entry(day=day, time="23:59", minutes="30")
    found = bookings.book(world.house, world.people["desk"], patient.id, entry)
    assert isinstance(found, tuple)
    assert [(r.code, r.field) for r in found] == [(WhyNoMoment.NOT_A_DAY, "day")]


# Notices --------------------------------------------------------------------------------------------------------------


def about(world: ClinicWorld, **lists: str) -> list[str]:
    entry = Entry("Motor stall", "Maker", "2026-09-01", "Read the pump", **lists)
    made = notices.enter(world.house, world.people["engineer"], entry)
    assert isinstance(made, FieldNotice), made
    with world.house.reading() as db:
        return [m.implant.serial for m in notices.matched(db, made)]


def test_a_range_of_serial_numbers_has_both_its_ends_and_no_other_series(world: ClinicWorld) -> None:
    for number, serial in enumerate(("NGP99H", "NGP100H", "ngp150", "NGP200H", "NGP201H", "NGQ150", "X-NGP150")):
        pump_at_work(world, str(number), serial)
    assert sorted(about(world, serials="NGP100 to NGP200")) == ["NGP100H", "NGP200H", "ngp150"]
    assert sorted(about(world, serials="NGP100H TO NGP100H, NGQ150")) == ["NGP100H", "NGQ150"]


@pytest.mark.parametrize(
    ("entry", "serial", "found"),
    [
        ("A1 to A9", "a5", True),
        ("A001 to A009", "A5", True),
        ("A1 to A9", "A10", False),
        ("1 to 9", "5", True),
        ("A1-1 to A1-9", "A1-5", True),
        ("A1-1 to A1-9", "A2-5", False),
        ("A1 to A9", "A", False),
        (f"A1 to A{'9' * 30}", "A5", False),
    ],
)
def test_ranges(entry: str, serial: str, found: bool) -> None:
    assert in_range(entry, serial) is found


@pytest.mark.parametrize("entry", ["A9 to A1", "A1 to B9", "A1 to", "to A9", "A to B", "A1 to A9 to A20"])
def test_a_range_that_is_none_is_refused_at_its_field(world: ClinicWorld, entry: str) -> None:
    assert bad_range(entry)
    made = notices.enter(
        world.house, world.people["engineer"], Entry("Motor stall", "Maker", "2026-09-01", "Read", serials=entry)
    )
    assert isinstance(made, tuple)
    assert [(r.code, r.field) for r in made] == [(No.RANGE, "serials")]


def test_no_serial_number_is_left_out_silently(world: ClinicWorld) -> None:
    many = "\n".join(f"S-{n}" for n in range(notices.MOST_LISTED + 1))
    made = notices.enter(
        world.house, world.people["engineer"], Entry("Motor stall", "Maker", "2026-09-01", "Read", serials=many)
    )
    assert isinstance(made, tuple)
    assert [(r.code, r.field) for r in made] == [(No.TOO_MANY, "serials")]


def test_a_notice_about_a_catheter_finds_it_and_those_that_nobody_knows(world: ClinicWorld) -> None:
    for number, model in enumerate(("8780", "8781", "")):
        patient = pump_at_work(world, str(number), f"B-{number}")
        with world.writing() as record:
            implant = record.session.query(Implant).filter_by(patient_id=patient.id).one()
            record.change(implant, "a test", catheter_model=model)
            refresh(record, patient.id)
    assert sorted(about(world, catheters="8780")) == ["B-0", "B-2"]
    assert sorted(about(world, catheters="878*", serials="B-1")) == ["B-1"]
    assert [r.line.notices for r in shown(world, only=Only.NOTICE).rows] != []


# Feeds ----------------------------------------------------------------------------------------------------------------


def test_the_feed_of_somebody_who_has_left_answers_nobody(world: ClinicWorld) -> None:
    person = world.people["nurse"].person_id
    made = feeds.make_feed(world.house, world.people["desk"], "Telephone", str(person))
    assert isinstance(made[0], Feed)
    secret = str(made[1])
    assert world.client(None).get(f"/calendar/{secret}.ics").status_code == 200
    with world.writing() as record:
        record.change(record.session.get_one(Person, person), "left", active=False)
    assert world.client(None).get(f"/calendar/{secret}.ics").status_code == 404


def test_feeds_and_tries_are_paged(world: ClinicWorld) -> None:
    for number in range(51):
        feeds.make_feed(world.house, world.people["desk"], f"Telephone {number:02}", "")
    page = world.client("desk").get("/feeds?page=2").text
    assert "Telephone 00" in page
    assert "Telephone 50" not in page
    patient = pump_at_work(world)
    with world.writing() as record:
        for number in range(51):
            give_booking(record, patient, NOW_S - (number + 1) * DAY_S, state="attended")
    first = world.client("desk").get(f"/contacts/{patient.id}").text
    assert "Page 1 of 2" in first
    assert "Page 2 of 2" in world.client("desk").get(f"/contacts/{patient.id}?visits=2").text


# The formulary --------------------------------------------------------------------------------------------------------

LOWER = """extends = "morphine"
max_concentration = [{{ kind = "consensus", high = "{high} mg/mL", source = "ours" }}]
[sources]
ours = {{ authority = "Test clinic", edition = "2026", text = "pharmacy standard 7", verified = true }}
"""


def draft(world: ClinicWorld, high: int, role: str = "pharmacist", over: int | None = None) -> object:
    text = LOWER.format(high=high)
    return write(world.house, world.people[role], "morphine", text, "our pharmacy makes it", over=over)


def test_of_two_drafts_over_the_same_text_only_one_is_signed(world: ClinicWorld) -> None:
    first, second = draft(world, 21), draft(world, 15, "pharmacist2")
    assert isinstance(first, FormularyVersion)
    assert isinstance(second, FormularyVersion)
    signed = decide(world.house, world.people["physician"], second.id, Decision.SIGNED)
    assert isinstance(signed, FormularyDecision)
    behind = decide(world.house, world.people["physician"], first.id, Decision.SIGNED)
    assert isinstance(behind, tuple)
    assert [r.code for r in behind] == [Why.BEHIND]
    turned_down = decide(world.house, world.people["physician"], first.id, Decision.TURNED_DOWN, "written too early")
    assert isinstance(turned_down, FormularyDecision)
    limit = world.house.formulary.drug("morphine").max_concentration[0]
    assert limit.high is not None
    assert limit.high.text("mg/mL") == "15 mg/mL"


def test_a_form_that_was_opened_before_another_was_signed_is_a_conflict_once(world: ClinicWorld) -> None:
    client = world.client("pharmacist2")
    form = {"file": "morphine", "text": LOWER.format(high=15), "why": "our pharmacy makes it", "press": "keep"}
    first = draft(world, 21)
    assert isinstance(first, FormularyVersion)
    decide(world.house, world.people["physician"], first.id, Decision.SIGNED)
    late = client.post("/formulary/write", data={**form, "over": "0"})
    assert late.status_code == 409
    assert f"version {first.id} is signed since" in late.text
    assert f'name="over" value="{first.id}"' in late.text
    assert "21 mg/mL" in late.text  # the difference to what is in force now
    assert client.post("/formulary/write", data={**form, "over": str(first.id)}).status_code == 303


def test_versions_are_paged(world: ClinicWorld) -> None:
    for high in range(10, 21):
        draft(world, high)
    with world.house.reading() as db:
        first, last = versions(db), versions(db, "morphine", 9)
    assert (len(first.rows), first.pages, len(last.rows), last.page) == (10, 2, 1, 2)
    assert "Page 2 of 2" in world.client("nurse").get("/formulary?page=2").text


def test_a_signed_formulary_changes_who_stands_above_equals(world: ClinicWorld) -> None:
    patient = pump_at_work(world, drug="morphine", strength="10 mg/mL", dose="1 mg/day")
    assert line_of(world, patient).rank == 1  # type: ignore[union-attr]
    text = """extends = "morphine"
[withdrawal]
risk = "high"
text = "this site stops nobody"
source = "ours"
[sources]
ours = { authority = "Test clinic", edition = "2026", text = "pharmacy standard 7", verified = true }
"""
    made = write(world.house, world.people["pharmacist"], "morphine", text, "our own experience")
    assert isinstance(made, FormularyVersion), made
    signed = decide(world.house, world.people["physician"], made.id, Decision.SIGNED)
    assert isinstance(signed, FormularyDecision), signed
    assert line_of(world, patient).rank == 0  # type: ignore[union-attr]


# What was said stays --------------------------------------------------------------------------------------------------


def test_a_crisis_sign_stays_however_many_scores_come_after_it(world: ClinicWorld) -> None:
    patient = world.patient()
    with world.writing("nurse") as record:
        record.keep(Observation(patient_id=patient.id, kind="crisis", value="1", unit="", seen_utc_s=NOW_S - 9 * DAY_S))
        for number in range(600):
            record.keep(Observation(patient_id=patient.id, kind="pain", value="3", unit="", seen_utc_s=NOW_S - number))
    with world.house.reading() as db:
        assert newest(db, patient.id)["crisis"].value == "1"


def test_a_round_of_upkeep_with_nothing_behind_writes_nothing(world: ClinicWorld) -> None:
    pump_at_work(world)
    assert tasks_due(world.house) == 0
    with world.house.reading() as db:
        before = db.connection().exec_driver_sql("select max(seq) from audit").scalar_one()
    tasks_due(world.house)
    with world.house.reading() as db:
        assert db.connection().exec_driver_sql("select max(seq) from audit").scalar_one() == before
