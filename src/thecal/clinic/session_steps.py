"""A session step by step as it was recorded: what was entered, by whom and when, and what was not kept.

In comes the number of a session; out comes text. Nothing here is worked out anew: a page of a session that is over must
not say today what was not true then. Where no row holds what a page once showed, that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from thecal.clinic import double_check
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.pharmacy.mixtures import mixture_of
from thecal.clinic.record.tables import (
    Act,
    DoubleCheck,
    Fill,
    Interrogation,
    NearMiss,
    Order,
    Override,
    Person,
    Preparation,
    PumpProposal,
    Session,
    Watch,
)
from thecal.clinic.record.tables import Mixture as MixtureRow
from thecal.clinic.refilling.case import name_of
from thecal.clinic.refilling.checklist import Phase, ticked
from thecal.clinic.refilling.entries import entry, volume_of
from thecal.clinic.refilling.hands import DONE, DRAW, FILL, RINSE
from thecal.clinic.session.closing import stands_still
from thecal.clinic.session.readings import status_of
from thecal.clinic.session.reviewing import asked_in
from thecal.clinic.session.stepping import is_done
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.quantities import Concentration, Duration, Volume, duration_text
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.refusal import day_text, minute_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session as Db

    from thecal.clinic.practice import Practice

NOT_KEPT = "not kept"
"""What is said of a thing that the record does not hold."""
MOST_ASKED = 50
"""Things asked of the pump that an account names. Ours."""

Facts = tuple[tuple[str, str], ...]

_KINDS = {Step.REVIEW: "reviewed", Step.SEND: "sent", Step.CLOSE: "closed"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One step as the record holds it; ``by`` and ``at_utc_s`` are of the last entry, ``not_kept`` says what is not
    held.
    """

    step: Step
    done: bool
    by: str
    at_utc_s: int | None
    facts: Facts
    not_kept: str = ""


@dataclass(frozen=True, slots=True)
class SessionSteps:
    """Every step of a session's way, and what was passed or stopped in it; ``closed_by`` is empty while it is open."""

    steps: tuple[Recorded, ...]
    passed: tuple[tuple[str, ...], ...]
    stopped: tuple[tuple[str, ...], ...]
    closed_by: str


def steps_of(practice: Practice, session_id: int) -> SessionSteps | None:
    """The steps of a session as they were recorded; None where there is no such session."""
    with practice.reading() as db:
        row = db.get(Session, session_id)
        return None if row is None else _Reading(practice, db, row).whole()


