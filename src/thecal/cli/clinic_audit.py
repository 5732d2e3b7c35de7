"""The audit chain of a clinic at the command line: is it whole, and its newest link, signed, to be kept elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.cli.answer import Answer
from thecal.cli.asking import ended, ended_by
from thecal.cli.clinic_place import now_s, opened, place_at, refusing
from thecal.cli.exits import Exit
from thecal.cli.progress import bar
from thecal.clinic.record.heads import BadHead, against, read_head, sign, signing_key
from thecal.clinic.record.verifying import Verified, verify

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from thecal.clinic.record.heads import Head

SHOWN = 20
MOST_HEAD = 64 * 1024
"""Bytes of a file with a head."""


def verify_chain(given: Path | None, kept: Path | None, *, quiet: bool) -> Answer:
    """Look at every link and every row; with a head that was kept, whether the chain still goes through it."""
    place = place_at(given)
    head = None if kept is None else _head(kept)
    with opened(place) as store, bar("the audit chain is followed", quiet=quiet) as tell, store.reading() as session:
        found = verify(session, tell)
        if head is not None:
            key = signing_key(place.key).public_key().public_bytes_raw().hex() if place.key.exists() else None
            for wrong in against(session, head, key):
                found.find(wrong.code, wrong.found)
    body = {**findings_of(found), **({} if head is None else {"against": head.as_json()})}
    return Answer(Exit.GO_ON if found.whole else Exit.STOPPED, body, lambda console: _show(console, found, head))


def signed_head(given: Path | None, *, new_key: bool) -> Answer:
    """The newest link, signed with the clinic's key."""
    place = place_at(given)
    with refusing():
        if not (new_key or place.key.exists()):
            then = (
                "put it back from where it was kept; or make another with --new-key, which heads of before do not name"
            )
            raise ended(Exit.FILE_REFUSED, f"no key at {place.key}", "the key that thecal clinic init made", then)
        with opened(place) as store, store.reading() as session:
            head = sign(session, signing_key(place.key, make=new_key), now_s())
    import json

    from thecal.cli.console import unbroken

    text = json.dumps(head.as_json())
    return Answer(Exit.GO_ON, {"head": head.as_json()}, lambda console: unbroken(console, text))


def _head(path: Path) -> Head:
    """A head that was kept in a file: as it was printed, or as ``--json`` gave it."""
    import json

    try:
        with path.open("r", encoding="utf-8") as file:
            text = file.read(MOST_HEAD)
    except (OSError, UnicodeDecodeError) as wrong:
        said_ = f"no head that can be read at {path}: {wrong}"
        then = "name a file with what thecal clinic audit head printed"
        raise ended(Exit.FILE_REFUSED, said_, "a file with one head", then) from wrong
    try:
        found = json.loads(text)
        return read_head(json.dumps(found.get("head", found)))
    except (BadHead, ValueError, AttributeError) as wrong:
        shown = wrong if isinstance(wrong, BadHead) else "found no signed head; allowed: what was printed"
        raise ended_by(Exit.FILE_REFUSED, shown, "look for another copy of it") from wrong


def findings_of(found: Verified) -> dict[str, Any]:
    """What was looked at and found, for ``--json``."""
    return {
        "whole": found.whole,
        "links": found.links,
        "rows": found.rows,
        "seq": found.seq,
        "hash": found.hash.hex(),
        "count": found.count,
        "findings": [{"code": one.code.value, "found": one.found} for one in found.findings],
    }


def _show(console: Console, found: Verified, head: Head | None) -> None:
    from thecal.cli.console import line, marked

    line(console, f"Looked at {found.links:,} links and {found.rows:,} rows.")
    if found.whole:
        line(console, "Every link follows the one before, and every row is as it was written.")
        if head is None:
            line(console, "A chain that was written anew as a whole shows only against a head that was kept elsewhere:")
            line(console, "keep one: thecal clinic audit head; compare: thecal clinic audit verify --against FILE")
        else:
            line(console, f"The chain still goes through link {head.seq:,}, as the kept head says.")
        return
    for one in found.findings[:SHOWN]:
        marked(console, f"{one.code}:", one.found)
    if found.count > SHOWN:
        line(console, f"{found.count - SHOWN:,} more; --json names up to {len(found.findings):,}.")
    line(
        console,
        f"{found.count:,} things are not as they were written. Next: keep this record as it is for whoever looks",
    )
    line(console, "into it, and compare it with a backup.")
