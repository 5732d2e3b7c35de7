"""The diary of a run: the time line, boluses, alarms and refusals, written down as they come.

Commands report what was asked and answered; the pump's log reports what followed. Both end up in one order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from thecal.pump.core import alarms, codes
from thecal.quantities import Duration, Volume, duration_text
from thecal.twin.records import ALARMS, Alarm, Bolus, Happening, Kind, Refusal, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.therapy.mixture import Mixture
    from thecal.twin.events import Run
    from thecal.twin.implant import Entry
    from thecal.twin.records import AlarmName

_WORDS = {Source.PATIENT: "patient bolus", Source.CLINICIAN: "single bolus", Source.PRIME: "prime"}


class Diary:
    """Collects the records of a run; ``on_begin`` hears of every bolus that begins."""

    def __init__(self, run: Run, stroke_nl: int, on_begin: Callable[[int, int], None]) -> None:
        self._run = run
        self._stroke_nl = stroke_nl
        self._on_begin = on_begin
        self.happenings: list[Happening] = []
        self.boluses: list[Bolus] = []
        self.alarms: list[Alarm] = []
        self.refusals: list[Refusal] = []
        self._waiting: deque[int] = deque()
        self._open: int | None = None
        self._active: dict[AlarmName, int] = {}

    def happen(self, at_s: int, kind: Kind, text: str) -> None:
        """One more entry of the time line."""
        self.happenings.append(Happening(at_s, self._run.moment(at_s).isoformat(), kind, text))

    def refuse(self, at_s: int, what: str, why: str, wait_s: int = 0) -> None:
        """Something that was not done; with ``wait_s``, when it would fit."""
        fits_at_s = at_s + wait_s if wait_s else None
        self.refusals.append(Refusal(at_s, what, why, fits_at_s))
        self.happen(at_s, Kind.REFUSED, f"{what}: {why}{self._fits(at_s, wait_s)}")

    def asked(self, bolus: Bolus, mixture: Mixture | None = None) -> None:
        """A bolus that was asked for, with the pump's answer; a granted one waits for its beginning in the log."""
        if bolus.granted and mixture is not None:
            ml = Volume.of(bolus.strokes * self._stroke_nl, "nL")
            dose = {i.drug: float((ml * i.concentration).number("mg")) for i in mixture.ingredients}
            bolus = replace(bolus, dose_mg=dose)
        self.boluses.append(bolus)
        what = _WORDS[bolus.source]
        if bolus.granted:
            self._waiting.append(len(self.boluses) - 1)
            size = Volume.of(bolus.strokes * self._stroke_nl, "nL").text("mL")
            text = f"{what} granted: {size} over {duration_text(Duration.of(bolus.seconds, 's'))}"
            self.happen(bolus.at_s, Kind.PRIME if bolus.source is Source.PRIME else Kind.BOLUS, text)
        else:
            text = f"{what} refused: {bolus.answer}{self._fits(bolus.at_s, bolus.wait_s)}"
            self.happen(bolus.at_s, Kind.REFUSED, text)

    def read(self, entry: Entry) -> None:
        """Take in one record of the pump's log."""
        match entry.event:
            case codes.E_BOLUS:
                self._begin(entry)
            case codes.E_BOLUS_END | codes.E_BOLUS_CUT:
                self._end(entry)
            case codes.E_ALARM:
                name, critical = ALARMS[entry.a], alarms.TABLE[entry.a][0] == alarms.CRITICAL
                self._active[name] = len(self.alarms)
                self.alarms.append(Alarm(name, critical, entry.at_s))
                self.happen(entry.at_s, Kind.ALARM, f"{'critical alarm' if critical else 'alarm'}: {name}")
            case codes.E_CLEAR:
                self._clear(entry)
            case codes.E_BRIDGE_END:
                self.happen(entry.at_s, Kind.BRIDGE_END, "the bridge has ended; the new program runs")
            case codes.E_BRIDGE_CUT:
                left = Volume.of(entry.b, "nL").text("mL")
                self.happen(entry.at_s, Kind.BRIDGE_CUT, f"a new program began with {left} of the old drug ahead")
            case codes.E_HELD:
                self.happen(entry.at_s, Kind.HELD, "the monitor holds strokes back until they fit")

    def _begin(self, entry: Entry) -> None:
        self._open = self._waiting.popleft()
        self.boluses[self._open] = replace(self.boluses[self._open], began_s=entry.at_s)
        self._on_begin(entry.at_s, self._open)

    def _end(self, entry: Entry) -> None:
        """The bolus that is being given ends; or, where none is, the oldest that waited is dropped."""
        cut, begun = entry.event == codes.E_BOLUS_CUT, self._open is not None
        number = self._waiting.popleft() if self._open is None else self._open
        self._open = None
        done = replace(self.boluses[number], ended_s=entry.at_s if begun else None, given=entry.b, cut=cut)
        self.boluses[number] = done
        what, part = _WORDS[done.source], f"{entry.b:,} of {done.strokes:,} strokes"
        if cut:
            self.happen(entry.at_s, Kind.BOLUS_CUT, f"{what} interrupted after {part}")
        else:
            self.happen(entry.at_s, Kind.BOLUS_END, f"{what} given: {part}")

    def _clear(self, entry: Entry) -> None:
        name = ALARMS[entry.a]
        number = self._active.pop(name)
        self.alarms[number] = replace(self.alarms[number], cleared_s=entry.at_s)
        self.happen(entry.at_s, Kind.CLEARED, f"cleared: {name}")

    def _fits(self, at_s: int, wait_s: int) -> str:
        if not wait_s:
            return ""
        clock = self._run.moment(at_s + wait_s).isoformat(sep=" ")
        return f"; it fits in {duration_text(Duration.of(wait_s, 's'))}, at {clock}"
