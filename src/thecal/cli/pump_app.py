"""``thecal pump``: virtual pumps as their owner handles them; the work is imported when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.guard import end
from thecal.cli.help_text import examples

if TYPE_CHECKING:
    from thecal.cli.answer import Answer

app = typer.Typer(
    help="Virtual pumps: make, run, and what only the owner of their world can do.",
    short_help="Virtual pumps: make them, run them, let things fail.",
    epilog=examples(
        "thecal pump new T-0001 --family bench-20",
        "thecal pump run",
        "thecal pump run --speed 60",
        "thecal pump near T-0001",
        'thecal pump fault T-0001 stall --for "2 h"',
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)

Serial = Annotated[str, typer.Argument(metavar="SERIAL", help="The pump's serial number.")]
HomeDir = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Where pumps and keys are; else THECAL_HOME, else your data folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, and nothing else.")]
JsonAtEnd = Annotated[bool, typer.Option("--json", help="Say nothing but one JSON object on stdout, at the end.")]


@app.command(
    "new",
    short_help="Make a factory-new pump.",
    epilog=examples(
        "thecal pump new T-0001 --family bench-20",
        'thecal pump new T-0002 --family peristaltic-40 --stroke "248 nL" --tubing "0.14 mL"',
    ),
)
def new(
    serial: Serial,
    *,
    family: Annotated[str, typer.Option(metavar="FAMILY", help="Its family, such as bench-20 or peristaltic-40.")],
    stroke: Annotated[str | None, typer.Option(metavar="VOLUME", help='Measured stroke, as in "248 nL".')] = None,
    tubing: Annotated[str | None, typer.Option(metavar="VOLUME", help='Measured tubing, as in "0.14 mL".')] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Make a factory-new pump of a family, with its calibration. It holds no program, no drug and no key."""

    def work() -> Answer:
        from thecal.cli.owning import new_pump

        return new_pump(home, serial, family, stroke, tubing)

    return end("pump new", work, as_json)


@app.command(
    "run",
    short_help="Run the pumps until stopped.",
    epilog=examples("thecal pump run", "thecal pump run T-0001 T-0002 --speed 60", "thecal pump run --test-clock"),
)
def run_pumps(
    serials: Annotated[list[str] | None, typer.Argument(metavar="[SERIAL]...", help="These; else all.")] = None,
    *,
    speed: Annotated[int, typer.Option(metavar="N", min=1, max=86_400, help="So many times real time.")] = 1,
    test_clock: Annotated[bool, typer.Option("--test-clock", help="Time moves only by thecal pump advance.")] = False,
    no_link: Annotated[bool, typer.Option("--no-link", help="Do not start the link service beside it.")] = False,
    home: HomeDir = None,
    as_json: JsonAtEnd = False,
) -> int:
    """Run pumps in this terminal, and the link service beside them, until Ctrl-C or thecal pump stop."""

    def work() -> Answer:
        from thecal.cli.hosting import run_pumps

        return run_pumps(home, serials or (), 0 if test_clock else speed, link=not no_link, quiet=as_json)

    return end("pump run", work, as_json)


