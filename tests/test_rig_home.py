"""Folders of a rig are for their owner alone, and files in them are replaced as a whole."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.rig.hold import Held, Hold, hold
from thecal.rig.home import Home, find, private_folder, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_option_comes_before_the_environment_and_that_before_the_users_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THECAL_HOME", str(tmp_path / "environment"))
    assert find(tmp_path / "option").folder == tmp_path / "option"
    assert find().folder == tmp_path / "environment"
    monkeypatch.delenv("THECAL_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find().folder.name == "thecal"
    assert tmp_path in find().folder.parents


def test_a_home_is_absolute_and_knows_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert find("~/rig").folder == tmp_path / "rig"
    assert find("rig").folder == tmp_path / "rig"


@pytest.mark.requirement("SC-18")
def test_folders_are_for_the_owner_alone_whatever_they_were_before(tmp_path: Path) -> None:
    home = Home(tmp_path / "a" / "b")
    assert home.serials() == []
    home.ready()
    assert [mode(f) for f in (home.folder, home.pumps, home.link, home.run)] == [0o700] * 4
    home.link.chmod(0o755)
    home.ready()
    assert mode(home.link) == 0o700


def test_the_parts_of_a_home_lie_inside_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for path in (home.world, home.rig_socket, home.service_socket, home.pump("P-1"), home.address("P-1")):
        assert tmp_path in path.parents


@pytest.mark.parametrize("serial", ["", ".", "..", "../x", "a/b", "-a", "a b", "a" * 65, "é", "a\n", ".hidden"])
def test_a_serial_number_that_cannot_name_a_folder_is_refused(tmp_path: Path, serial: str) -> None:
    with pytest.raises(ValueError, match="serial number; allowed"):
        Home(tmp_path).pump(serial)


@given(st.text(max_size=70))
def test_no_serial_number_leads_out_of_the_folder_of_pumps(serial: str) -> None:
    home = Home(Path("/home-of-a-rig"))
    try:
        folder = home.pump(serial)
    except ValueError:
        return
    assert Path(os.path.normpath(folder)).parent == home.pumps


def test_the_pumps_of_a_home_are_its_folders_with_a_good_name(tmp_path: Path) -> None:
    home = Home(tmp_path).ready()
    for name in ("B2", "A1", ".part"):
        private_folder(home.pumps / name)
    (home.pumps / "file").write_text("no pump")
    assert home.serials() == ["A1", "B2"]


@pytest.mark.parametrize("durable", [False, True])
def test_a_private_file_is_replaced_as_a_whole(tmp_path: Path, *, durable: bool) -> None:
    path = tmp_path / "file"
    write_private(path, b"one", durable=durable)
    path.chmod(0o644)
    write_private(path, b"two", durable=durable)
    assert path.read_bytes() == b"two"
    assert mode(path) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_private(tmp_path / "taken", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


# One process at a time.


def test_a_second_holder_is_told_who_holds_it_and_gets_it_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    first = hold(path, "the pump A", "hosting pumps")
    assert isinstance(first, Hold)
    second = hold(path, "the pump A", "hosting pumps")
    assert second == Held("the pump A", os.getpid(), "hosting pumps")
    assert second.message == (
        f"found the pump A in use by process {os.getpid()} (hosting pumps); allowed: one process at a time; "
        "next: ask that process, or end it"
    )
    assert mode(path) == 0o600
    first.release()
    first.release()
    third = hold(path, "the pump A", "hosting pumps")
    assert isinstance(third, Hold)
    third.release()


@pytest.mark.parametrize("note", [None, "{", "[]", '{"pid": "x", "doing": ""}', "{}"])
def test_a_holder_that_has_left_no_note_yet_is_another_process(tmp_path: Path, note: str | None) -> None:
    first = hold(tmp_path / "a.lock", "the pump A", "hosting pumps")
    assert isinstance(first, Hold)
    (tmp_path / "a.holder").unlink()
    if note is not None:
        (tmp_path / "a.holder").write_text(note)
    second = hold(tmp_path / "a.lock", "the pump A", "hosting pumps")
    assert isinstance(second, Held)
    assert "another process" in second.message
    first.release()


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, time\n"
        "from thecal.rig.hold import hold\n"
        "kept = hold(pathlib.Path(sys.argv[1]), 'it', 'testing')\n"
        "print('held', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "a.lock")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert hold(tmp_path / "a.lock", "it", "testing") == Held("it", holder.pid, "testing")
        holder.kill()
        holder.wait()
    mine = hold(tmp_path / "a.lock", "it", "testing")
    assert isinstance(mine, Hold)
    mine.release()
