"""Commands only: what a person types, and what the terminal, a script or a browser gets back.

Files and options come in; text, JSON or one HTML page goes out, with an exit code. No command computes a dose: each
asks the rooms that do. Nothing heavy is imported until a command needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (the process's own where none is given) and return its exit code."""
    from thecal.cli.app import run

    return run(arguments)
