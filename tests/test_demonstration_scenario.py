"""The scenario file of the demonstration: what ships can be read, and what is wrong is said with its place."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from thecal.demonstration.happening import Kind
from thecal.demonstration.pressing import presses_between
from thecal.demonstration.scenario import FILE, Presses, parse_scenario, read_scenario
from thecal.formulary import load
from thecal.pump.device import FaultKind
from thecal.therapy.file_problems import FileRefused, Trouble

TEXT = FILE.read_text("utf-8")


def refused(old: str, new: str) -> list[tuple[str, str, bool]]:
    """Trouble and field of everything that is wrong once a part of the file is another one; whether it has a place."""
    assert old in TEXT
    with pytest.raises(FileRefused) as caught:
        parse_scenario(TEXT.replace(old, new, 1), "clinic.toml", load())
    return [(p.trouble.value, p.field, p.place is not None and p.place.line > 1) for p in caught.value.problems]


def test_the_clinic_has_36_patients_with_everything_that_a_visitor_looks_for() -> None:
    scenario = read_scenario(FILE, load())
    happened = {p.family: {h.kind for h in p.happenings} for p in scenario.patients}
    faults = {p.family: [h.values["fault"] for h in p.happenings if h.kind is Kind.FAULT] for p in scenario.patients}
    assert len(scenario.patients) == 36
    assert Kind.STOP in happened["Standstill"]
    assert Kind.LOST in happened["Openquestion"]
    assert Kind.MIXTURE in happened["Bridgeman"]
    assert Kind.SYRINGE in happened["Duetoday"]
    assert faults["Growinggap"] == [FaultKind.LOST_STROKES] * 4
    assert FaultKind.LOSS_OF_THERAPY in faults["Outofreach"]
    assert any("valve-20" in notice.families for notice in scenario.notices)
    bases = {type(t.program.base).__name__ for t in scenario.therapies.values()}
    assert bases == {"Continuous", "DaySchedule", "RepeatedDoses"}
    assert any(t.program.patient_bolus for t in scenario.therapies.values())


@pytest.mark.parametrize(
    ("old", "new", "trouble", "field"),
    [
        ('therapy = "morphine-steady"', 'therapy = "morphine"', Trouble.UNKNOWN_WORD, "patients[0].therapy"),
        ('family = "peristaltic-20"', 'family = "constant-flow-30"', Trouble.UNKNOWN_PUMP, "patients[0].pump.family"),
        ('first_fill = "18 mL"', 'first_fill = "18"', Trouble.BAD_AMOUNT, "patients[0].first_fill"),
        ("days_ago = 70", "days_ago = 700", Trouble.OUT_OF_RANGE, "patients[0].pump.days_ago"),
        ('kind = "refill"', 'kind = "refilll"', Trouble.UNKNOWN_WORD, "patients[0].history[0].kind"),
        ('zone = "America/Chicago"', 'zone = "Chicago"', Trouble.UNKNOWN_WORD, "clinic.zone"),
        ('roles = ["engineer"]', 'roles = ["mechanic"]', Trouble.UNKNOWN_WORD, "staff[7].roles"),
        ('number = "D-1002"', 'number = "D-1001"', Trouble.OUT_OF_RANGE, "patients[1].number"),
        ("days = 90", "dais = 90", Trouble.MISSING_FIELD, "days"),
    ],
)
def test_what_is_wrong_is_said_with_its_field_and_line(old: str, new: str, trouble: Trouble, field: str) -> None:
    found = refused(old, new)
    assert (trouble.value, field) in {(t, f) for t, f, _ in found}, found
    assert all(placed for t, f, placed in found if f == field and f != "days")


def test_presses_are_the_same_for_the_same_patient_and_come_in_their_order() -> None:
    pattern = Presses((8 * 3600, 20 * 3600), 1800, 25, 50)
    zone = ZoneInfo("America/Chicago")
    start = int(datetime(2027, 3, 1, tzinfo=UTC).timestamp())
    whole = list(presses_between("D-1", pattern, zone, start, start + 40 * 86_400))
    parts = [
        at
        for day in range(40)
        for at in presses_between("D-1", pattern, zone, start + day * 86_400, start + (day + 1) * 86_400)
    ]
    assert whole == parts == sorted(whole)
    assert 40 < len(whole) < 120, "some are left out, and some come twice"
    assert whole != list(presses_between("D-2", pattern, zone, start, start + 40 * 86_400))
