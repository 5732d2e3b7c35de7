"""What people are told of a condition: by what the program chose, and by the drugs that must not be stopped abruptly.

In come a row of the table, the program's choices and the withdrawal risks of the drugs in the pump; out come texts.
Whoever stops a pump, or finds it stopped, is told the risk by the name of the drug (promise 11). For patients:
sentences of at most 15 words in plain language, one of two calls, and never a choice of dose.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.pump.annunciation.condition import Base, Call, Supply
from thecal.therapy.program import ALWAYS_STOP, FaultClass, Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from thecal.pump.annunciation.condition import Condition


class Does(StrEnum):
    """What the pump does with the base because of a condition."""

    NO_CHANGE = "no change"
    CONTINUE = "continue"
    FALLBACK = "fallback"
    STOP = "stop"

    @property
    def rank(self) -> int:
        """How far it restricts: the higher the more."""
        return tuple(Does).index(self)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What stopping a drug abruptly can do, as the formulary says it.

    ``drug`` is its name for the eye; ``dangerous`` is True where a physician had to choose what happens on a fault,
    which holds for a high and for an unknown risk.
    """

    drug: str
    dangerous: bool
    text: str
    source: str

    @property
    def warning(self) -> str:
        """One line for a clinician."""
        return f"{self.drug}: stopping abruptly may do harm: {self.text} ({self.source})."


@dataclass(frozen=True, slots=True)
class ClinicianText:
    """What a clinician reads: in this order. ``risk`` names every drug that must not stop abruptly, or is empty."""

    what: str
    pump: str
    risk: tuple[str, ...]
    check: str
    act: str
    clears: str

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, line by line."""
        return (self.what, self.pump, *self.risk, self.check, self.act, self.clears)


@dataclass(frozen=True, slots=True)
class PatientText:
    """What a patient reads: what happened, what the pump does, what that means, whom to call, what to do, what not."""

    what: str
    pump: str
    risk: str
    call: Call
    whom: str
    act: str
    avoid: str

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, line by line; nothing is left empty."""
        return tuple(t for t in (self.what, self.pump, self.risk, self.whom, self.act, self.avoid) if t)


_RESPONSE = {Response.STOP: Does.STOP, Response.FALLBACK: Does.FALLBACK, Response.CONTINUE: Does.CONTINUE}

_TO_CLINICIAN = {
    Does.STOP: "All delivery is stopped",
    Does.FALLBACK: "The base runs at the fallback rate",
    Does.CONTINUE: "The base runs on as programmed",
}
_TO_PATIENT = {
    Does.STOP: "It gives no drug now.",
    Does.FALLBACK: "It gives a set backup dose now.",
    Does.CONTINUE: "It still gives your dose.",
}
_WHOM = {
    Call.NOW: "Call your clinic now.",
    Call.SOON: "Call your clinic soon.",
    Call.NO: "",
}


def does(condition: Condition, chosen: Mapping[FaultClass, Response]) -> Does:
    """What the pump does about a condition; a class of fault that nobody chose for stops it."""
    if condition.base is Base.STOP:
        return Does.STOP
    if condition.base is Base.NO_CHANGE or condition.fault is None:
        return Does.NO_CHANGE
    if condition.fault in ALWAYS_STOP:
        return Does.STOP
    return _RESPONSE[chosen.get(condition.fault, Response.STOP)]


def before_stop(drugs: Iterable[Withdrawal]) -> tuple[str, ...]:
    """What whoever is about to stop a pump is shown, one line for each drug; empty where none has a risk."""
    return tuple(d.warning for d in drugs if d.dangerous)


def for_clinician(
    condition: Condition, chosen: Mapping[FaultClass, Response], drugs: Iterable[Withdrawal] = ()
) -> ClinicianText:
    """The text for a clinician."""
    done = does(condition, chosen)
    said = condition.clinician
    return ClinicianText(
        what=said.what,
        pump=_pump_to_clinician(condition, done),
        risk=before_stop(drugs) if _less_drug(condition, done) else (),
        check=said.check,
        act=said.act,
        clears=said.clears,
    )


def _pump_to_clinician(condition: Condition, done: Does) -> str:
    parts = []
    if done is not Does.NO_CHANGE:
        chosen = condition.base is Base.AS_CHOSEN
        why = f", as the program chose for a fault of the class {condition.fault}" if chosen else ""
        parts.append(f"{_TO_CLINICIAN[done]}{why}.")
    if condition.clinician.pump:
        parts.append(condition.clinician.pump)
    if condition.forbids_bolus and condition.core is not None and done is not Does.STOP:
        parts.append("No bolus is given while the alarm is active.")
    return " ".join(parts)


def _less_drug(condition: Condition, done: Does) -> bool:
    """Whether the patient gets less of the drug, or soon may."""
    return done in (Does.STOP, Does.FALLBACK) or condition.supply is not Supply.GOES_ON


def for_patient(
    condition: Condition, chosen: Mapping[FaultClass, Response], drugs: Iterable[Withdrawal] = ()
) -> PatientText:
    """The text for a patient; with a drug that must not stop abruptly every call that is about less drug is for now."""
    done = does(condition, chosen)
    said = condition.patient
    named = [d.drug for d in drugs if d.dangerous] if _less_drug(condition, done) else []
    call = Call.NOW if named else condition.call
    return PatientText(
        what=said.what,
        pump=said.pump or _TO_PATIENT[done],
        risk=_risk_to_patient(named),
        call=call,
        whom=_WHOM[call],
        act=said.act,
        avoid=said.avoid,
    )


def _risk_to_patient(drugs: Sequence[str]) -> str:
    if not drugs:
        return ""
    return f"You can get very ill without {' and '.join(drugs)}."
