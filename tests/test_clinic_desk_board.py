"""The board of every pump: lines off the record, bands by today, and that nobody who runs dry too early is hidden."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import (
    HOUR_S,
    give_boluses,
    give_booking,
    give_fill,
    give_program,
    give_reading,
    line_of,
    plain_order,
    pump_at_work,
)

from thecal.clinic.desk.board import BAND_SHAPES, BAND_WORDS, PAGE, Asked, Band, Board, Only, Row, board, page_query
from thecal.clinic.desk.dates import known_of, line_dates
from thecal.clinic.desk.days import day_number, day_of
from thecal.clinic.desk.lines import refresh
from thecal.clinic.desk.settings import DeskSettings, desk_of
from thecal.clinic.record.tables import (
    BoardLine,
    Clinic,
    FieldNotice,
    Implant,
    Interrogation,
    LinkCommand,
    Patient,
    Preparation,
    Watch,
)
from thecal.pump.core.codes import DAY_S, SINGLE
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

TODAY = day_of(NOW_S, ZoneInfo("America/Chicago"))


@pytest.fixture
def world(tmp_path: Any) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def shown(world: ClinicWorld, now_s: int = NOW_S, **asked: Any) -> Board:
    with world.store.reading() as session:
        return board(session, Asked(**asked), now_s)


def row_of(world: ClinicWorld, patient: Patient, now_s: int = NOW_S) -> Row:
    return next(row for row in shown(world, now_s).rows if row.line.patient_id == patient.id)


def refreshed(world: ClinicWorld, patient: Patient) -> BoardLine:
    with world.writing() as record:
        refresh(record, patient.id)
    line = line_of(world, patient)
    assert line is not None
    return line


def test_dates_are_those_of_the_therapys_own_arithmetic(world: ClinicWorld) -> None:
    """18 mL of baclofen 500 mcg/mL at 200 mcg a day: 0.4 mL a day, 40 days to 2 mL, 45 to nothing."""
    patient = pump_at_work(world, drug="baclofen", strength="500 mcg/mL", dose="200 mcg/day", level="18")
    line = line_of(world, patient)
    assert line is not None
    assert (line.worst_day, line.expected_day) == (TODAY + 40, TODAY + 40)
    assert line.shown["dates"]["empty"] == TODAY + 45


def test_worst_case_takes_every_bolus_and_the_expected_date_those_that_were_seen(world: ClinicWorld) -> None:
    """The first example: 1.4 mg a day, with every bolus 1.8 mg a day; 4 mg/mL; 18 mL to 2 mL or, with boluses, 3 mL."""
    patient = pump_at_work(world)
    none = line_of(world, patient)
    assert none is not None
    assert (none.worst_day, none.expected_day) == (TODAY + 33, TODAY + 45)
    with world.writing() as record:
        reading = record.session.query(Interrogation).one()
        give_boluses(record, "B-1", reading, *(NOW_S - day * DAY_S for day in range(1, 29) for _ in range(2)))
    some = refreshed(world, patient)
    assert some.shown["dates"]["use"] == "2"
    assert some.worst_day == none.worst_day
    assert some.expected_day == TODAY + 40  # 1.6 mg a day


def test_boluses_of_the_clinic_are_no_use_of_the_patients(world: ClinicWorld) -> None:
    patient = pump_at_work(world)
    with world.writing() as record:
        reading = record.session.query(Interrogation).one()
        give_boluses(record, "B-1", reading, NOW_S - DAY_S, NOW_S - 2 * DAY_S, kind=SINGLE)
    assert refreshed(world, patient).shown["dates"]["use"] == "0"


def test_without_a_day_of_log_every_bolus_is_expected(world: ClinicWorld) -> None:
    patient = world.patient()
    with world.writing() as record:
        from tests.clinic_world import order_text

        give_program(record, patient, "B-1", order_text(world, patient), NOW_S - HOUR_S)
        give_reading(record, patient, "B-1")
    line = refreshed(world, patient)
    assert line.shown["dates"]["use"] is None
    assert line.expected_day is not None and line.worst_day is not None
    # Every bolus in both; the worst case ends at 3 mL, the expected one at the low level of 2 mL.
    assert (line.worst_day, line.expected_day) == (TODAY + 33, TODAY + 35)


def test_a_fill_after_the_last_reading_counts(world: ClinicWorld) -> None:
    patient = pump_at_work(world, drug="baclofen", strength="500 mcg/mL", dose="200 mcg/day", level="3",
        read_utc_s=NOW_S - 9 * DAY_S)  # fmt: skip
    with world.writing() as record:
        give_fill(record, patient, "B-1", NOW_S - 5 * DAY_S, left="0", filled="18", expected="3", aspirated="3")
    line = refreshed(world, patient)
    assert line.worst_day == TODAY - 5 + 40
    assert line.shown["dates"]["held_by"] == "fill"


def test_stability_caps_the_date_and_names_its_source(world: ClinicWorld) -> None:
    """Morphine alone: the formulary has a time in the pump; a slow dose would last longer than the drug."""
    patient = pump_at_work(world, drug="morphine", strength="25 mg/mL", dose="1 mg/day", level="18")
    with world.writing() as record:
        give_fill(record, patient, "B-1", NOW_S - 10 * DAY_S, left="0", filled="18")
    line = refreshed(world, patient)
    assert line.worst_day is not None
    with world.store.reading() as session:
        dates = line_dates(session, known_of(session, "B-1", patient.id), world.house.formulary, desk_of(session))
    assert dates.stable is not None and dates.stable_source
    assert line.due_day == dates.stable < line.worst_day


@pytest.mark.parametrize("missing", ["reading", "program"])
def test_what_is_not_known_is_in_the_top_band_and_says_why(world: ClinicWorld, missing: str) -> None:
    patient = world.patient()
    with world.writing() as record:
        if missing != "reading":
            give_reading(record, patient, "B-1")
        if missing != "program":
            give_program(record, patient, "B-1", plain_order(patient, "B-1", "baclofen", "500 mcg/mL", "1 mcg/day"), 1)
    refreshed(world, patient)
    row = row_of(world, patient)
    assert row.band is Band.NOW and row.line.worst_day is None
    assert "the date is not known" in row.why
    assert row.line.shown["dates"]["unknown"]


def test_an_order_that_cannot_be_read_is_unknown_and_counts_as_dangerous(world: ClinicWorld) -> None:
    patient = world.patient()
    with world.writing() as record:
        give_reading(record, patient, "B-1")
        give_program(record, patient, "B-1", "[mixture]\n", 1)
    line = refreshed(world, patient)
    assert line.due_day == 0 and line.rank == 0
    assert "cannot be read" in line.shown["dates"]["unknown"]


def test_no_line_without_a_pump_in_use_and_none_for_who_has_left(world: ClinicWorld) -> None:
    patient = pump_at_work(world)
    with world.writing() as record:
        record.change(record.session.get(Patient, patient.id), "left", active=False)  # type: ignore[type-var]
        refresh(record, patient.id)
    assert line_of(world, patient) is None
    with world.writing() as record:
        record.change(record.session.get(Patient, patient.id), "back", active=True)  # type: ignore[type-var]
        refresh(record, patient.id)
    assert line_of(world, patient) is not None
    with world.writing() as record:
        implant = record.session.query(Implant).one()
        record.change(implant, "explanted", until=datetime.fromtimestamp(NOW_S, UTC).date())
        refresh(record, patient.id)
    assert line_of(world, patient) is None


def test_a_line_is_given_up_with_the_transaction(world: ClinicWorld) -> None:
    patient = pump_at_work(world)
    with pytest.raises(RuntimeError), world.writing() as record:
        give_reading(record, patient, "B-1", running=False)
        refresh(record, patient.id)
        raise RuntimeError
    line = line_of(world, patient)
    assert line is not None and line.stopped_utc_s is None


def test_a_stopped_pump_is_in_the_top_band_with_since_when(world: ClinicWorld) -> None:
    patient = pump_at_work(world, running=False, uptime_s=90 * DAY_S, stopped_s=90 * DAY_S - 3 * HOUR_S)
    row = row_of(world, patient)
    assert row.band is Band.NOW and row.line.stopped_utc_s == NOW_S - 3 * HOUR_S
    assert "the pump is stopped" in row.why
    assert [r.line.patient_id for r in shown(world, only=Only.STOPPED).rows] == [patient.id]


def test_a_pump_that_never_had_a_program_is_not_called_stopped(world: ClinicWorld) -> None:
    patient = world.patient()
    with world.writing() as record:
        give_reading(record, patient, "B-1", running=False, loaded=False, delivering=False)
        refresh(record, patient.id)
    assert row_of(world, patient).line.stopped_utc_s is None


def test_marks_tell_of_what_has_to_be_looked_at(world: ClinicWorld) -> None:
    patient = pump_at_work(world, bridging=True, held=True, alarms=1)
    with world.writing() as record:
        record.session.add(
            LinkCommand(row=1, serial="B-1", role="programmer", command=1, path="stop", fields={}, written_utc="",
                log_records=0)
        )  # fmt: skip
        record.keep(Watch(patient_id=patient.id, why="refill", begins_utc_s=NOW_S, ends_utc_s=NOW_S + HOUR_S, plan=[],
            state="open"))  # fmt: skip
        for back, aspirated in ((90, "3.5"), (60, "3"), (30, "2.4")):
            give_fill(record, patient, "B-1", NOW_S - back * DAY_S, expected="4", filled="16", left="0",
                aspirated=aspirated)  # fmt: skip
    kinds = [m["kind"] for m in refreshed(world, patient).shown["marks"]]
    assert kinds == ["held", "bridge", "alarm", "pending", "watch", "gap"]
    gap = line_of(world, patient).shown["marks"][-1]["text"]  # type: ignore[union-attr]
    assert "1.6 mL less left" in gap and "3 refills in a row" in gap


def test_a_gap_that_shrinks_or_turns_is_no_mark(world: ClinicWorld) -> None:
    patient = pump_at_work(world)
    with world.writing() as record:
        for back, aspirated in ((90, "3"), (60, "2"), (30, "3.5")):
            give_fill(record, patient, "B-1", NOW_S - back * DAY_S, expected="4", filled="16", left="0",
                aspirated=aspirated)  # fmt: skip
    assert "gap" not in [m["kind"] for m in refreshed(world, patient).shown["marks"]]


def test_a_notice_is_matched_by_the_software_that_was_read_last(world: ClinicWorld) -> None:
    patient = pump_at_work(world, software="1.3")
    with world.writing() as record:
        for softwares in (["1.3"], ["1.2"]):
            record.keep(FieldNotice(title=f"Notice {softwares[0]}", source="maker", published_on=date(2026, 9, 1),
                action="read the pump", families=[], models=["bench 20"], serials=[], softwares=softwares))  # fmt: skip
    line = refreshed(world, patient)
    assert [n["title"] for n in line.shown["notices"]] == ["Notice 1.3"]
    assert [r.line.patient_id for r in shown(world, only=Only.NOTICE).rows] == [patient.id]


def test_risks_missed_visits_language_and_the_drug_order_stand_on_the_line(world: ClinicWorld) -> None:
    patient = pump_at_work(world, about={"risks": ["lives far away", "deep implant"], "language": "Polish"})
    with world.writing() as record:
        give_booking(record, patient, NOW_S - 5 * DAY_S, state="missed")
        give_booking(record, patient, NOW_S - 500 * DAY_S, state="missed")
        give_fill(record, patient, "B-1", NOW_S - 100 * DAY_S, filled="18", left="0")
        record.keep(Preparation(patient_id=patient.id, mixture_id=1, volume=Volume.parse("20 mL"),
            overfill=Volume.parse("1 mL"), diluent="", state="ordered", needed_by=date(2026, 10, 1)))  # fmt: skip
    line = refreshed(world, patient)
    assert line.shown["risks"] == [
        "lives far away",
        "deep implant",
        "language: Polish",
        "missed visits in the past year: 1",
    ]
    assert line.shown["order"] == {"id": 1, "step": "ordered", "needed_by": "2026-10-01"}


def make_line(world: ClinicWorld, patient_id: int, **facts: Any) -> None:
    known: dict[str, Any] = {
        "serial": f"P-{patient_id}", "search": f"person {patient_id}", "rank": 1, "worst_day": facts.get("due_day"),
        "expected_day": facts.get("due_day"), "booked_day": None, "read_utc_s": NOW_S, "stopped_utc_s": None,
        "looks": 0, "notices": 0, "shown": {"dates": {"stable": None}},
    }  # fmt: skip
    with world.writing() as record:
        if record.session.get(Patient, patient_id) is None:
            record.keep(Patient(id=patient_id, number=str(patient_id), reference=str(patient_id), given="A", family="B",
                birth_date=date(1970, 1, 1), search=""))  # fmt: skip
        record.session.merge(BoardLine(patient_id=patient_id, **{**known, **facts}))


def bands(world: ClinicWorld, now_s: int = NOW_S) -> dict[int, Band]:
    return {row.line.patient_id: row.band for row in shown(world, now_s).rows}


def test_baclofen_and_clonidine_rank_above_equal_dates_by_the_formularys_risk(world: ClinicWorld) -> None:
    plain = pump_at_work(world, "1", "B-1", drug="morphine", strength="4 mg/mL", dose="1.6 mg/day", level="18")
    risky = pump_at_work(world, "2", "B-2", drug="baclofen", strength="500 mcg/mL", dose="200 mcg/day", level="18")
    clonidine = pump_at_work(world, "3", "B-3", drug="clonidine", strength="500 mcg/mL", dose="200 mcg/day", level="18")
    rows = shown(world).rows
    assert len({(r.band, r.line.due_day) for r in rows}) == 1
    assert [r.line.patient_id for r in rows] == [risky.id, clonidine.id, plain.id]
    assert rows[0].line.shown["dangerous"] == ["baclofen"]


settings_of = DeskSettings()
days = st.integers(TODAY - 30, TODAY + 120)


@st.composite
def lines(draw: Any) -> dict[str, Any]:
    due = draw(days | st.just(0))
    worst = None if due == 0 else due + draw(st.integers(0, 40))
    return {
        "due_day": due, "worst_day": worst, "booked_day": draw(st.none() | days), "rank": draw(st.integers(0, 1)),
        "stopped_utc_s": draw(st.none() | st.just(NOW_S - 5)), "looks": draw(st.integers(0, 2)),
        "read_utc_s": draw(st.none() | st.integers(NOW_S - 300 * DAY_S, NOW_S)),
    }  # fmt: skip


@pytest.fixture(scope="module")
def lined(tmp_path_factory: Any) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path_factory.mktemp("lined"))
    yield made
    made.end()


@given(st.lists(lines(), min_size=1, max_size=12), st.integers(0, 60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_j8_a_patient_whose_worst_case_is_before_the_booked_date_is_never_outside_the_top_band(
    lined: ClinicWorld, made: list[dict[str, Any]], later: int
) -> None:
    with lined.writing() as record:
        record.session.execute(delete(BoardLine))
    for number, facts in enumerate(made, 1):
        make_line(lined, number, **facts)
    at = NOW_S + later * DAY_S
    today = TODAY + later
    for row in shown(lined, at).rows:
        line = row.line
        if line.worst_day is None or (line.booked_day is not None and line.worst_day < line.booked_day):
            assert row.band is Band.NOW
        if line.worst_day is not None and line.worst_day <= today:
            assert row.band is Band.NOW
        if line.stopped_utc_s is not None:
            assert row.band is Band.NOW
        if line.booked_day is None and line.due_day <= today + settings_of.book_within_days:
            assert row.band is Band.NOW
        if row.band is Band.NOW:
            assert row.why, "the gravest band says why"


def of_line(line: BoardLine) -> tuple[int, int, int]:
    return line.due_day, line.rank, line.patient_id


@given(st.lists(lines(), min_size=2, max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_is_by_band_then_days_and_dangerous_drugs_come_before_equals(
    lined: ClinicWorld, made: list[dict[str, Any]]
) -> None:
    with lined.writing() as record:
        record.session.execute(delete(BoardLine))
    for number, facts in enumerate(made, 1):
        make_line(lined, number, **facts)
    keys = [
        (r.band, r.line.stopped_utc_s is None, 0 if r.line.stopped_utc_s is None else r.line.rank, *of_line(r.line))
        for r in shown(lined).rows
    ]
    assert keys == sorted(keys)


def test_bands_change_at_the_clinics_midnight_without_any_write(world: ClinicWorld) -> None:
    make_line(world, 1, due_day=TODAY + settings_of.book_within_days + 1)
    midnight = int(datetime(2026, 9, 22, 5, tzinfo=UTC).timestamp())  # 00:00 in Chicago
    assert bands(world, midnight - 1) == {1: Band.NEXT}
    assert bands(world, midnight) == {1: Band.NOW}


def test_a_booking_that_has_gone_by_is_no_booking(world: ClinicWorld) -> None:
    make_line(world, 1, due_day=TODAY + 20, booked_day=TODAY)
    assert bands(world) == {1: Band.NEXT}
    assert bands(world, NOW_S + DAY_S) == {1: Band.NOW}


@pytest.mark.parametrize(("changes", "shift"), [(date(2026, 11, 1), 5), (date(2027, 3, 14), 6)])
def test_bands_are_right_on_days_of_23_and_25_hours(world: ClinicWorld, changes: date, shift: int) -> None:
    """The days of the two changes in Chicago: the band turns with the wall's midnight before and after them."""
    day = day_number(changes)
    make_line(world, 1, due_day=day + 1, booked_day=day + 1)
    begins = int(datetime(changes.year, changes.month, changes.day, shift, tzinfo=UTC).timestamp())
    length = 25 if changes.month == 11 else 23
    assert bands(world, begins) == {1: Band.SOON}
    assert bands(world, begins + length * HOUR_S - 1) == {1: Band.SOON}
    assert bands(world, begins + length * HOUR_S) == {1: Band.NOW}