class _Reading:
    """One look at the record about one session."""

    def __init__(self, practice: Practice, db: Db, row: Session) -> None:
        self.db, self.row, self.formulary = db, row, practice.formulary
        self.zone = desk_of(db).zone
        query = select(Fill).where(Fill.session_id == row.id).order_by(Fill.id.desc()).limit(1)
        self.fill = db.scalars(query).first()

    def whole(self) -> SessionSteps:
        closed = self._act("closed")
        return SessionSteps(
            tuple(self._recorded(s) for s in WAYS[Workflow(self.row.workflow)].steps),
            self._passed(),
            self._stopped(),
            "" if closed is None else self._name(closed.by_person),
        )

    def _recorded(self, step: Step) -> Recorded:
        act = self._act(_KINDS.get(step, f"entered {step.value}"))
        done = is_done(self.row, step) or (step is Step.CLOSE and act is not None)
        if not done or act is None:
            return Recorded(step, done, "", None, self._facts(step) if done else ())
        return Recorded(step, done, self._name(act.by_person), act.at_utc_s, self._facts(step), self._missing(step))

    def _act(self, kind: str) -> Act | None:
        query = select(Act).where(Act.subject_kind == "session", Act.subject_id == self.row.id, Act.kind == kind)
        return self.db.scalars(query.order_by(Act.id.desc()).limit(1)).first()

    def _facts(self, step: Step) -> Facts:
        found = _FACTS[step](self, entry(self.row, step))
        return tuple((label, said) for label, said in found if said)

    def _missing(self, step: Step) -> str:
        if step is Step.GAP and "difference" in entry(self.row, step):
            return ""
        return _MISSING.get(step, "")

    # Steps --------------------------------------------------------------------------------------------------------

    def read(self, _: dict[str, Any]) -> Facts:
        return self._reading(self._readings()[:1])

    def medication(self, held: dict[str, Any]) -> Facts:
        return (
            ("medication", str(held.get("medication", ""))),
            ("consent", str(held.get("consent", ""))),
            ("note", str(held.get("note", ""))),
        )

    def mixture(self, held: dict[str, Any]) -> Facts:
        parts = tuple(Ingredient(i["drug"], Concentration.parse(i["concentration"])) for i in held["ingredients"])
        new = Mixture(parts, preservative_free=held.get("preservative_free"))
        return (("new mixture", name_of(new, self.formulary)),)

    def syringe(self, held: dict[str, Any]) -> Facts:
        row = self.db.get(Preparation, held.get("preparation_id") or 0)
        if row is None:
            return (("syringe", NOT_KEPT),)
        mixed = self.db.get(MixtureRow, row.mixture_id)
        return (
            ("code", f"{held.get('code', '')}, {held.get('how', '')}".strip(", ")),
            ("in the syringe", NOT_KEPT if mixed is None else name_of(mixture_of(mixed), self.formulary)),
            ("volume", row.volume.text("mL")),
            ("beyond use", NOT_KEPT if row.beyond_use is None else day_text(row.beyond_use)),
        )

    def checklist(self, held: dict[str, Any]) -> Facts:
        return (
            ("aspirated", _ml(volume_of(held.get("aspirated")))),
            ("left in the reservoir", _ml(volume_of(held.get("left")))),
            *self._moved(DRAW, "drawn out"),
            *self._ticks(Phase.ASPIRATE),
        )

    def gap(self, held: dict[str, Any]) -> Facts:
        fill = self.fill
        expected = held.get("expected") or (NOT_KEPT if fill is None else _ml(fill.expected))
        noted = volume_of(entry(self.row, Step.CHECKLIST).get("aspirated"))
        fired = {True: "a rule fired", False: "none fired"}.get(held.get("fired", ""), NOT_KEPT)
        return (
            ("expected", str(expected)),
            ("aspirated", str(held.get("aspirated") or _ml(noted))),
            ("difference", str(held.get("difference") or NOT_KEPT)),
            ("gap rules", fired),
            *((str(name), str(said)) for name, said in held.get("rules", ())),
            ("what was looked at, and found", str(held.get("note", ""))),
        )

    def rinse(self, held: dict[str, Any]) -> Facts:
        return (
            ("rinses planned", str(held.get("times", NOT_KEPT))),
            ("each with", _ml(volume_of(held.get("each")))),
        )

    def filled(self, held: dict[str, Any]) -> Facts:
        return (
            ("volume to go in", _ml(volume_of(held.get("volume")))),
            ("in the reservoir after it", _ml(volume_of(held.get("in_reservoir")))),
        )

    def bridge(self, held: dict[str, Any]) -> Facts:
        lasts = _lasting(held["seconds"]) if "seconds" in held else ""
        volume = Volume.of(Fraction(held["volume"]), "mL").text("mL") if "volume" in held else ""
        choice = str(held.get("choice", NOT_KEPT))
        return (
            ("decided", {"bridge": "a bridge", "waive": "no bridge"}.get(choice, choice)),
            ("lasts", lasts),
            ("volume to push out", volume),
            ("patient boluses meanwhile", str(held.get("boluses", ""))),
            ("reason", str(held.get("reason", ""))),
        )

    def program(self, held: dict[str, Any]) -> Facts:
        order = self.db.get(Order, held.get("order") or 0)
        if order is None:
            return (("order", NOT_KEPT),)
        signed = f"{self._name(order.by_person)}, {self._moment(order.at_utc_s)}"
        return (("order", f"{order.id}: {order.title}"), ("signed", signed))

    def second(self, _: dict[str, Any]) -> Facts:
        query = select(DoubleCheck).where(DoubleCheck.session_id == self.row.id).order_by(DoubleCheck.id)
        return (
            *(line for check in self.db.scalars(query) for line in self._check(check)),
            *self._moved(RINSE, "rinsed"),
            *self._moved(FILL, "filled"),
            *self._ticks(Phase.FILL),
            *self._kept_fill(),
        )

    def review(self, held: dict[str, Any]) -> Facts:
        proposal = self.db.get(PumpProposal, held.get("proposal") or 0)
        lines = () if proposal is None else tuple(proposal.sentence)
        doses = () if proposal is None else tuple(proposal.change)
        return (
            *(("what was to run", str(said)) for said in lines),
            *(("change", str(said)) for said in held.get("changes", ())),
            *((f"24 h of {c['drug']}", f"{c['base_before']} before, {c['base_after']} after") for c in doses),
            *(("asked of the pump", str(part["said"])) for part in held.get("parts", ()) if part.get("said")),
            ("digest", str(held.get("digest", ""))),
        )

    def send(self, _: dict[str, Any]) -> Facts:
        asked = asked_in(self.db, self.row.id, MOST_ASKED)[::-1]
        return tuple((f"{self._moment(end.at_s)}: {end.ask.said}", f"{end.arm}. {end.said}") for end in asked)

    def watch(self, _: dict[str, Any]) -> Facts:
        query = select(Watch).where(Watch.session_id == self.row.id).order_by(Watch.id)
        return tuple(
            ("watch", f"number {w.id}, {w.why}, from {self._moment(w.begins_utc_s)} to {self._moment(w.ends_utc_s)}")
            for w in self.db.scalars(query)
        )

    def close(self, _: dict[str, Any]) -> Facts:
        act = self._act("closed")
        said: dict[str, Any] = {} if act is None else act.details
        last = self._reading(self._readings()[-1:]) if said.get("read") else (("read at the close", "not reached"),)
        return (
            ("how the pump was left", str(said.get("how_left", ""))),
            ("why", str(said.get("reason", ""))),
            ("told", str(said.get("told", ""))),
            *last,
        )

    def timeline(self, held: dict[str, Any]) -> Facts:
        return (
            ("without drug since", self._moment(int(held["since_utc_s"])) if "since_utc_s" in held else NOT_KEPT),
            ("known by", str(held.get("known_by", ""))),
            ("hours without drug at the tip", _lasting(held["gap_s"]) if "gap_s" in held else NOT_KEPT),
            ("line", str(held.get("line", ""))),
            ("symptoms", ", ".join(map(str, held.get("symptoms", ())))),
            ("needle", str(held.get("needle", ""))),
            ("cover", str(held.get("cover", ""))),
        )

    def plain(self, held: dict[str, Any]) -> Facts:
        """A step whose entries are words as they were typed."""
        return tuple((name.replace("_", " "), str(said)) for name, said in held.items() if isinstance(said, str))

    def nothing(self, _: dict[str, Any]) -> Facts:
        return (("looked at", "yes"),)

    # Pieces -------------------------------------------------------------------------------------------------------

    def _readings(self) -> list[Interrogation]:
        mine = or_(Interrogation.session_id == self.row.id, Interrogation.id == (self.row.reading_id or 0))
        return list(self.db.scalars(select(Interrogation).where(mine).order_by(Interrogation.id)))

    def _reading(self, rows: list[Interrogation]) -> Facts:
        if not rows:
            return (("reading", NOT_KEPT),)
        status = status_of(rows[0])
        runs = "delivered" if status.delivering else "stood still" if stands_still(status) else "held no program"
        return (
            ("pump read", self._moment(rows[0].read_utc_s)),
            ("by its own account then", f"{Volume.of(status.level_nl, 'nL').text('mL')} in the reservoir"),
            ("the pump", f"{runs}; battery {status.battery_percent} %"),
        )

    def _moved(self, what: str, said: str) -> Facts:
        query = select(Act).where(Act.subject_kind == "session", Act.subject_id == self.row.id, Act.kind == DONE[what])
        return tuple(
            (
                f"{said} by hand",
                f"{Volume.of(int(act.details['volume_nl']), 'nL').text('mL', 6)},"
                f" {self._name(act.by_person)}, {self._moment(act.at_utc_s)}",
            )
            for act in self.db.scalars(query.order_by(Act.id))
        )

    def _ticks(self, phase: Phase) -> Facts:
        return tuple(
            (t.item.text, f"{self._name(t.by_person)}, {self._moment(t.at_utc_s)}")
            for t in ticked(self.row, phase)
            if t.by_person is not None and t.at_utc_s is not None
        )

    def _check(self, check: DoubleCheck) -> Facts:
        people = f"{self._name(check.first_person)} and {self._name(check.by_person)}, {self._moment(check.at_utc_s)}"
        return (
            ("double check", f"{people}: {'the same' if check.matched else 'NOT the same'}"),
            *(
                (f"entered: {name}", one if one == other else f"{one} and {other}")
                for name, one, other, _ in double_check.beside(check, self.formulary)
            ),
        )

    def _kept_fill(self) -> Facts:
        if self.fill is None:
            return (("fill", NOT_KEPT),)
        row = self.db.get(MixtureRow, self.fill.mixture_id)
        mixed = NOT_KEPT if row is None else name_of(mixture_of(row), self.formulary)
        return (
            ("filled at", self._moment(self.fill.filled_utc_s)),
            ("went in", f"{_ml(self.fill.filled)} of {mixed}"),
            ("in the reservoir after it", _ml(self.fill.programmed)),
        )

    def _passed(self) -> tuple[tuple[str, ...], ...]:
        query = select(Override).where(Override.session_id == self.row.id).order_by(Override.id)
        return tuple(
            (o.found, f"{o.allowed} ({o.authority})", o.reason, self._name(o.by_person), self._moment(o.at_utc_s))
            for o in self.db.scalars(query)
        )

    def _stopped(self) -> tuple[tuple[str, ...], ...]:
        query = select(NearMiss).where(NearMiss.session_id == self.row.id).order_by(NearMiss.id)
        return tuple(
            (m.where, m.found, m.allowed, self._name(m.by_person), self._moment(m.at_utc_s))
            for m in self.db.scalars(query)
        )

    def _name(self, person_id: int) -> str:
        person = self.db.get(Person, person_id)
        return person.name if person is not None else "Thecal"

    def _moment(self, utc_s: int) -> str:
        return minute_text(datetime.fromtimestamp(utc_s, UTC).astimezone(self.zone))


