"""Boluses of a run: presses of the patient, single boluses and priming, asked of the pump and written down.

What the pump grants is ordered as the program or the clinician stated it; what it refuses is kept with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thecal.pump.boluses import prime_strokes, single_strokes
from thecal.pump.compile import Compiled, Refused
from thecal.pump.core.codes import GRANTED, HOUR_S
from thecal.quantities import Volume
from thecal.twin.diary import Diary
from thecal.twin.records import Answer, Bolus, Source, answer_of

if TYPE_CHECKING:
    from thecal.quantities import Mass
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import BridgeBolus, Program, SingleBolus
    from thecal.twin.events import Run
    from thecal.twin.implant import Entry, Implant
    from thecal.twin.ordered import Ordering

CATHETER_STATE = 1  # the catheter of a run is implanted once


@dataclass(slots=True)
class InForce:
    """What the pump holds now: the mixture in the reservoir, the program, and while a bridge runs what it pushes out.

    ``compiled`` is None until a program was committed; ``old`` and ``bridge`` are None where no bridge runs.
    """

    mixture: Mixture
    program: Program
    compiled: Compiled | None = None
    old: Mixture | None = None
    bridge: BridgeBolus | None = None


class Dosing:
    """Asks the pump for boluses and knows what each of them was ordered as."""

    def __init__(self, run: Run, implant: Implant, ordering: Ordering, in_force: InForce) -> None:
        self.diary = Diary(run, implant.controller.hw.stroke_nl, self._begins)
        self._implant = implant
        self._ordering = ordering
        self._in_force = in_force
        self._requests = 0
        self._ordered: dict[int, tuple[Mixture, Mass]] = {}  # by number of the bolus in the diary

    def press(self) -> None:
        """The patient presses."""
        self._requests += 1
        commands, made, force = self._implant.commands, self._implant.controller.program, self._in_force
        code = commands.bolus(self._requests)
        bolus = Bolus(self._implant.now_s, Source.PATIENT, answer_of(code), commands.wait_s)
        ordered = force.program.patient_bolus
        if code != GRANTED or ordered is None:
            self.diary.asked(bolus)
            return
        mixture, dose, strokes = force.mixture, ordered.dose, made.bolus_strokes
        if force.old is not None and force.bridge is not None and force.bridge.bolus_in_old_drug is not None:
            mixture, dose, strokes = force.old, force.bridge.bolus_in_old_drug, made.bridge_bolus_strokes
        self._grant(replace(bolus, strokes=strokes, seconds=made.bolus_s), mixture, dose)

    def single(self, ordered: SingleBolus, pump: Envelope) -> None:
        """A clinician gives one bolus."""
        force, commands, now_s = self._in_force, self._implant.commands, self._implant.now_s
        if force.compiled is None:
            self.diary.asked(Bolus(now_s, Source.CLINICIAN, Answer.NO_PROGRAM))
            return
        found = single_strokes(ordered, force.mixture, pump, force.compiled.program())
        if isinstance(found, Refused):
            self.diary.refuse(now_s, "single bolus", found.message)
            return
        code = commands.single(found.strokes, found.seconds)
        bolus = Bolus(now_s, Source.CLINICIAN, answer_of(code), commands.wait_s, found.strokes, found.seconds)
        if code == GRANTED:
            self._grant(bolus, force.mixture, ordered.dose)
        else:
            self.diary.asked(bolus)

    def prime(self, volume: Volume, dead: Volume, pump: Envelope) -> None:
        """Tubing and catheter are primed, once for a catheter; what goes beyond the dead volume is a dose."""
        force, commands, now_s = self._in_force, self._implant.commands, self._implant.now_s
        found = prime_strokes(volume, pump)
        if isinstance(found, Refused):
            self.diary.refuse(now_s, "prime", found.message)
            return
        code = commands.prime(CATHETER_STATE, volume.floor("nL"), dead.floor("nL"), True)  # noqa: FBT003
        prime = Bolus(now_s, Source.PRIME, answer_of(code), commands.wait_s)
        if code != GRANTED:
            self.diary.asked(prime)
            return
        free = min(volume, dead).floor("nL") // self._stroke_nl
        self._grant(replace(prime, strokes=free, seconds=self._prime_s(free)), force.mixture, None)
        beyond = found.strokes - free
        if beyond:
            dose = Volume.of(beyond * self._stroke_nl, "nL") * force.mixture.primary.concentration
            self._grant(replace(prime, strokes=beyond, seconds=self._prime_s(beyond)), force.mixture, dose)

    def read(self) -> list[Entry]:
        """Take in what the pump has written, and pass it on."""
        news = self._implant.news()
        for entry in news:
            self.diary.read(entry)
        return news

    @property
    def _stroke_nl(self) -> int:
        return self._implant.controller.hw.stroke_nl

    def _prime_s(self, strokes: int) -> int:
        """How long strokes take at the priming rate, as the core has it."""
        return -(-strokes * self._stroke_nl * 1000 * HOUR_S // self._implant.controller.hw.prime_rate_pl_per_h)

    def _grant(self, bolus: Bolus, mixture: Mixture, dose: Mass | None) -> None:
        if dose is not None:
            self._ordered[len(self.diary.boluses)] = (mixture, dose)
        self.diary.asked(bolus, mixture)

    def _begins(self, at_s: int, number: int) -> None:
        if number in self._ordered:
            mixture, dose = self._ordered.pop(number)
            self._ordering.bolus(at_s, self.diary.boluses[number].seconds, mixture, dose)
