"""What stands between a command and the shell: refusals become messages, defects and closed pipes become exit codes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from thecal.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import typer

    from thecal.cli.answer import Answer


def end(command: str, work: Callable[[], Answer], as_json: bool) -> int:
    """Do the work of a command, print its answer or its refusal, and return the exit code."""
    from thecal.cli.answer import deliver

    try:
        try:
            answer = work()
        except Exception as wrong:  # noqa: BLE001 -- a defect is raised again
            answer = _refusal(wrong)
        code = deliver(command, answer, as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        return hush()
    return code


def _refusal(wrong: Exception) -> Answer:
    """The answer for a file that was refused; anything else is a defect and goes on as it is."""
    from thecal.cli import refusals
    from thecal.cli.ended import Ended
    from thecal.formulary import FormularyError
    from thecal.therapy.file_problems import FileRefused

    if isinstance(wrong, Ended):
        return wrong.answer
    if isinstance(wrong, FileRefused):
        return refusals.of_file(wrong)
    if isinstance(wrong, FormularyError):
        return refusals.of_formulary(wrong)
    raise wrong


def usage(wrong: typer.TyperException, words: Sequence[str]) -> int:
    """A command line that is wrong."""
    if "--json" in words:
        from thecal.cli.answer import Answer, deliver

        body = {"problems": [{"code": "usage", "found": wrong.format_message(), "allowed": "see thecal --help"}]}
        return deliver("thecal", Answer(Exit.USAGE, body, lambda _console: None), as_json=True)
    show = getattr(wrong, "show", None)
    if show is None:
        sys.stderr.write(f"Error: {wrong.format_message()}\n")
    else:
        show()
    return int(Exit.USAGE)


def interrupted() -> int:
    """Ctrl-C."""
    sys.stderr.write("\nStopped by the user. Nothing more was done.\n")
    return int(Exit.INTERRUPTED)


def defect() -> int:
    """A broken invariant: the traceback is for whoever mends it."""
    import traceback

    traceback.print_exc()
    sys.stderr.write("This is a defect of Thecal, not of your file. Please report it with the lines above.\n")
    return int(Exit.INTERNAL)


def hush() -> int:
    """The reader went away: write nothing more, not even when the interpreter flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return int(Exit.PIPE_CLOSED)
