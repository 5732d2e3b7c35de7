"""The commands with their options and help; the work itself is imported when a command runs.

Only typer and light parts of the standard library are imported here, so that help and completion stay quick.
"""

from __future__ import annotations

import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli import preview_app, sbml_app
from thecal.cli.clinic_app import app as clinic_app
from thecal.cli.controller_app import app as controller_app
from thecal.cli.days import day, this_day
from thecal.cli.exits import Exit
from thecal.cli.guard import defect, end, hush, interrupted, usage
from thecal.cli.help_text import EXITS
from thecal.cli.link_app import app as link_app
from thecal.cli.programmer_app import app as programmer_app
from thecal.cli.pump_app import app as pump_app
from thecal.cli.validation_app import app as validation_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.cli.answer import Answer


def _whole(text: str) -> int:
    # A default comes here as the number that it is.
    found = str(text)
    if not (found.isascii() and found.isdecimal() and len(found) <= _MOST_DIGITS):
        raise typer.BadParameter(f"found {found!r}; allowed: a whole number, 0 or more; next: write one, as in 5")
    return int(found)


class View(StrEnum):
    """The parts of a plan."""

    DATES = "dates"
    BRIDGE = "bridge"
    PRIME = "prime"
    RESTART = "restart"
    TITRATION = "titration"
    WORKSHEET = "worksheet"
    GAP = "gap"


def _view(text: str) -> View:
    try:
        return View(text)
    except ValueError:
        allowed = ", ".join(View)
        raise typer.BadParameter(
            f"found {text!r}; allowed: {allowed}; next: write one of them, or leave it out for all"
        ) from None


_MOST_DIGITS = 18

OrderPath = Annotated[
    Path, typer.Argument(metavar="ORDER.toml", help="The order, or a scenario that holds one; - reads from stdin.")
]
ScenarioPath = Annotated[Path, typer.Argument(metavar="SCENARIO.toml", help="The scenario; - reads from stdin.")]
Site = Annotated[
    Path | None,
    typer.Option("--formulary", metavar="DIR", help="A site's formulary files, laid over those that ship with Thecal."),
]
Today = Annotated[
    date | None,
    typer.Option("--today", metavar="DATE", parser=day, help="The day to judge by, as in 2026-03-01; else today."),
]
Views = Annotated[
    list[View] | None,
    typer.Option(
        "--only",
        metavar=f"[{'|'.join(View)}]",
        parser=_view,
        autocompletion=lambda: [str(v) for v in View],
        help="Show this part alone; may be given several times.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")]

