"""``thecal programmer``: what a clinician asks of a pump, each command one thing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.guard import end
from thecal.cli.help_text import examples
from thecal.cli.pump_app import HomeDir, Json, Serial  # noqa: TC001 -- typer reads them when the command is made

if TYPE_CHECKING:
    from thecal.cli.answer import Answer

app = typer.Typer(
    help="The clinician's programmer: read, propose, confirm, stop, and what else a pump understands.\n\n"
    "Changing a therapy needs the near field: thecal pump near SERIAL.",
    short_help="The clinician's programmer.",
    epilog=examples(
        "thecal programmer read T-0001",
        "thecal programmer propose T-0001 order.toml",
        "thecal programmer confirm T-0001 1f3a9c02",
        'thecal programmer refill T-0001 "20 mL"',
        "thecal programmer start T-0001",
        "thecal programmer clock T-0001 --zone America/Chicago",
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)

Site = Annotated[
    Path | None,
    typer.Option("--formulary", metavar="DIR", help="A site's formulary files, laid over those that ship with Thecal."),
]
AlarmNumber = Annotated[
    int, typer.Argument(metavar="NUMBER", min=0, help="The alarm's number, as the reading shows it.")
]


@app.command(
    "read",
    short_help="Read everything that a pump holds.",
    epilog=examples(
        "thecal programmer read T-0001",
        "thecal programmer read T-0001 --zone America/Chicago --out reading.json",
        "thecal programmer read T-0001 --role card",
    ),
)
def read(
    serial: Serial,
    *,
    role: Annotated[
        str, typer.Option(metavar="ROLE", help="Read as programmer, monitor, service or card.")
    ] = "programmer",
    out: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write the interrogation document.")] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="The zone on the wall, as in America/Chicago.")
    ] = None,
    site: Site = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Read a pump: state, program with its order, accounts, alarms, and the log with its chain."""

    def work() -> Answer:
        from thecal.cli.interrogating import read_pump

        return read_pump(home, serial, role, out=out, zone=zone, site=site)

    return end("programmer read", work, as_json)


@app.command(
    "propose",
    short_help="Bring a program to a pump; nothing runs yet.",
    epilog=examples(
        "thecal programmer propose T-0001 order.toml", "thecal programmer propose T-0001 order.toml --confirm"
    ),
)
def propose(
    serial: Serial,
    path: Annotated[Path, typer.Argument(metavar="ORDER.toml", help="The order; - reads from stdin.")],
    *,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Confirm it at once, where the review lets it go on.")
    ] = False,
    site: Site = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Review an order, read the pump, bring the program to it, and show what would change.

    The running program is untouched until thecal programmer confirm.
    """

    def work() -> Answer:
        from datetime import date

        from thecal.cli.proposing import Wanted, propose

        today = date.today()  # noqa: DTZ011 -- the day on the wall of whoever types
        return propose(home, serial, Wanted(path, site, today, confirm=confirm))

    return end("programmer propose", work, as_json)


@app.command(
    "confirm", short_help="Let the proposed program run.", epilog=examples("thecal programmer confirm T-0001 1f3a9c02")
)
def confirm(
    serial: Serial,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="Its digest, or the first 8 characters or more.")],
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Confirm the program that was proposed, by the digest that the pump read back; then read the pump again."""

    def work() -> Answer:
        from thecal.cli.proposing import confirm

        return confirm(home, serial, digest)

    return end("programmer confirm", work, as_json)


