"""``thecal sbml``: the model of the spine with a dose in it, as a file that other programs can run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 -- typer reads it when the command is made
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.guard import end
from thecal.cli.help_text import examples
from thecal.cli.pump_app import Json  # noqa: TC001 -- typer reads it when the command is made

if TYPE_CHECKING:
    from rich.console import Console

    from thecal.body.spine.neuraxis import Neuraxis
    from thecal.body.transport.dosing import Dosing
    from thecal.body.transport.system import Channels
    from thecal.cli.answer import Answer

_SAYS = "thecal sbml"
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says of the drug: bolus, its volume, infusion, the level of the tip."""

    bolus: str | None
    volume: str | None
    infusion: str | None
    tip: str


def sbml(
    drug: Annotated[str, typer.Argument(metavar="DRUG", help="A drug that has a model, such as morphine.")],
    *,
    tip: Annotated[str, typer.Option(metavar="LEVEL", help="Where it goes into the fluid, as in L3-4.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.xml", help="The file to write.")],
    bolus: Annotated[str | None, typer.Option(metavar="DOSE", help='At the start, as in "0.25 mg".')] = None,
    volume: Annotated[str | None, typer.Option(metavar="VOLUME", help='Of the bolus, as in "1 mL"; else none.')] = None,
    infusion: Annotated[str | None, typer.Option(metavar="DOSE", help='From the start on, as in "1 mg/day".')] = None,
    level: Annotated[
        list[str] | None, typer.Option(metavar="LEVEL", help="Read fluid and tissue here, as in T10; several times.")
    ] = None,
    dermatome: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An effect compartment at T10, say; several times.")
    ] = None,
    cells: Annotated[int, typer.Option(metavar="N", help="Cells along the canal, from 10.")] = 200,
    as_json: Json = False,
) -> int:
    """Write the model of the spine with nominal parameters as SBML, the exchange format of systems biology."""

    def work() -> Answer:
        given = Given(bolus, volume, infusion, tip)
        return export(drug, given, output, (tuple(level or ()), tuple(dermatome or ())), cells)

    return end("sbml", work, as_json)


def register(app: typer.Typer) -> None:
    """Put the command under ``thecal``."""
    app.command(
        short_help="The model of the spine as SBML.",
        epilog=examples(
            'thecal sbml morphine --tip L3-4 --bolus "0.25 mg" --volume "1 mL" -o out/spine.xml',
            'thecal sbml baclofen --tip T10 --infusion "200 mcg/day" --level T12 -o out/baclofen.xml',
        ),
    )(sbml)


def export(drug: str, given: Given, output: Path, read: tuple[tuple[str, ...], tuple[str, ...]], cells: int) -> Answer:
    """Write the file; ``read`` are levels and dermatomes. The answer says what stands in it, or why there is none."""
    from thecal.body.spine import sbml as exchange
    from thecal.body.transport.untrusted import UntrustedError
    from thecal.cli import refusals
    from thecal.cli.exits import Exit
    from thecal.cli.output_file import unwritable, written
    from thecal.cli.spine_asking import untrusted

    dosing, bolus_ml = _dosing(given)
    try:
        exchange.library()
        neuraxis = _neuraxis(drug, given.tip, bolus_ml, read[1], cells)
        channels = _readings(neuraxis, given.tip, read[0])
        failed = unwritable(output) or written(output, exchange.of_neuraxis(neuraxis, dosing, channels))
    except UntrustedError as wrong:
        return untrusted(wrong, _SAYS)
    except ModuleNotFoundError:
        found, then = "python-libsbml is not installed", "Nothing was written."
        return refusals.of_words("not-installed", _SAYS, found, exchange.INSTALL, Exit.NOT_WRITTEN, then=then)
    return failed or _answer(neuraxis, channels, output)


def _dosing(given: Given) -> tuple[Dosing, float]:
    """What is given at the start and from then on, and the volume of the bolus in mL."""
    import numpy as np

    from thecal.body.transport.dosing import Dosing
    from thecal.cli.amounts import amount
    from thecal.quantities import DoseRate, Mass, Volume

    if given.bolus is None and given.infusion is None:
        raise typer.BadParameter('found neither --bolus nor --infusion; allowed: one or both, as in --bolus "0.25 mg"')
    if given.volume is not None and given.bolus is None:
        raise typer.BadParameter("found --volume without --bolus; allowed: the volume of a bolus")
    mass = 0.0 if given.bolus is None else float(amount("--bolus", given.bolus, Mass).number("ng"))
    rate = 0.0 if given.infusion is None else float(amount("--infusion", given.infusion, DoseRate).number("ng/day"))
    volume = 0.0 if given.volume is None else float(amount("--volume", given.volume, Volume).number("mL"))
    return Dosing(np.zeros(1), np.array([[rate / _DAY_S], [0.0]]), np.array([[0.0], [mass]])), volume


def _neuraxis(drug: str, tip: str, bolus_ml: float, dermatomes: tuple[str, ...], cells: int) -> Neuraxis:
    from thecal.body.spine.effect import effect_sites, nominal_effect
    from thecal.body.spine.levels import dermatome, vertebra_cm
    from thecal.body.spine.neuraxis import build
    from thecal.body.spine.prior import nominal_kinetics, nominal_physiology

    person, kinetics = nominal_physiology(), nominal_kinetics(drug)
    named = tuple(dermatome(name).name for name in dermatomes)
    effects = effect_sites(nominal_effect(kinetics), named, person) if named else ()
    return build(
        person, kinetics, vertebra_cm(tip, person.canal_cm), bolus_ml=(0.0, bolus_ml), cells=cells, effects=effects
    )


def _readings(neuraxis: Neuraxis, tip: str, levels: tuple[str, ...]) -> Channels:
    from thecal.body.spine.levels import level
    from thecal.body.spine.neuraxis import channels

    canal_cm = neuraxis.physiology.canal_cm
    named = [level(text) for text in (tip, *levels)]
    wanted = {f"{place} {at.name}": (place, at.at_cm(canal_cm)) for at in named for place in ("csf", "tissue")}
    alone = ("cistern", "brainstem", "plasma", *(lag.name for lag in neuraxis.system.lags))
    return channels(neuraxis, {**wanted, **{place: (place, 0.0) for place in alone}})


def _answer(neuraxis: Neuraxis, channels: Channels, output: Path) -> Answer:
    from thecal.cli.answer import NOTICE, Answer
    from thecal.cli.console import line, unbroken
    from thecal.cli.exits import Exit

    pools, effects = neuraxis.system.tree.size, [lag.name for lag in neuraxis.system.lags]
    body = {"file": str(output), "pools": pools, "effects": effects, "readings": list(channels.names)}

    def show(console: Console) -> None:
        line(console, f"{pools:,} pools, 3 of plasma, {len(effects):,} of effect; {len(channels.names):,} readings.")
        line(console, f"{NOTICE} Nominal parameters; nothing here is a dose recommendation.")
        unbroken(console, f"SBML: {output}", style="bold")

    return Answer(Exit.GO_ON, body, show)
