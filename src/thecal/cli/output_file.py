"""A file that a command writes: found out early whether it can be, and then written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from errno import EISDIR
from pathlib import Path
from typing import TYPE_CHECKING

from thecal.cli import refusals
from thecal.cli.exits import Exit

if TYPE_CHECKING:
    from thecal.cli.answer import Answer

_ELSEWHERE = "Make room for it or choose another place, and run the command again."


def unwritable(path: Path) -> Answer | None:
    """Found out before the work, which may be long: an answer where no file can be put at ``path``."""
    try:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        return _not_written(path, error, "Nothing was run. " + _ELSEWHERE)
    return None


def written(path: Path, text: str) -> Answer | None:
    """Write ``text``; an answer where it could not be written."""
    try:
        _replace(path, text)
    except OSError as error:
        return _not_written(path, error, "The run was done, and its report was not written. " + _ELSEWHERE)
    return None


def _not_written(path: Path, error: OSError, then: str) -> Answer:
    found, allowed = error.strerror or str(error), "a file that can be written is needed"
    return refusals.of_words("not-written", str(path), found, allowed, Exit.NOT_WRITTEN, then=then)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