@app.command("adopt", short_help="Let the rig run one more pump.", epilog=examples("thecal pump adopt T-0003"))
def adopt(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Let the rig that runs take on a pump that was made after it began."""

    def work() -> Answer:
        from thecal.cli.owning import adopt

        return adopt(home, serial)

    return end("pump adopt", work, as_json)


@app.command(
    "list",
    short_help="The pumps that run, and those that do not.",
    epilog=examples("thecal pump list", "thecal pump list --json"),
)
def list_pumps(home: HomeDir = None, as_json: Json = False) -> int:
    """The pumps of this home: which run, which have power, who is near."""

    def work() -> Answer:
        from thecal.cli.owning import list_pumps

        return list_pumps(home)

    return end("pump list", work, as_json)


@app.command(
    "near",
    short_help="Hold the programmer, or the card, to the skin.",
    epilog=examples("thecal pump near T-0001", 'thecal pump near T-0001 --for "1 h"'),
)
def near(
    serial: Serial,
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help='How long, as in "10 min".')] = "10 min",
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Hold something over the pump: its near field is open until the time is over, or thecal pump away."""

    def work() -> Answer:
        from thecal.cli.owning import come_near

        return come_near(home, serial, for_)

    return end("pump near", work, as_json)


@app.command("away", short_help="Take it away again.", epilog=examples("thecal pump away T-0001"))
def away(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Take away what was held over the pump: its near field is closed."""

    def work() -> Answer:
        from thecal.cli.owning import away

        return away(home, serial)

    return end("pump away", work, as_json)


@app.command("fill", short_help="Inject fluid through the septum.", epilog=examples('thecal pump fill T-0001 "20 mL"'))
def fill(
    serial: Serial,
    volume: Annotated[str, typer.Argument(metavar="VOLUME", help='As in "20 mL".')],
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Inject fluid into the reservoir. The pump cannot see it: tell it with thecal programmer refill."""

    def work() -> Answer:
        from thecal.cli.owning import fill

        return fill(home, serial, volume)

    return end("pump fill", work, as_json)


@app.command("draw", short_help="Draw the reservoir empty.", epilog=examples("thecal pump draw T-0001"))
def draw(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Draw everything out of the reservoir, and say how much it was."""

    def work() -> Answer:
        from thecal.cli.owning import draw

        return draw(home, serial)

    return end("pump draw", work, as_json)


@app.command(
    "truth",
    short_help="What is true, beside what the pump believes.",
    epilog=examples("thecal pump truth T-0001", "thecal pump truth T-0001 --json"),
)
def truth(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """What is true of a virtual pump, beside what it believes. Nobody knows this of a real one."""

    def work() -> Answer:
        from thecal.cli.owning import truth

        return truth(home, serial)

    return end("pump truth", work, as_json)


@app.command(
    "fault",
    short_help="Let something fail.",
    epilog=examples(
        'thecal pump fault T-0001 stall --for "2 h"',
        'thecal pump fault T-0001 leak --after "1 day" --amount 200000',
        'thecal pump fault T-0001 "corrupt state-0"',
    ),
)
def fault(
    serial: Serial,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as stall; thecal pump faults lists them.")],
    *,
    after: Annotated[str | None, typer.Option(metavar="TIME", help='From when on, as in "1 h"; else now.')] = None,
    for_: Annotated[str | None, typer.Option("--for", metavar="TIME", help="How long; else until healed.")] = None,
    amount: Annotated[int, typer.Option(metavar="N", help="Its amount, where the kind has one.")] = 0,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Let something fail in a pump, from now or from a later time on."""

    def work() -> Answer:
        from thecal.cli.owning import inject

        return inject(home, serial, kind, after=after, for_=for_, amount=amount)

    return end("pump fault", work, as_json)


@app.command(
    "faults",
    short_help="Every kind of fault; those of a pump.",
    epilog=examples("thecal pump faults", "thecal pump faults T-0001"),
)
def faults(
    serial: Annotated[str | None, typer.Argument(metavar="[SERIAL]", help="The faults of this pump.")] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Every kind of fault with what it does; with a serial number, those that a pump has."""

    def work() -> Answer:
        from thecal.cli.owning import list_faults

        return list_faults(home, serial)

    return end("pump faults", work, as_json)


@app.command("heal", short_help="End a fault.", epilog=examples("thecal pump heal T-0001 stall"))
def heal(
    serial: Serial,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The kind of fault.")],
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """End every fault of a kind in a pump."""

    def work() -> Answer:
        from thecal.cli.owning import heal

        return heal(home, serial, kind)

    return end("pump heal", work, as_json)


@app.command(
    "power",
    short_help="Cut the power, or restore it.",
    epilog=examples("thecal pump power T-0001 --off", "thecal pump power T-0001 --on"),
)
def power(
    serial: Serial,
    on: Annotated[bool, typer.Option("--on/--off", help="Restore it, or cut it.")],
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Cut a pump's power, or restore it. Its memory survives; its uptime stands still meanwhile."""

    def work() -> Answer:
        from thecal.cli.owning import power

        return power(home, serial, on=on)

    return end("pump power", work, as_json)


@app.command("valve", short_help="Reset the valve after a scan.", epilog=examples("thecal pump valve T-0001"))
def valve(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Reset the valve of a pump whose valve stays shut after a scan, by hand."""

    def work() -> Answer:
        from thecal.cli.owning import valve

        return valve(home, serial)

    return end("pump valve", work, as_json)


@app.command("heard", short_help="What the radio of a pump has heard.", epilog=examples("thecal pump heard T-0001"))
def heard(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Frames that the radio of a pump has heard since it came on, refused ones among them."""

    def work() -> Answer:
        from thecal.cli.owning import heard

        return heard(home, serial)

    return end("pump heard", work, as_json)


@app.command("tones", short_help="What the pump sounded.", epilog=examples("thecal pump tones T-0001"))
def tones(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """The tones that a pump sounded."""

    def work() -> Answer:
        from thecal.cli.owning import tones

        return tones(home, serial)

    return end("pump tones", work, as_json)


@app.command(
    "advance",
    short_help="Move a test clock on.",
    epilog=examples('thecal pump advance "6 h"', 'thecal pump advance "90 days"'),
)
def advance(
    time: Annotated[str, typer.Argument(metavar="TIME", help='As in "6 h" or "90 days".')],
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Move a test clock on, with every pump that runs on it."""

    def work() -> Answer:
        from thecal.cli.owning import advance

        return advance(home, time)

    return end("pump advance", work, as_json)


@app.command(
    "pair",
    short_help="Give a role a key of a pump.",
    epilog=examples(
        "thecal pump pair T-0001 programmer",
        "thecal pump pair T-0001 patient",
        "thecal pump pair T-0001 monitor --export key-of-the-monitor",
    ),
)
def pair(
    serial: Serial,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="programmer, patient, monitor, service or card.")],
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the key for a stock CoAP client instead of keeping it.")
    ] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Have a pump make a new key for a role. The key that this role had before ends."""

    def work() -> Answer:
        from thecal.cli.owning import pair

        return pair(home, serial, role, export)

    return end("pump pair", work, as_json)


@app.command("stop", short_help="End the rig; the pumps stay as they are.", epilog=examples("thecal pump stop"))
def stop(home: HomeDir = None, as_json: Json = False) -> int:
    """End the process that runs the pumps. To a pump that is a loss of power: its memory survives."""

    def work() -> Answer:
        from thecal.cli.owning import stop_rig

        return stop_rig(home)

    return end("pump stop", work, as_json)
