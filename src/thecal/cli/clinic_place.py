"""The clinic that a command is about: its folder, its record, and who writes where nobody is signed in."""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from thecal.cli.answer import Answer
from thecal.cli.asking import ended, ended_by, home_at
from thecal.cli.exits import Exit
from thecal.cli.versions import software_version
from thecal.clinic.people.sealing import KEY as SECRETS_KEY
from thecal.clinic.practice import Practice
from thecal.clinic.pumps import LinkAway, Pumps
from thecal.clinic.record import Store
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.unusable import StoreError, Trouble
from thecal.clinic.site import KEY, record_address
from thecal.clinic.who import SYSTEM
from thecal.formulary import load
from thecal.rig.hold import Held, Hold, hold
from thecal.rig.home import Home

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

    @property
    def secrets_key(self) -> Path:
        """The key that opens second factors in the record."""
        return self.folder / SECRETS_KEY


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


def look_at_provider(place: Place) -> None:
    """End the command in words where the settings of single sign-on are there and cannot be used."""
    from thecal.clinic.people.provider import ProviderFileError, provider_in

    try:
        provider_in(place.folder)
    except ProviderFileError as wrong:
        raise ended_by(Exit.FILE_REFUSED, wrong) from wrong


@contextmanager
def opened(place: Place) -> Iterator[Store]:
    """The record of a clinic that is there; Ended where it cannot be used."""
    with refusing(), closing(Store(place.address, make=False)) as store:
        yield store


@contextmanager
def alone(place: Place, doing: str) -> Iterator[None]:
    """While the clinic of a folder does not run; Ended where it does: its processes hold the record and its keys."""
    held = held_by_us(place, doing)
    try:
        yield
    finally:
        held.release()


def held_by_us(place: Place, doing: str) -> Hold:
    """The clinic of a folder, for this process alone; Ended where another one has it, or nothing can be written."""
    try:
        held = hold(Home(place.folder).ready().run / "clinic.lock", "this clinic", doing)
    except OSError as wrong:
        then = "make room on the disk, or give the owner of this process the right to write there"
        found = f"{place.folder}, which cannot be written to: {wrong.strerror}"
        raise ended(Exit.NOT_WRITTEN, found, "the folder of a clinic", then) from wrong
    if isinstance(held, Held):
        raise ended_by(Exit.NOT_REACHED, held.message)
    return held


def practice_at(store: Store) -> Practice:
    """A clinic at work for one command, which talks to no pump."""
    return Practice(store, Pumps(_no_pumps), load(), now_s, software_version(), now_s)


def _no_pumps(operation: str, **_fields: object) -> NoReturn:
    raise LinkAway(f"no link service runs for this command ({operation})", asked=False)


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
