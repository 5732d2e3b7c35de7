"""What somebody has to look at on a line of the board, and what makes a patient hard to lose: each as words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, select

from thecal.clinic.desk.dates import last_gaps, running_order
from thecal.clinic.pharmacy.states import OPEN
from thecal.clinic.record.tables import Booking, LinkCommand, LinkOutcome, Mixture, Preparation, Scan, Watch
from thecal.formulary import UnknownDrug
from thecal.therapy.published import published
from thecal.therapy.refusal import day_text
from thecal.therapy.residual import SHOWN, Side, trend
from thecal.twin.records import ALARMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.orm import Session

    from thecal.clinic.desk.dates import Known
    from thecal.clinic.record.tables import Patient
    from thecal.formulary import Formulary
    from thecal.quantities import Volume

YEAR_S = 365 * 86_400
OPEN_WATCH = ("open", "planned", "watching")
"""States of a watch that is not over."""


@dataclass(frozen=True, slots=True)
class PumpState:
    """Since when a pump delivers nothing (UTC in s), None while it does or was never read; and its marks."""

    stopped_utc_s: int | None
    marks: tuple[dict[str, str], ...]


def mark(kind: str, text: str) -> dict[str, str]:
    """One thing to look at: its kind, for filters and shapes, and what it says."""
    return {"kind": kind, "text": text}


def pump_state(known: Known) -> PumpState:
    """What the newest reading says: stopped, held, on a bridge, alarms."""
    if known.reading is None:
        return PumpState(None, ())
    status, read = known.reading.status, known.reading.read_utc_s
    stopped, why = _stopped(known, status, read)
    marks = [mark("stopped", why)] if stopped is not None else []
    if status.get("held"):
        marks.append(mark("held", "the pump's monitor holds delivery back"))
    if status.get("bridging"):
        marks.append(mark("bridge", "bridge runs"))
    alarms = int(status.get("alarms", 0))
    marks += [mark("alarm", f"alarm: {name}") for bit, name in enumerate(ALARMS) if alarms >> bit & 1]
    return PumpState(stopped, tuple(marks))


def _stopped(known: Known, status: Mapping[str, Any], read_utc_s: int) -> tuple[int | None, str]:
    """Since when a pump delivers nothing that should, and why; None where it delivers, or never had a program.

    A pump that an alarm holds still, or that lost its program, does so since its reading at the latest.
    """
    if not status.get("loaded"):
        lost = known.run is not None and known.run.confirmed_utc_s < read_utc_s
        return (read_utc_s if lost else None), "the pump has lost its program and delivers nothing"
    if not status.get("running", True):
        since = read_utc_s - max(0, int(status.get("uptime_s", 0)) - int(status.get("stopped_s", 0)))
        return since, "pump stopped"
    return (None if status.get("delivering", True) else read_utc_s), "the pump runs and delivers nothing"


def marks_of(session: Session, patient_id: int, serial: str, known: Known) -> list[dict[str, str]]:
    """Marks that the record gives rather than the pump: commands of unknown outcome, a watch, a scan, a gap."""
    found = []
    if pending := _pending(session, serial):
        what = "a command" if pending == 1 else f"{pending} commands"
        found.append(mark("pending", f"{what} of unknown outcome"))
    if _watched(session, patient_id):
        found.append(mark("watch", "watch is open"))
    found += _ends_early(session, patient_id)
    if _scanned(session, patient_id):
        found.append(mark("mri", "away for an MRI scan: the pump was not read and signed off since"))
    if (gap := gap_mark(last_gaps(session, serial, patient_id, SHOWN))) is not None:
        found.append(gap)
    if known.reading is not None and known.reading.log_fault:
        found.append(mark("log", "the pump's log is damaged"))
    return found


def _pending(session: Session, serial: str) -> int:
    done = exists().where(LinkOutcome.row == LinkCommand.row)
    query = select(func.count()).select_from(LinkCommand).where(LinkCommand.serial == serial, ~done)
    return session.scalar(query) or 0


def _watched(session: Session, patient_id: int) -> bool:
    query = select(Watch.id).where(Watch.patient_id == patient_id, Watch.state.in_(OPEN_WATCH))
    return session.scalars(query.limit(1)).first() is not None


def _ends_early(session: Session, patient_id: int) -> list[dict[str, str]]:
    """Syringes on their way that may not be used any more on the day of the refill."""
    query = select(Preparation).where(
        Preparation.patient_id == patient_id,
        Preparation.state.in_([str(state) for state in OPEN]),
        Preparation.beyond_use < Preparation.needed_by,
    )
    return [
        mark("drug", f"the syringe ends on {day_text(row.beyond_use)}; it is needed on {day_text(row.needed_by)}")
        for row in session.scalars(query.order_by(Preparation.id))
        if row.beyond_use is not None
    ]


def _scanned(session: Session, patient_id: int) -> bool:
    query = select(Scan.id).where(Scan.patient_id == patient_id, Scan.state == "away")
    return session.scalars(query.limit(1)).first() is not None


def gap_mark(gaps: list[Volume]) -> dict[str, str] | None:
    """A residual gap that goes the same way again and grows, from the gaps of the last refills, oldest first."""
    if not gaps:
        return None
    seen = trend(gaps, published().repeated_gap.count)
    if not seen.repeated or abs(gaps[-1]) <= abs(gaps[-2]):
        return None
    way = "less left" if seen.side is Side.LESS_LEFT else "more left"
    return mark(
        "gap", f"residual gap grows: {abs(gaps[-1]).text('mL')} {way} than expected, {seen.run} refills in a row"
    )


def risk_notes(session: Session, patient: Patient, now_s: int) -> list[str]:
    """Risks that somebody noted, the language where it is not English, and missed visits of the past year."""
    notes = [str(risk) for risk in patient.risks or []]
    if patient.language and patient.language != "English" and "language" not in notes:
        notes.append(f"language: {patient.language}")
    query = select(func.count()).select_from(Booking).where(
        Booking.patient_id == patient.id, Booking.state == "missed", Booking.begins_utc_s > now_s - YEAR_S
    )  # fmt: skip
    if missed := session.scalar(query) or 0:
        notes.append(missed_note(missed))
    return notes


def missed_note(count: int) -> str:
    """Missed visits as a risk. One alone makes nobody a patient whom a person has to call."""
    return f"missed visits in the past year: {count}"


def withdrawal_drugs(session: Session, known: Known, formulary: Formulary) -> list[str]:
    """Drugs in the pump that are dangerous to stop, by the formulary; an unknown drug or pump content counts as one."""
    drugs = _drugs(session, known, formulary)
    if drugs is None:
        return [] if known.run is None and known.fill is None else ["unknown drug"]
    return [name for code in drugs if (name := _dangerous(code, formulary)) is not None]


def _drugs(session: Session, known: Known, formulary: Formulary) -> Iterable[str] | None:
    if known.run is not None:
        order = running_order(known.run.order_text, formulary)
        return None if isinstance(order, str) else order.mixture.drugs
    mixture = session.get(Mixture, known.fill.mixture_id) if known.fill is not None else None
    return None if mixture is None else [str(part["drug"]) for part in mixture.ingredients]


def _dangerous(code: str, formulary: Formulary) -> str | None:
    try:
        drug = formulary.drug(code)
    except UnknownDrug:
        return code
    return drug.display_name if drug.withdrawal.risk.physician_must_choose else None