app = typer.Typer(
    name="thecal",
    help="An order for an intrathecal pump, from the file to the tip of the catheter and on along the spine.\n\n"
    "Not a medical device: Thecal drives virtual pumps only, and nothing that it says is a dose recommendation.",
    epilog="Examples:\n\n\b\n"
    "  thecal review order.toml\n"
    "  thecal plan order.toml --only dates --only bridge\n"
    "  thecal simulate scenario.toml --report out/scenario.html\n"
    "  thecal preview scenario.toml --report out/preview.html\n"
    "  thecal formulary show morphine\n"
    "  thecal pump new T-0001 --family bench-20\n"
    "  thecal programmer read T-0001\n\n" + EXITS,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
formulary_app = typer.Typer(
    help="What may be given: drugs, limits by authority, stability, conversions.",
    short_help="Drugs, limits, stability, conversions.",
    epilog="Examples:\n\n\b\n"
    "  thecal formulary\n"
    "  thecal formulary show cloNIDine\n"
    "  thecal formulary check our-site/\n"
    "  thecal formulary version --formulary our-site/ --json",
    rich_markup_mode=None,
    invoke_without_command=True,
)
app.add_typer(formulary_app, name="formulary")
app.add_typer(pump_app, name="pump")
app.add_typer(programmer_app, name="programmer")
app.add_typer(controller_app, name="controller")
app.add_typer(link_app, name="link")
app.add_typer(clinic_app, name="clinic")


def _version(wanted: bool) -> None:
    if wanted:
        from thecal.cli.versions import software_version

        typer.echo(f"thecal {software_version()}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of thecal itself; what they do is done before this runs."""


@app.command(
    short_help="Say an order in words and judge it.",
    epilog="Examples:\n\n\b\n"
    "  thecal review order.toml\n"
    "  thecal review order.toml --today 2026-03-02 --formulary our-site/\n"
    "  thecal review order.toml --json > review.json\n\n" + EXITS,
)
def review(path: OrderPath, *, site: Site = None, today: Today = None, as_json: Json = False) -> int:
    """Say an order in words, show what the pump makes of it, and list everything that was found."""

    def work() -> Answer:
        from thecal.cli.reviewing import review_order

        return review_order(path, site, today or this_day())

    return end("review", work, as_json)


@app.command(
    short_help="Refill dates, bridge, priming, worksheet.",
    epilog="Examples:\n\n\b\n"
    "  thecal plan order.toml\n"
    "  thecal plan order.toml --only dates --boluses-per-day 2\n"
    '  thecal plan order.toml --titrate-to "6 mg/day" --step "10 %" --every "7 days"\n'
    '  thecal plan order.toml --stock "morphine=25 mg/mL" --stock "bupivacaine=powder 98 %"\n'
    '  thecal plan order.toml --filled "20 mL" --filled-at 2026-01-05T10:00 --boluses 80 --aspirated "3 mL"\n\n'
    + EXITS,
)
def plan(
    path: OrderPath,
    *,
    only: Views = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="When it is filled, by the pump clock; else the day of the fill at 00:00."),
    ] = None,
    boluses_per_day: Annotated[
        str, typer.Option(metavar="NUMBER", help="How many patient boluses are expected on a day.")
    ] = "0",
    lead: Annotated[
        int | None, typer.Option(metavar="DAYS", parser=_whole, help="Days to refill before the low level.")
    ] = None,
    stock: Annotated[
        list[str] | None, typer.Option(metavar="DRUG=STOCK", help='What the pharmacy has, as in "morphine=25 mg/mL".')
    ] = None,
    overfill: Annotated[
        str | None, typer.Option(metavar="VOLUME", help='Made on top of the fill, as in "0.5 mL"; else nothing.')
    ] = None,
    titrate_to: Annotated[
        str | None, typer.Option(metavar="DOSE", help='As in "6 mg/day" of the primary drug.')
    ] = None,
    step: Annotated[str | None, typer.Option(metavar="STEP", help='As in "0.5 mg/day" or "10 %".')] = None,
    every: Annotated[str | None, typer.Option(metavar="TIME", help='As in "7 days".')] = None,
    filled: Annotated[str | None, typer.Option(metavar="VOLUME", help="What the last fill left in the pump.")] = None,
    filled_at: Annotated[str | None, typer.Option(metavar="MOMENT", help="When, by the pump clock.")] = None,
    boluses: Annotated[int, typer.Option(metavar="COUNT", parser=_whole, help="Patient boluses given since then.")] = 0,
    aspirated: Annotated[str | None, typer.Option(metavar="VOLUME", help="What was drawn out at the refill.")] = None,
    site: Site = None,
    today: Today = None,
    as_json: Json = False,
) -> int:
    """Dates, bridge, priming, arrival at the tip, restart, titration, worksheet and the gap at a refill."""

    def work() -> Answer:
        from thecal.cli.planning import Asked, plan_order

        asked = Asked(
            views=tuple(str(v) for v in only or ()),
            start=start,
            boluses_per_day=boluses_per_day,
            lead_days=lead,
            stock=tuple(stock or ()),
            overfill=overfill,
            titrate_to=titrate_to,
            step=step,
            every=every,
            filled=filled,
            filled_at=filled_at,
            boluses=boluses,
            aspirated=aspirated,
        )
        return plan_order(path, site, today or this_day(), asked)

    return end("plan", work, as_json)


