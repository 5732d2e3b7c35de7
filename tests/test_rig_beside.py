"""Processes that run beside each other: started again so often and no more, noted, and ended together."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import pytest

from thecal.rig.beside import MOST_STARTS, Beside, Keeper, NotReadyError, Standing, read_note

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAYS = "import sys; print('ready', flush=True); sys.stdin.read()"
DIES = "print('ready', flush=True)"
NEVER = "raise SystemExit('no')"


def beside(name: str, program: str) -> Beside:
    return Beside(name, f"the {name}", (sys.executable, "-c", program))


async def until(reached: Callable[[], bool], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not reached():
            await asyncio.sleep(0.05)


def test_one_that_dies_again_and_again_is_left_and_the_others_go_on(tmp_path: Path) -> None:
    note, said = tmp_path / "note.json", list[str]()

    async def run() -> None:
        keeper = Keeper([beside("pumps", STAYS), beside("web", DIES)], note, tmp_path, said.append)
        await keeper.start()
        pumps = keeper.pid("pumps")
        await until(lambda: any(n.standing is Standing.LEFT for n in read_note(note)))
        assert keeper.pid("pumps") == pumps
        assert {n.name: n.standing for n in read_note(note)} == {"pumps": Standing.RUNNING, "web": Standing.LEFT}
        await keeper.end()
        with pytest.raises(ProcessLookupError):
            os.kill(pumps, 0)

    asyncio.run(run())
    assert len(said) == MOST_STARTS + 1
    assert "The others go on" in said[-1]
    assert "web.log" in said[-1]
    assert read_note(note) == ()


def test_one_that_does_not_come_up_is_said_with_its_log(tmp_path: Path) -> None:
    async def run() -> None:
        keeper = Keeper([beside("link", NEVER)], tmp_path / "note.json", tmp_path, print)
        try:
            await keeper.start()
        finally:
            await keeper.end()

    with pytest.raises(NotReadyError, match=r"the link not ready.*link\.log"):
        asyncio.run(run())
    assert "no" in (tmp_path / "link.log").read_text()


def test_a_note_that_is_missing_or_damaged_says_nothing(tmp_path: Path) -> None:
    assert read_note(tmp_path / "none.json") == ()
    (tmp_path / "note.json").write_text('[{"name": 1}]')
    assert read_note(tmp_path / "note.json") == ()
