"""From the order of a syringe to its use: each step in order, by the right people, with amounts that add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.clinic_world import clinic_world, order_text
from tests.record_engines import ENGINES, new_url

from thecal.clinic.pharmacy import (
    by_code,
    checking,
    countdown,
    mixture_in,
    ordering,
    receive,
    stock_lot,
    use,
    worksheets,
)
from thecal.clinic.pharmacy.ceilings import blocking
from thecal.clinic.pharmacy.keeping import Verdict, pump_clocks, syringe_clock
from thecal.clinic.pharmacy.labeling import TOLERANCE, as_printed, label_lines
from thecal.clinic.pharmacy.leads import Lead, learned
from thecal.clinic.pharmacy.lookup import queue
from thecal.clinic.pharmacy.refusing import Why
from thecal.clinic.pharmacy.site_settings import notes_of, set_for_site
from thecal.clinic.pharmacy.states import NEXT, State
from thecal.clinic.pharmacy.syringe_code import ALPHABET, code_for, normal
from thecal.clinic.pharmacy.way import cancel, limits_on, move_needed_by, override, put_label, release, step
from thecal.clinic.programming.order_text import kept_mixture, parsed_by
from thecal.clinic.record.tables import Act, Clinic, DoubleCheck, Implant, NearMiss, Order, Override, Preparation
from thecal.clinic.refused import EditedMeanwhile, Refused
from thecal.formulary import load
from thecal.quantities import Concentration, Mass, Volume
from thecal.therapy.compounding import Powder, Solution, Stock, Worksheet, label, mixture_of_label, worksheet
from thecal.therapy.files import OrderFile
from thecal.therapy.mixture import Ingredient, Mixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

TODAY = date(2026, 9, 21)
NEEDED = date(2026, 10, 5)


@pytest.fixture(scope="module", params=ENGINES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    made = clinic_world(new_url(request.param, tmp_path_factory.mktemp("pharmacy")))
    yield made
    made.end()


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return world.patient()


def entry(patient_id: int, **over: object) -> ordering.Entry:
    whole = ordering.Entry(
        patient_id,
        drugs=("hydromorphone", "bupivacaine"),
        strengths=("4 mg/mL", "10 mg/mL"),
        volume="20 mL",
        diluent="sodium chloride 0.9 %, preservative-free",
        preservative_free="yes",
        needed_by=NEEDED.isoformat(),
        refill_by="2026-11-30",
    )
    return replace(whole, **over)  # type: ignore[arg-type]


SHEET = worksheets.Entry(
    kinds=("solution", "powder"),
    strengths=("10 mg/mL", "98 %"),
    products=("Hydromorphone vial", "Bupivacaine powder"),
    lots=("H-77", "B 12"),
    expires=("2027-01-31", "2027-06-30"),
    preservative_free=("yes", "yes"),
    phs=("", "5.5"),
    overfill="1 mL",
    diluent_product="Sodium chloride 0.9 %",
    diluent_lot="S-1",
    diluent_expires="2027-03-31",
    diluent_free="yes",
    beyond_use="2026-10-20",
    beyond_use_source="USP <797>, category 2",
)
SECOND = checking.Entry(
    drugs=("bupivacaine", "hydromorphone"),
    strengths=("98 %", "10 mg/mL"),
    draws=("214.3 mg", "8.4 mL"),
    total="21 mL",
)


def ordered(world: ClinicWorld, patient: Patient, **over: object) -> Preparation:
    found = ordering.order(world.house, world.people["physician"], entry(patient.id, **over), TODAY)
    assert isinstance(found, Preparation), found
    return found


def done(found: object) -> Preparation:
    assert isinstance(found, Preparation), found
    return found


def written(world: ClinicWorld, patient: Patient, sheet: worksheets.Entry = SHEET, **over: object) -> Preparation:
    row = ordered(world, patient, **over)
    done(step(world.house, world.people["pharmacist"], row.id, State.ACCEPTED))
    return done(worksheets.write(world.house, world.people["pharmacist"], row.id, sheet, TODAY))


def labeled(
    world: ClinicWorld,
    patient: Patient,
    sheet: worksheets.Entry = SHEET,
    second: checking.Entry = SECOND,
    **over: object,
) -> Preparation:
    row = written(world, patient, sheet, **over)
    done(checking.check(world.house, world.people["pharmacist2"], row.id, second))
    return done(put_label(world.house, world.people["pharmacist"], row.id))


def codes(found: object) -> list[str]:
    assert isinstance(found, tuple), found
    return [str(r.code) for r in found]


def fields(found: object) -> set[str]:
    assert isinstance(found, tuple), found
    return {r.field for r in found}


def test_the_whole_way_with_who_and_when(world: ClinicWorld, patient: Patient) -> None:
    row = labeled(world, patient)
    assert row.syringe_code is not None
    done(release(world.house, world.people["pharmacist"], row.id))
    done(step(world.house, world.people["pharmacist"], row.id, State.SHIPPED, carrier="own driver"))
    done(receive(world.house, world.people["nurse"], row.syringe_code.lower().replace("-", " ")))
    with world.writing("nurse") as record:
        assert isinstance(use(record, row, 7), Preparation)
    with world.house.reading() as db:
        acts = db.scalars(
            select(Act).where(Act.subject_kind == "preparation", Act.subject_id == row.id).order_by(Act.id)
        ).all()
    assert [a.kind for a in acts] == [
        "made",
        "accepted",
        "prepared",
        "checked",
        "labeled",
        "released",
        "shipped",
        "received",
        "used",
    ]
    assert {a.by_person for a in acts} >= {
        world.people[n].person_id for n in ("physician", "pharmacist", "pharmacist2", "nurse")
    }
    assert acts[-1].details["session"] == 7


def test_a_syringe_is_used_once(world: ClinicWorld, patient: Patient) -> None:
    row = labeled(world, patient)
    done(release(world.house, world.people["pharmacist"], row.id))
    done(step(world.house, world.people["pharmacist"], row.id, State.SHIPPED))
    done(receive(world.house, world.people["nurse"], str(row.syringe_code)))
    with world.writing("nurse") as record:
        assert isinstance(use(record, row, 1), Preparation)
        again = use(record, row, 1)
    assert isinstance(again, Refused)
    assert again.code == Why.OUT_OF_ORDER


@pytest.mark.parametrize("now", list(State))
def test_only_steps_of_the_table_are_taken(world: ClinicWorld, patient: Patient, now: State) -> None:
    row = ordered(world, patient)
    with world.writing() as record:
        kept = record.get(Preparation, row.id)
        assert kept is not None
        record.change(kept, "a test", state=str(now), worksheet={"by": 0})
    for to in State:
        found = step(world.house, world.people["pharmacist"], row.id, to)
        assert isinstance(found, Preparation) is (to in NEXT[now]), (now, to)
        with world.writing() as record:
            kept = record.get(Preparation, row.id)
            assert kept is not None
            if kept.state != now:
                record.change(kept, "a test", state=str(now))


def test_an_order_opens_empty_and_names_every_field(world: ClinicWorld, patient: Patient) -> None:
    found = ordering.order(world.house, world.people["physician"], ordering.Entry(patient.id), TODAY)
    assert fields(found) == {"drugs.0", "volume", "diluent", "preservative_free", "needed_by"}


@pytest.mark.parametrize(
    ("over", "field", "code"),
    [
        ({"preservative_free": "no"}, "preservative_free", Why.PRESERVED),
        ({"needed_by": "2026-09-20"}, "needed_by", Why.NOT_ALLOWED),
        ({"needed_by": "soon"}, "needed_by", Why.UNREADABLE),
        ({"refill_by": "2026-10-05"}, "refill_by", Why.NOT_ALLOWED),
        ({"volume": ".5 mL"}, "volume", Why.UNREADABLE),
        ({"volume": "0 mL"}, "volume", Why.UNREADABLE),
        ({"drugs": ("vincristine",), "strengths": ("1 mg/mL",)}, "drugs.0", Why.NOT_ALLOWED),
        ({"drugs": ("morphium",), "strengths": ("1 mg/mL",)}, "drugs.0", Why.UNKNOWN),
        ({"drugs": ("morphine", "morphine"), "strengths": ("1 mg/mL", "2 mg/mL")}, "drugs.1", Why.NOT_ALLOWED),
        ({"drugs": ("morphine",), "strengths": ("1 mg",)}, "strengths.0", Why.UNREADABLE),
    ],
)
def test_a_wrong_order_is_refused_at_its_field(
    world: ClinicWorld, patient: Patient, over: dict[str, object], field: str, code: Why
) -> None:
    found = ordering.order(world.house, world.people["physician"], entry(patient.id, **over), TODAY)
    assert isinstance(found, tuple)
    assert (field, code) in {(r.field, r.code) for r in found}


def test_a_therapy_order_gives_the_mixture(world: ClinicWorld) -> None:
    patient = world.patient("1002", serial="B-2")
    text = order_text(world, patient, "B-2")
    read = parsed_by(text, world.house.formulary)
    assert isinstance(read, OrderFile)
    with world.writing("physician") as record:
        row = kept_mixture(record, read.order.mixture)
        order = record.keep(
            Order(
                patient_id=patient.id, serial="B-2", title="t", state="signed", text=text, digest="d", mixture_id=row.id
            )
        )
    typed = entry(patient.id, order_id=order.id, drugs=("baclofen",), strengths=("2 mg/mL",))
    made = done(ordering.order(world.house, world.people["physician"], typed, TODAY))
    with world.house.reading() as db:
        assert mixture_in(db, made).drugs == ("morphine", "bupivacaine", "clonidine")
        assert made.order_id == order.id
    other = world.patient("1003", serial=None)
    found = ordering.order(world.house, world.people["physician"], replace(typed, patient_id=other.id), TODAY)
    assert codes(found) == [Why.NOT_ALLOWED]


def test_the_worksheet_adds_up_and_is_kept_without_loss(world: ClinicWorld, patient: Patient) -> None:
    row = written(world, patient)
    sheet = worksheets.sheet_of(row.worksheet)
    assert sheet.check_sum == sheet.total == Volume.of(21, "mL")
    hydromorphone, bupivacaine = sheet.lines
    assert hydromorphone.draw == Volume.parse("8.4 mL")
    assert hydromorphone.amount == Mass.of(84, "mg")
    assert bupivacaine.weigh.number("mg") == Fraction(210 * 100, 98)
    stocks: dict[str, Stock] = {
        "hydromorphone": Solution(Concentration.parse("10 mg/mL")),
        "bupivacaine": Powder(Fraction(98, 100)),
    }
    with world.house.reading() as db:
        assert sheet == worksheet(mixture_in(db, row), Volume.of(20, "mL"), Volume.of(1, "mL"), stocks)


@pytest.mark.parametrize(
    ("over", "field", "code"),
    [
        ({"preservative_free": ("no", "yes")}, "preservative_free.0", Why.PRESERVED),
        ({"preservative_free": ("", "yes")}, "preservative_free.0", Why.MISSING),
        ({"diluent_free": "no"}, "diluent_free", Why.PRESERVED),
        ({"phs": ("3", "")}, "phs.0", Why.ACID),
        ({"ph": "2.9"}, "ph", Why.ACID),
        ({"expires": ("2026-09-20", "2027-06-30")}, "expires.0", Why.EXPIRED),
        ({"lots": ("", "B 12")}, "lots.0", Why.MISSING),
        ({"strengths": ("1 mg/mL", "98 %")}, "strengths.0", Why.COMPOUNDING),
        ({"strengths": ("10 mg/mL", "98")}, "strengths.1", Why.UNREADABLE),
        ({"strengths": ("10 mg/mL", "101 %")}, "strengths.1", Why.UNREADABLE),
        ({"beyond_use_source": ""}, "beyond_use_source", Why.MISSING),
        ({"beyond_use": ""}, "beyond_use", Why.MISSING),
        ({"overfill": ""}, "overfill", Why.MISSING),
    ],
)
def test_stock_that_must_not_go_in_is_a_hard_stop(
    world: ClinicWorld, patient: Patient, over: dict[str, object], field: str, code: Why
) -> None:
    row = ordered(world, patient)
    done(step(world.house, world.people["pharmacist"], row.id, State.ACCEPTED))
    with world.house.reading() as db:
        before = len(db.scalars(select(NearMiss)).all())
    found = worksheets.write(world.house, world.people["pharmacist"], row.id, replace(SHEET, **over), TODAY)  # type: ignore[arg-type]
    assert isinstance(found, tuple)
    assert (field, code) in {(r.field, r.code) for r in found}
    with world.house.reading() as db:
        assert db.get(Preparation, row.id).state == State.ACCEPTED  # type: ignore[union-attr]
        near = len(db.scalars(select(NearMiss)).all()) - before
    assert near == (1 if code in (Why.PRESERVED, Why.ACID, Why.EXPIRED) else 0)


@pytest.mark.requirement("OP-6.8.5")
def test_the_writer_cannot_check_and_a_difference_names_no_value(world: ClinicWorld, patient: Patient) -> None:
    row = written(world, patient)
    assert codes(checking.check(world.house, world.people["pharmacist"], row.id, SECOND)) == [Why.SAME_PERSON]
    wrong = replace(SECOND, draws=("214.3 mg", "4.8 mL"))
    found = checking.check(world.house, world.people["pharmacist2"], row.id, wrong)
    assert codes(found) == [Why.MISMATCH]
    assert fields(found) == {"draws.1"}
    assert isinstance(found, tuple)
    assert "8.4" not in found[0].message
    done(checking.check(world.house, world.people["pharmacist2"], row.id, SECOND))
    with world.house.reading() as db:
        kept = db.scalars(select(DoubleCheck).where(DoubleCheck.what == f"worksheet of preparation {row.id}")).all()
    assert [c.matched for c in kept] == [0, 1]
    assert kept[0].second["draws"] == ["214.3 mg", "4.8 mL"]


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"drugs": ("bupivacaine", "morphine")}, "drugs.1"),
        ({"drugs": ("bupivacaine", "bupivacaine")}, "drugs.1"),
        ({"strengths": ("97 %", "10 mg/mL")}, "strengths.0"),
        ({"strengths": ("98 %", "2 mg/mL")}, "strengths.1"),
        ({"draws": ("21.43 mg", "8.4 mL")}, "draws.0"),
        ({"total": "20 mL"}, "total"),
    ],
)
def test_every_key_value_is_compared(world: ClinicWorld, patient: Patient, over: dict[str, object], field: str) -> None:
    row = written(world, patient)
    found = checking.check(world.house, world.people["pharmacist2"], row.id, replace(SECOND, **over))  # type: ignore[arg-type]
    assert field in fields(found)
    assert Why.MISMATCH in codes(found)


def test_a_worksheet_written_anew_needs_a_new_check(world: ClinicWorld, patient: Patient) -> None:
    row = written(world, patient)
    done(checking.check(world.house, world.people["pharmacist2"], row.id, SECOND))
    again = done(worksheets.write(world.house, world.people["pharmacist"], row.id, SHEET, TODAY))
    assert (again.state, again.worksheet["made"]) == (State.MADE, 2)
    assert codes(put_label(world.house, world.people["pharmacist"], row.id)) == [Why.OUT_OF_ORDER]


ABOVE = {"drugs": ("hydromorphone", "bupivacaine"), "strengths": ("20 mg/mL", "10 mg/mL")}
ABOVE_SHEET = replace(SHEET, strengths=("50 mg/mL", "98 %"))
ABOVE_SECOND = replace(SECOND, strengths=("98 %", "50 mg/mL"))


def test_above_a_ceiling_nobody_releases_without_a_named_override(world: ClinicWorld, patient: Patient) -> None:
    row = labeled(world, patient, ABOVE_SHEET, ABOVE_SECOND, **ABOVE)
    stopped = release(world.house, world.people["pharmacist"], row.id)
    assert set(codes(stopped)) == {Why.ABOVE_CEILING}
    with world.house.reading() as db:
        limits = limits_on(db, row, world.house.formulary)
    lines = blocking(limits, [])
    assert {line.name for line in lines} == {"HYDROmorphone"}
    assert "PACC" in lines[0].authority
    short = override(world.house, world.people["pharmacist"], row.id, lines[0].key, "ok")
    assert isinstance(short, Refused)
    assert short.field == "why"
    for line in lines:
        assert isinstance(release(world.house, world.people["pharmacist"], row.id), tuple)
        done(override(world.house, world.people["pharmacist"], row.id, line.key, "end of life, agreed with Dr One"))
    done(release(world.house, world.people["pharmacist"], row.id))
    with world.house.reading() as db:
        kept = db.scalars(select(Override).where(Override.patient_id == patient.id)).all()
    assert {(o.finding, o.drug) for o in kept} == {("concentration-above", "hydromorphone")}
    assert all(o.by_person == world.people["pharmacist"].person_id and o.reason and o.authority for o in kept)


@pytest.mark.requirement("P8")
def test_no_beyond_use_day_is_unknown_and_stops_the_release(world: ClinicWorld, patient: Patient) -> None:
    row = labeled(world, patient, replace(SHEET, beyond_use="", beyond_use_source=""))
    assert syringe_clock(row).verdict is Verdict.UNKNOWN
    assert syringe_clock(row).amber
    found = release(world.house, world.people["pharmacist"], row.id)
    assert isinstance(found, tuple)
    assert "beyond-use" in found[0].found


def test_two_clocks_stand_apart(world: ClinicWorld, patient: Patient) -> None:
    row = written(world, patient)
    with world.house.reading() as db:
        mixture = mixture_in(db, row)
    syringe, pump = syringe_clock(row), pump_clocks(row, mixture, world.house.formulary)
    assert (syringe.verdict, syringe.until, syringe.source) == (
        Verdict.WITHIN,
        date(2026, 10, 20),
        "USP <797>, category 2",
    )
    assert [(c.verdict, c.until) for c in pump] == [(Verdict.WITHIN, NEEDED + timedelta(days=60))]
    assert "published" in pump[0].source
    late = written(world, patient, refill_by="2026-12-24")
    assert [c.verdict for c in pump_clocks(late, mixture, world.house.formulary)] == [Verdict.BEYOND]
    open_end = written(world, patient, refill_by="")
    assert [c.verdict for c in pump_clocks(open_end, mixture, world.house.formulary)] == [Verdict.NO_REFILL_DAY]


def test_no_stability_source_is_unknown_and_amber() -> None:
    mixture = Mixture(
        (Ingredient("baclofen", Concentration.parse("2 mg/mL")), Ingredient("ketamine", Concentration.parse("1 mg/mL")))
    )
    row = Preparation(needed_by=NEEDED, refill_by=date(2026, 12, 1))
    clocks = pump_clocks(row, mixture, load())
    assert [(c.verdict, c.until, c.amber) for c in clocks] == [(Verdict.UNKNOWN, None, True)]
    assert "no source" in clocks[0].said


def test_moving_the_needed_by_day_is_written_down_and_moves_the_board(world: ClinicWorld, patient: Patient) -> None:
    from thecal.clinic.record.tables import BoardLine

    for row in list(_open(world, patient)):
        cancel(world.house, world.people["pharmacist"], row.id, "a test begins anew")
    row = ordered(world, patient)
    with world.house.reading() as db:
        before = db.get(BoardLine, patient.id)
    assert before is not None
    done(move_needed_by(world.house, world.people["physician"], row.id, date(2026, 9, 30), "the visit was moved"))
    with world.house.reading() as db:
        after = db.get(BoardLine, patient.id)
        act = db.scalars(select(Act).where(Act.subject_id == row.id, Act.kind == "needed-by moved")).one()
    assert after is not None
    assert before.shown["order"] != after.shown["order"]
    assert "2026-09-30" in str(after.shown["order"])
    assert (act.details["was"], act.details["needed_by"], act.details["why"]) == (
        "2026-10-05",
        "2026-09-30",
        "the visit was moved",
    )
    over = move_needed_by(world.house, world.people["physician"], row.id, date(2026, 9, 1), "")
    assert isinstance(over, Refused)
    assert over.field == "needed_by"


def _open(world: ClinicWorld, patient: Patient) -> list[Preparation]:
    with world.house.reading() as db:
        return ordering.open_of(db, patient.id)


def test_the_countdown_by_the_lead_times_of_the_site(world: ClinicWorld, patient: Patient) -> None:
    row = ordered(world, patient)
    ours = countdown(row, {}, TODAY)
    assert [(s.lead, s.due) for s in ours.steps] == [
        (Lead.PRESCRIPTION, date(2026, 9, 30)),
        (Lead.MAKE, date(2026, 10, 2)),
        (Lead.QUALITY_CHECK, date(2026, 10, 3)),
        (Lead.SHIP, NEEDED),
    ]
    assert ours.order_by == date(2026, 9, 28)
    late = countdown(row, {"pharmacy_leads": {"make": 12}}, TODAY)
    assert (late.next and late.next.lead, late.late) == (Lead.PRESCRIPTION, True)
    done(step(world.house, world.people["pharmacist"], row.id, State.ACCEPTED))
    with world.house.reading() as db:
        now = countdown(db.get(Preparation, row.id), {"pharmacy_leads": {"make": 12}}, TODAY)
    assert not now.late
    assert countdown(None, {}, TODAY, NEEDED).steps[0].done is False
    with pytest.raises(ValueError, match="needed"):
        countdown(None, {}, TODAY)


def test_lead_times_and_notes_are_the_sites_own(world: ClinicWorld) -> None:
    bad = set_for_site(world.house, world.people["pharmacist"], {"make": "two"}, {})
    assert fields(bad) == {"make"}
    set_to = set_for_site(
        world.house, world.people["pharmacist"], {"make": "3", "ship": ""}, {"II": "Courier with two signatures."}
    )
    assert isinstance(set_to, Clinic)
    assert set_to.settings["pharmacy_leads"] == {"make": 3}
    assert notes_of(set_to.settings) == {"II": "Courier with two signatures.", "III": "", "IV": "", "V": ""}
    set_for_site(world.house, world.people["pharmacist"], {}, {})


def test_history_says_how_long_steps_took(world: ClinicWorld, patient: Patient) -> None:
    labeled(world, patient)
    with world.house.reading() as db:
        found = {one.lead: one for one in learned(db)}
    assert found[Lead.PRESCRIPTION].seen > 0
    assert found[Lead.PRESCRIPTION].middle_days == 0


def test_recall_finds_every_syringe_of_a_lot(world: ClinicWorld, patient: Patient) -> None:
    one = written(world, patient, replace(SHEET, lots=("RECALL-9", "B 12")))
    other = written(world, patient, replace(SHEET, lots=("H-77", "B 12"), diluent_lot="recall -9"))
    done(worksheets.write(world.house, world.people["pharmacist"], other.id, SHEET, TODAY))
    with world.house.reading() as db:
        found = {f.preparation.id: f.current for f in stock_lot(db, " recall-9 ")}
        assert stock_lot(db, " ") == ()
    assert found == {one.id: True, other.id: False}


def test_the_queue_is_sorted_searched_and_paged(world: ClinicWorld) -> None:
    person = world.patient("2001", serial=None, family="Queue")
    for day in range(30):
        ordered(world, person, needed_by=f"2026-10-{30 - day:02d}", refill_by="")
    with world.house.reading() as db:
        first, second = queue(db, text="queue"), queue(db, text="queue hydromorphone", page=2)
        nothing = queue(db, text="queue 50%_")
    assert (first.found, first.pages, len(first.lines), len(second.lines)) == (30, 2, 25, 5)
    assert [w.preparation.needed_by for w in (*first.lines, *second.lines)] == sorted(
        w.preparation.needed_by for w in (*first.lines, *second.lines)
    )
    assert nothing.found == 0


def test_two_people_cannot_change_the_same_syringe_unseen(world: ClinicWorld, patient: Patient) -> None:
    row = ordered(world, patient)
    done(step(world.house, world.people["pharmacist"], row.id, State.ACCEPTED, 1))
    with pytest.raises(EditedMeanwhile):
        cancel(world.house, world.people["pharmacist2"], row.id, "no longer needed", 1)


def test_a_syringe_past_its_day_is_not_received(world: ClinicWorld, patient: Patient) -> None:
    row = labeled(world, patient)
    done(release(world.house, world.people["pharmacist"], row.id))
    done(step(world.house, world.people["pharmacist"], row.id, State.SHIPPED))
    now = world.house.now_s
    try:
        world.house.now_s = lambda: now() + 60 * 86_400
        assert codes(receive(world.house, world.people["nurse"], str(row.syringe_code))) == [Why.BEYOND_USE]
    finally:
        world.house.now_s = now
    assert codes(receive(world.house, world.people["nurse"], "TH-0000-0000-1")) == [Why.NO_CODE]


@given(st.integers(1, 10**6), st.integers(0, 8), st.integers(1, 31))
def test_every_slip_of_one_character_is_found(number: int, at: int, by: int) -> None:
    code = code_for("clinic", number, 0)
    letters = [c for c in code.removeprefix("TH-") if c != "-"]
    assert normal(code) == normal(code.lower().replace("-", " ")) == code
    letters[at] = ALPHABET[(ALPHABET.index(letters[at]) + by) % 32]
    assert normal("".join(letters)) is None


amounts = st.fractions(min_value=Fraction(1, 1000), max_value=100, max_denominator=1997)


@given(
    st.lists(amounts, min_size=1, max_size=5),
    st.fractions(min_value=Fraction(1, 2), max_value=60, max_denominator=100),
    st.fractions(min_value=0, max_value=5, max_denominator=100),
)
def test_a_label_read_back_gives_the_order_to_the_stated_tolerance(
    strengths: list[Fraction], volume: Fraction, overfill: Fraction
) -> None:
    drugs = ("morphine", "bupivacaine", "clonidine", "fentanyl", "baclofen")
    ordered = Mixture(
        tuple(Ingredient(d, Concentration.of(s, "mg/mL")) for d, s in zip(drugs, strengths, strict=False))
    )
    sheet = worksheet(
        ordered,
        Volume.of(volume, "mL"),
        Volume.of(overfill, "mL"),
        dict.fromkeys(ordered.drugs, Powder(Fraction(9, 10))),
    )
    assert isinstance(sheet, Worksheet)
    lines = label(sheet, {d: load().drug(d).dose_unit for d in ordered.drugs})
    assert mixture_of_label(lines) == ordered
    read = mixture_of_label(as_printed(lines))
    for ingredient in ordered.ingredients:
        assert abs(read.concentration(ingredient.drug) / ingredient.concentration - 1) <= TOLERANCE


def test_the_label_says_total_amount_per_total_volume_first(world: ClinicWorld, patient: Patient) -> None:
    row = written(world, patient)
    lines = label_lines(row.worksheet, world.house.formulary)
    assert [(line.main, line.strength) for line in lines] == [
        ("hydromorphone 84 mg per 21 mL", "(4 mg/mL)"),
        ("bupivacaine 210 mg per 21 mL", "(10 mg/mL)"),
    ]


def test_a_code_finds_its_syringe_and_no_other(world: ClinicWorld, patient: Patient) -> None:
    row = labeled(world, patient)
    with world.house.reading() as db:
        found = by_code(db, str(row.syringe_code))
        assert found is not None
        assert found.id == row.id
        assert by_code(db, "nonsense") is None
        assert db.scalars(select(Implant)).first() is not None
