"""Making a clinic of one's own: its folder, its empty record, and its first administrator."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tomli_w
import typer

from thecal.cli.asking import ended
from thecal.cli.clinic_place import ended_in, place_at, practice_at, refusing, said
from thecal.cli.exits import Exit
from thecal.clinic.people.passwords import password_fault
from thecal.clinic.people.sealing import seal_of
from thecal.clinic.people.staff import first_administrator
from thecal.clinic.record import Store
from thecal.clinic.record.heads import signing_key
from thecal.clinic.refused import Refused
from thecal.clinic.site import RECORD, SETTINGS, VARIABLE, Facts, facts_fault, make_clinic
from thecal.rig.home import private_folder, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.cli.answer import Answer
    from thecal.cli.clinic_place import Place

MOST_LINE = 4096
"""Characters of a password on standard input, above every one that is taken."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What the command line says; what is None is asked for where somebody can answer."""

    name: str | None
    zone: str | None
    phone: str | None
    on_call: str | None
    address: str | None
    login: str | None
    administrator: str | None


def init(given: Path | None, entered: Entered, *, password_stdin: bool) -> Answer:
    """Make a clinic; nothing is written before everything that was entered can be used."""
    place = place_at(given)
    facts = Facts(
        _asked(entered.name, "Name of the clinic", "--name"),
        _asked(entered.zone, "Time zone, as in America/Chicago", "--zone"),
        _asked(entered.phone, "Telephone number", "--phone"),
        _asked(entered.on_call, "Number at night", "--on-call"),
        entered.address or "",
    )
    _unless(facts_fault(facts))
    login = _asked(entered.login, "Login of the first administrator", "--login")
    name = _asked(entered.administrator, "Name of the first administrator", "--administrator")
    password = _password(stdin=password_stdin)
    _unless(password_fault(login, password))
    _folder(place)
    with refusing(), closing(Store(place.address)) as store:
        practice = practice_at(store)
        _unless(make_clinic(practice, facts))
        _unless(first_administrator(practice, login, name, password))
        signing_key(place.key, make=True)
        with store.reading() as session:
            seal_of(place.folder, session)
    where = store.url.render_as_string()
    body = {"home": str(place.folder), "record": where, "name": facts.name, "zone": facts.zone, "login": login}
    return said(
        body,
        f"{facts.name} is made. Its record is at {where}.",
        f"The first administrator signs in as {login}, and sets up a second factor then.",
        f"Keep {place.key}, {place.secrets_key} and a backup away from this machine: thecal clinic backup FILE.",
        "Keep the backup and the secrets-key apart: together they are every second factor.",
        f"Next: thecal clinic run{f' --home {place.folder}' if given else ''}",
    )


def _folder(place: Place) -> None:
    """The clinic's folder, for its owner alone, with the address of a record that is elsewhere."""
    try:
        place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_folder(place.folder)
        here = f"sqlite:///{place.folder / RECORD}"
        if place.address != here and os.environ.get(VARIABLE):
            write_private(place.folder / SETTINGS, tomli_w.dumps({"record": place.address}).encode(), durable=True)
    except OSError as wrong:
        found = f"{place.folder}: {wrong.strerror}"
        raise ended(Exit.NOT_WRITTEN, found, "a folder that can be made", "name another one with --home") from wrong


def _asked(given: str | None, text: str, option: str) -> str:
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise ended(Exit.USAGE, f"no {option}", "every fact of the clinic", f"say it with {option}")
    return str(typer.prompt(text, err=True))


def _password(*, stdin: bool) -> str:
    """From the first line of standard input, or typed twice; never from the command line, which others can read."""
    if stdin:
        return sys.stdin.readline(MOST_LINE).rstrip("\r\n")
    if not sys.stdin.isatty():
        then = "run the command in a terminal, or hand the password over with --password-stdin"
        raise ended(Exit.USAGE, "no terminal to type a password in", "a password that nobody else can read", then)
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _unless(found: object) -> None:
    if isinstance(found, Refused):
        raise ended_in(found)
