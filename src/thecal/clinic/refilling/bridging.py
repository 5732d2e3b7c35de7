"""The bridge of a refill with another fluid: how much old drug is pushed out at which dose, and when the new one
arrives.

All of it is plug flow (therapy.bridge); every answer says so. Leaving the bridge out is a physician's, with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import tomli_w

from thecal.clinic.programming.order_text import known, tables_of
from thecal.clinic.programming.signing import sign
from thecal.clinic.record.tables import Order as OrderRow
from thecal.clinic.record.tables import ProgramRun
from thecal.clinic.refilling.case import Case, case_of, proposed_order
from thecal.clinic.refilling.entries import Wrong, amount, entry, finish, near_miss, open_here
from thecal.clinic.refilling.gap import pump_time
from thecal.clinic.refilling.syringe import today_of
from thecal.clinic.refused import Refused
from thecal.clinic.session.stepping import enter
from thecal.clinic.workflow import Step
from thecal.quantities import DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.bridge import Bridge, DrugDose, bridge_between, check_flow, doses_at, front_arrives, plan_bridge
from thecal.therapy.line import BRIDGE_CAUTIONS
from thecal.therapy.pattern import pattern_of, week_second
from thecal.therapy.refusal import Refusal
from thecal.therapy.review import Code

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who
    from thecal.therapy.order import Order
    from thecal.therapy.pattern import Pattern

BRIDGE, WAIVE = "bridge", "waive"
BLOCKED, IN_OLD = "blocked", "in the old drug"
LEAST_REASON = 20
"""Characters that the reason for leaving a bridge out has at least: it is a hard limit's, not a click. Ours."""
MOST_REASON = 400
POINTS = 6
"""Stations of the front in the picture."""
CAUTIONS = tuple(str(c) for c in BRIDGE_CAUTIONS)
_FINE = 10**6
"""A planned dose is rounded down to a millionth of the drug's own unit, so that it can be written as a decimal."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The bridge that arithmetic gives, and how the tip would do without one."""

    dead: Volume
    dose: DoseRate
    unit: str
    bridge: Bridge
    without: Duration | None
    without_doses: tuple[DrugDose, ...]

    @property
    def seconds(self) -> int:
        """How long the bridge lasts, to the second: dead volume over flow."""
        return self.bridge.duration.floor("s")


def planned(case: Case, after: Order) -> Planned | Refusal | Refused:
    """The bridge from what is in the line to the new order, at one steady dose of the old primary drug."""
    dead, before = case.dead, case.order
    if dead is None:
        return Refused(
            Wrong.NOT_KNOWN,
            "a catheter whose volume is not known",
            "its lengths and its volume for each cm",
            "enter the catheter in the chart",
        )
    if before is None:
        return Refused(
            Wrong.NOT_KNOWN, "no order that can be read in the pump", "what ran before", "read the pump again"
        )
    made = bridge_between(dead, (before.program, before.mixture), (after.program, after.mixture), after.pump)
    if isinstance(made, Refusal):
        return made
    old = before.mixture.primary
    unit = case.drug(old.drug).rate_unit
    dose = _rounded_down(made.flow * old.concentration, unit)
    exact = plan_bridge(dead, before.mixture, dose)
    checked = exact if isinstance(exact, Refusal) else check_flow(exact, after.pump)
    if isinstance(checked, Refusal):
        return checked
    without, doses = _without(case, before, after, dead)
    return Planned(dead, dose, unit, checked, without, doses)


def _rounded_down(dose: DoseRate, unit: str) -> DoseRate:
    return DoseRate.of(Fraction((dose.number(unit) * _FINE).__floor__(), _FINE), unit)


def _without(case: Case, before: Order, after: Order, dead: Volume) -> tuple[Duration | None, tuple[DrugDose, ...]]:
    """How long the old fluid would run at the new program's flow, and what it would give meanwhile."""
    pattern = pattern_of(after.program.base, after.mixture, after.pump.minimum_rate)
    if isinstance(pattern, Refusal) or case.read is None:
        return None, ()
    arrival = front_arrives(pattern, after.mixture, dead, pump_time(case, case.read.read_utc_s))
    if isinstance(arrival, Refusal) or not arrival.after:
        return None, ()
    return arrival.after, doses_at(dead / arrival.after, before.mixture)


