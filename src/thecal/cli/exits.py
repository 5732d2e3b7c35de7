"""How a command ends, as scripts see it."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; closed and stable. 0 to 6 are answers, 64 and above follow the customs of the shell."""

    GO_ON = 0
    """Nothing stands in the way."""
    REASON_NEEDED = 1
    """Soft findings lack a reason."""
    STOPPED = 2
    """Hard findings stop the order."""
    FILE_REFUSED = 3
    """A file cannot be used."""
    PUMP_REFUSED = 4
    """The pump cannot run what was ordered or refused what was asked, or a plan or a preview has no answer."""
    NOT_REACHED = 5
    """A pump or a process was not reached; certain: nothing was done."""
    NOT_KNOWN = 6
    """A command was sent and its outcome is not known; it is written down."""
    USAGE = 64
    """The command line is wrong."""
    INTERNAL = 70
    """Thecal broke one of its own rules: a defect to report."""
    NOT_WRITTEN = 73
    """An output file could not be written."""
    INTERRUPTED = 130
    """The user stopped it."""
    PIPE_CLOSED = 141
    """Whoever read the output stopped reading."""

    @property
    def word(self) -> str:
        """The same for ``--json``: ``reason-needed``."""
        return self.name.lower().replace("_", "-")
