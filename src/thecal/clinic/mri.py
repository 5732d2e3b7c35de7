"""MRI and back: what the family of the pump asks for, the reading before, the readings after, and when that is enough.

What a pump does in a scanner's field is its family's own fact, with its source; where a family says nothing, the
worksheet says so and asks the maker. A return is closed on the pump's own word that it recovered, or on two readings
with time between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.desk.lines import refresh
from thecal.clinic.desk.tasks import finish_raised, raise_task
from thecal.clinic.implants import implant_of
from thecal.clinic.record.tables import Fill, Interrogation, LogRecord, Scan
from thecal.clinic.refused import Refused
from thecal.clinic.session.readings import keep_reading, read_whole
from thecal.link.log_reading import Event
from thecal.pump.core.alarms import N_ALARMS, STALL
from thecal.pump.families import InField, UnknownFamily, family
from thecal.quantities import AmountError, Duration, Volume

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Db

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who
    from thecal.pump.families import Family

APART_S = 20 * 60
"""Between two readings that stand for a recovery that the pump did not log. Ours (journey J10)."""
TO_READ = "Read the pump after the MRI scan, and sign the return off: the patient must not be without drug unseen"
LONGEST = Duration.of(14, "days")
MOST_WORDS = 1000
PAGE = 20
"""Worksheets that were signed off, on one page. Ours."""


class No(StrEnum):
    """Why the worksheet did not go on."""

    NO_PUMP = "no pump"
    OPEN = "one is open"
    NO_COVER = "no cover plan"
    BAD_AMOUNT = "not an amount"
    NOT_EMPTIED = "not emptied"
    NOT_READ = "not read"
    NOT_RECOVERED = "not recovered"
    NOT_DELIVERING = "not delivering"
    NOT_RESET = "not reset"
    NOT_REFILLED = "not refilled"
    UNKNOWN_FAMILY = "unknown family"
    WRONG_STATE = "not now"


class State(StrEnum):
    """Where a scan stands."""

    PLANNED = "planned"
    AWAY = "away"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the MRI card: what to do, whose word that is, and whether it was read there."""

    text: str
    source: str
    verified: bool


def family_of(code: str) -> Family | Refused:
    """The family of a pump; refused where this software does not know it, for then it knows nothing of scans either."""
    try:
        return family(code)
    except UnknownFamily:
        then = "ask its maker what it needs around a scan, and do not go by this program"
        return Refused(No.UNKNOWN_FAMILY, f"a pump of the family {code!r}", "a family that Thecal knows", then)


def empty_first(pump: Family) -> bool:
    """Whether this family must be emptied before a scan; a family that does not say is treated as if it must."""
    return pump.empty_before_field is not False


def card(pump: Family) -> tuple[Line, ...]:
    """The lines of the card for a family, the gravest first."""
    return (*_before(pump), *_inside(pump), *_facts(pump), *_afterwards(pump))


def _line(pump: Family, constant: str, text: str) -> Line:
    known = pump.constants.get(constant)
    return Line(text, "not found" if known is None else known.source, known is not None and known.verified)


def _before(pump: Family) -> tuple[Line, ...]:
    match pump.empty_before_field:
        case True:
            text = "EMPTY FIRST: the reservoir must be emptied before the scan. The field can let the drug out."
        case False:
            text = "The drug stays in the pump. Read the pump before the scan."
        case _:
            text = "Nobody here knows whether this pump must be emptied: ask its maker before the scan."
    return (_line(pump, "empty_before_field", text),)


def _inside(pump: Family) -> tuple[Line, ...]:
    match pump.in_field:
        case InField.STOPS_AND_RESUMES:
            text = "In the field the motor stands still and no drug flows. Afterwards it should go on by itself."
        case InField.STAYS_SHUT:
            text = (
                "In the field a valve shuts and stays shut. The pump seems to run and gives nothing until it is reset."
            )
        case InField.UNAFFECTED:
            text = "The flow goes on in the field."
        case _:
            text = "Nobody here knows what this pump does in the field: ask its maker."
    return (_line(pump, "in_field", text),)


