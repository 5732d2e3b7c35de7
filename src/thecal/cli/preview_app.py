"""``thecal preview`` and ``thecal spine``: what happens beyond the tip, of an order, and without a pump."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.days import day, this_day
from thecal.cli.guard import end
from thecal.cli.help_text import examples

if TYPE_CHECKING:
    from thecal.cli.answer import Answer


CASES = ("bridge", "missed-refill", "mri")


def _hours(text: str) -> float:
    # A default comes here as the number that it is.
    found = str(text)
    if not (found.isascii() and found[:1].isdecimal() and found.replace(".", "", 1).isdecimal()):
        raise typer.BadParameter(f"found {found!r}; allowed: a number of hours, as in 72")
    return float(found)


Hours = Annotated[
    float | None,
    typer.Option("--hours", metavar="H", parser=_hours, help="How long to look; else 72, and 24 without a pump."),
]
Levels = Annotated[
    list[str] | None,
    typer.Option("--level", metavar="LEVEL", help="Spinal fluid at this vertebra or disc, as in T10; several times."),
]
Dermatomes = Annotated[
    list[str] | None,
    typer.Option("--dermatome", metavar="NAME", help="Analgesia at this dermatome, as in T10; several times."),
]
Draws = Annotated[int | None, typer.Option("--draws", metavar="N", min=0, help="Persons in the band; else 64.")]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Draw the persons by this seed instead.")]
NoBand = Annotated[bool, typer.Option("--no-band", help="The central line alone: nominal parameters, nobody drawn.")]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.html", help="Write one HTML page that opens offline.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")]


def _case(text: str) -> str:
    if text not in CASES:
        allowed = ", ".join(CASES)
        raise typer.BadParameter(f"found {text!r}; allowed: {allowed}; next: write one of them, or leave it out")
    return text


PreviewPath = Annotated[
    Path, typer.Argument(metavar="FILE.toml", help="A scenario, or an order alone; - reads from stdin.")
]
Against = Annotated[
    Path | None, typer.Option("--against", metavar="CURRENT.toml", help="The order that runs now, to compare with.")
]
FromHours = Annotated[
    float | None, typer.Option("--from", metavar="H", parser=_hours, help="When to begin, in hours of the run.")
]
CaseName = Annotated[
    str | None,
    typer.Option(
        "--case",
        metavar=f"[{'|'.join(CASES)}]",
        parser=_case,
        autocompletion=lambda: list(CASES),
        help="A refill with and without its bridge, a missed refill and the restart, or a stop as for MRI.",
    ),
]
Gap = Annotated[str | None, typer.Option(metavar="TIME", help='Of a missed refill: without drug, as in "48 h".')]
Restart = Annotated[
    str | None, typer.Option(metavar="SHARE", help='Of the dose of before, to restart with, as in "50 %".')
]
Stop = Annotated[str | None, typer.Option(metavar="TIME", help='How long a stop lasts, as in "4 h".')]
At = Annotated[str | None, typer.Option(metavar="TIME", help='When it begins; else "6 h" after the start.')]
Start = Annotated[
    str | None, typer.Option(metavar="MOMENT", help="When an order begins, by the pump clock; else its fill.")
]
Teach = Annotated[bool, typer.Option("--teach", help="Preview an order that the review stops, for teaching.")]
Site = Annotated[
    Path | None,
    typer.Option("--formulary", metavar="DIR", help="A site's formulary files, laid over those of Thecal."),
]
Today = Annotated[
    date | None,
    typer.Option("--today", metavar="DATE", parser=day, help="The day to judge by, as in 2026-03-01; else today."),
]


def preview(
    path: PreviewPath,
    *,
    against: Against = None,
    hours: Hours = None,
    from_hours: FromHours = None,
    level: Levels = None,
    dermatome: Dermatomes = None,
    draws: Draws = None,
    seed: Seed = None,
    no_band: NoBand = False,
    case: CaseName = None,
    gap: Gap = None,
    restart: Restart = None,
    stop: Stop = None,
    at: At = None,
    start: Start = None,
    report: Report = None,
    teach: Teach = False,
    site: Site = None,
    today: Today = None,
    as_json: Json = False,
) -> int:
    """What an order would do beyond the tip: at levels, in tissue, blood and effect; the central line first."""

    def work() -> Answer:
        from thecal.cli.previewing import Case, Compared, Reading, preview_file
        from thecal.cli.references import references
        from thecal.cli.spine_asking import Wanted

        wanted = Wanted(
            hours=hours,
            from_hours=from_hours,
            levels=tuple(level or ()),
            dermatomes=tuple(dermatome or ()),
            draws=draws,
            seed=seed,
            band=not no_band,
            report=report,
            quiet=as_json,
        )
        kind = None if case is None else Case(case)
        compared = Compared(against=against, case=kind, gap=gap, restart=restart, stop=stop, at=at)
        reading = Reading(references(site), today or this_day(), start, teach)
        return preview_file(path, reading, compared, wanted)

    return end("preview", work, as_json)


def spine(
    drug: Annotated[str, typer.Argument(metavar="DRUG", help="A drug that has a model, such as morphine.")],
    *,
    tip: Annotated[str, typer.Option(metavar="LEVEL", help="Where it goes into the fluid, as in L3-4.")],
    bolus: Annotated[str | None, typer.Option(metavar="DOSE", help='At the start, as in "0.25 mg".')] = None,
    volume: Annotated[str | None, typer.Option(metavar="VOLUME", help='Of the bolus, as in "1 mL".')] = None,
    infusion: Annotated[str | None, typer.Option(metavar="DOSE", help='From the start on, as in "1 mg/day".')] = None,
    hours: Hours = None,
    level: Levels = None,
    dermatome: Dermatomes = None,
    draws: Draws = None,
    seed: Seed = None,
    no_band: NoBand = False,
    report: Report = None,
    as_json: Json = False,
) -> int:
    """A bolus or an infusion into spinal fluid, without a pump: for experiments and teaching."""

    def work() -> Answer:
        from thecal.cli.bare_spine import Into, try_spine
        from thecal.cli.spine_asking import Wanted

        wanted = Wanted(
            hours=hours,
            levels=tuple(level or ()),
            dermatomes=tuple(dermatome or ()),
            draws=draws,
            seed=seed,
            band=not no_band,
            report=report,
            quiet=as_json,
        )
        return try_spine(drug, Into(bolus, volume, infusion, tip), wanted)

    return end("spine", work, as_json)


def register(app: typer.Typer) -> None:
    """Put both commands under ``thecal``."""
    app.command(
        short_help="What an order would do beyond the tip.",
        epilog=examples(
            "thecal preview scenario.toml",
            "thecal preview proposed.toml --against current.toml --report out/preview.html",
            "thecal preview scenario.toml --case bridge",
            'thecal preview order.toml --case mri --stop "4 h" --no-band --json > preview.json',
        ),
    )(preview)
    app.command(
        short_help="A drug in the body alone, without a pump.",
        epilog=examples(
            'thecal spine morphine --bolus "0.25 mg" --volume "1 mL" --tip L3-4',
            'thecal spine baclofen --infusion "200 mcg/day" --tip T10 --hours 72 --level T12 --report out/spine.html',
        ),
    )(spine)
