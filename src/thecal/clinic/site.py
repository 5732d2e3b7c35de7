"""The clinic itself: where its record is, how it is made, and what it is called."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import select

from thecal.clinic.desk.lines import refresh_behind
from thecal.clinic.desk.rebooking import Stays, to_come, zone_changed
from thecal.clinic.people.acting import unless_refused
from thecal.clinic.record.opening import address
from thecal.clinic.record.tables import Clinic, Person
from thecal.clinic.record.unusable import StoreError, Trouble
from thecal.clinic.refused import Refused
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

VARIABLE = "THECAL_RECORD"
"""The variable of the environment that names a record's address, before the file does."""
SETTINGS = "clinic.toml"
RECORD = "clinic.sqlite"
KEY = "audit-key.pem"
"""In a clinic's folder: its settings, its record unless another is named, and the key that signs heads of the chain."""
MOST = 200
"""Characters of each fact. Ours."""

PAPER_SIZE = "paper_size"
"""The name in ``Clinic.settings`` of the paper that it prints on."""
SHEETS = {"letter": "Letter (216 by 279 mm)", "a4": "A4 (210 by 297 mm)"}
"""Paper that a clinic may have in its printer. The first is used where nobody chose."""


class SiteFault(StrEnum):
    """Why a clinic was not made, or its settings not changed."""

    EMPTY = "clinic-empty"
    LONG = "clinic-long"
    ZONE = "clinic-zone"
    NUMBER = "clinic-number"
    THERE = "clinic-there"
    NONE = "clinic-none"
    SHEET = "clinic-sheet"
    BOOKINGS = "clinic-bookings"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a clinic is called, where its clock stands (a name of the tz database), and whom to call, day and night."""

    name: str
    zone: str
    phone: str
    on_call: str
    address: str


def record_address(folder: Path, environment: Mapping[str, str]) -> str:
    """Where the record of a clinic's folder is: as the environment says, else its settings, else a file in it.

    StoreError where that is no address of a record.
    """
    said = environment.get(VARIABLE) or _setting(folder / SETTINGS) or f"sqlite:///{folder.absolute() / RECORD}"
    return address(said).render_as_string(hide_password=False)


def _setting(path: Path) -> str | None:
    then = f'write record = "postgresql+psycopg://user@host/database" into {path}, or take the file away'
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as wrong:
        said = f"settings that cannot be read: {wrong}"
        raise StoreError(Trouble.BAD_ADDRESS, said, "a TOML file with the address of the record", then) from wrong
    record = found.pop("record", None)
    if found or not (record is None or isinstance(record, str)):
        said = f"{', '.join(found) or 'a record that is no text'} in {path}"
        raise StoreError(Trouble.BAD_ADDRESS, said, "record alone, as text", then)
    return record


def facts_fault(facts: Facts) -> Refused | None:
    """Why a clinic cannot be called so, None where it can."""
    for field in fields(facts):
        said = getattr(facts, field.name).strip()
        if not said and field.name != "address":
            allowed = f"1 to {MOST} characters"
            return Refused(SiteFault.EMPTY, "nothing", allowed, f"say the clinic's {_WORDS[field.name]}", field.name)
        if len(said) > MOST or not said.isprintable():
            found = f"{len(said)} characters, or one that cannot be printed"
            return Refused(SiteFault.LONG, found, f"up to {MOST} on one line", "write it shorter", field.name)
    for name in ("phone", "on_call"):
        if sum(c.isdigit() for c in getattr(facts, name)) < 3:
            found, then = f"{getattr(facts, name)!r} as a number to call", "write it as it is dialed"
            return Refused(SiteFault.NUMBER, found, "at least three digits", then, name)
    if facts.zone.strip() not in available_timezones():
        found, then = f"the time zone {facts.zone!r}", "write it as in America/Chicago or Europe/Berlin"
        return Refused(SiteFault.ZONE, found, "a name of the tz database", then, "zone")
    return None


_WORDS = {"name": "name", "zone": "time zone", "phone": "telephone number", "on_call": "number at night"}


def make_clinic(practice: Practice, facts: Facts, *, demonstration: bool = False) -> Refused | Clinic:
    """Make the clinic of an empty record; refused where people work in one already.

    Where a clinic was begun, and nobody was made its first administrator, it is made anew as ``facts`` say.
    """
    fault = facts_fault(facts)
    if fault is not None:
        return fault
    said = {field.name: getattr(facts, field.name).strip() for field in fields(facts)}

    def do(record: Record) -> Refused | Clinic:
        begun = clinic_of(record.session)
        if record.session.scalars(select(Person.id).limit(1)).first() is not None:
            found = f"the clinic {begun.name if begun else 'of this record'}, in which people work already"
            then = "use it as it is, or name another folder"
            return Refused(SiteFault.THERE, found, "a record without a clinic", then)
        if begun is not None:
            return record.change(begun, "begun anew", **said, demonstration=demonstration)
        return record.keep(Clinic(**said, demonstration=demonstration, settings={}))

    return unless_refused(practice, SYSTEM, "clinic made", do)


def change_site(
    practice: Practice, who: Who, facts: Facts, sheet: str, seen: int | None, *, stays: str = ""
) -> Clinic | tuple[Refused, ...]:
    """Change what the clinic is called, where its clock stands and what paper it prints on.

    EditedMeanwhile where somebody else did so since revision ``seen``. Visits to come are carried into another zone as
    ``stays`` says, a word of ``desk.rebooking.Stays``; without it they are refused. In another zone the board's days
    are other ones: its lines are made anew behind the change, or by the next round of the clinic's upkeep.
    """
    faults = [fault for fault in (facts_fault(facts), _sheet_fault(sheet)) if fault is not None]
    if faults:
        return tuple(faults)
    said = {field.name: getattr(facts, field.name).strip() for field in fields(facts)}

    def do(record: Record) -> Clinic | Refused:
        clinic = clinic_of(record.session)
        if clinic is None:
            return Refused(SiteFault.NONE, "no clinic", "a clinic that is set up", "run thecal clinic init")
        old, new = zone_of(clinic), ZoneInfo(said["zone"])
        undecided = _undecided(record, old, new, stays)
        if undecided is not None:
            return undecided
        settings = {**clinic.settings, PAPER_SIZE: sheet}
        details = {"before": {name: getattr(clinic, name) for name in said}}
        changed = record.change(clinic, "settings changed", seen, details, settings=settings, **said)
        if old.key != new.key and stays:
            zone_changed(record, old, new, Stays(stays))
        return changed

    done = unless_refused(practice, who, "clinic's settings changed", do)
    if isinstance(done, Refused):
        return (done,)
    refresh_behind(practice)
    return done


def _undecided(record: Record, old: ZoneInfo, new: ZoneInfo, stays: str) -> Refused | None:
    """Why visits to come cannot be carried into another zone; None where there are none, or it was said how."""
    count = to_come(record.session, record.now_s) if old.key != new.key else 0
    if not count or stays in tuple(Stays):
        return None
    visits = "1 visit" if count == 1 else f"{count:,} visits"
    then = "say what of them stays, and tell the patients"
    return Refused(SiteFault.BOOKINGS, f"{visits} to come, booked by {old.key}", ", ".join(Stays), then, "stays")


def _sheet_fault(sheet: str) -> Refused | None:
    if sheet in SHEETS:
        return None
    return Refused(SiteFault.SHEET, repr(sheet[:40]) if sheet else "nothing", ", ".join(SHEETS), "choose one", "sheet")


def facts_of(clinic: Clinic) -> dict[str, str]:
    """The clinic's facts and its paper, as somebody would enter them; Letter where nobody chose."""
    said = {field.name: str(getattr(clinic, field.name)) for field in fields(Facts)}
    return {**said, "sheet": str(clinic.settings.get(PAPER_SIZE, next(iter(SHEETS))))}


def clinic_of(session: Session) -> Clinic | None:
    """The clinic of a record, None where none was made yet."""
    return session.scalars(select(Clinic).order_by(Clinic.id)).first()


def zone_of(clinic: Clinic) -> ZoneInfo:
    """Where a clinic's clock stands."""
    return ZoneInfo(clinic.zone)
