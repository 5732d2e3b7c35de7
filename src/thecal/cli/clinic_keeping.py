"""Backup and restore of a clinic's record, at the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from thecal.cli.asking import ended
from thecal.cli.clinic_audit import findings_of
from thecal.cli.clinic_place import opened, place_at, refusing, said, stamp
from thecal.cli.exits import Exit
from thecal.cli.progress import bar
from thecal.clinic.keeping import backup, restore
from thecal.clinic.site import VARIABLE
from thecal.rig.home import OWNER_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.cli.answer import Answer
    from thecal.clinic.keeping import Kept


def back_up(given: Path | None, path: Path, *, force: bool, anyway: bool, quiet: bool) -> Answer:
    """One file that holds everything of the record."""
    with opened(place_at(given)) as store, bar("the record is copied and looked through", quiet=quiet) as tell:
        kept = backup(store, path.absolute(), replace=force, anyway=anyway, tell=tell)
    return said(
        _body(path, kept),
        f"{path} holds the whole record: {kept.verified.links:,} links, {kept.size_bytes:,} bytes.",
        *_doubts(kept),
        "It holds every patient: keep it where only you can read it, away from this machine.",
        "Keys of pumps are not in it: after a restore elsewhere, pair each pump anew.",
        exit_=_exit(kept),
    )


def restore_from(given: Path | None, path: Path, into: str | None, *, anyway: bool, quiet: bool) -> Answer:
    """A record made of a backup, where none is."""
    with refusing():
        place = place_at(given)
        where = _target(into) if into else place.address
        if not into:
            place.folder.mkdir(parents=True, exist_ok=True, mode=OWNER_FOLDER)
        with bar("the record is restored and looked through", quiet=quiet) as tell:
            kept = restore(path.absolute(), where, stamp(), anyway=anyway, tell=tell)
    shown = make_url(where).render_as_string()
    return said(
        {**_body(path, kept), "into": shown},
        f"Restored into {shown}: {kept.verified.links:,} links.",
        *_doubts(kept),
        "What was done after the backup is not in it, commands to pumps neither: interrogate each pump before anything "
        "else is sent to it.",
        exit_=_exit(kept),
    )


def _target(into: str) -> str:
    """The address that ``--into`` says: a file, or PostgreSQL without a password."""
    if "://" not in into:
        from pathlib import Path

        return f"sqlite:///{Path(into).absolute()}"
    try:
        password = make_url(into).password
    except ArgumentError:
        password = None
    if password is not None:
        then = f"set {VARIABLE} to the address, or use PostgreSQL's own password file (~/.pgpass)"
        raise ended(Exit.USAGE, "a password on the command line", "none there: others can read it", then)
    return into


def _exit(kept: Kept) -> Exit:
    return Exit.GO_ON if kept.verified.whole else Exit.STOPPED


def _doubts(kept: Kept) -> list[str]:
    if kept.verified.whole:
        return ["Its audit chain holds."]
    return [f"ITS AUDIT CHAIN DOES NOT HOLD: {kept.verified.count:,} things are not as they were written."]


def _body(path: Path, kept: Kept) -> dict[str, Any]:
    return {"file": str(path), "version": kept.version, "bytes": kept.size_bytes, **findings_of(kept.verified)}
