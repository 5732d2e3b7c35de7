"""``thecal programmer read``: everything that a pump holds, on the terminal and as the interrogation document."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from thecal.cli.answer import Answer
from thecal.cli.asking import asking, ended, of_result, pump_at
from thecal.cli.exits import Exit
from thecal.cli.held import withdrawal_of
from thecal.cli.versions import software_version
from thecal.formulary import load
from thecal.link.roles import Role
from thecal.link.talk import Result
from thecal.rig.interrogation import interrogation_document, of_session

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.cli.asking import At


def read_pump(
    given: Path | None, serial: str, role: str, *, out: Path | None, zone: str | None, site: Path | None
) -> Answer:
    """Read a pump as ``role``; where ``out`` names a file the whole document is written there."""
    wall = None if zone is None else zone_named(zone)
    at = pump_at(given, serial)
    near_for_card(at, role)
    with asking(at.home) as link:
        read = link.told("interrogate", serial=serial, role=role)
        pending = link.told("pending", serial=serial)
    if isinstance(read, Result):
        return of_result(read, at, role=role)
    reading = replace(
        of_session(read, software_version()),
        formulary=load(site).version,
        withdrawal=withdrawal_of(read, site),
        pending=pending,
        zone=wall,
    )
    document = interrogation_document(reading)
    if out is not None:
        _write(out, document)
    from thecal.cli.reading_view import show_reading

    body = {"interrogation": document}
    return Answer(Exit.GO_ON, body, lambda console: show_reading(console, read, document, out, site))


def near_for_card(at: At, role: str) -> None:
    """The emergency card is read by holding it to the skin; Ended where it is not there."""
    if role == Role.CARD and at.serial in at.home.serials() and not at.near():
        found = "the emergency card, and nothing is held over the pump"
        raise ended(Exit.NOT_REACHED, found, "the card in near field, where it reads and stops", at.next_step(role))


def zone_named(name: str) -> ZoneInfo:
    """A zone by its name in the tz database; Ended for another one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as wrong:
        then = "write it as in America/Chicago"
        raise ended(Exit.USAGE, f"zone {name!r}", "a name of the tz database", then) from wrong


def _write(out: Path, document: dict[str, Any]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as wrong:
        found = f"{out} was not written: {wrong.strerror}"
        raise ended(Exit.NOT_WRITTEN, found, "a file that can be written", "name another file") from wrong
