"""Writing a program without a screen: text, judgment, plan, reasons, draft, signature (journey J3, steps 2 and 3)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.clinic_world import clinic_world
from tests.clinic_world import order_text as first_order
from tests.programming_world import (
    BACLOFEN,
    FIRST,
    FORMULARY,
    TODAY,
    frame,
    implant_row,
    morphine_frame,
    open_session,
    patient_row,
    repeated,
    scheduled,
    steps,
)

from thecal.clinic.programming import draft
from thecal.clinic.programming.composing import asked_of, beginning, composed, opened, parts_of, reason_text
from thecal.clinic.programming.day_chart import day_charts, hourly
from thecal.clinic.programming.draft import Draft, Written
from thecal.clinic.programming.entries import Fields, ReasonRow, StepRow, fields_of, program_tables
from thecal.clinic.programming.finishing import finish
from thecal.clinic.programming.judging import judged_by
from thecal.clinic.programming.order_text import kept_mixture, order_text, parsed_by, previous_tables, tables_of
from thecal.clinic.programming.planned import against_plan, rules
from thecal.clinic.programming.signing import Unsigned, note_near_misses, sign
from thecal.clinic.record.tables import Mixture as MixtureRow
from thecal.clinic.record.tables import NearMiss, Order, Override, Session
from thecal.clinic.refused import EditedMeanwhile, Refused
from thecal.quantities import Mass
from thecal.therapy.files import OrderFile
from thecal.therapy.review import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clinic_world import ClinicWorld

    from thecal.clinic.programming.composing import Composed
    from thecal.clinic.record.tables import Patient

CHICAGO = (("00:00", "0.05 mg/h"), ("02:00", "0.1 mg/h"), ("06:00", "0.05 mg/h"))
"""The program of the test vectors of users-and-interfaces 4.5."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path_factory.mktemp("programming"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    return world.patient()


@pytest.fixture
def session(world: ClinicWorld, patient: Patient) -> Iterator[Session]:
    made = open_session(world, patient)
    yield made
    with world.writing("physician", "closed") as record:
        row = record.get(Session, made.id)
        assert row is not None
        record.change(row, "closed", state="closed")


def of(found: Composed) -> Written:
    assert not found.refused, found.refused
    assert found.written is not None
    return found.written


# The text ---------------------------------------------------------------------------------------------------------


def test_the_text_of_rows_and_tables_is_the_order_of_the_example() -> None:
    text = order_text(
        patient_row(),
        implant_row(),
        TODAY,
        mixture=FIRST["mixture"],
        program=FIRST["program"],
        fill=FIRST["fill"],
        previous=FIRST["previous"],
        first_fill=False,
    )
    example = first_order(None, patient_row())  # type: ignore[arg-type]  # it asks the world for nothing
    made, meant = parsed_by(text, FORMULARY), parsed_by(example, FORMULARY)
    assert isinstance(made, OrderFile) and isinstance(meant, OrderFile)
    assert made.order == meant.order
    assert made.serial == meant.serial


def test_what_is_not_known_is_left_out() -> None:
    text = order_text(
        patient_row(opioid_naive=None, sedatives=None),
        implant_row(catheter_removed=None, tip_level=None, stroke=None, tubing=None),
        TODAY,
        mixture=BACLOFEN,
        program={"base": "stopped"},
    )
    read = tables_of(text)
    assert "opioid_naive" not in read["patient"] and "sedatives" not in read["patient"]
    assert "catheter" not in read and "fill" not in read and "previous" not in read
    assert "calibration" not in read["pump"]


def test_problems_are_refusals_at_dotted_fields() -> None:
    text = frame().text(
        {"base": "day schedule", "days": [{"weekdays": "every day", "steps": [{"from": "00:00", "dose": ".5 mg/h"}]}]}
    )
    found = parsed_by(text, FORMULARY)
    assert isinstance(found, tuple)
    assert [r.field for r in found] == ["program.days.0.steps.0.dose"]
    assert "0.5 mg/h" in found[0].message


