"""The clinic that a command is about: its folder, its record, and who writes where nobody is signed in."""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.cli.answer import Answer
from thecal.cli.asking import ended, home_at
from thecal.cli.exits import Exit
from thecal.cli.versions import software_version
from thecal.clinic.record import Store
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.unusable import StoreError, Trouble
from thecal.clinic.site import KEY, record_address
from thecal.clinic.who import SYSTEM
from thecal.formulary import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from rich.console import Console

    from thecal.clinic.refused import Refused

_CODES = {
    Trouble.BAD_ADDRESS: Exit.USAGE,
    Trouble.NOT_REACHED: Exit.NOT_REACHED,
    Trouble.BUSY: Exit.NOT_REACHED,
    Trouble.FULL: Exit.NOT_WRITTEN,
    Trouble.NOT_WRITTEN: Exit.NOT_WRITTEN,
    Trouble.NOT_KNOWN: Exit.NOT_KNOWN,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A clinic's folder, and where its record is."""

    folder: Path
    address: str

    @property
    def key(self) -> Path:
        """The key that signs heads of the audit chain."""
        return self.folder / KEY


def place_at(given: Path | None) -> Place:
    """The clinic that ``--home`` names, else the environment, else the user's data folder."""
    folder = home_at(given).folder
    with refusing():
        return Place(folder, record_address(folder, os.environ))


@contextmanager
def refusing() -> Iterator[None]:
    """End the command in words where the record cannot be used."""
    try:
        yield
    except StoreError as wrong:
        raise ended(_CODES.get(wrong.code, Exit.FILE_REFUSED), wrong.found, wrong.allowed, wrong.then) from wrong


@contextmanager
def opened(place: Place) -> Iterator[Store]:
    """The record of a clinic that is there; Ended where it cannot be used."""
    with refusing(), closing(Store(place.address, make=False)) as store:
        yield store


def now_s() -> int:
    """UTC of this machine, in s."""
    return int(time.time())


def stamp() -> Stamp:
    """Who writes, when and in which versions: the clinic's own process, now."""
    now = now_s()
    return Stamp(SYSTEM, now, now, software_version(), load().version)


def ended_in(refused: Refused) -> Exception:
    """The end of a command that the clinic refused."""
    return ended(Exit.USAGE, refused.found, refused.allowed, refused.then)


def said(body: Mapping[str, Any], *lines: str, exit_: Exit = Exit.GO_ON) -> Answer:
    """What was done, in sentences."""

    def show(console: Console) -> None:
        from thecal.cli.console import line

        for text in lines:
            line(console, text)

    return Answer(exit_, body, show)
