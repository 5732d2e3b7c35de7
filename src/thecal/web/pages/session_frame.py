"""The frame of a session's pages: whose it is, which pump, how old the reading is, what is not known.

Each helper of a step extends ``session/frame.html`` (its block is ``step``) and renders it with ``step_page``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException

from thecal.clinic import observing
from thecal.clinic.charting import beside
from thecal.clinic.implants import implant_of
from thecal.clinic.record.tables import Interrogation, Patient, Person, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session import is_done, is_open, open_asks, pending_at, reading, status_of
from thecal.clinic.session.closing import stands_still
from thecal.clinic.session.stepping import SENT, lends_a_hand, may_work
from thecal.clinic.session.timing import difference_text
from thecal.clinic.session_fixed import fixed
from thecal.clinic.session_steps import steps_of as recorded_steps
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.web.screen import Entries, render

if TYPE_CHECKING:
    from fastapi.responses import HTMLResponse

    from thecal.web.door import Visit

NAMES = {
    Step.READ: "Read",
    Step.PROGRAM: "Program",
    Step.PREVIEW: "Preview",
    Step.BOLUS: "Bolus",
    Step.CLOCK: "Clock",
    Step.TIMELINE: "Timeline",
    Step.MEDICATION: "Medication",
    Step.MIXTURE: "Mixture",
    Step.SYRINGE: "Syringe",
    Step.CHECKLIST: "Checklist",
    Step.GAP: "Residual",
    Step.RINSE: "Rinse",
    Step.FILL: "Fill",
    Step.BRIDGE: "Bridge",
    Step.SECOND: "Second entry",
    Step.REVIEW: "Review",
    Step.SEND: "Send",
    Step.WATCH: "Watch",
    Step.CLOSE: "Close",
}
"""What each step is called on the step bar."""
BESIDE = frozenset({Step.PROGRAM, Step.PREVIEW, Step.BOLUS, Step.REVIEW})
"""Steps beside which mood, crisis signs and the load by mouth stand."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One step of the bar. ``here`` is the page that is open, ``open`` whether it can be worked on."""

    step: Step
    name: str
    url: str
    done: bool
    open: bool
    here: bool


def session_or_404(visit: Visit, session_id: int) -> Session:
    """The session of an address, open or not; 404 where there is none."""
    with visit.reading() as db:
        found = db.get(Session, session_id) if 0 < session_id < 2**63 else None
    if found is None:
        raise HTTPException(404)
    return found


def step_url(session: Session, step: Step | str) -> str:
    """The address of a step."""
    return f"/sessions/{session.id}/{step.value if isinstance(step, Step) else step}"


def session_context(visit: Visit, session: Session, step: Step | None = None) -> dict[str, Any]:
    """What the frame shows around ``step`` (None: a page that is no step), as names for the template.

    ``session``, ``patient``, ``implant``, ``workflow`` (its name), ``steps``, ``row`` (the newest reading, None where
    there is none), ``pump_status``, ``age_s``, ``stopped``, ``clock_text`` (empty where pump clock and wall agree),
    ``asks`` (asked and not known), ``pending`` (not known to the link; None where the link cannot be asked),
    ``holder`` (who works here), ``mine``, ``lends`` (a colleague's hands are welcome at this step), ``stands`` (the
    step that is next), ``may_take``, ``was_sent``, ``can_hold`` (there is a virtual world in which the programmer can
    be held over the pump), ``beside`` (what stands beside a program while it is written, None on other steps) with
    ``scored`` (the kinds of scores).
    """
    with visit.reading() as db:
        patient, holder = db.get(Patient, session.patient_id), db.get(Person, session.person_id)
        implant, row = implant_of(db, session.patient_id), reading(db, session.serial)
        asks = open_asks(db, session.serial)
        clock_text = "" if row is None else difference_text(db, row)
        stands_beside = beside(db, session.patient_id) if step in BESIDE else None
    status = None if row is None else status_of(row)
    return {
        "session": session,
        "patient": patient,
        "implant": implant,
        "workflow": WAYS[Workflow(session.workflow)].name,
        "steps": steps_of(session, step),
        "row": row,
        "pump_status": status,
        "age_s": None if row is None else max(0, visit.now_s - row.read_utc_s),
        "stopped": status is not None and stands_still(status),
        "clock_text": clock_text,
        "asks": asks,
        "pending": pending_at(visit.house, session.serial),
        "holder": holder,
        "mine": session.person_id == visit.who.person_id and session.state == "open",
        "stands": NAMES[Step(session.step)],
        "may_take": may_work(visit.who, session),
        "lends": step is not None and lends_a_hand(visit.who, session, step),
        "was_sent": SENT in session.entered,
        "can_hold": visit.house.world is not None,
        "beside": stands_beside,
        "scored": observing.kinds(),
    }


def steps_of(session: Session, here: Step | None) -> list[Shown]:
    """The step bar of a session."""
    return [
        Shown(s, NAMES[s], step_url(session, s), is_done(session, s), is_open(session, s), s is here)
        for s in WAYS[Workflow(session.workflow)].steps
    ]


def step_page(  # noqa: PLR0917 -- a template with what is in it
    visit: Visit,
    session: Session,
    step: Step | None,
    template: str,
    refused: tuple[Refused, ...] | Refused = (),
    status: int = 200,
    **context: Any,
) -> HTMLResponse:
    """A page in the frame. Where no ``entries`` are given its forms are empty, with ``refused`` above them.

    A step that is over is shown as it was recorded, whatever the page would say today.
    """
    found = (refused,) if isinstance(refused, Refused) else refused
    entries = context.get("entries") or Entries({}, found)
    over = None if step is None else recorded_page(visit, session, step, entries.refused or found, status)
    if over is not None:
        return over
    shown = {"entries": entries, **session_context(visit, session, step), **context}
    return render(visit, template, status, **shown)


def recorded_page(
    visit: Visit, session: Session, step: Step, refused: tuple[Refused, ...] = (), status: int = 200
) -> HTMLResponse | None:
    """The page of a step that cannot change any more, from the record; None where it is still worked on.

    Of a session that is over the whole account is shown, the step that was asked for first. ``refused`` and ``status``
    are of what was tried; looking alone is never refused.
    """
    with visit.reading() as db:
        if not fixed(db, session, step):
            return None
        patient, asks = db.get(Patient, session.patient_id), open_asks(db, session.serial)
    told = recorded_steps(visit.house, session.id)
    if told is None or patient is None:
        raise HTTPException(404)
    looks, closed = visit.request.method == "GET", session.state != "open"
    first = [r for r in told.steps if r.step is step]
    return render(
        visit,
        "session/recorded.html",
        200 if looks else status,
        session=session,
        patient=patient,
        workflow=WAYS[Workflow(session.workflow)].name,
        steps=steps_of(session, step),
        names=NAMES,
        told=told,
        shown=[*first, *(r for r in told.steps if r.step is not step)] if closed else first,
        closed=closed,
        asks=asks if closed else (),
        refused=() if looks else refused,
    )


def saw(visit: Visit, session: Session, what: str) -> None:
    """Keep in the audit that somebody saw a page about a patient."""
    visit.looked(f"saw {what}", session.patient_id, session=session.id)


def reading_of(visit: Visit, session: Session) -> Interrogation | None:
    """The reading that a session rests on."""
    with visit.reading() as db:
        return None if session.reading_id is None else db.get(Interrogation, session.reading_id)
