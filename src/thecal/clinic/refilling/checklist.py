"""The physical steps of a refill: a list that is data, each item with who did it and when, and the volume that came
out.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thecal.clinic.refilling.case import case_of
from thecal.clinic.refilling.entries import Wrong, amount, begun, finish, keep_begun, kept, near_miss, open_here
from thecal.clinic.refilling.hands import closed_by_filling, drawn_nl
from thecal.clinic.refused import Refused
from thecal.clinic.workflow import Step
from thecal.formulary.limits import Source
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thecal.clinic.practice import Practice
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.clinic.who import Who

_FILE = Path(__file__).with_name("checklist.toml")


class Phase(StrEnum):
    """When an item belongs."""

    ASPIRATE = "aspirate"
    FILL = "fill"


@dataclass(frozen=True, slots=True)
class Item:
    """One physical step; ``moves`` is what happens to fluid at it: draw, fill, or nothing."""

    id: str
    phase: Phase
    text: str
    source: Source
    moves: str = ""


@cache
def items(phase: Phase) -> tuple[Item, ...]:
    """The items of a phase, in their order."""
    rows = tomllib.loads(_FILE.read_text("utf-8"))["item"]
    made = (Item(r["id"], Phase(r["phase"]), r["text"], Source(**r["source"]), r.get("moves", "")) for r in rows)
    return tuple(i for i in made if i.phase is phase)


@dataclass(frozen=True, slots=True)
class Ticked:
    """An item with who ticked it and when; None where nobody has."""

    item: Item
    by_person: int | None
    at_utc_s: int | None


def ticked(session: SessionRow, phase: Phase) -> tuple[Ticked, ...]:
    """Every item of a phase as it stands."""
    done = begun(session, _STEP[phase]).get("items") or {}
    return tuple(Ticked(i, *(done.get(i.id) or (None, None))) for i in items(phase))


_STEP = {Phase.ASPIRATE: Step.CHECKLIST, Phase.FILL: Step.SECOND}


def ticks(session: SessionRow, phase: Phase, new: Iterable[str], who: Who, now_s: int) -> dict[str, Any]:
    """The ticks after these: whoever ticked an item first stays with it; one that is no longer ticked is open again."""
    before = begun(session, _STEP[phase]).get("items") or {}
    wanted = set(new)
    return {i.id: before.get(i.id) or [who.person_id, now_s] for i in items(phase) if i.id in wanted}


def note(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice,
    who: Who,
    session_id: int,
    seen: int,
    done: Iterable[str],
    aspirated: str,
    left: str,
    *,
    whole: bool,
) -> tuple[Refused, ...]:
    """Tick items and note the volume that came out; ``whole`` says that the step is finished, and then nothing may be
    open.

    ``left`` is what stays in the reservoir: 0 mL where only bubbles came.
    """
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        refused = open_here(case.session, Step.CHECKLIST) or closed_by_filling(db, session_id)
        drawn = drawn_nl(db, session_id)
    if refused is not None:
        return (refused,)
    ticked_now = ticks(case.session, Phase.ASPIRATE, done, who, practice.now_s())
    out = _volume(aspirated, "aspirated", "the volume aspirated") if aspirated.strip() or whole else None
    stays = _volume(left, "left", "the volume left in the reservoir") if left.strip() or whole else None
    wrong = [r for r in (out, stays) if isinstance(r, Refused)]
    value = {"items": ticked_now, "aspirated": _kept(out), "left": _kept(stays)}
    if whole:
        wrong += [_open(i) for i in items(Phase.ASPIRATE) if i.id not in ticked_now]
        wrong += _against_pump(out, stays, case.pump.reservoir, drawn)
    if wrong:
        hard = [r for r in wrong if r.code is Wrong.HARD_STOP]
        if hard:
            near_miss(practice, who, case.session, "refill: aspiration", hard)
        return tuple(wrong)
    if whole:
        return finish(practice, who, session_id, seen, Step.CHECKLIST, value)
    return keep_begun(practice, who, session_id, seen, Step.CHECKLIST, value)


def _volume(text: str, field: str, what: str) -> Volume | Refused:
    return amount(text, Volume, "mL", field, what)


def _kept(found: Volume | Refused | None) -> str | None:
    return kept(found) if isinstance(found, Volume) else None


def _open(item: Item) -> Refused:
    found = f"not ticked: {item.text}"
    return Refused(Wrong.NOT_CONFIRMED, found, "every item ticked by whoever did it", "do it, then tick it", "items")


def _against_pump(
    out: Volume | Refused | None, stays: Volume | Refused | None, size: Volume, drawn: int | None
) -> list[Refused]:
    """Volumes that cannot be: more than the model holds, or another volume than the virtual syringe holds."""
    found = []
    for field, volume in (("aspirated", out), ("left", stays)):
        if isinstance(volume, Volume) and volume > size:
            found.append(
                Refused(
                    Wrong.HARD_STOP,
                    f"{volume.text('mL')} from a reservoir of {size.text('mL')}",
                    f"at most {size.text('mL')}",
                    "read the syringe again, and check the model of the pump",
                    field,
                )
            )
    if drawn is not None and isinstance(out, Volume) and _apart(out, stays, Volume.of(drawn, "nL")) > READ_WITHIN:
        virtual = Volume.of(drawn, "nL").text("mL", 6)
        found.append(
            Refused(
                Wrong.HARD_STOP,
                f"{out.text('mL')} noted where the syringe holds {virtual}",
                f"within {READ_WITHIN.text('mL')} of {virtual}",
                "read the syringe again",
                "aspirated",
            )
        )
    return found


def _apart(out: Volume, stays: Volume | Refused | None, drawn: Volume) -> Volume:
    """How far what was noted is from what the virtual syringe drew, which is all there was: also what stays."""
    less = out + stays if isinstance(stays, Volume) else out
    return min(abs(out - drawn), abs(less - drawn))


READ_WITHIN = Volume.of(500, "mcL")
"""How near a volume that is read off a syringe must be to what the virtual world moved. Ours: half a graduation of 1
mL.
"""