def test_what_ran_before_comes_from_its_own_text() -> None:
    text = morphine_frame().text(FIRST["program"])
    before = previous_tables(text, gap="0 s")
    assert before["mixture"] == FIRST["mixture"]
    assert before["gap"] == "0 s"
    assert "delivered_per_day" not in before


def test_a_mixture_is_kept_once(world: ClinicWorld) -> None:
    file = parsed_by(frame().text({"base": "stopped"}), FORMULARY)
    assert isinstance(file, OrderFile)
    with world.writing() as record:
        first, second = kept_mixture(record, file.order.mixture), kept_mixture(record, file.order.mixture)
        other = kept_mixture(record, replace(file.order.mixture, preservative_free=False))
    assert first.id == second.id
    assert other.id != first.id
    with world.house.reading() as db:
        assert [m.id for m in db.scalars(select(MixtureRow).where(MixtureRow.key == first.key))] == [first.id]


# Journey J3: the acceptance criteria ------------------------------------------------------------------------------


def test_j3_every_hour_against_once_a_day_is_a_hard_stop_24_times_the_plan() -> None:
    found = composed(repeated("1 h"), frame(), FORMULARY)
    judged = found.judged
    assert judged is not None
    assert judged.stopped
    assert [r.code for r in judged.plan] == ["total differs from the plan"]
    assert "1,440 mcg in 24 h, 24 times the plan" in judged.plan[0].found
    assert "60 mcg" in judged.plan[0].allowed
    assert any("24 times a day" in line for line in judged.lines)
    assert judged.totals[0].average == Mass.of(60, "mcg") * 24
    assert Code.CEILING_BELOW_PROGRAM in {f.code for f in judged.hard}


def test_j3_the_same_against_what_ran_before_is_the_reviews_own_hard_stop() -> None:
    once = of(composed(repeated("24 h"), frame(), FORMULARY)).text
    changed = frame(previous=previous_tables(once, gap="0 s"), first_fill=False)
    judged = composed(repeated("1 h", plan=("1,440 mcg",)), changed, FORMULARY).judged
    assert judged is not None
    assert not judged.plan
    assert Code.HOURLY_FOR_DAILY in {f.code for f in judged.hard}


def test_j3_once_a_day_is_as_planned() -> None:
    judged = composed(repeated("24 h"), frame(), FORMULARY).judged
    assert judged is not None
    assert not judged.plan and not judged.hard
    assert any("once a day" in line for line in judged.lines)


@given(
    starts=st.lists(st.integers(1, 1439), max_size=20, unique=True).map(sorted),
    doses=st.lists(st.integers(0, 10**6), min_size=21, max_size=21),
)
@settings(max_examples=60, deadline=None)
def test_j3_totals_equal_the_integral(starts: list[int], doses: list[int]) -> None:
    minutes = [0, *starts]
    rows = tuple((f"{m // 60:02}:{m % 60:02}", f"{_decimal(d)} mg/h") for m, d in zip(minutes, doses, strict=False))
    judged = composed(scheduled(*rows), morphine_frame(), FORMULARY).judged
    assert judged is not None and judged.totals
    ends = [*minutes[1:], 1440]
    integral = sum(
        (Fraction(d, 10**6) * Fraction(e - b, 60) for b, e, d in zip(minutes, ends, doses, strict=False)), Fraction(0)
    )
    found = judged.totals[0].average.number("mg")
    assert abs(found - integral) <= integral / 10**9
    assert found == integral


def _decimal(millionths: int) -> str:
    text = f"{millionths // 10**6}.{millionths % 10**6:06}".rstrip("0").rstrip(".")
    return text or "0"


