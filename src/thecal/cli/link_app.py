"""``thecal link``: the one service that holds keys, sequence numbers and pending commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from thecal.cli.guard import end
from thecal.cli.help_text import examples
from thecal.cli.pump_app import HomeDir, Json, JsonAtEnd  # noqa: TC001 -- typer reads them when the command is made

if TYPE_CHECKING:
    from thecal.cli.answer import Answer

app = typer.Typer(
    help="The one service that holds keys, sequence numbers and pending commands.",
    short_help="The service that holds keys and pending commands.",
    epilog=examples(
        "thecal link run",
        "thecal link paired",
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("run", short_help="Be the link service until stopped.", epilog=examples("thecal link run"))
def run_link(
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing.")] = False,
    home: HomeDir = None,
    as_json: JsonAtEnd = False,
) -> int:
    """Be the link service of a home until Ctrl-C. Without one, each command is the service for as long as it lasts."""

    def work() -> Answer:
        from thecal.cli.hosting import run_link

        return run_link(home, quiet=quiet or as_json)

    return end("link run", work, as_json)


@app.command("paired", short_help="Which roles have a key of which pump.", epilog=examples("thecal link paired"))
def paired(home: HomeDir = None, as_json: Json = False) -> int:
    """The keys that the link service holds: pump and role, never the key itself."""

    def work() -> Answer:
        from thecal.cli.programming import paired

        return paired(home)

    return end("link paired", work, as_json)
