"""``thecal clinic let-in`` and ``new-key``, and what backup and restore say of the key that opens second factors."""

from __future__ import annotations

import io
import stat
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pyotp
import pytest
from sqlalchemy import select
from tests.cli_world import body, thecal

from thecal.cli.clinic_place import practice_at
from thecal.clinic.people import one_time_codes
from thecal.clinic.people.entering import Entered, Then, enter, say_second
from thecal.clinic.people.sealing import KEY, Seal, seal_of
from thecal.clinic.people.signing_in import Visitor, begin, sitting
from thecal.clinic.record import Store
from thecal.clinic.record.tables import Act, Audit, Person, SignIn
from thecal.clinic.site import VARIABLE
from thecal.rig.hold import Hold, hold

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "four words nobody guesses"  # noqa: S105 -- of a clinic in a test
WORDS = (
    *("--name", "Hill Clinic", "--zone", "America/Chicago", "--phone", "+1 312 555 0100"),
    *("--on-call", "+1 312 555 0199", "--login", "ada", "--administrator", "Ada Ames", "--password-stdin"),
)
DESK = Visitor("192.0.2.10")


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clinic whose administrator has an authenticator application."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("THECAL_HOME", str(tmp_path / "clinic"))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    ran = thecal("clinic", "init", *WORDS)
    assert ran.code == 0, ran.flat
    assert "secrets-key" in ran.flat
    return tmp_path / "clinic"


def record_of(home: Path) -> Store:
    return Store(f"sqlite:///{home}/clinic.sqlite", make=False)


def with_application(home: Path) -> pyotp.TOTP:
    with closing(record_of(home)) as store:
        with store.reading() as session:
            seal = seal_of(home, session)
        with store.noting() as session:
            secret = one_time_codes.offer(session, 1, seal)
            now_s = practice_at(store).machine_s()
            assert one_time_codes.confirm(session, 1, pyotp.TOTP(secret).at(now_s - 30), now_s, seal)
    return pyotp.TOTP(secret)


def comes_in(home: Path, code: pyotp.TOTP) -> bool:
    with closing(record_of(home)) as store:
        practice = practice_at(store)
        with store.reading() as session:
            practice.seal = seal_of(home, session)
        half = enter(practice, "ada", PASSWORD, DESK)
        assert isinstance(half, Entered)
        assert half.then is Then.SECOND
        return isinstance(say_second(practice, half.token, code.at(practice.machine_s()), DESK), Entered)


# The key, with a backup and without


def test_a_clinic_begins_with_its_key_for_its_owner_alone(clinic: Path) -> None:
    assert stat.S_IMODE((clinic / KEY).stat().st_mode) == 0o600


def test_a_backup_says_that_the_key_is_not_in_it(clinic: Path, tmp_path: Path) -> None:
    assert "key of its second factors" not in thecal("clinic", "backup", str(tmp_path / "before")).flat
    with_application(clinic)
    ran = thecal("clinic", "backup", str(tmp_path / "monday"))
    assert ran.code == 0
    assert f"keep a copy of {clinic / KEY}, apart from the backup" in ran.flat
    key = (clinic / KEY).read_bytes().strip()
    assert key not in (tmp_path / "monday").read_bytes()
    (clinic / KEY).unlink()
    lost = thecal("clinic", "backup", str(tmp_path / "tuesday"))
    assert (lost.code, "open with no key that is here" in lost.flat) == (0, True)


def test_a_restore_asks_for_the_key_and_with_it_everything_works_again(clinic: Path, tmp_path: Path) -> None:
    code = with_application(clinic)
    assert thecal("clinic", "backup", str(tmp_path / "monday")).code == 0
    kept = (clinic / KEY).read_bytes()
    new = tmp_path / "new-clinic"
    ran = thecal("clinic", "restore", str(tmp_path / "monday"), "--home", str(new))
    assert ran.code == 3
    assert f"no key at {new / KEY}" in ran.flat
    assert "--without-key" in ran.flat
    assert not (new / "clinic.sqlite").exists()
    (new / KEY).write_bytes(kept)
    ran = thecal("clinic", "restore", str(tmp_path / "monday"), "--home", str(new))
    assert ran.code == 0, ran.flat
    assert comes_in(new, code)


