"""What a session at a pump can be for, and its steps in their fixed order (rule E1: there is no short way to send).

The table is all there is: pages draw the step bar from it, and nobody comes to a step before the ones that it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """One screen of a session; the word is also the end of its address, ``/sessions/{id}/{step}``."""

    READ = "read"  # the pump was interrogated: clock, alarms, boluses, what runs
    PROGRAM = "program"  # write the program
    PREVIEW = "preview"  # what arrives, now and as proposed
    BOLUS = "bolus"  # one bolus by the clinic
    CLOCK = "clock"  # the pump's clock against the wall
    TIMELINE = "timeline"  # hours without drug, tolerance, symptoms
    MEDICATION = "medication"  # same or different
    MIXTURE = "mixture"  # old and new side by side, ceilings, ratios
    SYRINGE = "syringe"  # scan or type, beyond use
    CHECKLIST = "checklist"  # the physical steps
    GAP = "gap"  # expected and aspirated
    RINSE = "rinse"  # how often, and what stays
    FILL = "fill"  # volume against syringe, reservoir, model
    BRIDGE = "bridge"  # old fluid first, the moving front
    SECOND = "second"  # the blind second entry
    REVIEW = "review"  # every setting, old and new
    SEND = "send"  # confirm, then send
    WATCH = "watch"  # from when the new drug arrives
    CLOSE = "close"  # how the pump was left


class Workflow(StrEnum):
    """What a session is for."""

    PROGRAM = "program"
    BOLUS = "bolus"
    REFILL_SAME = "refill-same"
    REFILL_NEW = "refill-new"
    RESTART = "restart"
    CLOCK = "clock"
    LOOK = "look"  # read, alarms, stop and start; nothing else


@dataclass(frozen=True, slots=True)
class Way:
    """The steps of a workflow, its name for people, and the action that somebody must be allowed to begin it."""

    name: str
    action: str
    steps: tuple[Step, ...]


_S = Step
WAYS: dict[Workflow, Way] = {
    Workflow.LOOK: Way("Read the pump", "session.begin", (_S.READ, _S.CLOSE)),
    Workflow.PROGRAM: Way(
        "Change the program", "program.write", (_S.READ, _S.PROGRAM, _S.PREVIEW, _S.REVIEW, _S.SEND, _S.CLOSE)
    ),
    Workflow.BOLUS: Way("Single bolus", "bolus.single", (_S.READ, _S.BOLUS, _S.REVIEW, _S.SEND, _S.WATCH, _S.CLOSE)),
    Workflow.REFILL_SAME: Way(
        "Refill, same medication",
        "refill.do",
        (
            _S.READ,
            _S.MEDICATION,
            _S.SYRINGE,
            _S.CHECKLIST,
            _S.GAP,
            _S.FILL,
            _S.SECOND,
            _S.REVIEW,
            _S.SEND,
            _S.WATCH,
            _S.CLOSE,
        ),
    ),
    Workflow.REFILL_NEW: Way(
        "Refill, new mixture or strength",
        "refill.change",
        (
            *(_S.READ, _S.MEDICATION, _S.MIXTURE, _S.SYRINGE, _S.CHECKLIST, _S.GAP, _S.RINSE, _S.FILL, _S.PROGRAM),
            *(_S.BRIDGE, _S.PREVIEW, _S.SECOND, _S.REVIEW, _S.SEND, _S.WATCH, _S.CLOSE),
        ),
    ),
    Workflow.RESTART: Way(
        "Found empty or late",
        "restart.write",
        (
            *(_S.READ, _S.TIMELINE, _S.SYRINGE, _S.CHECKLIST, _S.GAP, _S.FILL, _S.PROGRAM, _S.PREVIEW, _S.SECOND),
            *(_S.REVIEW, _S.SEND, _S.WATCH, _S.CLOSE),
        ),
    ),
    Workflow.CLOCK: Way("Set the pump's clock", "pump.clock", (_S.READ, _S.CLOCK, _S.REVIEW, _S.SEND, _S.CLOSE)),
}
"""Every workflow."""


def next_step(workflow: Workflow, step: Step) -> Step | None:
    """The step after another one, None after the last."""
    steps = WAYS[workflow].steps
    at = steps.index(step) + 1
    return steps[at] if at < len(steps) else None
