"""Keys are kept by pump and role, for one process at a time, and a new pairing takes the old key's place."""

from __future__ import annotations

import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from thecal.link.key import Side, new_key
from thecal.link.protection import Context
from thecal.link.roles import Role
from thecal.link.vault import InUse
from thecal.rig.keyring import Keyring

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.requirement("SC-18")
def test_keys_are_kept_by_pump_and_role_and_outlive_the_process(tmp_path: Path) -> None:
    first, second = new_key(Role.PATIENT, "P1"), new_key(Role.CARD, "P2")
    with closing(Keyring(tmp_path)) as keyring:
        assert keyring.paired() == []
        assert keyring.key("P1", Role.PATIENT) is None
        keyring.keep(first)
        keyring.keep(second)
        with pytest.raises(InUse):
            Keyring(tmp_path)
    with closing(Keyring(tmp_path)) as again:
        assert again.key("P1", Role.PATIENT) == first
        assert again.key("P2", Role.CARD) == second
        assert again.key("P2", Role.PATIENT) is None
        assert again.paired() == [("P1", Role.PATIENT), ("P2", Role.CARD)]
        assert Context(again.vault, Side.CALLER, first).new_sequence_number() == 0
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}


def test_a_new_key_takes_the_place_of_the_old_one_and_an_old_one_cannot_come_back(tmp_path: Path) -> None:
    old, new = new_key(Role.PATIENT, "P1"), new_key(Role.PATIENT, "P1", generation=2)
    with closing(Keyring(tmp_path)) as keyring:
        keyring.keep(old)
        keyring.keep(new)
        assert keyring.key("P1", Role.PATIENT) == new
        assert keyring.paired() == [("P1", Role.PATIENT)]
        with pytest.raises(ValueError, match="was paired before"):
            keyring.keep(new)


def test_one_damaged_copy_of_the_list_is_no_loss(tmp_path: Path) -> None:
    with closing(Keyring(tmp_path)) as keyring:
        keyring.keep(new_key(Role.PATIENT, "P1"))
    (tmp_path / "pairs-a").write_bytes(b"torn")
    with closing(Keyring(tmp_path)) as again:
        assert again.paired() == [("P1", Role.PATIENT)]
