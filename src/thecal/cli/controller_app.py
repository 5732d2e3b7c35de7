"""``thecal controller``: the patient's own controller, with one clear answer to a press."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from thecal.cli.guard import end
from thecal.cli.help_text import examples
from thecal.cli.pump_app import HomeDir, Json, Serial  # noqa: TC001 -- typer reads them when the command is made

if TYPE_CHECKING:
    from thecal.cli.answer import Answer

app = typer.Typer(
    help="The patient's own controller: ask for a bolus, and see how the pump is.",
    short_help="The patient's own controller.",
    epilog=examples(
        "thecal controller bolus T-0001",
        "thecal controller status T-0001",
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("bolus", short_help="Ask for a bolus.", epilog=examples("thecal controller bolus T-0001"))
def bolus(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Press for a bolus. There is one answer; a press that was not answered is asked again as the same press."""

    def work() -> Answer:
        from thecal.cli.pressing import bolus

        return bolus(home, serial)

    return end("controller bolus", work, as_json)


@app.command("status", short_help="How the pump is.", epilog=examples("thecal controller status T-0001"))
def status(serial: Serial, home: HomeDir = None, as_json: Json = False) -> int:
    """Whether a bolus can be asked for now, and if not, when."""

    def work() -> Answer:
        from thecal.cli.pressing import status

        return status(home, serial)

    return end("controller status", work, as_json)
