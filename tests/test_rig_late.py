"""Late frames of the library are no news; every other fault of a callback is."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiocoap import Message
from aiocoap.protocol import Context

from thecal.rig.late import hush_late_frames

if TYPE_CHECKING:
    import pytest


def broken() -> None:
    raise ValueError("a fault of ours")


async def _calls(callback: object, *words: object) -> None:
    loop = asyncio.get_running_loop()
    hush_late_frames(loop)
    loop.call_soon(callback, *words)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_a_fault_inside_the_library_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        asyncio.run(_calls(Context.render_to_pipe))  # called without what it needs: a TypeError of the library
    assert [r.levelname for r in caplog.records if "late frame" in r.message] == ["DEBUG"]
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


def inside(callback: object) -> None:
    """A callback of ours by name, whose fault is raised in the library."""
    callback()  # type: ignore[operator]


def test_nor_is_one_that_a_callback_of_ours_runs_into(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        asyncio.run(_calls(inside, lambda: Message.decode(b"\xff\xff\xff\xff")))
    assert [r.levelname for r in caplog.records if "late frame" in r.message] == ["DEBUG"]


def test_any_other_fault_is(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(_calls(broken))
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    assert "a fault of ours" in caplog.text