# Deciding ----------------------------------------------------------------------------------------------------------


def decide(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int, choice: str, boluses: str, bolus_dose: str, reason: str
) -> tuple[Refused, ...]:
    """Order the bridge that was planned, or leave it out with a physician's reason; the order is signed anew with it.

    Boluses are blocked while it runs, or their dose is stated in the old drug.
    """
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        early = open_here(case.session, Step.BRIDGE)
        drafted = proposed_order(practice, db, case.session)
        today = today_of(db, practice.now_s())
    if early is not None or drafted is None:
        return (early or Refused(Wrong.MISSING, "no program", "a signed program", "finish the program first"),)
    row, file = drafted
    change = (
        _waived(practice, who, case, reason)
        if choice == WAIVE
        else _ordered(case, file.order, choice, boluses, bolus_dose)
    )
    if isinstance(change, tuple):
        return change
    text = with_program(row.text, change["program"])
    plan = entry(case.session, Step.PROGRAM).get("plan") or []
    signed = sign(practice, who, session_id, text, today, plan)
    if isinstance(signed, Refused):
        return (signed,)
    return _kept(practice, who, session_id, seen, signed, plan, change["entered"])


def with_program(text: str, change: dict[str, Any]) -> str:
    """An order's text with other fields in its program; None takes a field away, tables are put over those that are
    there.
    """
    tables = tables_of(text)
    program = dict(tables["program"])
    for name, value in change.items():
        program[name] = {**program.get(name, {}), **value} if isinstance(value, dict) and name == "reasons" else value
    return tomli_w.dumps({**tables, "program": known(program)})


def _waived(practice: Practice, who: Who, case: Case, reason: str) -> dict[str, Any] | tuple[Refused, ...]:
    if not who.may("refill.bridge_waive"):
        refused = Refused(
            Wrong.HARD_STOP, f"{who.name} leaving the bridge out", "a physician's decision", "ask a physician", "choice"
        )
        near_miss(practice, who, case.session, "refill: bridge", [refused])
        return (refused,)
    if not LEAST_REASON <= len(reason.strip()) <= MOST_REASON:
        found = f"{len(reason.strip())} characters of justification"
        return (
            Refused(
                Wrong.HARD_STOP,
                found,
                f"{LEAST_REASON} to {MOST_REASON}: why the line may run without a bridge",
                "write the justification",
                "reason",
            ),
        )
    program = {"bridge": None, "reasons": {str(Code.NO_BRIDGE): reason.strip()}}
    return {"program": program, "entered": {"choice": WAIVE, "reason": reason.strip(), "by": who.person_id}}


def _ordered(
    case: Case, after: Order, choice: str, boluses: str, bolus_dose: str
) -> dict[str, Any] | tuple[Refused, ...]:
    if choice != BRIDGE:
        return (
            Refused(
                Wrong.MISSING, "no choice", "the bridge, or a justification for leaving it out", "choose one", "choice"
            ),
        )
    found = planned(case, after)
    if isinstance(found, Refusal | Refused):
        return (Refused(found.code, found.found, found.allowed, found.then, "choice"),)
    bridge: dict[str, Any] = {"volume": found.dead.exact_text("mL"), "dose": found.dose.exact_text(found.unit)}
    if after.program.patient_bolus is not None:
        stated = _bolus(boluses, bolus_dose)
        if isinstance(stated, Refused):
            return (stated,)
        bridge |= stated
    entered = {"choice": BRIDGE, "seconds": found.seconds, "volume": str(found.dead.number("mL")), "boluses": boluses}
    return {"program": {"bridge": bridge}, "entered": entered}


def _bolus(boluses: str, bolus_dose: str) -> dict[str, str] | Refused:
    if boluses == BLOCKED:
        return {}
    if boluses != IN_OLD:
        return Refused(
            Wrong.MISSING,
            "no answer about patient boluses",
            "blocked, or their dose in the old drug",
            "choose one",
            "boluses",
        )
    if not any(c.isalpha() for c in bolus_dose):
        return Refused(
            Wrong.NOT_AN_AMOUNT,
            repr(bolus_dose[:40]),
            "a dose of the old drug with its unit, as 0.1 mg",
            "enter the dose",
            "bolus_dose",
        )
    dose = amount(bolus_dose, Mass, "mg", "bolus_dose", "the dose of a bolus in the old drug")
    return dose if isinstance(dose, Refused) else {"bolus_in_old_drug": bolus_dose.strip()}


