"""People of a clinic at the command line: what only the owner of the machine can do when nobody else can help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.cli.asking import ended
from thecal.cli.clinic_place import alone, ended_in, opened, place_at, practice_at, said
from thecal.cli.exits import Exit
from thecal.clinic.people import staff
from thecal.clinic.people.sealing import change_key
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.cli.answer import Answer


def let_in(given: Path | None, login: str) -> Answer:
    """A password to hand over, and a second factor set up anew."""
    with opened(place_at(given)) as store:
        done = staff.let_in(practice_at(store), login)
    if isinstance(done, Refused):
        raise ended_in(done)
    hours = staff.TEMPORARY_S // 3600
    return said(
        {"login": login, "password": done.password},
        f"{login} signs in once with this password, within {hours} hours: {done.password}",
        "Then another password is chosen, and a second factor set up. Those of before are void, passkeys too.",
    )


def new_key(given: Path | None) -> Answer:
    """Second factors sealed under a new key; void where the one of before is gone."""
    place = place_at(given)
    try:
        with opened(place) as store, alone(place, "changes its key"):
            sealed, void = change_key(practice_at(store), place.folder)
    except OSError as wrong:
        found = f"{place.secrets_key}: {wrong.strerror}"
        raise ended(
            Exit.NOT_WRITTEN, found, "a folder that can be written to", "make room, or give the right"
        ) from wrong
    lines = [f"{place.secrets_key} is a new key: {sealed:,} second factors are sealed under it."]
    if void:
        lines.append(f"{void:,} are void, as nothing opens them: at the next sign-in each is set up anew.")
    lines.append("Keep a copy of it elsewhere, apart from every backup. Older backups need the key of before.")
    return said({"key": str(place.secrets_key), "sealed": sealed, "void": void}, *lines)
