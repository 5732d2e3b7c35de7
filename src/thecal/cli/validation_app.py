"""``thecal validate``: published cases held against the model of the spine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.guard import end
from thecal.cli.help_text import examples
from thecal.cli.pump_app import Json  # noqa: TC001 -- typer reads it when the command is made

if TYPE_CHECKING:
    from thecal.cli.answer import Answer

app = typer.Typer(rich_markup_mode=None)


@app.command(
    "validate",
    short_help="Published cases against the model of the spine.",
    epilog=examples(
        "thecal validate",
        "thecal validate --list",
        "thecal validate morphine-1h 22",
        "thecal validate our-cases.toml --json",
    ),
)
def validate(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(metavar="CASE|FILE.toml", help="Ids or numbers of cases, or files; else all that ship."),
    ] = None,
    *,
    only_list: Annotated[bool, typer.Option("--list", help="List the cases and run none.")] = False,
    as_json: Json = False,
) -> int:
    """Run published cases, or your own, and show paper, model, ratio and inside or outside. No proof, no dosing."""

    def work() -> Answer:
        from thecal.cli.validating import run_cases

        return run_cases(tuple(wanted or ()), only_list=only_list)

    return end("validate", work, as_json)
