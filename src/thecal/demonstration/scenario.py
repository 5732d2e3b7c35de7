"""The scenario file of a demonstration clinic: what it may say, and what is wrong with it, with the place of it.

Days are counted back from the day on which the world is made, so that the clinic is always about today. Mixtures and
programs are in the words of the order file and are read by the same reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from thecal.clinic.who import StaffRole
from thecal.demonstration.happening import Happening, happenings_in
from thecal.pump.families import load_families
from thecal.quantities import Length, LinearVolume, Volume
from thecal.therapy.file_problems import Trouble, lookup_hint
from thecal.therapy.order import Indication
from thecal.therapy.program_file import mixture_in, program_in
from thecal.therapy.toml_fields import Section
from thecal.therapy.toml_places import Reading, parse_document, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from thecal.formulary import Formulary
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import Program
    from thecal.therapy.toml_places import Document

FILE = Path(__file__).with_name("clinic.toml")
"""The demonstration clinic that ships with Thecal."""
MOST_DAYS = 400
"""How long a history may be; a rig takes no longer step, and making it takes its time. Ours."""


@dataclass(frozen=True, slots=True)
class ClinicSaid:
    """What the clinic is called, and where its clock stands."""

    name: str
    zone: str
    phone: str
    on_call: str
    address: str


@dataclass(frozen=True, slots=True)
class StaffSaid:
    """Somebody of the staff. The password is no secret: it is printed, for everybody who looks."""

    login: str
    name: str
    roles: tuple[StaffRole, ...]
    password: str


@dataclass(frozen=True, slots=True)
class Therapy:
    """A mixture and a program, read, and their tables as they go into an order.

    ``plan`` is what 24 h are meant to give, for each group of days, as a person enters it before the program.
    """

    name: str
    title: str
    mixture: Mixture
    program: Program
    tables: Mapping[str, Any]
    plan: tuple[str, ...]
    beyond_use_days: int | None


@dataclass(frozen=True, slots=True)
class Presses:
    """When a patient presses for a bolus: at these seconds of a day, up to ``spread_s`` later, and not always."""

    at_s: tuple[int, ...]
    spread_s: int
    skip_percent: int
    again_percent: int


@dataclass(frozen=True, slots=True)
class PumpSaid:
    """The pump of a patient and its catheter; ``days_ago`` is when it was implanted."""

    serial: str
    family: str
    model: str
    lot: str
    days_ago: int
    at_s: int
    supplied: Length
    removed: Length
    per_length: LinearVolume
    tip_level: str
    site: str


@dataclass(frozen=True, slots=True)
class PatientSaid:
    """One made-up patient with what happened, in the order of its time."""

    number: str
    given: str
    family: str
    born: date
    language: str
    phone: str
    risks: tuple[str, ...]
    facts: Mapping[str, Any]
    pump: PumpSaid
    therapy: str
    first_fill: Volume
    presses: Presses | None
    happenings: tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class NoticeSaid:
    """A maker's notice, made up like everything else."""

    title: str
    source: str
    days_ago: int
    action: str
    families: tuple[str, ...]
    models: tuple[str, ...]
    serials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A demonstration clinic. ``days`` is how long its world is before the day on which it is made."""

    days: int
    clinic: ClinicSaid
    staff: tuple[StaffSaid, ...]
    reasons: Mapping[str, str]
    therapies: Mapping[str, Therapy]
    patients: tuple[PatientSaid, ...]
    notices: tuple[NoticeSaid, ...]

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the clinic."""
        return ZoneInfo(self.clinic.zone)

    def somebody(self, role: StaffRole) -> StaffSaid:
        """The first of the staff with a role."""
        return next(person for person in self.staff if role in person.roles)


def read_scenario(path: Path, formulary: Formulary) -> Scenario:
    """The scenario in a file; FileRefused names every problem with its place."""
    return _scenario(read_document(path), formulary)


def parse_scenario(content: str, path: str, formulary: Formulary) -> Scenario:
    """A scenario that is already in memory; ``path`` is what the messages call it."""
    return _scenario(parse_document(content, path), formulary)