def _kept(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int, signed: OrderRow, plan: list[str], entered: dict[str, Any]
) -> tuple[Refused, ...]:
    again = enter(practice, who, session_id, seen, Step.PROGRAM, {"order": signed.id, "plan": list(plan)})
    if isinstance(again, tuple):
        return again
    return finish(practice, who, session_id, again.revision, Step.BRIDGE, entered)


# The front ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Station:
    """Where the front is at a moment: what was moved, as a share of the line, and which part of it that is."""

    at_utc_s: int
    moved: Volume
    share: Fraction
    where: str


@dataclass(frozen=True, slots=True)
class Front:
    """The front between old and new fluid: when it sets out, when it reaches the tip, and where it is now.

    ``running`` is False for what would be if the program were sent now.
    """

    starts_utc_s: int
    arrives_utc_s: int
    stations: tuple[Station, ...]
    now: Station
    running: bool
    tubing_share: Fraction
    cautions: tuple[str, ...] = CAUTIONS

    @property
    def arrived(self) -> bool:
        """Whether the new fluid is at the tip by now."""
        return self.now.share >= 1


def front_of(practice: Practice, db: Session, case: Case, now_s: int) -> Front | Refusal | None:
    """The front of this refill, from the confirmed program on, or as if it were sent now; None where the
    fluid stays.
    """
    drafted = proposed_order(practice, db, case.session)
    if drafted is None or case.dead is None or not case.dead or case.read is None:
        return None
    run = db.query(ProgramRun).filter(ProgramRun.session_id == case.session.id).order_by(ProgramRun.id.desc()).first()
    starts = now_s if run is None else run.confirmed_utc_s
    return moving(case, drafted[1].order, starts, now_s, running=run is not None)


def moving(case: Case, after: Order, starts_s: int, now_s: int, *, running: bool) -> Front | Refusal | None:
    """The front of an order that starts at ``starts_s``: steady while a bridge runs, by the day schedule
    without one.
    """
    dead, previous = case.dead, after.previous
    if dead is None or previous is None:
        return None
    bridge = after.program.bridge
    if bridge is not None:
        made = plan_bridge(bridge.volume, previous.mixture, bridge.dose)
        if isinstance(made, Refusal):
            return made
        seconds, moved = made.duration.floor("s"), _steadily(made.flow)
    else:
        pattern = pattern_of(after.program.base, after.mixture, after.pump.minimum_rate)
        arrival = (
            pattern
            if isinstance(pattern, Refusal)
            else front_arrives(pattern, after.mixture, dead, pump_time(case, starts_s))
        )
        if isinstance(arrival, Refusal) or isinstance(pattern, Refusal):
            return arrival if isinstance(arrival, Refusal) else None
        seconds, moved = arrival.after.floor("s"), _by_schedule(case, pattern, after, starts_s)
    tubing = after.pump.tubing / dead

    def station(at_s: int) -> Station:
        gone = min(max(moved(at_s - starts_s), Volume.zero()), dead) if at_s < starts_s + seconds else dead
        share = gone / dead
        return Station(at_s, gone, share, _where(share, tubing))

    stations = tuple(station(starts_s + seconds * i // (POINTS - 1)) for i in range(POINTS))
    return Front(starts_s, starts_s + seconds, stations, station(max(now_s, starts_s)), running, tubing)


def _steadily(flow: Flow) -> Any:
    return lambda seconds: flow * Duration.of(seconds, "s")


def _by_schedule(case: Case, pattern: Pattern, after: Order, starts_s: int) -> Any:
    first = week_second(pump_time(case, starts_s))
    return lambda seconds: (
        after.mixture.volume_of(pattern.between(first, first + seconds)) if seconds > 0 else Volume.zero()
    )


def _where(share: Fraction, tubing: Fraction) -> str:
    if share >= 1:
        return "at the tip"
    return "in the pump's tubing" if share < tubing else "in the catheter"


def patient_text(name: str, when: str) -> str:
    """What the patient is told; ``when`` is on the clinic's wall, with the month spelled."""
    return f"Dear {name}, your pump was filled with a new medicine. The new medicine reaches you about {when}."
