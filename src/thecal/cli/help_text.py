"""What stands under the help of every command: examples, and the exit codes."""

from __future__ import annotations

EXITS = (
    "Exit codes: 0 may go on; 1 soft findings lack a reason; 2 hard findings, or a command that is not known, stop it; "
    "3 a file was refused; 4 the pump cannot run it or refused it, or a plan or a preview has no answer; "
    "5 not reached, nothing was done; 6 the outcome of a command is not known; 64 the command line is wrong; "
    "70 a defect of Thecal; 73 an output file was not written; 130 stopped by the user; "
    "141 the reader of the output went away."
)


def examples(*lines: str) -> str:
    """Command lines to copy, and what an exit code means."""
    shown = "".join(f"  {line}\n" for line in lines)
    return f"Examples:\n\n\b\n{shown}\n{EXITS}"