def _scenario(document: Document, formulary: Formulary) -> Scenario:
    reading = Reading(document)
    top = Section.top(reading)
    days = top.whole("days", 1, MOST_DAYS)
    if not top.sound_at("days"):
        days = MOST_DAYS  # the other days are held against something all the same
    clinic = _clinic(top)
    staff = tuple(_staff(s) for s in top.sections("staff", least=1))
    reasons = _named(top, "reasons")
    therapies = _therapies(top, formulary)
    patients = tuple(_patient(s, therapies, days) for s in top.sections("patients", least=1))
    notices = tuple(_notice(s, days) for s in top.sections("notices"))
    _once(top, "patients", [(s, p) for s, p in zip(top.sections("patients"), patients, strict=False)])
    _every_role(top, staff)
    return reading.result(top.made(lambda: Scenario(days, clinic, staff, reasons, therapies, patients, notices)))


def _clinic(top: Section) -> ClinicSaid:
    section = top.section("clinic", "a table with name, zone, phone, on_call and address is needed")
    if section is None:
        return ClinicSaid("", "UTC", "", "", "")
    name, zone = section.text("name"), section.text("zone")
    phone, on_call, address = section.text("phone"), section.text("on_call"), section.text("address")
    if section.sound_at("zone"):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            section.refuse(
                Trouble.UNKNOWN_WORD, "zone", f'"{zone}"', 'a name of the tz database, as in "America/Chicago"'
            )
    return section.made(lambda: ClinicSaid(name, zone, phone, on_call, address))


def _staff(section: Section) -> StaffSaid:
    login, name, password = section.text("login"), section.text("name"), section.text("password")
    words = section.names_or_none("roles") or ()
    known = {role.value for role in StaffRole}
    for word in words:
        if word not in known:
            section.refuse(Trouble.UNKNOWN_WORD, "roles", f'"{word}"', "roles are " + ", ".join(sorted(known)))
    if not words:
        section.missing("roles", "a list of roles is needed")
    return section.made(lambda: StaffSaid(login, name, tuple(StaffRole(w) for w in words), password))


def _every_role(top: Section, staff: tuple[StaffSaid, ...]) -> None:
    """A visitor signs in as somebody of each role, and the making needs most of them."""
    if not top.sound:
        return
    for role in StaffRole:
        if not any(role in person.roles for person in staff):
            top.refuse(Trouble.MISSING_FIELD, "staff", f"nobody who is {role}", "somebody of each role")


def _named(top: Section, key: str) -> dict[str, str]:
    section = top.section_or_none(key)
    return {} if section is None else {name: section.text(name) for name in section.names()}


def _therapies(top: Section, formulary: Formulary) -> dict[str, Therapy]:
    section = top.section("therapies", "a table for each therapy is needed, as in [therapies.morphine]")
    if section is None:
        return {}
    found = {}
    for name in section.names():
        inner = section.section(name)
        if inner is not None:
            found[name] = _therapy(inner, name, formulary)
    return found


def _therapy(section: Section, name: str, formulary: Formulary) -> Therapy:
    def code(text: str) -> str:
        return formulary.drug(text).code

    title = section.text("title")
    days = section.whole_or_none("beyond_use_days", 1, MOST_DAYS)
    plan = _plan(section)
    mixed, ordered = section.section("mixture"), section.section("program")
    mixture = mixture_in(mixed, code) if mixed is not None else None
    program = program_in(ordered, code, mixture) if ordered is not None else None
    tables: Any = section.reading.document.values
    for part in section.where:
        tables = tables[part]

    def whole() -> Therapy:
        assert mixture is not None and program is not None  # noqa: S101 -- else the section is not sound
        return Therapy(name, title, mixture, program, tables, plan, days)

    return section.made(whole)


def _plan(section: Section) -> tuple[str, ...]:
    """The doses of 24 h that are meant; two groups of days may mean the same."""
    section.ignore("plan")
    held: Any = section.reading.document.values
    for part in section.where:
        held = held[part]
    allowed = 'a list of doses of 24 h is needed, as in ["1.4 mg"], one for each group of days'
    found = held.get("plan")
    if found is None:
        section.missing("plan", allowed)
    elif not isinstance(found, list) or not found or not all(isinstance(dose, str) for dose in found):
        section.refuse(Trouble.WRONG_TYPE, "plan", str(found)[:60], allowed)
    else:
        return tuple(found)
    return ()