def test_j3_vectors_of_a_pump_clock_and_of_a_schedule_that_followed_the_wall() -> None:
    judged = composed(scheduled(*CHICAGO), morphine_frame(), FORMULARY).judged
    assert judged is not None and judged.order is not None
    assert {total.text("mg") for total in judged.totals[0].by_weekday} == {"1.4 mg"}
    sunday = hourly(judged.order, 6)
    whole = sum(sunday, start=Mass.zero())
    assert whole == Mass.parse("1.4 mg")
    assert whole - sunday[2] == Mass.parse("1.3 mg")  # 8 Mar 2026: 02:00 to 02:59 does not exist on the wall
    assert whole + sunday[1] == Mass.parse("1.45 mg")  # 1 Nov 2026: 01:00 to 01:59 comes twice


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ((("01:00", "0.05 mg/h"),), "program.days.0.steps.0.from"),
        ((("00:00", "0.05 mg/h"), ("06:00", "0.1 mg/h"), ("05:00", "0.05 mg/h")), "program.days.0.steps.2.from"),
        ((("00:00", "05:00", "0.05 mg/h"), ("06:00", "24:00", "0.1 mg/h")), "program.days.0.steps.0.to"),
        ((("00:00", "07:00", "0.05 mg/h"), ("06:00", "24:00", "0.1 mg/h")), "program.days.0.steps.0.to"),
        ((("00:00", "0.05 mg/h"), ("06:00", "23:00", "0.1 mg/h")), "program.days.0.steps.1.to"),
    ],
    ids=["gap at the start", "overlap", "gap", "overlap by the end", "gap at the end"],
)
def test_j3_steps_that_overlap_or_leave_a_gap_are_refused_at_their_field(
    rows: tuple[tuple[str, str], ...], field: str
) -> None:
    found = composed(scheduled(*rows), morphine_frame(), FORMULARY)
    assert found.written is None
    assert [r.field for r in found.refused] == [field]


# The plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "held"),
    [
        ("1.4 mg", True),
        ("1.407 mg", True),
        ("1.408 mg", False),
        ("1.394 mg", True),
        ("1.393 mg", False),
        ("0.14 mg", False),
    ],
)
def test_the_total_is_held_against_the_plan_above_and_below(plan: str, held: bool) -> None:
    judged = composed(scheduled(*CHICAGO, plan=(plan,)), morphine_frame(), FORMULARY).judged
    assert judged is not None
    assert (judged.plan == ()) is held


def test_a_plan_that_is_missing_stops_and_one_that_cannot_be_read_is_refused_at_its_field() -> None:
    missing = composed(scheduled(*CHICAGO, plan=()), morphine_frame(), FORMULARY)
    assert missing.judged is not None and missing.judged.stopped
    assert [(r.code, r.field) for r in missing.judged.plan] == [("plan missing", "plan.0")]
    wrong = composed(scheduled(*CHICAGO, plan=("1.40 mg",)), morphine_frame(), FORMULARY)
    assert [r.field for r in wrong.refused] == ["plan.0"]


def test_weekdays_and_weekend_have_a_plan_each() -> None:
    fields = scheduled(
        plan=("1.2 mg", "1.4 mg"), days="weekdays and weekend", steps=(steps(("00:00", "0.05 mg/h")), steps(*CHICAGO))
    )
    judged = composed(fields, morphine_frame(), FORMULARY).judged
    assert judged is not None and not judged.plan
    swapped = composed(replace(fields, plan=("1.4 mg", "1.2 mg")), morphine_frame(), FORMULARY).judged
    assert swapped is not None
    assert [r.field for r in swapped.plan] == ["plan.0", "plan.1"]


def test_repeated_doses_on_a_background_are_planned_by_themselves_too() -> None:
    fields = repeated("1 h", plan=("1,680 mcg", "60 mcg"))
    fields = replace(fields, repeated={**fields.repeated, "background": "10 mcg/h"})
    judged = composed(fields, frame(), FORMULARY).judged
    assert judged is not None
    assert [r.field for r in judged.plan] == ["plan.1"]
    assert "24 times the plan" in judged.plan[0].found


def test_the_tolerance_says_whose_it_is() -> None:
    assert rules().tolerance == Fraction(1, 200)
    assert not rules().verified
    order = parsed_by(of(composed(repeated("24 h"), frame(), FORMULARY)).text, FORMULARY)
    assert isinstance(order, OrderFile)
    assert "Thecal, programming 1, not verified" in against_plan(order.order, ["61 mcg"], FORMULARY)[0].allowed


# Entries ----------------------------------------------------------------------------------------------------------


