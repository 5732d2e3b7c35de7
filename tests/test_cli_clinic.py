"""``thecal clinic init``, ``backup``, ``restore`` and ``audit``, as somebody types them."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import stat
import subprocess
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.cli_world import THECAL, Ran, body, thecal
from tests.record_engines import engine_of_run, new_url, unguarded

from thecal.clinic.people.passwords import kept_password, verify_password
from thecal.clinic.record import Store
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import Audit, Clinic, NearMiss, Person
from thecal.clinic.site import VARIABLE, record_address
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "four words nobody guesses"  # noqa: S105 -- of a clinic in a test
STAMP = Stamp(SYSTEM, 1, 2, "s", "f")
WORDS = (
    *("--name", "Hill Clinic", "--zone", "America/Chicago", "--phone", "+1 312 555 0100"),
    *("--on-call", "+1 312 555 0199", "--login", "ada", "--administrator", "Ada Ames", "--password-stdin"),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    if engine_of_run() == "postgresql":
        monkeypatch.setenv(VARIABLE, new_url("postgresql", tmp_path, empty=True))
    monkeypatch.setenv("THECAL_HOME", str(tmp_path / "clinic"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "clinic"


def init(monkeypatch: pytest.MonkeyPatch, *more: str, password: str = PASSWORD) -> Ran:
    monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
    return thecal("clinic", "init", *WORDS, *more)


@pytest.fixture
def clinic(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ran = init(monkeypatch)
    assert ran.code == 0, ran.flat
    monkeypatch.delenv(VARIABLE, raising=False)  # from here on its folder says where the record is
    return home


def record_of(home: Path) -> Store:
    return Store(record_address(home, {}), make=False)


def add(home: Path, code: str = "code") -> None:
    with closing(record_of(home)) as store, store.writing(STAMP, "stopped") as record:
        record.keep(NearMiss(where="w", code=code, found="f", allowed="a"))


# init


def test_a_clinic_is_made_with_its_first_administrator(clinic: Path) -> None:
    with closing(record_of(clinic)) as store, store.reading() as session:
        made = session.scalars(select(Clinic)).one()
        assert (made.name, made.zone, made.phone) == ("Hill Clinic", "America/Chicago", "+1 312 555 0100")
        assert (made.on_call, made.demonstration) == ("+1 312 555 0199", False)
        person = session.scalars(select(Person)).one()
        assert (person.login, person.name, person.roles) == ("ada", "Ada Ames", ["administrator"])
        kept = kept_password(session, "ada")
    assert kept is not None
    assert kept[1].startswith("$argon2id$")
    assert verify_password(kept, PASSWORD) is not None
    assert verify_password(kept, PASSWORD + "x") is None
    assert {stat.S_IMODE(p.stat().st_mode) for p in clinic.iterdir() if p.is_file()} == {0o600}
    assert stat.S_IMODE(clinic.stat().st_mode) == 0o700


def test_a_clinic_is_never_made_over_another(clinic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = thecal("clinic", "audit", "head").out
    ran = init(monkeypatch, "--name", "Other Clinic")
    assert ran.code == 64
    assert "found: the clinic Hill Clinic, in which people work already" in ran.flat.replace("found:   ", "found: ")
    assert json.loads(thecal("clinic", "audit", "head").out)["seq"] == json.loads(before)["seq"]


@pytest.mark.about_sqlite("its file is taken away")
def test_making_that_was_broken_off_can_be_done_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert init(monkeypatch).code == 0
    (home / "clinic.sqlite").unlink()
    with closing(Store(f"sqlite:///{home}/clinic.sqlite")) as store, store.writing(STAMP, "clinic made") as record:
        record.keep(
            Clinic(name="Begun", zone="UTC", phone="111", on_call="112", address="", demonstration=False, settings={})
        )
    assert init(monkeypatch).code == 0
    with closing(record_of(home)) as store, store.reading() as session:
        assert [c.name for c in session.scalars(select(Clinic))] == ["Hill Clinic"]
        assert session.scalars(select(Person.login)).all() == ["ada"]


@pytest.mark.parametrize(
    ("more", "password", "said"),
    [
        (("--zone", "Chicago"), PASSWORD, "the time zone 'Chicago'"),
        (("--zone", ""), PASSWORD, "1 to 200 characters"),
        (("--name", " "), PASSWORD, "say the clinic's name"),
        (("--name", "x" * 201), PASSWORD, "up to 200 on one line"),
        (("--name", "two\nlines"), PASSWORD, "cannot be printed"),
        (("--phone", "ask"), PASSWORD, "at least three digits"),
        (("--on-call", ""), PASSWORD, "number at night"),
        (("--login", "Ada Ames!"), PASSWORD, "allowed:"),
        ((), "short", "5 characters"),
        ((), "", "0 characters"),
    ],
)
def test_what_cannot_be_is_refused_and_no_administrator_is_made(
    home: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], password: str, said: str
) -> None:
    ran = init(monkeypatch, *more, password=password)
    assert (ran.code, said in ran.flat) == (64, True), ran.flat
    assert init(monkeypatch).code == 0
    with closing(record_of(home)) as store, store.reading() as session:
        assert session.scalars(select(Person.login)).all() == ["ada"]


def test_a_password_is_never_taken_from_the_command_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert init(monkeypatch, "--password", PASSWORD).code == 64
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    ran = thecal("clinic", "init", *WORDS[:-1])
    assert (ran.code, "--password-stdin" in ran.flat) == (64, True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD))
    assert (thecal("clinic", "init", "--password-stdin").code, home.exists()) == (64, False)


def test_the_record_is_where_the_environment_says_and_stays_there(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, new_url("postgresql", tmp_path, empty=True))
    assert init(monkeypatch).code == 0
    assert not (home / "clinic.sqlite").exists()
    monkeypatch.delenv(VARIABLE)
    assert body("clinic", "audit", "verify")["whole"] is True
    assert stat.S_IMODE((home / "clinic.toml").stat().st_mode) == 0o600


@pytest.mark.parametrize("said", ["record = 5", 'other = "x"', "record =", 'record = "mysql://host/db"'])
def test_settings_that_cannot_be_read_are_refused(clinic: Path, said: str) -> None:
    (clinic / "clinic.toml").write_text(said, "utf-8")
    ran = thecal("clinic", "audit", "verify")
    assert (ran.code, "next:" in ran.flat, "Traceback" in ran.flat) == (64, True, False)


# audit


def test_a_record_that_is_as_it_was_written_is_said_to_be_whole(clinic: Path) -> None:
    found = body("clinic", "audit", "verify")
    assert (found["whole"], found["exit"], found["findings"], found["links"]) == (True, 0, [], 2)
    assert "every row is as it was written" in thecal("clinic", "audit", "verify").flat


def test_a_record_that_was_tampered_with_is_named_with_what_was_found(clinic: Path) -> None:
    with closing(record_of(clinic)) as store:
        unguarded(store, "person", "UPDATE person SET roles = '[]' WHERE id = 1")
    found = body("clinic", "audit", "verify")
    assert (found["whole"], found["exit"], found["count"]) == (False, 2, 1)
    assert found["findings"] == [{"code": "row changed", "found": "person 1, which is not what was written"}]
    ran = thecal("clinic", "audit", "verify")
    assert (ran.code, "person 1, which is not what was written" in ran.flat) == (2, True)


def test_a_head_that_was_kept_shows_a_chain_that_was_cut_or_written_anew(clinic: Path, tmp_path: Path) -> None:
    add(clinic)
    kept = tmp_path / "head.json"
    kept.write_text(thecal("clinic", "audit", "head").out, "utf-8")
    as_json = tmp_path / "head2.json"
    as_json.write_text(thecal("clinic", "audit", "head", "--json").out, "utf-8")
    add(clinic)
    for file in (kept, as_json):
        assert body("clinic", "audit", "verify", "--against", str(file))["exit"] == 0
    with closing(record_of(clinic)) as store:
        (seq, digest) = _cut(store)
        assert seq == 2
        unguarded(store, "audit_head", "UPDATE audit_head SET seq = ?, hash = ?", seq, digest)
    assert body("clinic", "audit", "verify")["exit"] == 0  # nothing shows by itself: it was done well
    found = body("clinic", "audit", "verify", "--against", str(kept))
    assert (found["exit"], [f["code"] for f in found["findings"]]) == (2, ["tail cut off"])
    add(clinic, "another")
    found = body("clinic", "audit", "verify", "--against", str(kept))
    assert [f["code"] for f in found["findings"]] == ["other head"]


def _cut(store: Store) -> tuple[int, bytes]:
    """Take the newest two transactions away, with the rows that they wrote."""
    unguarded(store, "near_miss", "DELETE FROM near_miss")
    unguarded(store, "audit", "DELETE FROM audit WHERE seq > 2")
    with store.reading() as session:
        last = session.scalars(select(Audit).order_by(Audit.seq.desc())).first()
        assert last is not None
        return last.seq, last.hash


def test_a_head_that_is_none_or_was_changed_is_refused(clinic: Path, tmp_path: Path) -> None:
    said = json.loads(thecal("clinic", "audit", "head").out)
    wrong = {
        "noise": "no head",
        "list": "[1]",
        "changed": json.dumps({**said, "seq": said["seq"] + 1}),
        "hash": json.dumps({**said, "hash": "00" * 32}),
        "unsigned": json.dumps({k: v for k, v in said.items() if k != "signature"}),
        "key": json.dumps({**said, "key": "11" * 32}),
    }
    for name, text in wrong.items():
        path = tmp_path / name
        path.write_text(text, "utf-8")
        ran = thecal("clinic", "audit", "verify", "--against", str(path))
        assert (ran.code, "found:" in ran.flat) == (3, True), (name, ran.flat)
    assert thecal("clinic", "audit", "verify", "--against", str(tmp_path / "absent")).code == 3


def test_a_head_of_another_key_is_told_and_a_lost_key_is_not_made_unasked(clinic: Path, tmp_path: Path) -> None:
    kept = tmp_path / "head.json"
    kept.write_text(thecal("clinic", "audit", "head").out, "utf-8")
    (clinic / "audit-key.pem").unlink()
    ran = thecal("clinic", "audit", "head")
    assert (ran.code, "--new-key" in ran.flat) == (3, True)
    assert thecal("clinic", "audit", "head", "--new-key").code == 0
    found = body("clinic", "audit", "verify", "--against", str(kept))
    assert [f["code"] for f in found["findings"]] == ["other key"]


# backup and restore


def test_a_clinic_comes_back_after_its_folder_was_destroyed(clinic: Path, tmp_path: Path) -> None:
    add(clinic)
    file = tmp_path / "monday.sqlite"
    ran = thecal("clinic", "backup", str(file))
    assert (ran.code, "Its audit chain holds." in ran.flat) == (0, True), ran.flat
    assert thecal("clinic", "backup", str(file)).code == 73
    assert thecal("clinic", "backup", str(file), "--force").code == 0
    assert thecal("clinic", "restore", str(file)).code == 73  # the record is still there
    shutil.rmtree(clinic)
    found = body("clinic", "restore", str(file))
    assert (found["exit"], found["links"], found["whole"]) == (0, 4, True)
    with closing(record_of(clinic)) as store, store.reading() as session:
        assert session.scalars(select(Clinic.name)).one() == "Hill Clinic"
        assert session.scalars(select(NearMiss.code)).one() == "code"
    assert body("clinic", "audit", "verify")["whole"] is True


def test_a_clinic_moves_to_postgresql_by_its_backup(clinic: Path, tmp_path: Path) -> None:
    file = tmp_path / "b"
    assert thecal("clinic", "backup", str(file)).code == 0
    url = new_url("postgresql", tmp_path, empty=True)
    ran = thecal("clinic", "restore", str(file), "--into", url)
    assert (ran.code, "interrogate each pump" in ran.flat) == (0, True), ran.flat
    assert thecal("clinic", "restore", str(file), "--into", url).code == 73
    with closing(Store(url)) as store, store.reading() as session:
        assert session.scalars(select(Person.login)).one() == "ada"


def test_a_restore_takes_no_password_on_the_command_line(clinic: Path, tmp_path: Path) -> None:
    ran = thecal("clinic", "restore", "x", "--into", "postgresql+psycopg://me:secret@host/db")
    assert (ran.code, "secret" in ran.flat, "pgpass" in ran.flat) == (64, False, True)
    assert thecal("clinic", "restore", "x", "--into", "nonsense://x").code == 64
    assert thecal("clinic", "restore", str(tmp_path / "absent"), "--into", str(tmp_path / "new")).code == 3


def test_a_backup_is_restored_into_a_folder_that_is_not_there_yet(clinic: Path, tmp_path: Path) -> None:
    assert thecal("clinic", "backup", str(tmp_path / "kept.sqlite")).code == 0
    new = tmp_path / "somewhere" / "new-clinic"
    ran = thecal("clinic", "restore", str(tmp_path / "kept.sqlite"), "--home", str(new))
    assert ran.code == 0, ran.flat
    assert (new / "clinic.sqlite").exists()
    assert new.stat().st_mode & 0o077 == 0


def test_a_head_goes_into_a_file_unbroken_and_is_read_back(clinic: Path, tmp_path: Path) -> None:
    kept = tmp_path / "head.json"
    with kept.open("w") as file:
        subprocess.run(
            [*THECAL, "clinic", "audit", "head"], stdout=file, check=True, env={**os.environ, "COLUMNS": "40"}
        )
    assert len(kept.read_text("utf-8").splitlines()) == 1
    assert thecal("clinic", "audit", "verify", "--against", str(kept)).code == 0


# A record that cannot be used


def test_each_way_that_a_record_cannot_be_used_has_words_and_an_exit_code(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (("audit", "verify"), ("audit", "head"), ("backup", str(tmp_path / "b"))):
        ran = thecal("clinic", *command)
        assert (ran.code, "thecal clinic init" in ran.flat) == (3, True), ran.flat
    home.mkdir(exist_ok=True)
    monkeypatch.delenv(VARIABLE, raising=False)
    (home / "clinic.sqlite").write_bytes(b"noise, no database" * 999)
    ran = thecal("clinic", "audit", "verify")
    assert (ran.code, "not ours" in ran.flat, "Traceback" in ran.flat) == (3, True, False)
    monkeypatch.setenv(VARIABLE, f"postgresql+psycopg://thecal:geheim@/clinic?host={tmp_path}")
    ran = thecal("clinic", "audit", "verify")
    assert (ran.code, "geheim" in ran.flat, "not reached" in ran.flat) == (5, False, True), ran.flat
    found = body("clinic", "audit", "verify")
    assert found["problems"][0]["next"].startswith("check the address")
    assert "geheim" not in str(found)


# At a terminal


def test_at_a_terminal_everything_is_asked_for_and_the_password_is_not_shown(home: Path) -> None:
    """A real terminal: questions come one by one, and what is typed as a password stays dark."""
    answers = {
        "Name of the clinic": "Hill Clinic",
        "Time zone": "Europe/Berlin",
        "Telephone number": "+49 30 1234",
        "Number at night": "+49 30 5678",
        "Login of the first administrator": "ada",
        "Name of the first administrator": "Ada Ames",
        "Password": PASSWORD,
        "Repeat for confirmation": PASSWORD,
    }
    ours, theirs = pty.openpty()
    words = [*THECAL, "clinic", "init"]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as ran:
        os.close(theirs)
        shown = ""
        for question, answer in answers.items():
            asked = ""
            while not (question in asked and asked.endswith(": ")):  # what is typed before the end is thrown away
                shown += os.read(ours, 4096).decode()
                asked = shown.rpartition("\n")[2]
            os.write(ours, answer.encode() + b"\n")
        with suppress(OSError):  # the terminal ends with the command
            while more := os.read(ours, 4096).decode():
                shown += more
    os.close(ours)
    assert ran.returncode == 0, shown
    assert "Hill Clinic is made" in shown
    assert PASSWORD not in shown
    with closing(record_of(home)) as store, store.reading() as session:
        assert session.scalars(select(Clinic.zone)).one() == "Europe/Berlin"
        assert verify_password(kept_password(session, "ada"), PASSWORD) is not None
