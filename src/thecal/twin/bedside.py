"""What people do to the pump in a run: the order at the start, refills, programs, stops, boluses, presses, priming.

Each is done as a clinic does it, and nothing is forced: what the compiler or the pump refuses is written down with its
reason and the time at which it would fit. A refill is planned and compiled before anything is touched. If the pump
then refuses the new program although the new drug is in, it stays stopped; otherwise the old program goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.pump.channels import ChannelMap
from thecal.pump.compile import Compiled, FixedFlow, Refused, compile_program, patient_reference
from thecal.pump.core.alarms import CLEARABLE
from thecal.pump.core.codes import DAY_S, E_BRIDGE_END, GRANTED, HOUR_S
from thecal.quantities import Volume, duration_text
from thecal.therapy.bridge import bridge_between
from thecal.therapy.line import dead_volume
from thecal.therapy.order import Order, Previous
from thecal.therapy.pattern import Pattern, pattern_of, steady, week_second
from thecal.therapy.program import BridgeBolus, Program
from thecal.therapy.refusal import Refusal
from thecal.therapy.reservoir import FillAccepted, check_fill
from thecal.twin.dosing import Dosing, InForce
from thecal.twin.events import GivenBolus, NewProgram, NoBridge, PlannedBridge, Press, Prime, Refill, Start, Stop
from thecal.twin.ordered import Ordering
from thecal.twin.records import Installed, Kind, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thecal.therapy.mixture import Mixture
    from thecal.twin.events import Bridge, Event
    from thecal.twin.implant import Implant
    from thecal.twin.scenario import Scenario

CLINIC = 1  # who starts and stops, in the pump's log


@dataclass(frozen=True, slots=True)
class Fill:
    """What is really done to the reservoir at ``at_s``: drawn down to ``left`` or by ``aspirated``, then filled.

    ``told`` is what the pump is told that it holds now.
    """

    at_s: int
    left: Volume | None
    aspirated: Volume | None
    filled: Volume
    mixture: Mixture
    told: Volume


class Bedside:
    """Carries out a scenario on an implant; what came of it is in ``dosing.diary``, ``ordering`` and the lists."""

    def __init__(self, scenario: Scenario, implant: Implant) -> None:
        order = scenario.order
        if order.catheter is None or order.fill is None:
            raise ValueError("a run starts with a catheter and a fill")
        self._order = order
        self._implant = implant
        self._clock_s = int(week_second(scenario.run.start))
        self._in_force = InForce(order.mixture, order.program)
        self._channels = ChannelMap()
        self._last_use: dict[str, int] = {}
        self.dead = dead_volume(order.pump.tubing, order.catheter.volume)
        self.first_fill = order.fill.volume
        self.first_fill_done = False
        self.ordering = Ordering(self._clock_s)
        self.dosing = Dosing(scenario.run, implant, self.ordering, self._in_force)
        self.fills: list[Fill] = []
        self.installed: list[Installed] = []

    @property
    def _now_s(self) -> int:
        return self._implant.now_s

    # The order at the start

    def begin(self) -> None:
        """Fill, program, start, and give what the order gives once."""
        order, program = self._order, self._order.program
        self._implant.commands.set_clock(self._clock_s)
        filled = check_fill(self.first_fill, self.first_fill, order.pump, Volume.zero())
        if not isinstance(filled, FillAccepted):
            self._refuse("the first fill", "; ".join(r.message for r in filled.refusals))
            return
        self._tell(self.first_fill)
        self.first_fill_done = True
        self._happen(Kind.FILL, f"the reservoir holds {self.first_fill.text('mL')}")
        old = order.previous.mixture if order.previous else None
        compiled = self._compile(order.mixture, program, old)
        if isinstance(compiled, Refused):
            self._refuse("the order", compiled.message)
        elif self._install(compiled, order.mixture, program, old, "the order") and compiled.start and self._start():
            if program.priming is not None:
                self.dosing.prime(program.priming.volume, self.dead, order.pump)
            for bolus in program.single_boluses:
                self.dosing.single(bolus, order.pump)
        self.read()

    # Events

    def do(self, event: Event) -> None:
        """Carry out one event of the scenario at this second."""
        match event:
            case Press():
                self.dosing.press()
            case Refill():
                self._refill(event)
            case NewProgram():
                self._new_program(event.program)
            case Stop():
                self._stop("the pump is stopped")
            case Start():
                self._clear_alarms()
                self._start()
            case GivenBolus():
                self.dosing.single(event.bolus, self._order.pump)
            case Prime():
                self.dosing.prime(event.volume, self.dead, self._order.pump)
        self.read()

    def read(self) -> None:
        """Take in what the pump has written."""
        force = self._in_force
        for entry in self.dosing.read():
            if entry.event == E_BRIDGE_END:
                force.bridge = force.old = None
                self.ordering.base(entry.at_s, force.mixture, self.pattern(force.program, force.mixture))

    # Programs

    def _new_program(self, program: Program) -> None:
        """Another program with the mixture that is in; what is left of a bridge goes on before it."""
        force = self._in_force
        self._clear_alarms()
        rest, old = self._rest_of_bridge(program), force.old
        if program.bridge is None and rest is not None:
            program = replace(program, bridge=rest)
            self._happen(Kind.PROGRAM, f"{rest.volume.text('mL')} of the bridge are left and go before the new program")
        compiled = self._compile(force.mixture, program, old)
        if isinstance(compiled, Refused):
            self._refuse("the new program", compiled.message)
            return
        if not compiled.start:
            self._stop("the pump is stopped, as the new program says")
        if self._install(compiled, force.mixture, program, old, "the new program") and compiled.start:
            self._start()

    def _rest_of_bridge(self, program: Program) -> BridgeBolus | None:
        """What is left of a bridge; its bolus goes with a program that has none."""
        controller, bridge = self._implant.controller, self._in_force.bridge
        if bridge is None or not controller.bridging:
            return None
        bolus = bridge.bolus_in_old_drug if program.patient_bolus is not None else None
        left = Volume.of(Fraction(controller.bridge_left, HOUR_S * 1000), "nL")
        return replace(bridge, volume=left, bolus_in_old_drug=bolus)

    def _compile(self, mixture: Mixture, program: Program, old: Mixture | None) -> Compiled | Refused:
        """Compile for this pump; ``old`` is what a bridge would push out."""
        previous = None if old is None else Previous(old, self._in_force.program)
        order = replace(self._order, mixture=mixture, program=program, previous=previous)
        compiled = compile_program(
            order,
            number=len(self.installed) + 1,
            patient_ref=patient_reference(order.patient.reference),
            order_document=_document(order),
            channels=self._channels,
            in_use=self._in_use(),
        )
        if isinstance(compiled, FixedFlow):
            raise TypeError(f"{order.pump.name} has no controller to run")
        return compiled

    def _in_use(self) -> set[str]:
        """Drugs of which some may have been delivered in the past 24 h."""
        now = set(self._in_force.mixture.drugs) if self._in_force.compiled else set[str]()
        return now | {drug for drug, last_s in self._last_use.items() if last_s + DAY_S > self._now_s}

    def _install(self, compiled: Compiled, mixture: Mixture, program: Program, old: Mixture | None, what: str) -> bool:
        """Propose, read back, confirm; True where the pump took it."""
        commands, force = self._implant.commands, self._in_force
        self.read()
        code = commands.propose(bytearray(compiled.packed))
        if code == GRANTED:
            code = commands.confirm(commands.staged_digest())
        if code != GRANTED:
            self._refuse(what, answer_of(code), commands.wait_s)
            return False
        if force.compiled is not None:
            self._last_use.update(dict.fromkeys(force.mixture.drugs, self._now_s))
        self._channels = compiled.channels
        force.mixture, force.program, force.compiled = mixture, program, compiled
        force.bridge, force.old = (program.bridge, old) if self._implant.controller.bridging else (None, None)
        self.installed.append(Installed(self._now_s, mixture, compiled))
        self._happen(Kind.PROGRAM, f"program {compiled.number} is committed ({compiled.digest.hex()[:8]})")
        if self._implant.controller.running:
            self._order_base()
        return True

    def _order_base(self) -> None:
        """From now on the program in force is ordered, or the bridge that runs before it."""
        force = self._in_force
        if force.bridge is not None and force.old is not None:
            self.ordering.base(self._now_s, force.old, steady(force.bridge.dose))
        else:
            self.ordering.base(self._now_s, force.mixture, self.pattern(force.program, force.mixture))

    def pattern(self, program: Program, mixture: Mixture) -> Pattern:
        """The base of a program that was compiled."""
        found = pattern_of(program.base, mixture, self._order.pump.minimum_rate)
        if isinstance(found, Refusal):
            raise TypeError(f"a compiled base without a pattern: {found.message}")
        return found

    # Start and stop

    def _start(self) -> bool:
        commands = self._implant.commands
        if self._implant.controller.running:
            return True
        code = commands.start(CLINIC)
        if code != GRANTED:
            self._refuse("the start", answer_of(code), commands.wait_s)
            return False
        self._happen(Kind.START, "the pump is started")
        self._order_base()
        return True

    def _stop(self, text: str) -> None:
        if self._implant.commands.stop(CLINIC) == GRANTED:
            self.read()
            self._happen(Kind.STOP, text)
            self.ordering.stop(self._now_s)

    def _clear_alarms(self) -> None:
        """A clinic that looks at the pump clears what can be cleared."""
        for alarm in CLEARABLE:
            self._implant.commands.clear(alarm)

    # Refills

    def _refill(self, event: Refill) -> None:
        """Plan, check and compile; only then stop, empty, fill, program and start."""
        force = self._in_force
        mixture, program = event.mixture or force.mixture, event.program or force.program
        plan = self._plan(event, mixture, program)
        if isinstance(plan, str):
            self._refuse("the refill", f"{plan}; nothing was done")
            return
        left, changed = plan
        was_running = self._implant.controller.running
        self._clear_alarms()
        self._stop("the pump is stopped for a refill")
        told = left + event.volume
        self.fills.append(Fill(self._now_s, event.left, event.aspirated, event.volume, mixture, told))
        self._tell(told)
        self._happen(Kind.FILL, f"{event.volume.text('mL')} are filled in; the reservoir holds {told.text('mL')}")
        if isinstance(event.bridge, NoBridge):
            self._happen(Kind.FILL, f"no bridge: {event.bridge.reason}")
        if changed is None:
            if was_running:
                self._start()
            return
        compiled, ordered = changed
        if self._install(compiled, mixture, ordered, self._before(event), "the program of the refill"):
            if compiled.start:
                self._start()
        elif event.mixture is None and was_running:
            self._start()
        else:
            self._happen(Kind.STOP, "the pump stays stopped")

    def _before(self, event: Refill) -> Mixture | None:
        """What a bridge pushes out: the mixture of before, or of the bridge that still runs."""
        force = self._in_force
        return force.mixture if event.mixture is not None else force.old

    def _plan(
        self, event: Refill, mixture: Mixture, program: Program
    ) -> tuple[Volume, tuple[Compiled, Program] | None] | str:
        """What stays in, and the compiled program where it changes; or why the refill cannot be."""
        believed = Volume.of(self._implant.controller.level_nl, "nL")
        left = max(believed - (event.aspirated or Volume.zero()), Volume.zero()) if event.left is None else event.left
        fits = check_fill(event.volume, event.volume, self._order.pump, left)
        if not isinstance(fits, FillAccepted):
            return "; ".join(r.message for r in fits.refusals)
        if event.mixture is None and event.program is None:
            return left, None
        bridge = self._bridge(event.bridge, program, mixture) if event.mixture else self._rest_of_bridge(program)
        if isinstance(bridge, Refusal):
            return bridge.message
        ordered = replace(program, bridge=bridge, priming=None, single_boluses=())
        compiled = self._compile(mixture, ordered, self._before(event))
        return compiled.message if isinstance(compiled, Refused) else (left, (compiled, ordered))

    def _bridge(self, bridge: Bridge | None, program: Program, new: Mixture) -> BridgeBolus | Refusal | None:
        """The bridge as it was stated, or as therapy plans it: the line, at the new program's dose in the old drug."""
        if not isinstance(bridge, PlannedBridge):
            return bridge if isinstance(bridge, BridgeBolus) else None
        force = self._in_force
        planned = bridge_between(self.dead, (force.program, force.mixture), (program, new), self._order.pump)
        if isinstance(planned, Refusal):
            return planned
        lasts = duration_text(planned.duration)
        self._happen(Kind.PROGRAM, f"a bridge is planned: {self.dead.text('mL')} of the old drug over {lasts}")
        return BridgeBolus(self.dead, planned.doses[0].dose)

    def _tell(self, volume: Volume) -> None:
        """Tell the pump what its reservoir holds; a fill that was checked is never refused."""
        code = self._implant.commands.refill(volume.floor("nL"))
        if code != GRANTED:
            raise RuntimeError(f"a checked fill was refused: {answer_of(code)}")

    def _happen(self, kind: Kind, text: str) -> None:
        self.dosing.diary.happen(self._now_s, kind, text)

    def _refuse(self, what: str, why: str, wait_s: int = 0) -> None:
        self.dosing.diary.refuse(self._now_s, what, why, wait_s)


def _document(order: Order) -> bytes:
    """What is stored beside a program in a run: the order's patient, mixture and program, always alike."""
    parts: Iterable[object] = (order.patient.reference, order.mixture, order.program)
    return "\n".join(repr(part) for part in parts).encode()
