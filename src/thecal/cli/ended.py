"""A command that cannot go on: its answer, raised from wherever that is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thecal.cli.answer import Answer


class Ended(Exception):  # noqa: N818 -- the end of a command, not a fault of the program
    """The command ends here, with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer
