"""What is true may fail to be written down; what the pump itself writes may not fail in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from thecal.pump.device.memory import STATE, WORLD
from thecal.rig.ground import Ground, ground

if TYPE_CHECKING:
    from pathlib import Path


def test_a_disk_that_works_is_the_disk_itself(tmp_path: Path) -> None:
    disk = ground(tmp_path)
    for name in (*WORLD, *STATE):
        disk.write(name, b"one")
        disk.write_at(name, 3, b" two")
        assert disk.read(name) == b"one two"
        disk.erase(name)
        assert disk.read(name) == b""


def test_only_the_record_of_the_world_may_fail_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = ground(tmp_path)
    assert isinstance(disk, Ground)
    for name in (WORLD[0], STATE[0]):
        (tmp_path / name).mkdir()
    lacking = []
    for name in (WORLD[0], WORLD[0], WORLD[1]):
        disk.write(name, b"x")
        lacking.append(disk.unwritten)
    assert lacking == [True, True, False]
    with pytest.raises(OSError, match=STATE[0]):
        disk.write(STATE[0], b"x")
    assert caplog.text.count("cannot be written down") == 1