def test_a_restore_beside_another_key_is_refused(clinic: Path, tmp_path: Path) -> None:
    with_application(clinic)
    assert thecal("clinic", "backup", str(tmp_path / "monday")).code == 0
    new = tmp_path / "new-clinic"
    new.mkdir()
    Seal.new().write(new / KEY)
    ran = thecal("clinic", "restore", str(tmp_path / "monday"), "--home", str(new))
    assert (ran.code, "another key" in ran.flat) == (3, True)
    assert not (new / "clinic.sqlite").exists()


def test_where_the_key_is_lost_everybody_sets_up_a_second_factor_anew(clinic: Path, tmp_path: Path) -> None:
    with_application(clinic)
    assert thecal("clinic", "backup", str(tmp_path / "monday")).code == 0
    new = tmp_path / "new-clinic"
    ran = thecal("clinic", "restore", str(tmp_path / "monday"), "--home", str(new), "--without-key")
    assert (ran.code, "thecal clinic new-key" in ran.flat) == (0, True), ran.flat
    refused = thecal("clinic", "run", "--home", str(new), "--port", "0")
    assert (refused.code, "no key of the second factors" in refused.flat) == (3, True), refused.flat
    done = body("clinic", "new-key", "--home", str(new))
    assert (done["exit"], done["sealed"], done["void"]) == (0, 0, 1)
    with closing(record_of(new)) as store:
        half = enter(practice_at(store), "ada", PASSWORD, DESK)
    assert isinstance(half, Entered)
    assert half.then is Then.ENROLL


def test_a_restore_ends_every_sign_in_and_keeps_no_question_that_was_open(clinic: Path, tmp_path: Path) -> None:
    with closing(record_of(clinic)) as store, store.noting() as session:
        token = begin(session, session.get_one(Person, 1), practice_at(store).machine_s(), second_done=True)
    assert thecal("clinic", "backup", str(tmp_path / "monday")).code == 0
    new = tmp_path / "new-clinic"
    ran = thecal("clinic", "restore", str(tmp_path / "monday"), "--home", str(new))
    assert (ran.code, "Every sign-in is over." in ran.flat) == (0, True)
    with closing(record_of(new)) as store, store.reading() as session:
        assert [row.ended for row in session.scalars(select(SignIn))] == [True]
        assert sitting(session, token, practice_at(store).machine_s()).person is None


def test_a_new_key_is_not_made_while_the_clinic_runs(clinic: Path) -> None:
    with_application(clinic)
    (clinic / "run").mkdir(exist_ok=True)
    held = hold(clinic / "run" / "clinic.lock", "this clinic", "runs the clinic")
    assert isinstance(held, Hold)
    before = (clinic / KEY).read_bytes()
    try:
        ran = thecal("clinic", "new-key")
    finally:
        held.release()
    assert ran.code == 5
    assert "in use by process" in ran.flat
    assert "end it" in ran.flat
    assert (clinic / KEY).read_bytes() == before


def test_a_new_key_leaves_second_factors_as_they_are(clinic: Path) -> None:
    code = with_application(clinic)
    before = (clinic / KEY).read_bytes()
    assert body("clinic", "new-key")["sealed"] == 1
    assert (clinic / KEY).read_bytes() != before
    assert comes_in(clinic, code)
    assert thecal("clinic", "audit", "verify").code == 0


# Somebody whom no administrator can help


def test_the_last_administrator_without_a_telephone_is_let_in_from_the_machine(clinic: Path) -> None:
    with_application(clinic)
    done = body("clinic", "let-in", "Ada")
    assert done["exit"] == 0
    with closing(record_of(clinic)) as store:
        half = enter(practice_at(store), "ada", str(done["password"]), DESK)
        assert isinstance(half, Entered)
        assert half.then is Then.PASSWORD, "it serves to choose another"
        assert not isinstance(enter(practice_at(store), "ada", PASSWORD, DESK), Entered)
        with store.reading() as session:
            assert not one_time_codes.has_second(session, 1)
            assert "let in at the command line" in session.scalars(select(Act.kind)).all()
            link = session.scalars(select(Audit).where(Audit.action == "let in at the command line")).one()
            assert str(done["password"]) not in str(link.details)


@pytest.mark.parametrize("login", ["nobody", "", "ada; --"])
def test_nobody_is_let_in_who_is_not_there(clinic: Path, login: str) -> None:
    ran = thecal("clinic", "let-in", login)
    assert (ran.code, "the login of somebody active" in ran.flat) == (64, True)
