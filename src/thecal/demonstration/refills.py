"""Refills of a demonstration, step by step as the pages take them: nothing is left out, and fluid is really moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.clinic.double_check import Typed
from thecal.clinic.refilling import bridging, checklist, filling, hands, medication, mixing, second, syringe
from thecal.clinic.refilling.case import case_of
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.refilling.entries import finish
from thecal.clinic.workflow import Step, Workflow
from thecal.demonstration.acts import done
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.clinic.record.tables import Patient, Session
    from thecal.clinic.refilling.hands import Hands
    from thecal.clinic.who import Who
    from thecal.demonstration.acts import Staff
    from thecal.demonstration.scenario import Therapy

PREVIEWED = {"seen": True}
"""What is entered for the step of the preview: it was looked at."""
_LOOKED = {"note": "Compared with the expected residual.", "fired": []}


class Refills:
    """How the staff of a demonstration refill pumps, with ``hands`` at them; ``checker`` is the second person."""

    def __init__(self, staff: Staff, hands_: Hands, checker: Who) -> None:
        self._staff = staff
        self._hands = hands_
        self._checker = checker

    def same(self, patient: Patient, code: str, volume: Volume) -> None:
        """A refill with the same medication."""
        staff, who = self._staff, self._staff.nurse
        session = staff.begin(patient, who, Workflow.REFILL_SAME)
        self._begin(session, who, medication.SAME)
        self._syringe(session, who, code)
        self._empty(session, who)
        self._fill(session, who, volume)
        staff.send(session, who)
        self._leave(session, who, "Refilled; delivers as before.")

    def other(self, patient: Patient, code: str, volume: Volume, therapy: Therapy) -> None:
        """A refill with another mixture, with the bridge that is planned for it."""
        staff, who = self._staff, self._staff.physician
        session = staff.begin(patient, who, Workflow.REFILL_NEW)
        self._begin(session, who, medication.OTHER)
        drugs = tuple(i.drug for i in therapy.mixture.ingredients)
        strengths = tuple(i.concentration.text("mg/mL", 6) for i in therapy.mixture.ingredients)
        self._do(session, "the new mixture", lambda p, s: mixing.enter(p, who, session.id, s, drugs, strengths, "yes"))
        self._syringe(session, who, code)
        self._empty(session, who)
        self._do(session, "the rinse", lambda p, s: mixing.enter_rinse(p, who, session.id, s, "0", ""))
        self._volume(session, who, volume)
        order = staff.program(session, patient, therapy, volume, first=False)
        self._do(
            session, "the bridge",
            lambda p, s: bridging.decide(p, who, session.id, s, bridging.BRIDGE, bridging.BLOCKED, "", ""),
        )  # fmt: skip
        staff.enter(session, who, Step.PREVIEW, PREVIEWED)
        self._checked_and_in(session, who, volume)
        order = int(staff.now(session).entered[Step.PROGRAM.value]["order"])
        staff.send(session, who, order)
        self._leave(session, who, "Refilled with the new mixture; the bridge runs.")

    # The steps

    def _do(self, session: Session, what: str, step: Callable[[Any, int], Any]) -> Any:
        """One step of a session, at the revision that is there now."""
        seen = self._staff.now(session).revision
        return done(step(self._staff.practice, seen), f"{what} at {session.serial}")

    def _begin(self, session: Session, who: Who, which: str) -> None:
        self._do(session, "the fork", lambda p, s: medication.answer(p, who, session.id, s, which, "patient", ""))

    def _syringe(self, session: Session, who: Who, code: str) -> None:
        self._do(session, "the syringe", lambda p, s: syringe.choose(p, who, session.id, code, s, scanned=True))
        self._do(session, "the label", lambda p, s: syringe.confirm(p, who, session.id, s))

    def _empty(self, session: Session, who: Who) -> None:
        """Draw everything out, note what came, and look at the gap."""
        practice = self._staff.practice
        drawn = Volume.of(done(hands.aspirate(practice, self._hands, who, session.id), "aspiration"), "nL")
        text = drawn.text("mL", 3)
        items = [item.id for item in checklist.items(Phase.ASPIRATE)]
        self._do(
            session, "the checklist",
            lambda p, s: checklist.note(p, who, session.id, s, items, text, "0", whole=True),
        )  # fmt: skip
        self._do(session, "the gap", lambda p, s: finish(p, who, session.id, s, Step.GAP, dict(_LOOKED)))

    def _fill(self, session: Session, who: Who, volume: Volume) -> None:
        self._volume(session, who, volume)
        self._checked_and_in(session, who, volume)

    def _volume(self, session: Session, who: Who, volume: Volume) -> None:
        text = volume.text("mL").removesuffix(" mL")
        self._do(session, "the volume", lambda p, s: filling.enter_volume(p, who, session.id, s, text))

    def _checked_and_in(self, session: Session, who: Who, volume: Volume) -> None:
        """A second person enters the key values blind; then the fluid goes in."""
        practice = self._staff.practice
        with practice.reading() as db:
            case = case_of(practice, db, session.id)
            chosen = syringe.chosen_syringe(case, db)
            total = second.day_total(second.order_after(practice, db, case))
        assert chosen is not None and total is not None  # noqa: S101 -- both were entered above
        parts = chosen.mixture.ingredients
        typed = Typed(
            tuple(i.drug for i in parts),
            tuple(i.concentration.text("mg/mL", 6) for i in parts),
            volume.text("mL"),
            total.text("mcg", 6),
        )
        done(second.enter(practice, self._checker, session.id, typed), f"the second entry at {session.serial}")
        items = [item.id for item in checklist.items(Phase.FILL)]
        self._do(session, "the fill", lambda p, s: second.fill_now(p, self._hands, who, session.id, s, items))
        self._do(session, "the second step", lambda p, s: second.leave(p, who, session.id, s))

    def _leave(self, session: Session, who: Who, how_left: str) -> None:
        self._do(session, "the watch", lambda p, s: finish(p, who, session.id, s, Step.WATCH, {"watches": []}))
        self._staff.close(session, who, how_left)