def _facts(pump: Family) -> tuple[Line, ...]:
    return tuple(Line(f.text, f.source, f.verified) for f in pump.facts if "MRI" in f.topic)


def _afterwards(pump: Family) -> tuple[Line, ...]:
    stalls = "professional.medtronic.com, MRI guidelines (Aug 2008); TGA, SynchroMed II: caution after MRI"
    text = "Read the pump after the scan, and do not let the patient leave before it delivers again."
    read = Line(text, stalls, verified=True)
    if pump.in_field is not InField.STOPS_AND_RESUMES:
        return (read,)
    late = "The recovery may be logged only at a second reading. A delay of 2 to 24 h is rare, and was reported."
    trap = "A pump that sounded an alarm in the scanner may stay in telemetry mode, without flow, until it is read."
    return (read, Line(late, stalls, verified=True), Line(trap, "TGA, SynchroMed II: caution after MRI", verified=True))


# The worksheet --------------------------------------------------------------------------------------------------------


def open_scan(db: Db, patient_id: int) -> Scan | None:
    """The worksheet of a patient that is not closed, None where there is none."""
    query = select(Scan).where(Scan.patient_id == patient_id, Scan.state != State.CLOSED)
    return db.scalars(query.order_by(Scan.id.desc())).first()


def closed_scans(db: Db, patient_id: int, page: int = 1) -> tuple[list[Scan], int]:
    """One page of worksheets that were signed off, the newest first, and how many pages there are."""
    of_patient = (Scan.patient_id == patient_id, Scan.state == State.CLOSED)
    pages = max(1, -(-(db.scalar(select(func.count(Scan.id)).where(*of_patient)) or 0) // PAGE))
    query = select(Scan).where(*of_patient).order_by(Scan.id.desc()).limit(PAGE)
    return list(db.scalars(query.offset((min(max(1, page), pages) - 1) * PAGE))), pages


def plan(practice: Practice, who: Who, patient_id: int, *, cover: str, without: str) -> Scan | tuple[Refused, ...]:
    """Plan a scan: how long the patient is without drug, and what covers that time; both, whatever the drug is."""
    refused = []
    words = " ".join(cover.split())
    if not 0 < len(words) <= MOST_WORDS:
        then = "say what the patient gets meanwhile, or why nothing is needed"
        refused.append(Refused(No.NO_COVER, f"{len(words)} characters", f"1 to {MOST_WORDS}", then, "cover"))
    lasts = _lasts(without)
    if isinstance(lasts, Refused):
        refused.append(lasts)
    with practice.reading() as db:
        implant, other = implant_of(db, patient_id), open_scan(db, patient_id)
    if implant is None:
        refused.append(Refused(No.NO_PUMP, "a patient without a pump", "one with a pump", "write down the implant"))
    if implant is not None and isinstance(known := family_of(implant.family), Refused):
        refused.append(known)
    if other is not None:
        refused.append(Refused(No.OPEN, f"worksheet {other.id}, which is open", "one at a time", "go on with that one"))
    if refused or implant is None or isinstance(lasts, Refused):
        return tuple(refused)
    with practice.writing(who, "scan planned", patient_id) as record:
        row = Scan(
            patient_id=patient_id,
            serial=implant.serial,
            family=implant.family,
            state=State.PLANNED,
            cover=words,
            without_s=lasts.floor("s"),
            after=[],
        )
        return record.keep(row)


def _lasts(text: str) -> Duration | Refused:
    then = "enter how long the patient may be without drug"
    try:
        found = Duration.parse(text.strip())
    except AmountError as wrong:
        return Refused(No.BAD_AMOUNT, repr(text), str(wrong), then, "without")
    if not Duration.zero() < found <= LONGEST:
        return Refused(No.BAD_AMOUNT, text, f"over 0 h, up to {LONGEST.text('days')}", then, "without")
    return found


def read_before(practice: Practice, who: Who, scan_id: int, seen: int) -> Scan | Refused:
    """Read the pump before the scan."""
    scan = _scan(practice, scan_id)
    wrong = _in_state(scan, State.PLANNED)
    if wrong is not None:
        return wrong
    read = read_whole(practice, scan.serial)
    if isinstance(read, Refused):
        return read
    with practice.writing(who, "pump read before a scan", scan.patient_id) as record:
        row = keep_reading(record, read, scan.patient_id)
        return record.change(record.session.get_one(Scan, scan_id), "read before", seen, before=row.id)


def emptied(practice: Practice, who: Who, scan_id: int, seen: int, aspirated: str) -> Scan | Refused:
    """Write down that the reservoir was emptied, and how much came out."""
    scan = _scan(practice, scan_id)
    wrong = _in_state(scan, State.PLANNED)
    if wrong is not None:
        return wrong
    try:
        volume = Volume.parse(aspirated.strip())
    except AmountError as bad:
        return Refused(No.BAD_AMOUNT, repr(aspirated), str(bad), "enter what came out", "aspirated")
    if volume < Volume.zero() or volume > family(scan.family).reservoir * 2:
        allowed = f"0 mL up to {(family(scan.family).reservoir * 2).text('mL')}"
        return Refused(No.BAD_AMOUNT, aspirated, allowed, "measure it again", "aspirated")
    with practice.writing(who, "pump emptied for a scan", scan.patient_id) as record:
        return record.change(
            record.session.get_one(Scan, scan_id), "emptied", seen, emptied=volume, emptied_utc_s=record.now_s
        )


def go_to_scan(practice: Practice, who: Who, scan_id: int, seen: int) -> Scan | Refused:
    """The patient goes: read before, and emptied where the family must be. The reading after it is a task from now on.

    It is due when the time without drug that was planned for is over.
    """
    scan = _scan(practice, scan_id)
    pump = family(scan.family)
    wrong = _in_state(scan, State.PLANNED)
    if wrong is not None:
        return wrong
    if scan.before is None:
        return Refused(No.NOT_READ, "a pump that was not read", "one that was read for this scan", "read the pump")
    if empty_first(pump) and scan.emptied is None:
        then = "empty the reservoir and write down what came out"
        return Refused(No.NOT_EMPTIED, f"a full {pump.name}", "an emptied one", then)
    with practice.writing(who, "patient went to a scan", scan.patient_id) as record:
        gone = record.change(record.session.get_one(Scan, scan_id), "went", seen, state=State.AWAY)
        raise_task(record, _raised_by(gone), gone.patient_id, kind="mri", text=TO_READ,
            due_utc_s=record.now_s + gone.without_s, for_role="nurse")  # fmt: skip
        refresh(record, gone.patient_id, practice.formulary)
        return gone


def read_after(practice: Practice, who: Who, scan_id: int, seen: int) -> Scan | Refused:
    """Read the pump after the scan; each reading is kept, however many it takes."""
    scan = _scan(practice, scan_id)
    wrong = _in_state(scan, State.AWAY)
    if wrong is not None:
        return wrong
    read = read_whole(practice, scan.serial)
    if isinstance(read, Refused):
        return read
    with practice.writing(who, "pump read after a scan", scan.patient_id) as record:
        row = keep_reading(record, read, scan.patient_id)
        now = record.session.get_one(Scan, scan_id)
        return record.change(now, "read after", seen, after=[*now.after, row.id])


def reset(practice: Practice, who: Who, scan_id: int, seen: int) -> Scan | Refused:
    """Write down that the valve was reset as its maker says; the readings from then on count."""
    scan = _scan(practice, scan_id)
    wrong = _in_state(scan, State.AWAY)
    if wrong is not None:
        return wrong
    with practice.writing(who, "valve reset after a scan", scan.patient_id) as record:
        return record.change(record.session.get_one(Scan, scan_id), "reset", seen, reset_utc_s=record.now_s)


def close(practice: Practice, who: Who, scan_id: int, seen: int) -> Scan | Refused:
    """Sign the return off; refused until the pump is known to deliver again."""
    scan = _scan(practice, scan_id)
    wrong = _in_state(scan, State.AWAY)
    if wrong is None:
        with practice.reading() as db:
            wrong = still_open(db, scan)
    if wrong is not None:
        return wrong
    with practice.writing(who, "return from a scan signed off", scan.patient_id) as record:
        done = record.change(record.session.get_one(Scan, scan_id), "closed", seen, state=State.CLOSED)
        finish_raised(record, _raised_by(done), "the return was signed off")
        refresh(record, done.patient_id, practice.formulary)
        return done


def still_open(db: Db, scan: Scan) -> Refused | None:
    """Why a return cannot be signed off yet; None where it can."""
    readings = [db.get_one(Interrogation, number) for number in scan.after]
    if not readings:
        return Refused(No.NOT_READ, "no reading after the scan", "a reading after it", "read the pump")
    last, pump = readings[-1], family(scan.family)
    wrong = _not_reset(scan, last) if pump.in_field is InField.STAYS_SHUT else None
    if wrong is not None:
        return wrong
    stalls = (last.status["alarms"] >> STALL) & 1 == 1
    recovered = recovery(db, scan)
    apart_s = last.read_utc_s - readings[0].read_utc_s
    if pump.in_field not in (InField.UNAFFECTED, InField.STAYS_SHUT) and not recovered and apart_s < APART_S:
        found = f"no recovery in the pump's log, and readings {apart_s // 60} min apart"
        allowed = f"the recovery, or two readings at least {APART_S // 60} min apart"
        return Refused(No.NOT_RECOVERED, found, allowed, "keep the patient here, and read the pump again")
    if stalls or not last.status["delivering"]:
        found = "a pump that stands still" if stalls else "a pump that does not deliver"
        then = "treat it as stopped: start a session, and do not let the patient leave"
        return Refused(No.NOT_DELIVERING, found, "one that delivers", then)
    return _not_refilled(db, scan)


def _not_reset(scan: Scan, last: Interrogation) -> Refused | None:
    """A pump whose valve stays shut seems to run: its own word is worth nothing before the reset."""
    then = "reset the valve as its maker says, write it down, and read the pump"
    allowed = "a valve that was reset, and a reading after it"
    if scan.reset_utc_s is None:
        return Refused(No.NOT_RESET, "a valve that the field has shut, and nobody has reset", allowed, then)
    if last.read_utc_s < scan.reset_utc_s:
        return Refused(No.NOT_RESET, "a reading of before the reset", allowed, "read the pump")
    return None


def _not_refilled(db: Db, scan: Scan) -> Refused | None:
    if scan.emptied_utc_s is None:
        return None
    filled = select(Fill.id).where(
        Fill.patient_id == scan.patient_id, Fill.filled.is_not(None), Fill.filled_utc_s >= scan.emptied_utc_s
    )
    if db.scalars(filled.limit(1)).first() is not None:
        return None
    then = "refill it in a session: it was emptied for the scan"
    return Refused(No.NOT_REFILLED, "a pump that was emptied and not filled again", "a refill since then", then)


def _raised_by(scan: Scan) -> str:
    return f"scan {scan.id} away"


def recovery(db: Db, scan: Scan) -> bool:
    """Whether the pump's log holds a stall and its end since the reading before the scan."""
    before = db.get_one(Interrogation, scan.before)
    query = select(LogRecord).where(LogRecord.serial == scan.serial, LogRecord.number > before.log_last)
    stalled = False
    for record in db.scalars(query.order_by(LogRecord.number)):
        if record.fields["a"] == STALL and record.event == Event.ALARM:
            stalled = True
        elif stalled and record.event == Event.CLEAR and record.fields["a"] == STALL:
            return True
    return False


def sounding_before(db: Db, scan: Scan) -> bool:
    """Whether any alarm was active at the reading before: such a pump may stay in telemetry mode after the field."""
    if scan.before is None:
        return False
    active = db.get_one(Interrogation, scan.before).status["alarms"]
    return any((active >> alarm) & 1 for alarm in range(N_ALARMS))


def _scan(practice: Practice, scan_id: int) -> Scan:
    with practice.reading() as db:
        found = db.get(Scan, scan_id)
    if found is None:
        raise LookupError(f"no worksheet {scan_id}")
    return found


def _in_state(scan: Scan, wanted: State) -> Refused | None:
    if scan.state == wanted:
        return None
    return Refused(
        No.WRONG_STATE, f"a worksheet that is {scan.state}", f"one that is {wanted}", "look at what is there now"
    )