def test_an_old_reading_is_an_alarm_of_its_own(world: ClinicWorld) -> None:
    make_line(world, 1, due_day=TODAY + 100, read_utc_s=NOW_S)
    assert bands(world) == {1: Band.LATER}
    later = NOW_S + settings_of.stale_s
    make_line(world, 1, due_day=TODAY + 900, read_utc_s=NOW_S)
    assert not shown(world, later).rows[0].stale
    row = shown(world, later + 1).rows[0]
    assert row.stale and row.band is Band.SOON
    assert shown(world, later + 1, only=Only.STALE).total == 1


@pytest.mark.requirement("AP-16")
def test_the_clinic_sets_its_own_thresholds_and_they_hold_at_once(world: ClinicWorld) -> None:
    make_line(world, 1, due_day=TODAY + 30)
    assert bands(world) == {1: Band.NEXT}
    with world.writing() as record:
        clinic = record.session.query(Clinic).one()
        record.change(clinic, "settings", settings={"desk": {"book_within_days": 30}})
    assert bands(world) == {1: Band.NOW}


def test_a_setting_that_the_desk_does_not_know_is_refused(world: ClinicWorld) -> None:
    with pytest.raises(ValueError, match="book_whenever"):
        DeskSettingsOf({"desk": {"book_whenever": 1}})


