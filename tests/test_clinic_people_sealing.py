"""Second factors are sealed in the record: a stolen copy opens none; a key that is gone or another is said clearly."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from tests.clinic_world import ClinicWorld, clinic_world
from tests.people_world import PASSWORD, Machine, sign_in, with_passwords, with_second
from tests.record_engines import raw, urls_fixture  # noqa: F401 -- a fixture

from thecal.clinic.keeping import backup
from thecal.clinic.people import one_time_codes
from thecal.clinic.people.entering import Entered, Then, enter, say_second
from thecal.clinic.people.sealing import KEY, Seal, change_key, keys_needed, seal_of
from thecal.clinic.people.signing_in import Visitor
from thecal.clinic.record import StoreError
from thecal.clinic.record.tables import Act, OneTimeSecret, RecoveryCode
from thecal.clinic.record.unusable import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyotp

DESK = Visitor("192.0.2.10")


@pytest.fixture
def world(record_urls: Callable[..., str]) -> Iterator[ClinicWorld]:
    made = clinic_world(record_urls())
    yield made
    made.end()


@pytest.fixture
def machine(world: ClinicWorld) -> Machine:
    return with_passwords(world, "nurse", "physician")


def of_folder(world: ClinicWorld, folder: Path) -> Seal:
    with world.house.reading() as session:
        world.house.seal = seal_of(folder, session)
    return world.house.seal


def all_the_way_in(world: ClinicWorld, machine: Machine, code: pyotp.TOTP, role: str = "nurse") -> bool:
    half = enter(world.house, role, PASSWORD, DESK)
    assert isinstance(half, Entered)
    assert half.then is Then.SECOND
    return isinstance(say_second(world.house, half.token, code.at(machine.now_s), DESK), Entered)


def test_what_is_sealed_opens_again_for_its_person_alone() -> None:
    seal = Seal.new()
    sealed = seal.seal("JBSWY3DPEHPK3PXP", 7)
    assert seal.open(sealed, 7) == "JBSWY3DPEHPK3PXP"
    assert seal.seal("JBSWY3DPEHPK3PXP", 7) != sealed, "never twice the same"
    with pytest.raises(StoreError) as moved:
        seal.open(sealed, 8)
    assert moved.value.code is Trouble.DAMAGED


@pytest.mark.parametrize("at", [0, 12, 20, -3])
def test_what_was_changed_does_not_open(at: int) -> None:
    seal = Seal.new()
    name, _, text = seal.seal("JBSWY3DPEHPK3PXP", 7).partition(":")
    changed = list(text)
    changed[at] = "A" if changed[at] != "A" else "B"
    with pytest.raises(StoreError):
        seal.open(f"{name}:{''.join(changed)}", 7)


def test_another_key_and_no_key_are_said_with_the_next_step() -> None:
    sealed = Seal.new().seal("JBSWY3DPEHPK3PXP", 7)
    with pytest.raises(StoreError, match="sealed under the key") as other:
        Seal.new().open(sealed, 7)
    assert "thecal clinic new-key" in other.value.then
    with pytest.raises(StoreError) as none:
        Seal().open(sealed, 7)
    assert none.value.code is Trouble.ABSENT
    with pytest.raises(StoreError):
        Seal().seal("x", 7)


def test_neither_record_nor_backup_holds_a_secret_that_can_be_read(
    world: ClinicWorld, machine: Machine, tmp_path: Path
) -> None:
    code = with_second(world, "nurse")
    with world.store.noting() as session:
        offered = one_time_codes.offer(session, world.people["physician"].person_id, world.house.seal)
    backup(world.store, tmp_path / "backup")
    kept = str(raw(world.store, "SELECT * FROM one_time_secret")).encode() + (tmp_path / "backup").read_bytes()
    for secret in (code.secret, offered):
        assert secret.encode() not in kept
    assert all_the_way_in(world, machine, code)


def test_a_secret_of_ones_own_in_somebody_elses_row_is_no_second_factor(world: ClinicWorld, machine: Machine) -> None:
    """Whoever can write to the database, and knows their own secret, does not come in as somebody else by it."""
    own = with_second(world, "nurse")
    with_second(world, "physician")
    nurse, physician = (world.people[role].person_id for role in ("nurse", "physician"))
    with world.store.noting() as session:
        session.get_one(OneTimeSecret, physician).secret = session.get_one(OneTimeSecret, nurse).secret
    half = enter(world.house, "physician", PASSWORD, DESK)
    assert isinstance(half, Entered)
    with pytest.raises(StoreError):
        say_second(world.house, half.token, own.at(machine.now_s), DESK)


def test_the_key_is_made_once_for_its_owner_alone(world: ClinicWorld, tmp_path: Path) -> None:
    first, again = of_folder(world, tmp_path), of_folder(world, tmp_path)
    assert first.name == again.name
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600
    (tmp_path / KEY).chmod(0o644)
    of_folder(world, tmp_path)
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600


def test_a_key_that_is_gone_is_never_made_anew_over_what_it_sealed(
    world: ClinicWorld, machine: Machine, tmp_path: Path
) -> None:
    of_folder(world, tmp_path)
    with_second(world, "nurse")
    (tmp_path / KEY).unlink()
    with pytest.raises(StoreError) as gone:
        of_folder(world, tmp_path)
    assert gone.value.code is Trouble.ABSENT
    assert "secrets-key" in gone.value.then
    assert not (tmp_path / KEY).exists()
    Seal.new().write(tmp_path / KEY)
    with pytest.raises(StoreError) as other:
        of_folder(world, tmp_path)
    assert other.value.code is Trouble.NOT_OURS


@pytest.mark.parametrize("text", ["", "short", "bm90IGEga2V5", "\u00fc\u00fc"])
def test_a_file_that_is_no_key_is_refused(world: ClinicWorld, tmp_path: Path, text: str) -> None:
    (tmp_path / KEY).write_text(text, "utf-8")
    with pytest.raises(StoreError) as wrong:
        of_folder(world, tmp_path)
    assert wrong.value.code is Trouble.NOT_OURS


def test_a_sign_in_with_another_key_is_a_page_that_says_so_and_lets_nobody_in(
    world: ClinicWorld, machine: Machine
) -> None:
    code = with_second(world, "nurse")
    world.house.seal = Seal.new()
    client = world.client(None)
    sign_in(client, "nurse")
    found = client.post("/sign-in/second", data={"code": code.at(machine.now_s)})
    assert found.status_code == 503
    assert "sealed under the key" in found.text
    assert code.secret not in found.text
    assert client.get("/account").status_code == 303


def test_a_new_key_seals_everything_anew_and_nobody_notices(
    world: ClinicWorld, machine: Machine, tmp_path: Path
) -> None:
    before = of_folder(world, tmp_path)
    code = with_second(world, "nurse")
    assert change_key(world.house, tmp_path) == (1, 0)
    now = of_folder(world, tmp_path)
    assert now.name != before.name
    with world.house.reading() as session:
        assert keys_needed(session) == {now.name}
    assert all_the_way_in(world, machine, code)
    assert not (tmp_path / f"{KEY}.next").exists()


def test_without_the_key_of_before_second_factors_are_void_and_set_up_anew(
    world: ClinicWorld, machine: Machine, tmp_path: Path
) -> None:
    of_folder(world, tmp_path)
    with_second(world, "nurse")
    with world.store.noting() as session:
        one_time_codes.new_recovery_codes(session, world.people["nurse"].person_id)
    (tmp_path / KEY).unlink()
    assert change_key(world.house, tmp_path) == (0, 1)
    of_folder(world, tmp_path)
    half = enter(world.house, "nurse", PASSWORD, DESK)
    assert isinstance(half, Entered)
    assert half.then is Then.ENROLL
    with world.house.reading() as session:
        assert session.scalars(select(RecoveryCode)).all() == []
        assert session.scalars(select(Act.subject_id).where(Act.kind == "second factor void")).all() == [
            world.people["nurse"].person_id
        ]


@pytest.mark.parametrize("written", [False, True], ids=["before the record was written", "after it"])
def test_whoever_is_killed_while_the_key_is_changed_leaves_a_clinic_that_opens(
    world: ClinicWorld, machine: Machine, tmp_path: Path, written: bool
) -> None:
    """The two instants between the three steps: next key in its file, record sealed under it, file in its place."""
    of_folder(world, tmp_path)
    code = with_second(world, "nurse")
    old = (tmp_path / KEY).read_bytes()
    if written:
        change_key(world.house, tmp_path)
        (tmp_path / KEY).replace(tmp_path / f"{KEY}.next")
        (tmp_path / KEY).write_bytes(old)
    else:
        Seal.new().write(tmp_path / f"{KEY}.next")
    of_folder(world, tmp_path)
    assert all_the_way_in(world, machine, code)
    assert change_key(world.house, tmp_path) == (1, 0)


def test_two_processes_that_begin_at_once_have_one_key(world: ClinicWorld, tmp_path: Path) -> None:
    def opened(_: int) -> str:
        with world.house.reading() as session:
            return seal_of(tmp_path, session).name

    with ThreadPoolExecutor(4) as crowd:
        assert len(set(crowd.map(opened, range(4)))) == 1