def _lasting(length_s: object) -> str:
    return duration_text(Duration.of(int(str(length_s)), "s"))


def _ml(volume: Volume | None) -> str:
    return NOT_KEPT if volume is None else volume.text("mL")


_FACTS: dict[Step, Callable[[_Reading, dict[str, Any]], Facts]] = {
    Step.READ: _Reading.read,
    Step.PROGRAM: _Reading.program,
    Step.PREVIEW: _Reading.nothing,
    Step.BOLUS: _Reading.plain,
    Step.CLOCK: _Reading.plain,
    Step.TIMELINE: _Reading.timeline,
    Step.MEDICATION: _Reading.medication,
    Step.MIXTURE: _Reading.mixture,
    Step.SYRINGE: _Reading.syringe,
    Step.CHECKLIST: _Reading.checklist,
    Step.GAP: _Reading.gap,
    Step.RINSE: _Reading.rinse,
    Step.FILL: _Reading.filled,
    Step.BRIDGE: _Reading.bridge,
    Step.SECOND: _Reading.second,
    Step.REVIEW: _Reading.review,
    Step.SEND: _Reading.send,
    Step.WATCH: _Reading.watch,
    Step.CLOSE: _Reading.close,
}
_MISSING = {
    Step.PREVIEW: "The curves that were shown were not kept.",
    Step.GAP: "The difference and what each rule said were not kept.",
    Step.RINSE: "The shares of the old drugs that were shown were not kept.",
    Step.FILL: "The dates that were shown after this fill were not kept.",
    Step.BRIDGE: "Where the front was shown to be was not kept.",
    Step.TIMELINE: "The causes that were shown were not kept.",
    Step.REVIEW: "The findings that needed no reason were not kept.",
}
