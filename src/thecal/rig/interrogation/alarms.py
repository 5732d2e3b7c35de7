"""Alarms of the pump and findings of the reading, with their times and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.link.log_reading import Standing
from thecal.pump.annunciation import (
    Facts,
    Withdrawal,
    before_stop,
    does,
    for_clinician,
    for_patient,
    found_in,
    in_order,
    restrictions,
    states_of,
    without_times,
)
from thecal.pump.core import alarms as al

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from thecal.link.log_reading import LogReading
    from thecal.pump.annunciation import AlarmState, Condition, Found
    from thecal.rig.interrogation.moments import Moments
    from thecal.therapy.program import FaultClass, Response

UNKNOWN_DRUGS = (
    Withdrawal(
        "the drug in this pump",
        dangerous=True,
        text="it is not known which drug this is, so the risk is taken to be high",
        source="this reading",
    ),
)
"""What stands for drugs that nobody knows: unknown counts as dangerous."""


def states_read(active: int, times: bytes | None) -> tuple[AlarmState, ...] | None:
    """The alarms as they were read; None where their times are of another length than this software knows."""
    return without_times(active) if times is None else states_of(active, times)


def alarms_json(
    states: Sequence[AlarmState],
    choices: Mapping[FaultClass, Response],
    drugs: Sequence[Withdrawal],
    moments: Moments | None,
) -> dict[str, Any]:
    """Every alarm that was ever issued, the active ones first, and what the active ones ask for together."""
    base, bolus = restrictions(states, choices)
    past = sorted((s for s in states if s.ever and not s.active), key=lambda s: -(s.cleared_s or 0))
    return {
        "base": str(base),
        "forbid_bolus": bolus,
        "before_stop": list(before_stop(drugs)),
        "rows": [_alarm(s, choices, drugs, moments) for s in (*in_order(states), *past)],
    }


def _alarm(
    state: AlarmState, choices: Mapping[FaultClass, Response], drugs: Sequence[Withdrawal], moments: Moments | None
) -> dict[str, Any]:
    def times(uptime_s: int | None) -> dict[str, Any] | None:
        return None if uptime_s is None or moments is None else moments.at(uptime_s)

    return {
        **_condition(state.condition, choices, drugs),
        "core": state.condition.core,
        "active": state.active,
        "issued": times(state.issued_s),
        "acknowledged": times(state.acknowledged_s),
        "cleared": times(state.cleared_s),
        "cleared_before": times(state.cleared_before_s),
    }


def _condition(
    condition: Condition, choices: Mapping[FaultClass, Response], drugs: Sequence[Withdrawal]
) -> dict[str, Any]:
    clinician, patient = for_clinician(condition, choices, drugs), for_patient(condition, choices, drugs)
    return {
        "code": condition.code,
        "name": condition.name,
        "raised": str(condition.raised),
        "cause": condition.cause,
        "priority": str(condition.priority),
        "sign": condition.priority.sign,
        "base": str(does(condition, choices)),
        "forbids_bolus": condition.forbids_bolus,
        "clinician": {
            "what": clinician.what,
            "pump": clinician.pump,
            "risk": list(clinician.risk),
            "check": clinician.check,
            "act": clinician.act,
            "clears": clinician.clears,
        },
        "patient": {"call": str(patient.call), "lines": list(patient.lines)},
    }


def facts_of(
    status: Mapping[str, Any] | None, log: LogReading | None, clock_off_s: int | None, *, first: bool
) -> Facts:
    """What a reading knows beside the log."""
    return Facts(
        stopped=status is not None and status["loaded"] and not status["running"],
        stalled=first and status is not None and status["alarms"] >> al.STALL & 1 == 1,
        log_broken=log is not None and log.verdict.standing is Standing.BROKEN,
        records_missing=0 if log is None else log.verdict.records_missing,
        clock_off_s=clock_off_s or 0,
    )


def findings_json(
    log: LogReading | None,
    facts: Facts,
    choices: Mapping[FaultClass, Response],
    drugs: Sequence[Withdrawal],
    moments: Moments | None,
) -> list[dict[str, Any]]:
    """What the reading finds beside the alarms, with the same texts."""
    return [_finding(f, choices, drugs, moments) for f in found_in(_entries(log), facts)]


def _entries(log: LogReading | None) -> Iterable[Any]:
    return () if log is None else log.records


def _finding(
    found: Found, choices: Mapping[FaultClass, Response], drugs: Sequence[Withdrawal], moments: Moments | None
) -> dict[str, Any]:
    def times(uptime_s: int | None) -> dict[str, Any] | None:
        return None if uptime_s is None or moments is None else moments.at(uptime_s)

    return {
        **_condition(found.condition, choices, drugs),
        "count": found.count,
        "first": times(found.first_s),
        "last": times(found.last_s),
    }