def test_an_empty_form_says_what_to_choose_and_remembers_nothing() -> None:
    fields = opened(frame(), FORMULARY).fields
    assert fields == Fields(ceilings=fields.ceilings)
    assert all(not row.per_1h and not row.per_24h for row in fields.ceilings)
    found = composed(fields, frame(), FORMULARY)
    assert next(r.field for r in found.refused) == "program.base"
    assert found.written is None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"continuous": "100 mg/day"}, "program.dose"),
        ({"continuous": "100"}, "program.dose"),
        (
            {"bolus": {"dose": "0.01 mg", "duration": "5 min", "lockout": "4 h", "most_per_24h": "4"}},
            "program.patient_bolus.dose",
        ),
        (
            {"bolus": {"dose": "10 mcg", "duration": "5 min", "lockout": "4 h", "most_per_24h": "four"}},
            "program.patient_bolus.most_per_24h",
        ),
        (
            {"bolus": {"dose": "10 mcg", "duration": "5 min", "lockout": "", "most_per_24h": "4"}},
            "program.patient_bolus.lockout",
        ),
        ({"low_level": "2 cc"}, "program.low_level"),
        ({"fail_safe": {"motor": "run"}}, "program.fail_safe.motor"),
    ],
)
def test_bad_entries_are_refused_at_their_field(changed: dict[str, object], field: str) -> None:
    fields = replace(repeated("24 h"), base="continuous", continuous="100 mcg/day", plan=("100 mcg",))
    assert not composed(fields, frame(), FORMULARY).refused
    found = composed(replace(fields, **changed), frame(), FORMULARY)  # type: ignore[arg-type]
    assert [r.field for r in found.refused] == [field]


def test_a_program_goes_into_the_form_and_out_again_unchanged() -> None:
    fields = fields_of(FIRST["program"], ("1.4 mg",), FORMULARY, ["morphine", "bupivacaine", "clonidine"])
    made, _ = program_tables(fields)
    again, meant = (
        parsed_by(morphine_frame().text(p), FORMULARY) for p in (made, {**FIRST["program"], "reasons": None})
    )
    assert isinstance(again, OrderFile) and isinstance(meant, OrderFile)
    assert again.order.program == meant.order.program


def test_doses_are_shown_in_the_drugs_own_unit() -> None:
    program = {
        "base": "continuous",
        "dose": "0.3 mg/day",
        "ceilings": [{"drug": "baclofen", "per_1h": "0.05 mg", "per_24h": "0.4 mg"}],
    }
    fields = fields_of(program, (), FORMULARY, ["baclofen"])
    assert fields.continuous == "300 mcg/day"
    assert fields.ceilings[0].per_1h == "50 mcg"


def test_days_that_are_alike_are_shown_as_simply_as_they_are() -> None:
    day = [{"from": "00:00", "dose": "0.05 mg/h"}]
    names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    each = {"base": "day schedule", "days": [{"weekdays": [n], "steps": day} for n in names]}
    assert fields_of(each, (), FORMULARY, ["morphine"]).days == "every day alike"
    other = {
        "base": "day schedule",
        "days": [
            {"weekdays": names[:5], "steps": day},
            {"weekdays": "weekend", "steps": [{"from": "00:00", "dose": "0.04 mg/h"}]},
        ],
    }
    found = fields_of(other, (), FORMULARY, ["morphine"])
    assert found.days == "weekdays and weekend"
    assert found.steps[1] == (StepRow("00:00", "", "0.04 mg/h"),)


# Reasons ----------------------------------------------------------------------------------------------------------


def test_a_reason_holds_for_what_was_found_and_for_nothing_else() -> None:
    fields = scheduled(*CHICAGO)
    first = composed(fields, morphine_frame(), FORMULARY)
    assert first.judged is not None and first.judged.unreasoned
    reasons = tuple(ReasonRow(a.key, a.found, "Discussed with the patient", "for a test") for a in first.asked)
    answered = composed(replace(fields, reasons=reasons), morphine_frame(), FORMULARY)
    assert answered.judged is not None and answered.judged.may_go_on
    higher = replace(
        fields, reasons=reasons, low_level="1 mL", steps=(steps(("00:00", "0.05 mg/h")),), plan=("1.2 mg",)
    )
    after = composed(higher, morphine_frame(), FORMULARY)
    assert after.judged is not None
    keys = {f.key for f in after.judged.unreasoned}
    assert "low-level-low" in keys
    assert keys <= {a.key for a in after.asked if a.found not in {r.found for r in reasons}}