def _patient(section: Section, therapies: Mapping[str, Therapy], days: int) -> PatientSaid:
    number, given, family = section.text("number"), section.text("given"), section.text("family")
    born, language, phone = section.date_or_none("born"), section.text("language"), section.text("phone")
    if born is None and section.sound_at("born"):
        section.missing("born", "a date is needed, as in 1960-05-17")
    risks = section.names_or_none("risks") or ()
    facts = _facts(section)
    pump = _pump(section, days)
    therapy = section.text("therapy")
    _known_therapy(section, "therapy", therapy, therapies)
    first_fill = section.amount("first_fill", Volume)
    presses = _presses(section)
    happenings = happenings_in(section, days, lambda s, key, name: _known_therapy(s, key, name, therapies))

    def whole() -> PatientSaid:
        assert born is not None and pump is not None  # noqa: S101 -- else the section is not sound
        return PatientSaid(
            *(number, given, family, born, language, phone, risks, facts, pump, therapy, first_fill),
            presses=presses,
            happenings=tuple(sorted(happenings, key=lambda h: (-h.days_ago, h.at_s))),
        )

    return section.made(whole)


def _known_therapy(section: Section, key: str, name: str, therapies: Mapping[str, Therapy]) -> None:
    if section.sound_at(key) and name not in therapies:
        section.refuse(Trouble.UNKNOWN_WORD, key, f'"{name}"', "therapies of this file: " + ", ".join(therapies))


def _facts(section: Section) -> dict[str, Any]:
    indication = section.choice("indication", Indication)
    return {
        "indication": "" if indication is None else indication.value,
        "opioid_naive": section.flag_or_none("opioid_naive"),
        "sleep_apnea": section.flag_or_none("sleep_apnea"),
        "sedatives": section.names_or_none("sedatives"),
        "systemic_opioids": section.names_or_none("systemic_opioids"),
        "contraindications": section.names_or_none("contraindications"),
    }


def _pump(outer: Section, days: int) -> PumpSaid | None:
    section = outer.section("pump", "a table with serial, family, model and catheter is needed")
    if section is None:
        return None
    serial, family, model = section.text("serial"), section.text("family"), section.text("model")
    _hosted_family(section, family)
    lot, site = section.text_or_none("lot") or "", section.text_or_none("site") or ""
    days_ago, at_s = section.whole("days_ago", 1, days), section.clock("at")
    supplied, removed = section.amount("supplied", Length), section.amount("removed", Length, zero=True)
    per_length, tip = section.amount("volume_per_length", LinearVolume), section.text("tip_level")
    return section.made(
        lambda: PumpSaid(serial, family, model, lot, days_ago, at_s, supplied, removed, per_length, tip, site)
    )


def _hosted_family(section: Section, name: str) -> None:
    known = {code: kind for code, kind in load_families().items() if not code.startswith("constant-flow")}
    if section.sound_at("family") and name not in known:
        section.refuse(Trouble.UNKNOWN_PUMP, "family", f'"{name}"', lookup_hint(KeyError(), ", ".join(known)))


def _presses(outer: Section) -> Presses | None:
    section = outer.section_or_none("presses")
    if section is None:
        return None
    at = [s.clock("at") for s in section.sections("times", least=1)]
    spread = section.whole("spread_minutes", 0, 720)
    skip, again = section.whole("skip_percent", 0, 100), section.whole("again_percent", 0, 100)
    for inner in section.sections("times"):
        inner.ignore("at")
        inner.close()
    return section.made(lambda: Presses(tuple(at), spread * 60, skip, again))


def _notice(section: Section, days: int) -> NoticeSaid:
    title, source, action = section.text("title"), section.text("source"), section.text("action")
    days_ago = section.whole("days_ago", 0, days)
    families, models = section.names_or_none("families") or (), section.names_or_none("models") or ()
    serials = section.names_or_none("serials") or ()
    return section.made(lambda: NoticeSaid(title, source, days_ago, action, families, models, serials))


def _once(top: Section, key: str, rows: list[tuple[Section, PatientSaid]]) -> None:
    """No number and no pump twice."""
    if not top.sound:
        return
    numbers: set[str] = set()
    serials: set[str] = set()
    for section, patient in rows:
        for what, found, seen in (("number", patient.number, numbers), ("pump", patient.pump.serial, serials)):
            if found in seen:
                section.refuse(Trouble.OUT_OF_RANGE, what, f"{found} a second time", f"each {what} of {key} once")
            seen.add(found)
