"""What fails while a clinic is kept: a full disk, a kill, a clinic that runs, newer software; each said in words."""

from __future__ import annotations

import io
import os
import random
import resource
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from tests.cli_world import THECAL, thecal
from tests.record_engines import raw

from thecal.clinic.keeping import look_through
from thecal.clinic.people.sealing import KEY, seal_of
from thecal.clinic.record import Store
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import NearMiss
from thecal.clinic.record.verifying import verify
from thecal.clinic.site import VARIABLE
from thecal.clinic.who import SYSTEM
from thecal.rig.hold import Hold, hold

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "four words nobody guesses"  # noqa: S105 -- of a clinic in a test
WORDS = (
    *("--name", "Hill Clinic", "--zone", "America/Chicago", "--phone", "+1 312 555 0100"),
    *("--on-call", "+1 312 555 0199", "--login", "ada", "--administrator", "Ada Ames", "--password-stdin"),
)
STAMP = Stamp(SYSTEM, 1, 2, "s", "f")
ROWS = 600


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clinic with a record of more than a few pages."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("THECAL_HOME", str(tmp_path / "clinic"))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    assert thecal("clinic", "init", *WORDS).code == 0
    with closing(record_of(tmp_path / "clinic")) as store, store.writing(STAMP, "kept") as record:
        for n in range(ROWS):
            record.keep(NearMiss(where="w", code=str(n), found="f" * 1000, allowed="a"))
    return tmp_path / "clinic"


