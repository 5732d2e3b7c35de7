"""Backup and restore of a clinic's record, at the command line."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from thecal.cli.asking import ended
from thecal.cli.clinic_audit import findings_of
from thecal.cli.clinic_place import alone, opened, place_at, refusing, said, stamp
from thecal.cli.exits import Exit
from thecal.cli.progress import bar
from thecal.clinic.keeping import backup, restore
from thecal.clinic.people.sealing import Seal
from thecal.clinic.site import VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.cli.answer import Answer
    from thecal.cli.clinic_place import Place
    from thecal.clinic.keeping import Kept


def back_up(given: Path | None, path: Path, *, force: bool, anyway: bool, quiet: bool) -> Answer:
    """One file that holds everything of the record."""
    place = place_at(given)
    with opened(place) as store, bar("the record is copied and looked through", quiet=quiet) as tell:
        kept = backup(store, path.absolute(), replace=force, anyway=anyway, tell=tell)
    return said(
        _body(path, kept),
        f"{path} holds the whole record: {kept.verified.links:,} links, {kept.size_bytes:,} bytes.",
        *_doubts(kept),
        "It holds every patient: keep it where only you can read it, away from this machine.",
        *_key_beside(place, kept),
        "Keys of pumps are not in it: after a restore elsewhere, pair each pump anew.",
        exit_=_exit(kept),
    )


def _key_beside(place: Place, kept: Kept) -> list[str]:
    """What a backup does not hold of second factors, and whether that is where it belongs."""
    if not kept.keys:
        return []
    if not _has_keys(place, kept):
        return [f"SECOND FACTORS in it open with no key that is here: look for {place.secrets_key} of before."]
    return [f"The key of its second factors is not in it: keep a copy of {place.secrets_key}, apart from the backup."]


def _has_keys(place: Place, kept: Kept) -> bool:
    return place.secrets_key.exists() and kept.keys <= {Seal.at(place.secrets_key).name}


def _unless_locked_out(place: Place, kept: Kept) -> None:
    """Refuse a backup whose second factors nobody could use here."""
    if kept.keys and not _has_keys(place, kept):
        here = "another key" if place.secrets_key.exists() else "no key"
        found = f"second factors sealed under the key {', '.join(sorted(kept.keys))}, and {here} at {place.secrets_key}"
        then = (
            f"put the secrets-key of the clinic that was backed up to {place.secrets_key}; where it is lost, say "
            "--without-key and then thecal clinic new-key: everybody sets up a second factor anew"
        )
        raise ended(Exit.FILE_REFUSED, found, "the key that opens them, beside the record", then)


def restore_from(
    given: Path | None, path: Path, into: str | None, *, anyway: bool, without_key: bool, quiet: bool
) -> Answer:
    """A record made of a backup, where none is."""
    with refusing():
        place = place_at(given)
        where = _target(into) if into else place.address
        here = nullcontext() if into else alone(place, "restores its record")
        with here, bar("the record is restored and looked through", quiet=quiet) as tell:
            fits = (lambda _kept: None) if without_key else (lambda kept: _unless_locked_out(place, kept))
            kept = restore(path.absolute(), where, stamp(), anyway=anyway, fits=fits, tell=tell)
    shown = make_url(where).render_as_string()
    return said(
        {**_body(path, kept), "into": shown},
        f"Restored into {shown}: {kept.verified.links:,} links.",
        *_doubts(kept),
        *([] if not kept.keys or _has_keys(place, kept) else ["Second factors cannot be used: thecal clinic new-key."]),
        "Every sign-in is over. Who was let in no more after the backup, or got another password, is as before it: "
        "look through the people.",
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