def DeskSettingsOf(found: dict[str, Any]) -> DeskSettings:  # noqa: N802
    from thecal.clinic.desk.settings import desk_settings

    return desk_settings(Clinic(settings=found))


def test_paged_and_searched_in_the_database(world: ClinicWorld) -> None:
    for number in range(1, PAGE + 8):
        make_line(world, number, due_day=TODAY + 60 + number, search=f"ada number-{number:03d} 50%")
    first, second = shown(world), shown(world, page=2)
    assert (len(first.rows), len(second.rows), first.pages, first.total) == (PAGE, 7, 2, PAGE + 7)
    assert shown(world, page=99).page == 2
    assert [r.line.patient_id for r in shown(world, search="ADA number-013").rows] == [13]
    assert shown(world, search="50%").total == PAGE + 7
    assert shown(world, search="5%").total == 0 and shown(world, search="_").total == 0
    assert shown(world, band=Band.LATER).pages == 2 and shown(world, band=Band.NOW).rows == ()


def test_the_order_of_the_board_is_read_off_one_index(world: ClinicWorld) -> None:
    query = page_query(Asked(), TODAY, NOW_S, settings_of).limit(PAGE)
    said = str(query.compile(world.store.engine, compile_kwargs={"literal_binds": True}))
    explain, index = "EXPLAIN QUERY PLAN", "COVERING INDEX ix_board_line_order"
    with world.store.reading() as session:
        if world.store.dialect == "postgresql":
            explain, index = "EXPLAIN", "Index Only Scan using ix_board_line_order"
            for way in ("seqscan", "bitmapscan"):  # which it takes for tables as small as this one
                session.execute(text(f"SET LOCAL enable_{way} = off"))
        plan = " ".join(str(row) for row in session.execute(text(f"{explain} {said}")))
    assert index in plan


def test_bands_have_words_and_shapes_of_their_own() -> None:
    assert len(set(BAND_WORDS.values())) == len(set(BAND_SHAPES.values())) == len(Band)