def uncounted() -> dict[str, str]:
    """The variables of this process, without what counts lines in its children: that writes files of its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def record_of(home: Path) -> Store:
    return Store(f"sqlite:///{home}/clinic.sqlite", make=False)


def whole(home: Path) -> bool:
    with closing(record_of(home)) as store, store.reading() as session:
        rows = session.scalars(select(func.count()).select_from(NearMiss)).one()
        return verify(session).whole and rows == ROWS


def with_room_for(bytes_: int, *words: str) -> tuple[int, str]:
    """A command on a disk that takes files of so many bytes and no more: its exit code and what it said."""
    ran = subprocess.run(
        [*THECAL, *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY)),
        env=uncounted(),
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, " ".join((ran.stdout + ran.stderr).split())


@pytest.mark.parametrize("room", [0, 4096, 300_000, 700_000])
def test_a_disk_that_is_full_during_a_backup_leaves_the_record_and_the_backup_before(
    clinic: Path, tmp_path: Path, room: int
) -> None:
    assert thecal("clinic", "backup", str(tmp_path / "monday")).code == 0
    before = (tmp_path / "monday").read_bytes()
    code, said = with_room_for(room, "clinic", "backup", str(tmp_path / "monday"), "--force")
    assert (code, "make room on the disk" in said) == (73, True), said
    assert (tmp_path / "monday").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert whole(clinic)


@pytest.mark.parametrize("room", [0, 300_000, 700_000])
def test_a_disk_that_is_full_during_a_restore_leaves_no_half_of_a_record(
    clinic: Path, tmp_path: Path, room: int
) -> None:
    assert thecal("clinic", "backup", str(tmp_path / "monday")).code == 0
    new = tmp_path / "new"
    code, said = with_room_for(room, "clinic", "restore", str(tmp_path / "monday"), "--home", str(new))
    assert (code, "next:" in said) == (73, True), said
    assert not (new / "clinic.sqlite").exists()
    assert thecal("clinic", "restore", str(tmp_path / "monday"), "--home", str(new)).code == 0
    assert whole(new)


def test_a_disk_that_is_full_while_a_clinic_is_made_is_said_and_making_it_again_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    home = tmp_path / "new"
    ran = subprocess.run(
        [*THECAL, "clinic", "init", *WORDS, "--home", str(home)],
        input=PASSWORD + "\n", capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY)),
        env=uncounted(),
    )  # fmt: skip
    assert ran.returncode == 73, ran.stderr
    assert "Traceback" not in ran.stderr
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    assert thecal("clinic", "init", *WORDS, "--home", str(home)).code == 0


def test_a_clinic_does_not_start_on_a_full_disk_and_says_so(clinic: Path) -> None:
    code, said = with_room_for(0, "clinic", "run", "--port", "0")
    assert (code, "make room on the disk" in said) == (73, True), said


def test_a_disk_without_room_for_a_key_leaves_the_key_of_before(clinic: Path) -> None:
    before = (clinic / KEY).read_bytes()
    code, said = with_room_for(0, "clinic", "new-key")
    assert code == 73, said
    assert (clinic / KEY).read_bytes() == before
    with closing(record_of(clinic)) as store, store.reading() as session:
        assert seal_of(clinic, session).name


def test_a_restore_that_was_killed_at_any_instant_leaves_nothing_or_the_whole(clinic: Path, tmp_path: Path) -> None:
    assert thecal("clinic", "backup", str(tmp_path / "monday")).code == 0
    chance = random.Random(7)  # noqa: S311 -- instants, not secrets
    begun = time.monotonic()
    words = [*THECAL, "clinic", "restore", str(tmp_path / "monday"), "--home"]
    subprocess.run([*words, str(tmp_path / "timed")], check=True, capture_output=True)
    took = time.monotonic() - begun
    for n in range(4):
        new = tmp_path / f"new-{n}"
        with subprocess.Popen([*words, str(new)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as restoring:
            time.sleep(took * (0.5 + chance.random() / 2))
            restoring.kill()
        if not (new / "clinic.sqlite").exists():
            assert thecal("clinic", "restore", str(tmp_path / "monday"), "--home", str(new)).code == 0
        assert whole(new)
        assert look_through(tmp_path / "monday").verified.whole


def test_a_record_is_not_restored_under_a_clinic_that_runs(clinic: Path, tmp_path: Path) -> None:
    """Its file was destroyed, and its processes still write into what is gone: they have to end first."""
    assert thecal("clinic", "backup", str(tmp_path / "monday")).code == 0
    (clinic / "run").mkdir(exist_ok=True)
    held = hold(clinic / "run" / "clinic.lock", "this clinic", "runs the clinic")
    assert isinstance(held, Hold)
    (clinic / "clinic.sqlite").unlink()
    try:
        ran = thecal("clinic", "restore", str(tmp_path / "monday"))
    finally:
        held.release()
    assert (ran.code, "runs the clinic" in ran.flat, "end it" in ran.flat) == (5, True, True)
    assert not (clinic / "clinic.sqlite").exists()
    assert thecal("clinic", "restore", str(tmp_path / "monday")).code == 0
    assert whole(clinic)


@pytest.mark.parametrize("command", ["run", "backup", "restore", "verify", "let-in", "new-key"])
def test_a_record_of_newer_software_is_said_by_every_command_and_left_as_it_is(
    clinic: Path, tmp_path: Path, command: str
) -> None:
    with closing(record_of(clinic)) as store:
        raw(store, "UPDATE alembic_version SET version_num = '9999'")
    words = {
        "run": ("run", "--port", "0"),
        "backup": ("backup", str(tmp_path / "b")),
        "restore": ("restore", str(clinic / "clinic.sqlite"), "--home", str(tmp_path / "new")),
        "verify": ("audit", "verify"),
        "let-in": ("let-in", "ada"),
        "new-key": ("new-key",),
    }[command]
    ran = thecal("clinic", *words)
    assert ran.code == 3, ran.flat
    assert "9999" in ran.flat
    assert "start it with the software that wrote it" in ran.flat
    assert not (tmp_path / "new" / "clinic.sqlite").exists()


OPENER = "import sys\nfrom thecal.clinic.record import Store\nprint('go', flush=True)\nStore(sys.argv[1]).close()\n"


def test_making_the_tables_killed_at_any_instant_is_done_again_from_the_beginning(tmp_path: Path) -> None:
    chance = random.Random(3)  # noqa: S311 -- instants, not secrets
    for n in range(6):
        url = f"sqlite:///{tmp_path}/record-{n}"
        with subprocess.Popen([sys.executable, "-c", OPENER, url], stdout=subprocess.PIPE, text=True) as opener:
            assert opener.stdout is not None
            assert opener.stdout.readline() == "go\n"
            time.sleep(chance.random() * 0.4)
            opener.kill()
        with closing(Store(url)) as store:
            with store.writing(STAMP, "kept") as record:
                record.keep(NearMiss(where="w", code="c", found="f", allowed="a"))
            with store.reading() as session:
                assert verify(session).whole


def test_settings_of_single_sign_on_that_cannot_be_used_are_said_before_anything_starts(clinic: Path) -> None:
    (clinic / "sign-in.toml").write_text("[provider]\nissuer = 1\n")
    ran = thecal("clinic", "run", "--port", "0")
    assert (ran.code, "chmod 600" in ran.flat) == (3, True), ran.flat
    (clinic / "sign-in.toml").chmod(0o600)
    ran = thecal("clinic", "run", "--port", "0")
    assert (ran.code, "client_id" in ran.flat) == (3, True), ran.flat
