"""What the command line asks of a look beyond the tip, and what of it cannot be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from thecal.body.spine.levels import dermatome, level
from thecal.body.transport.untrusted import UntrustedError
from thecal.cli import refusals
from thecal.cli.exits import Exit
from thecal.twin.asking import DRAWS, Asking
from thecal.twin.spine import NoPreviewWhy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from thecal.body.spine.levels import Level
    from thecal.cli.answer import Answer
    from thecal.twin.asking import Asked
    from thecal.twin.spine import NoPreview

_EXITS = {
    NoPreviewWhy.NO_CATHETER: Exit.FILE_REFUSED,
    NoPreviewWhy.NO_TIP_LEVEL: Exit.FILE_REFUSED,
    NoPreviewWhy.UNKNOWN_LEVEL: Exit.FILE_REFUSED,
    NoPreviewWhy.NO_SUCH_EVENT: Exit.FILE_REFUSED,
}
_OF_WORDS = frozenset({NoPreviewWhy.WINDOW, NoPreviewWhy.NOT_COMPARABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks; ``quiet`` is True where stdout and stderr belong to a script."""

    hours: float | None = None
    from_hours: float | None = None
    levels: tuple[str, ...] = ()
    dermatomes: tuple[str, ...] = ()
    draws: int | None = None
    seed: int | None = None
    band: bool = True
    report: Path | None = None
    quiet: bool = False

    @property
    def persons(self) -> int:
        """How many are drawn."""
        return DRAWS if self.draws is None else self.draws

    def asked(self) -> Asked:
        """What was asked, for the twin, which chooses the rest; a usage error for what it does not take.

        The band is made later: the central line is shown first.
        """
        for name in self.levels:
            place("--level", level, name)
        for name in self.dermatomes:
            place("--dermatome", dermatome, name)
        asked: Asked = {"draws": self.persons, "seed": self.seed, "band": False}
        if self.levels:
            asked["levels"] = self.levels
        if self.dermatomes:
            asked["dermatomes"] = self.dermatomes
        if self.hours is not None:
            asked["hours"] = self.hours
        if self.from_hours is not None:
            asked["from_hours"] = self.from_hours
        refused = Asking(**asked).refusal()
        if refused is not None:
            raise _wrong_words(refused)
        return asked


def place(option: str, read: Callable[[str], Level], name: str) -> Level:
    """A level or dermatome that is written on the command line; a usage error for what there is not."""
    try:
        return read(name)
    except UntrustedError as wrong:
        raise typer.BadParameter(f"found {wrong.found}; allowed: {wrong.allowed}", param_hint=option) from None


def refused(none: NoPreview, path: str) -> Answer:
    """The answer where there is no preview; a usage error where it is the command line that asks too much."""
    if none.why in _OF_WORDS:
        raise _wrong_words(none)
    code = str(none.why).replace(" ", "-")
    then = f"Nothing was computed. Next: {none.then}."
    return refusals.of_words(code, path, none.found, none.allowed, _EXITS.get(none.why, Exit.PUMP_REFUSED), then=then)


def untrusted(wrong: UntrustedError, path: str) -> Answer:
    """The answer where the body refuses what it was given."""
    code = str(wrong.doubt).replace(" ", "-")
    then = "Nothing was computed. Ask for what is allowed and run the command again."
    return refusals.of_words(code, path, wrong.found, wrong.allowed, Exit.PUMP_REFUSED, then=then)


def _wrong_words(none: NoPreview) -> typer.BadParameter:
    return typer.BadParameter(f"found {none.found}; allowed: {none.allowed}; next: {none.then}")