def test_other_needs_words() -> None:
    first = composed(scheduled(*CHICAGO), morphine_frame(), FORMULARY)
    rows = (ReasonRow(first.asked[0].key, first.asked[0].found, "Other", ""),)
    found = composed(scheduled(*CHICAGO, reasons=rows), morphine_frame(), FORMULARY)
    assert [r.field for r in found.refused] == [f"reason.{first.asked[0].key}"]


@given(st.sampled_from(rules().reasons), st.text(max_size=40))
def test_a_reason_is_taken_apart_as_it_was_put_together(choice: str, words: str) -> None:
    text = reason_text(choice, words)
    assert reason_text(*parts_of(text)) == text


def test_reasons_of_what_runs_stay_where_the_same_is_found() -> None:
    running = morphine_frame(previous=FIRST["previous"]).text(FIRST["program"])
    changed = morphine_frame(previous=previous_tables(running, gap="0 s"), running=running, begins=FIRST["program"])
    written = beginning(changed, FORMULARY)
    found = judged_by(written.text, FORMULARY, TODAY)
    assert not found.unreasoned and not found.hard
    assert written.plan == ()
    assert all(a.answered for a in asked_of(found))


def test_changing_the_primary_drug_clears_everything_derived_from_it() -> None:
    written = of(composed(repeated("24 h"), frame(), FORMULARY))
    held = Session(
        id=7,
        patient_id=1,
        serial="B-1",
        workflow="refill-new",
        step="program",
        state="open",
        entered={"draft": Draft(written).as_entered()},
    )
    assert opened(frame(session=held), FORMULARY).fields.base == "repeated doses"
    other = opened(morphine_frame(session=held), FORMULARY)
    assert other.written is None
    assert other.fields == Fields(ceilings=other.fields.ceilings)
    stronger = {**BACLOFEN, "ingredients": [{"drug": "baclofen", "concentration": "1,000 mcg/mL"}]}
    assert opened(frame(session=held, mixture=stronger), FORMULARY).written is None


# The draft --------------------------------------------------------------------------------------------------------

WRITTEN = st.builds(Written, st.text(max_size=200), st.lists(st.text(max_size=8), max_size=3).map(tuple))


@given(first=WRITTEN, later=st.lists(WRITTEN, max_size=10))
def test_undo_restores_byte_identical_text_and_redo_brings_it_back(first: Written, later: list[Written]) -> None:
    states = [Draft(first)]
    for new in later:
        states.append(states[-1].applied(new))
    distinct = [s.now for n, s in enumerate(states) if n == 0 or s.now != states[n - 1].now]
    at = states[-1]
    for expected in reversed(distinct[:-1]):
        at = at.undone()
        assert (at.now.text.encode(), at.now.plan) == (expected.text.encode(), expected.plan)
    assert at.undone() == at
    for expected in distinct[1:]:
        at = at.redone()
        assert at.now == expected
    assert at.redone() == at
    assert draft.draft_in(Session(entered={"draft": at.as_entered()})) == at


def test_stacks_are_bounded() -> None:
    at = Draft(Written("0"))
    for n in range(40):
        at = at.applied(Written(str(n + 1)))
    assert len(at.back) == draft.MOST_BACK


def test_the_draft_lies_in_the_session_and_leaving_it_restores_what_was(world: ClinicWorld, session: Session) -> None:
    who, committed = world.people["physician"], dict(session.entered)
    one = draft.apply(world.house, who, session.id, session.revision, Written("b", ("1 mg",)), Written("a"))
    assert isinstance(one, Session)
    two = draft.undo(world.house, who, session.id, one.revision)
    assert isinstance(two, Session)
    held = draft.draft_in(two)
    assert held is not None and held.now == Written("a")
    three = draft.redo(world.house, who, session.id, two.revision)
    assert isinstance(three, Session)
    four = draft.leave(world.house, who, session.id, three.revision)
    assert isinstance(four, Session)
    assert four.entered == committed


def test_two_people_do_not_write_over_one_another(world: ClinicWorld, session: Session) -> None:
    who = world.people["physician"]
    assert isinstance(draft.apply(world.house, who, session.id, session.revision, Written("b")), Session)
    with pytest.raises(EditedMeanwhile):
        draft.apply(world.house, who, session.id, session.revision, Written("c"))
    found = draft.apply(world.house, world.people["physician2"], session.id, session.revision + 1, Written("c"))
    assert isinstance(found, Refused)


# Signing ----------------------------------------------------------------------------------------------------------


def signable(world: ClinicWorld, patient: Patient) -> str:
    """The first example's order with the facts of this patient as the record has them."""
    tables = tables_of(first_order(world, patient))
    return order_text(
        patient,
        implant_row(),
        TODAY,
        mixture=tables["mixture"],
        program=tables["program"],
        fill=tables["fill"],
        previous=tables["previous"],
        first_fill=False,
    )


def test_signing_keeps_the_order_with_its_overrides(world: ClinicWorld, patient: Patient, session: Session) -> None:
    text, who = signable(world, patient), world.people["physician"]
    order = sign(world.house, who, session.id, text, TODAY, ["1.4 mg"])
    assert isinstance(order, Order), order
    assert (order.state, order.text, order.session_id) == ("signed", text, session.id)
    again = sign(world.house, who, session.id, text, TODAY, ["1.4 mg"])
    assert isinstance(again, Order) and again.id == order.id
    with world.house.reading() as db:
        kept = db.scalars(select(Override).where(Override.order_id == order.id)).all()
        mixture = db.get(MixtureRow, order.mixture_id)
    found = judged_by(text, FORMULARY, TODAY)
    assert len(kept) == len([f for f in found.findings if not f.hard]) > 5
    assert all(row.reason and row.authority and row.formulary for row in kept)
    assert mixture is not None and mixture.ingredients[0]["drug"] == "morphine"


