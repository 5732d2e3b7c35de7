"""What goes into the reservoir: the volume against syringe, model and room left, what is mixed, and the drug in it.

What comes in is what was typed and what was seen; a fill that cannot be right is refused with both numbers. Nothing
here knows a program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thecal.quantities import Mass, Volume
from thecal.therapy.mixture import Ingredient
from thecal.therapy.refusal import Code, Refusal, at_most_text

if TYPE_CHECKING:
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.mixture import Mixture


@dataclass(frozen=True, slots=True)
class DrugMass:
    """An amount of one drug."""

    drug: str
    mass: Mass


def drug_in(volume: Volume, mixture: Mixture) -> tuple[DrugMass, ...]:
    """How much of every ingredient a volume holds: what a wrong needle place would put elsewhere (example WE-32)."""
    return tuple(DrugMass(i.drug, i.concentration * volume) for i in mixture.ingredients)


@dataclass(frozen=True, slots=True)
class FillAccepted:
    """A fill that fits: ``in_reservoir`` after it, ``room`` that is left, ``in_syringe`` that was not used."""

    volume: Volume
    in_reservoir: Volume
    room: Volume
    in_syringe: Volume


@dataclass(frozen=True, slots=True)
class FillRefused:
    """A fill that cannot be right, with every reason."""

    refusals: tuple[Refusal, ...]


def check_fill(
    typed: Volume, dispensed: Volume | None, pump: Envelope, left_in: Volume | None
) -> FillAccepted | FillRefused:
    """The volume typed against the syringe dispensed, the model's reservoir and the room left after aspiration.

    ``left_in`` is what stays in the reservoir; None for it or for ``dispensed`` is unknown, and unknown is refused.
    """
    if dispensed is None or left_in is None:
        missing = "the volume dispensed" if dispensed is None else "the volume left in the reservoir"
        return FillRefused((_unknown(missing), *_against_pump(typed, pump, left_in)))
    refusals = (*_against_syringe(typed, dispensed), *_against_pump(typed, pump, left_in))
    if refusals:
        return FillRefused(refusals)
    held = left_in + typed
    return FillAccepted(typed, held, pump.reservoir - held, dispensed - typed)


def _unknown(what: str) -> Refusal:
    return Refusal(Code.UNKNOWN, f"no entry for {what}", "a volume in mL", f"measure and enter {what}")


def _against_syringe(typed: Volume, dispensed: Volume) -> tuple[Refusal, ...]:
    if typed <= dispensed:
        return ()
    return (
        Refusal(
            Code.MORE_THAN_DISPENSED,
            f"{typed.text('mL')} typed when {dispensed.text('mL')} was dispensed",
            f"at most {dispensed.text('mL')}",
            "read the syringe and type the volume that goes in",
        ),
    )


def _against_pump(typed: Volume, pump: Envelope, left_in: Volume | None) -> tuple[Refusal, ...]:
    size = pump.reservoir.text("mL")
    if typed.value <= 0:
        return (
            Refusal(
                Code.NOT_POSITIVE,
                f"{typed.text('mL')} typed",
                f"more than 0 mL, at most {size}",
                "type the volume that goes in",
            ),
        )
    if typed > pump.reservoir:
        return (
            Refusal(
                Code.MORE_THAN_RESERVOIR,
                f"{typed.text('mL')} typed for {pump.name}, which holds {size}",
                f"at most {size}",
                "check the model of the pump and the volume",
            ),
        )
    if left_in is not None and left_in + typed > pump.reservoir:
        room = pump.reservoir - left_in
        return (
            Refusal(
                Code.NO_ROOM,
                f"{typed.text('mL')} typed with {left_in.text('mL')} left in a reservoir of {size}",
                f"at most {at_most_text(max(room, Volume.zero()), 'mL')}",
                "aspirate what is left, or fill less",
            ),
        )
    return ()


@dataclass(frozen=True, slots=True)
class PartialFill:
    """A fill that ended early: ``injected`` went in, ``short`` did not, ``in_reservoir`` is what dates count from."""

    intended: Volume
    injected: Volume
    short: Volume
    in_reservoir: Volume


def partial_fill(intended: Volume, injected: Volume, left_in: Volume) -> PartialFill | Refusal:
    """A fill of which only ``injected`` reached the pump; program and dates must use ``in_reservoir``."""
    if not Volume.zero() <= injected <= intended:
        return Refusal(
            Code.MORE_THAN_DISPENSED,
            f"{injected.text('mL')} injected of {intended.text('mL')}",
            f"0 mL to {intended.text('mL')}",
            "measure what is left in the syringe",
        )
    return PartialFill(intended, injected, intended - injected, left_in + injected)


def mixed(left_in: Volume, old: Mixture, filled: Volume, new: Mixture) -> Mixture:
    """What the reservoir holds after a fill on top of a remainder, well mixed (transport-science 3).

    Ingredients of ``new`` come first; a drug that only ``old`` held stays as a trace. ``filled`` is more than zero.
    """
    total = left_in + filled
    if not left_in:
        return new
    held = {m.drug: m.mass for m in drug_in(filled, new)}
    for trace in drug_in(left_in, old):
        held[trace.drug] = held.get(trace.drug, Mass.zero()) + trace.mass
    return replace(new, ingredients=tuple(Ingredient(drug, mass / total) for drug, mass in held.items()))