@app.command("status", short_help="What a pump does now.", epilog=examples("thecal programmer status T-0001"))
def status(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """What a pump does now, and what stands against it."""

    def work() -> Answer:
        from thecal.cli.programming import status

        return status(home, serial, "programmer")

    return end("programmer status", work, as_json)


@app.command("start", short_help="Start delivery.", epilog=examples("thecal programmer start T-0001"))
def start(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Start delivery by the program that the pump holds."""
    return _command("start", serial, home, as_json)


@app.command(
    "stop",
    short_help="Stop all delivery.",
    epilog=examples("thecal programmer stop T-0001", "thecal programmer stop T-0001 --role card"),
)
def stop(
    serial: Serial,
    *,
    role: Annotated[str, typer.Option(metavar="ROLE", help="Stop as programmer, service or card.")] = "programmer",
    site: Site = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Stop all delivery at once, and say what stopping can do to this patient."""

    def work() -> Answer:
        from thecal.cli.programming import stop

        return stop(home, serial, role, site)

    return end("programmer stop", work, as_json)


@app.command(
    "single", short_help="Give one bolus.", epilog=examples('thecal programmer single T-0001 "0.2 mg" "10 min"')
)
def single(
    serial: Serial,
    dose: Annotated[str, typer.Argument(metavar="DOSE", help='Of the primary drug, as in "0.2 mg".')],
    over: Annotated[str, typer.Argument(metavar="TIME", help='Over how long, as in "10 min".')],
    *,
    site: Site = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Give one bolus, as a dose of the primary drug; the other drugs of the mixture follow."""

    def work() -> Answer:
        from thecal.cli.programming import single

        return single(home, serial, dose, over, site)

    return end("programmer single", work, as_json)


@app.command(
    "prime",
    short_help="Fill tubing and catheter.",
    epilog=examples("thecal programmer prime T-0001 1", 'thecal programmer prime T-0001 2 --volume "0.2 mL"'),
)
def prime(
    serial: Serial,
    catheter: Annotated[int, typer.Argument(metavar="STATE", min=1, help="Number of the catheter's state; it rises.")],
    *,
    volume: Annotated[
        str | None, typer.Option(metavar="VOLUME", help="How much; else what tubing and catheter hold.")
    ] = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Fill tubing and catheter, once for each new state of the catheter. More than they hold is a dose, and counted."""

    def work() -> Answer:
        from thecal.cli.programming import prime

        return prime(home, serial, catheter, volume)

    return end("programmer prime", work, as_json)


@app.command(
    "refill",
    short_help="Tell the pump what its reservoir holds.",
    epilog=examples('thecal programmer refill T-0001 "20 mL"'),
)
def refill(
    serial: Serial,
    volume: Annotated[str, typer.Argument(metavar="VOLUME", help="What the reservoir holds now, all in all.")],
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Tell the pump what its reservoir holds after a refill. It cannot measure it."""

    def work() -> Answer:
        from thecal.cli.programming import refill

        return refill(home, serial, volume)

    return end("programmer refill", work, as_json)


@app.command(
    "alarm-test",
    short_help="Let the pump sound a tone.",
    epilog=examples("thecal programmer alarm-test T-0001", "thecal programmer alarm-test T-0001 --critical"),
)
def alarm_test(
    serial: Serial,
    critical: Annotated[bool, typer.Option("--critical", help="The tone of a critical alarm.")] = False,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Let the pump sound the tone of an alarm once, so that the patient learns it."""
    return _command("alarm_test", serial, home, as_json, critical=critical)


@app.command(
    "acknowledge", short_help="Say that an alarm was seen.", epilog=examples("thecal programmer acknowledge T-0001 4")
)
def acknowledge(serial: Serial, alarm: AlarmNumber, home: HomeDir = None, as_json: Json = False) -> int:
    """Say that an alarm was seen. What it asks of the pump stays in force."""
    return _command("acknowledge", serial, home, as_json, alarm=alarm)


@app.command("clear", short_help="Clear an alarm after looking.", epilog=examples("thecal programmer clear T-0001 4"))
def clear(serial: Serial, alarm: AlarmNumber, home: HomeDir = None, as_json: Json = False) -> int:
    """Clear an alarm that does not clear by itself; only its own restrictions go."""
    return _command("clear", serial, home, as_json, alarm=alarm)


@app.command(
    "clock",
    short_help="Pump clock against the clock on the wall.",
    epilog=examples(
        "thecal programmer clock T-0001 --zone America/Chicago",
        "thecal programmer clock T-0001 --zone America/Chicago --set",
    ),
)
def clock(
    serial: Serial,
    *,
    zone: Annotated[str, typer.Option(metavar="ZONE", help="The zone on the wall, as in America/Chicago.")] = "UTC",
    set_: Annotated[bool, typer.Option("--set", help="Set it to the time on the wall now.")] = False,
    site: Site = None,
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Compare the pump clock with the clock on the wall; show in dose what setting it would skip or repeat."""

    def work() -> Answer:
        from thecal.cli.clocks import clock

        return clock(home, serial, zone, site, to_set=set_)

    return end("programmer clock", work, as_json)


@app.command(
    "pending", short_help="Commands whose outcome is not known.", epilog=examples("thecal programmer pending T-0001")
)
def pending(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Every command to this pump whose outcome is not known, of whatever role."""
    return _commands("pending", serial, home, as_json, "Every command to this pump has an outcome.")


@app.command(
    "history",
    short_help="Every command that was ever sent.",
    epilog=examples("thecal programmer history T-0001 --json"),
)
def history(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Every command that was ever written down for this pump, with what became of it."""
    return _commands("history", serial, home, as_json, "No command to this pump was ever written down.")


@app.command(
    "resolve",
    short_help="Find out what became of them.",
    epilog=examples("thecal programmer resolve T-0001", "thecal programmer resolve T-0001 --role patient"),
)
def resolve(
    serial: Serial,
    *,
    role: Annotated[str, typer.Option(metavar="ROLE", help="Whose commands.")] = "programmer",
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Ask the pump what became of commands that are not known; what had not arrived is withdrawn for ever."""
    none = f"Every command of the {role} has an outcome: there is nothing to resolve."
    return _commands("resolve", serial, home, as_json, none, role=role)


@app.command(
    "give-up", short_help="Count a lost command as more drug.", epilog=examples("thecal programmer give-up T-0001 17")
)
def give_up(
    serial: Serial,
    command: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Its number, as pending shows it.")],
    *,
    role: Annotated[str, typer.Option(metavar="ROLE", help="Whose command.")] = "programmer",
    home: HomeDir = None,
    as_json: Json = False,
) -> int:
    """Count a command that can never be found out as the outcome with more drug."""

    def work() -> Answer:
        from thecal.cli.programming import give_up

        return give_up(home, serial, command, role)

    return end("programmer give-up", work, as_json)


def _command(operation: str, serial: str, home: Path | None, as_json: bool, **fields: object) -> int:
    def work() -> Answer:
        from thecal.cli.programming import command

        return command(home, operation, serial, **fields)

    return end(f"programmer {operation.replace('_', '-')}", work, as_json)


def _commands(operation: str, serial: str, home: Path | None, as_json: bool, none: str, **fields: object) -> int:
    def work() -> Answer:
        from thecal.cli.programming import commands

        return commands(home, operation, serial, none, **fields)

    return end(f"programmer {operation}", work, as_json)