def test_another_text_takes_the_place_of_one_that_was_not_sent(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    text, who = signable(world, patient), world.people["physician"]
    first = sign(world.house, who, session.id, text, TODAY)
    second = sign(world.house, who, session.id, text.replace('low_level = "2 mL"', 'low_level = "2.5 mL"'), TODAY)
    assert isinstance(first, Order) and isinstance(second, Order)
    with world.house.reading() as db:
        old = db.get(Order, first.id)
    assert old is not None and old.state == "withdrawn"


def test_a_hard_stop_is_not_signed_and_is_kept_as_a_near_miss_once(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    text, who = signable(world, patient), world.people["physician"]
    for _ in range(2):
        found = sign(world.house, who, session.id, text, TODAY, ["14 mg"])
        assert isinstance(found, Refused) and found.code == "total differs from the plan"
    with world.house.reading() as db:
        misses = db.scalars(select(NearMiss).where(NearMiss.session_id == session.id)).all()
        orders = db.scalars(select(Order).where(Order.session_id == session.id)).all()
    assert [m.code for m in misses] == ["total differs from the plan"]
    assert misses[0].formulary == world.house.formulary.version
    assert not orders


def test_a_reason_that_is_missing_is_named_and_nothing_is_kept(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    text = signable(world, patient).replace("compounded-off-label =", "compounded-off-label-not =")
    found = sign(world.house, world.people["physician"], session.id, text, TODAY)
    assert isinstance(found, Refused)
    assert found.code is Unsigned.REASON_MISSING
    assert "compounded-off-label" in found.found
    with world.house.reading() as db:
        assert not db.scalars(select(Order).where(Order.session_id == session.id)).all()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("EXAMPLE-1001", "EXAMPLE-1002", Unsigned.OTHER_PATIENT),
        ('serial = "B-1"', 'serial = "B-2"', Unsigned.OTHER_PATIENT),
        ("age_years = 61", "age_years = 60", Unsigned.FACTS_CHANGED),
        ('removed = "32 cm"', 'removed = "30 cm"', Unsigned.FACTS_CHANGED),
    ],
)
def test_an_order_with_other_facts_than_the_record_is_refused(
    world: ClinicWorld, patient: Patient, session: Session, old: str, new: str, code: Unsigned
) -> None:
    text = signable(world, patient)
    assert old in text
    found = sign(world.house, world.people["physician"], session.id, text.replace(old, new), TODAY)
    assert isinstance(found, Refused)
    assert found.code is code


def test_who_may_not_does_not_sign_and_a_session_that_ended_takes_nothing(
    world: ClinicWorld, patient: Patient, session: Session
) -> None:
    text = signable(world, patient)
    by_nurse = sign(world.house, world.people["nurse"], session.id, text, TODAY)
    assert isinstance(by_nurse, Refused) and by_nurse.code is Unsigned.NOT_ALLOWED
    with world.writing("physician", "closed") as record:
        row = record.get(Session, session.id)
        assert row is not None
        record.change(row, "closed", state="closed")
    late = sign(world.house, world.people["physician"], session.id, text, TODAY)
    assert isinstance(late, Refused) and late.code is Unsigned.SESSION_ENDED
    nowhere = sign(world.house, world.people["physician"], 10**6, text, TODAY)
    assert isinstance(nowhere, Refused) and nowhere.code is Unsigned.NO_SESSION


def test_what_a_later_step_answers_leaves_a_draft(world: ClinicWorld, patient: Patient, session: Session) -> None:
    text = signable(world, patient).replace("pump-unverified =", "other =")
    found = sign(world.house, world.people["physician"], session.id, text, TODAY, later=(Code.PUMP_UNVERIFIED,))
    assert isinstance(found, Order)
    assert found.state == "draft"


def test_finishing_moves_the_session_on_with_the_order(world: ClinicWorld, patient: Patient, session: Session) -> None:
    text, who = signable(world, patient), world.people["physician"]
    moved = finish(world.house, who, session.id, session.revision, Written(text, ("1.4 mg",)), TODAY)
    assert isinstance(moved, Session), moved
    assert moved.step == "preview"
    with world.house.reading() as db:
        order = db.get(Order, moved.entered["program"]["order"])
    assert order is not None and order.text == text
    stale = finish(world.house, who, session.id, moved.revision, Written(text, ()), TODAY)
    assert isinstance(stale, tuple) and stale[0].code == "plan missing"


def test_near_misses_of_a_plan_that_is_only_missing_are_not_kept(world: ClinicWorld, session: Session) -> None:
    judged = composed(scheduled(*CHICAGO, plan=()), morphine_frame(), FORMULARY).judged
    assert judged is not None
    assert note_near_misses(world.house, world.people["physician"], session.id, judged) == 0


# The chart of 24 h ------------------------------------------------------------------------------------------------


def test_the_scale_is_tied_to_the_ceiling_and_a_tenfold_dose_lies_above_it() -> None:
    now = parsed_by(of(composed(scheduled(*CHICAGO), morphine_frame(), FORMULARY)).text, FORMULARY)
    tenfold = scheduled(("00:00", "0.5 mg/h"), ("02:00", "1 mg/h"), ("06:00", "0.5 mg/h"))
    then = parsed_by(of(composed(tenfold, morphine_frame(), FORMULARY)).text, FORMULARY)
    assert isinstance(now, OrderFile) and isinstance(then, OrderFile)
    chart = day_charts(now.order, then.order, (), FORMULARY)[0]
    assert (chart.top, chart.unit) == ("0.25", "mg")
    assert chart.above.startswith("Above the scale: 0.5 mg from 00:00")
    assert [(r.current, r.proposed) for r in chart.rows[1:3]] == [("0.05 mg", "0.5 mg"), ("0.1 mg", "1 mg")]
    same = day_charts(now.order, now.order, (), FORMULARY)[0]
    assert same.top == chart.top and not same.above