@app.command(
    short_help="Run a scenario on a virtual pump.",
    epilog="Examples:\n\n\b\n"
    "  thecal simulate scenario.toml\n"
    "  thecal simulate scenario.toml --report out/scenario.html\n"
    "  thecal simulate scenario.toml --seed 7 --json > run.json\n"
    "  thecal simulate wrong-order.toml --teach\n\n" + EXITS,
)
def simulate(
    path: ScenarioPath,
    *,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write one HTML page that opens offline.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", parser=_whole, help="Draw the presses by this seed instead.")
    ] = None,
    stepping: Annotated[bool, typer.Option("--stepping", help="Step every second instead of leaping; slow.")] = False,
    teach: Annotated[
        bool, typer.Option("--teach", help="Run an order that the review stops, for teaching; every output says so.")
    ] = False,
    site: Site = None,
    today: Today = None,
    as_json: Json = False,
) -> int:
    """Review a scenario's order, run it on a virtual pump, and show what was ordered, delivered and arrived."""

    def work() -> Answer:
        from thecal.cli.simulating import Wanted, simulate_scenario

        wanted = Wanted(report=report, seed=seed, stepping=stepping, teach=teach, quiet=as_json)
        return simulate_scenario(path, site, today, wanted)

    return end("simulate", work, as_json)


preview_app.register(app)
app.add_typer(validation_app)
sbml_app.register(app)


@formulary_app.callback()
def formulary(context: typer.Context, site: Site = None, as_json: Json = False) -> int:
    """What may be given: drugs, limits by authority, stability, conversions."""
    context.obj = (site, as_json)
    return 0 if context.invoked_subcommand else formulary_list(context)


def _asked(context: typer.Context, site: Path | None, as_json: bool) -> tuple[Path | None, bool]:
    """The options of a subcommand; those given before its name count as well."""
    outer_site, outer_json = context.obj
    return site or outer_site, as_json or outer_json


@formulary_app.command("list")
def formulary_list(context: typer.Context, site: Site = None, as_json: Json = False) -> int:
    """Every drug with its class, status and risk of stopping."""
    over, wants_json = _asked(context, site, as_json)

    def work() -> Answer:
        from thecal.cli.formulary_views import list_drugs

        return list_drugs(over)

    return end("formulary list", work, wants_json)


@formulary_app.command("show", short_help="Everything about one drug.")
def formulary_show(
    context: typer.Context,
    drug: Annotated[str, typer.Argument(metavar="DRUG", help="A code or a name, such as clonidine.")],
    site: Site = None,
    as_json: Json = False,
) -> int:
    """Everything about one drug: limits side by side by authority, stability, conversions as ranges."""
    over, wants_json = _asked(context, site, as_json)

    def work() -> Answer:
        from thecal.cli.formulary_views import show_drug

        return show_drug(drug, over)

    return end("formulary show", work, wants_json)


@formulary_app.command("check", short_help="Check the formulary files of a site.")
def formulary_check(
    context: typer.Context,
    site: Annotated[Path, typer.Argument(metavar="DIR", help="A site's formulary files.")],
    as_json: Json = False,
) -> int:
    """Read a site's formulary files over those that ship with Thecal, and name everything that is wrong."""
    _, wants_json = _asked(context, None, as_json)

    def work() -> Answer:
        from thecal.cli.formulary_views import check_site

        return check_site(site)

    return end("formulary check", work, wants_json)


@formulary_app.command("version")
def formulary_version(context: typer.Context, site: Site = None, as_json: Json = False) -> int:
    """The version stamp: a hash over the meaning of every file."""
    over, wants_json = _asked(context, site, as_json)

    def work() -> Answer:
        from thecal.cli.formulary_views import show_version

        return show_version(over)

    return end("formulary version", work, wants_json)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; nothing that a user does ends in a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    stdout = sys.stdout
    try:
        code = int(app(words, prog_name="thecal", standalone_mode=False) or Exit.GO_ON)
    except typer.TyperException as wrong:
        return usage(wrong, words)
    except SystemExit as left:
        # typer leaves like this after completion, and after a closed pipe, when it has put a quiet stdout in place.
        return int(left.code or 0) if sys.stdout is stdout else hush()
    except typer.Abort:
        return interrupted()
    except Exception:  # noqa: BLE001 -- the last line before the shell: a defect has an exit code of its own
        return defect()
    return interrupted() if code == Exit.INTERRUPTED else code
