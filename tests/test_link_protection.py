from __future__ import annotations

import os
import stat
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import cbor2
import pytest
from aiocoap import Message, oscore
from hypothesis import given
from hypothesis import strategies as st
from tests.link_parts import OPEN_SESAME, SERIAL, SOMEBODY, Ends, Memory, Parrot, Voice, dressed

from thecal.link.endpoint import Endpoint, Met
from thecal.link.key import Key, Side, keep_key, kept_key, name_of, new_key
from thecal.link.protection import BLOCK, MOST_NUMBER, Context, Counters, Lost, _CounterRecord, pair
from thecal.link.roles import KID, Field, Role
from thecal.link.vault import FileVault, InUse, Mirrored
from thecal.pump.device.faulty_memory import FaultyDisk, PowerCut, Tear
from thecal.pump.device.memory import RamDisk

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.link.vault import Vault

KEY = Key(Role.PROGRAMMER, SERIAL, 1, b"s" * 16, b"a" * 8)
STATE = "link-programmer-state"
SIDES = list(Side)


def a_key(role: Role = Role.PROGRAMMER) -> Key:
    return new_key(role, SERIAL)


def number_in(frame: bytes) -> int:
    """The sequence number that protects a frame."""
    named = oscore.verify_start(Message.decode(frame))
    number = int.from_bytes(named[oscore.COSE_PIV], "big")
    assert named[oscore.COSE_KID] in KID.values()
    return number


class TestKey:
    @given(
        st.sampled_from(Role),
        st.text(min_size=1, max_size=64),
        st.integers(1, 2**31),
        st.binary(min_size=16, max_size=16),
        st.binary(min_size=8, max_size=8),
    )
    def test_reads_back(self, role: Role, serial: str, generation: int, secret: bytes, salt: bytes) -> None:
        key = Key(role, serial, generation, secret, salt)
        assert Key.decode(key.encode()) == key

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("version", 2), ("role", "nobody"), ("role", 1), ("serial", ""), ("serial", "x" * 65), ("serial", 7)),
            *(("generation", 0), ("generation", True), ("generation", "1"), ("secret", b"short"), ("secret", "s" * 16)),
            *(("salt", b""), ("salt", None), ("more", 1)),
        ],
    )
    def test_anything_else_is_no_key(self, name: str, value: object) -> None:
        held = cbor2.loads(KEY.encode())
        held[name] = value
        with pytest.raises(ValueError, match="not a key"):
            Key.decode(cbor2.dumps(held))

    @given(st.binary(max_size=120))
    def test_bytes_are_no_key(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="not a key"):
            Key.decode(data)

    @pytest.mark.requirement("SC-07", "SC-12")
    def test_is_of_random_bytes_alone(self) -> None:
        keys = [a_key() for _ in range(100)]
        assert len({k.secret for k in keys}) == len({k.salt for k in keys}) == len({k.tag() for k in keys}) == 100

    @pytest.mark.parametrize("serial", ["", "x" * 65])
    def test_a_serial_number_has_bounds(self, serial: str) -> None:
        with pytest.raises(ValueError, match="1 to 64 characters"):
            new_key(Role.CARD, serial)

    @pytest.mark.requirement("SC-18")
    def test_does_not_show_its_secret(self) -> None:
        assert "secret" not in repr(KEY)
        assert "sss" not in repr(KEY)
        assert KEY.secret not in KEY.tag()

    def test_names_tell_pumps_apart_for_a_caller(self) -> None:
        assert name_of(Side.CALLER, Role.CARD, "A") != name_of(Side.CALLER, Role.CARD, "B")
        assert name_of(Side.PUMP, Role.CARD, "A") == name_of(Side.PUMP, Role.CARD, "B") == "link-card"

    def test_the_newest_generation_counts(self) -> None:
        vault = Memory()
        assert kept_key(vault, Side.PUMP, Role.PROGRAMMER, SERIAL) is None
        keep_key(vault, Side.PUMP, KEY)
        newer = replace(KEY, generation=2, secret=b"t" * 16)
        half = Memory()
        keep_key(half, Side.PUMP, newer)
        vault.write("link-programmer-key-a", half.read("link-programmer-key-a"))
        assert kept_key(vault, Side.PUMP, Role.PROGRAMMER, SERIAL) == newer

    @pytest.mark.requirement("SC-12")
    def test_a_key_of_another_pump_or_another_form_is_none(self) -> None:
        vault = Memory()
        keep_key(vault, Side.PUMP, KEY)
        assert kept_key(vault, Side.PUMP, Role.PROGRAMMER, "T-2") is None
        Mirrored(vault, "link-programmer-key").write(b"something sealed that is not a key")
        assert kept_key(vault, Side.PUMP, Role.PROGRAMMER, SERIAL) is None


class TestFileVault:
    @pytest.mark.requirement("SC-18")
    def test_holds_what_was_written_for_its_owner_alone(self, tmp_path: Path) -> None:
        with FileVault(tmp_path / "v") as vault:
            assert vault.read("name") == b""
            vault.write("name", b"one")
            vault.write("name", b"two")
            assert vault.read("name") == b"two"
        assert stat.S_IMODE((tmp_path / "v" / "name").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "v").stat().st_mode) == 0o700
        with FileVault(tmp_path / "v") as vault:
            assert vault.read("name") == b"two"

    def test_is_open_once(self, tmp_path: Path) -> None:
        with FileVault(tmp_path), pytest.raises(InUse, match="open in another process"):
            FileVault(tmp_path)

    @pytest.mark.parametrize("name", ["", "../x", "A", "a/b", ".x", "a" * 65, "a\n"])
    def test_takes_plain_names_only(self, tmp_path: Path, name: str) -> None:
        with FileVault(tmp_path) as vault, pytest.raises(ValueError, match="not a name"):
            vault.write(name, b"")

    def test_is_not_read_once_closed(self, tmp_path: Path) -> None:
        vault = FileVault(tmp_path)
        vault.close()
        with pytest.raises(ValueError, match="closed"):
            vault.read("a")

    def test_a_crash_at_any_step_leaves_the_old_or_the_new(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = -1000
        die_at = 0

        def deadly(name: str) -> None:
            real = getattr(os, name)

            def step(*args: object, **kwargs: object) -> object:
                nonlocal steps
                steps += 1
                if steps == die_at:
                    raise PowerCut
                return real(*args, **kwargs)

            monkeypatch.setattr(os, name, step)

        for name in ("open", "fsync", "replace", "close"):
            deadly(name)
        outcomes = set()
        for die_at in count(1):
            steps = -1000
            with FileVault(tmp_path / str(die_at)) as vault:
                vault.write("name", b"old")
                steps = 0
                try:
                    vault.write("name", b"new")
                except PowerCut:
                    outcomes.add(vault.read("name"))
                else:
                    steps = -1000
                    break
        assert outcomes == {b"old", b"new"}


class TestMirrored:
    @given(st.binary(max_size=50), st.integers(0, 10**6), st.sampled_from("ab"))
    def test_damage_to_one_copy_leaves_the_other(self, data: bytes, bit: int, copy: str) -> None:
        vault = Memory()
        record = Mirrored(vault, "x")
        record.write(data)
        held = bytearray(vault.held[f"x-{copy}"])
        held[bit // 8 % len(held)] ^= 1 << bit % 8
        vault.held[f"x-{copy}"] = bytes(held)
        assert record.read() == [data]

    def test_nothing_is_nothing(self) -> None:
        assert Mirrored(Memory(), "x").read() == []


class TestPairing:
    @pytest.mark.parametrize("side", SIDES)
    def test_a_key_begins_once(self, side: Side) -> None:
        vault, key = Memory(), a_key()
        pair(vault, side, key)
        with pytest.raises(ValueError, match="cannot begin again"):
            pair(vault, side, key)

    @pytest.mark.parametrize("side", SIDES)
    def test_not_even_when_its_counters_are_gone(self, side: Side) -> None:
        vault, key = Memory(), a_key()
        pair(vault, side, key)
        for copy in "ab":
            del vault.held[f"{name_of(side, key.role, key.serial)}-state-{copy}"]
        with pytest.raises(ValueError, match="cannot begin again"):
            pair(vault, side, key)

    def test_a_new_key_ends_the_former_one(self) -> None:
        ends = Ends()
        old = ends.voice()
        first = old.says()
        assert ends.endpoint.heard(first, Field.FAR, SOMEBODY).met is Met.ANSWERED
        kept = old.says()
        ends.pair(Role.PROGRAMMER)
        ends.endpoint.paired(Role.PROGRAMMER)
        assert ends.keys[Role.PROGRAMMER].generation == 2
        for frame in (first, kept, old.says()):
            assert ends.endpoint.heard(frame, Field.FAR, SOMEBODY).met in {Met.NOT_GENUINE, Met.REPLAYED}
        assert ends.endpoint.heard(ends.voice().says(), Field.FAR, SOMEBODY).met is Met.ANSWERED

    @pytest.mark.parametrize("tear", list(Tear))
    @pytest.mark.requirement("OP-8.3.4")
    def test_a_crash_leaves_the_former_key_or_the_new_one_or_refusal(self, tear: Tear) -> None:
        for n in count(1):
            disk = FaultyDisk(RamDisk())
            old, new = a_key(), replace(a_key(), generation=2)
            pair(disk, Side.PUMP, old)
            disk.cut(n, tear, 9)
            try:
                pair(disk, Side.PUMP, new)
            except PowerCut:
                kept = kept_key(disk, Side.PUMP, Role.PROGRAMMER, SERIAL)
                assert kept in {old, new}
                assert kept is not None
                try:
                    context = Context(disk, Side.PUMP, kept)
                except Lost:
                    continue
                assert context._counters == Counters()
            else:
                assert n == 5
                break


class TestLost:
    @pytest.mark.parametrize("side", SIDES)
    def test_missing_damaged_or_foreign_counters_are_lost(self, side: Side) -> None:
        key = a_key()
        names = [f"{name_of(side, key.role, key.serial)}-state-{copy}" for copy in "ab"]
        other = Memory()
        pair(other, side, a_key())
        for spoiled in (b"", b"x", b"\0" * 36, other.held[names[0]]):
            vault = Memory()
            pair(vault, side, key)
            for name in names:
                vault.held[name] = spoiled
            with pytest.raises(Lost, match="pair them again"):
                Context(vault, side, key)

    def test_sealed_bytes_of_another_length_are_lost(self) -> None:
        vault, key = Memory(), a_key()
        pair(vault, Side.PUMP, key)
        Mirrored(vault, STATE).write(b"another length")
        with pytest.raises(Lost):
            Context(vault, Side.PUMP, key)

    @pytest.mark.requirement("P6")
    def test_a_pump_that_lost_them_refuses_everything(self) -> None:
        ends = Ends(Role.PROGRAMMER, Role.MONITOR)
        assert ends.endpoint.lost() == frozenset()
        ends.pump_vault.write(STATE + "-a", b"")
        ends.pump_vault.write(STATE + "-b", b"damaged")
        ends.reboot()
        assert ends.endpoint.lost() == {Role.PROGRAMMER}
        voice = ends.voice()
        for _ in range(3 * BLOCK):
            assert ends.endpoint.heard(voice.says(), Field.FAR, SOMEBODY).met is Met.LOST
        assert ends.endpoint.heard(ends.voice(Role.MONITOR).says(), Field.FAR, SOMEBODY).met is Met.ANSWERED
        assert [role for role, *_ in ends.parrot.done] == [Role.MONITOR]
        ends.pair(Role.PROGRAMMER)
        ends.reboot()
        assert ends.endpoint.heard(ends.voice().says(), Field.FAR, SOMEBODY).met is Met.ANSWERED

    def test_a_running_pump_notices_before_the_next_block(self) -> None:
        ends = Ends()
        voice = ends.voice()
        assert ends.endpoint.heard(voice.says(), Field.FAR, SOMEBODY).met is Met.ANSWERED
        ends.pump_vault.write(STATE + "-a", b"")
        ends.pump_vault.write(STATE + "-b", b"")
        mets = [ends.endpoint.heard(voice.says(), Field.FAR, SOMEBODY).met for _ in range(2 * BLOCK)]
        assert mets[: BLOCK - 1] == [Met.ANSWERED] * (BLOCK - 1)
        assert set(mets[BLOCK:]) == {Met.LOST}
        assert ends.endpoint.lost() == {Role.PROGRAMMER}

    def test_counters_put_back_under_a_running_caller_are_noticed(self) -> None:
        ends = Ends()
        before = dict(ends.caller_vault.held)
        voice = ends.voice()
        voice.says()
        ends.caller_vault.held = before
        with pytest.raises(Lost):
            [voice.says() for _ in range(BLOCK)]

    @pytest.mark.parametrize("copy", "ab")
    def test_one_damaged_copy_is_none_the_worse(self, copy: str) -> None:
        ends = Ends()
        voice = ends.voice()
        heard = [voice.says() for _ in range(BLOCK + 5)]
        for frame in heard:
            assert ends.endpoint.heard(frame, Field.FAR, SOMEBODY).met is Met.ANSWERED
        ends.pump_vault.write(f"{STATE}-{copy}", b"damaged")
        ends.reboot()
        assert {ends.endpoint.heard(frame, Field.FAR, SOMEBODY).met for frame in heard} == {Met.REPLAYED}


class TestNumbers:
    @pytest.mark.requirement("SC-14")
    def test_are_stored_before_they_are_used_and_never_twice(self) -> None:
        vault, key = Memory(), a_key()
        pair(vault, Side.CALLER, key)
        seen: list[int] = []
        for uses in (1, BLOCK - 1, BLOCK, BLOCK + 1, 0, 5):
            voice = Voice(Context(vault, Side.CALLER, key))  # the one before is gone without a word
            for _ in range(uses):
                seen.append(number_in(voice.says()))
                kept = _CounterRecord(vault, Side.CALLER, key).read()
                assert kept is not None
                assert kept.used > seen[-1]
        assert len(set(seen)) == len(seen)
        assert seen == sorted(seen)

    def test_one_write_serves_a_block(self) -> None:
        ends = Ends()
        voice, before = ends.voice(), ends.caller_vault.writes
        for _ in range(BLOCK):
            ends.endpoint.heard(voice.says(), Field.FAR, SOMEBODY)
        assert ends.caller_vault.writes - before == 2
        assert isinstance(ends.pump_vault, Memory)
        assert ends.pump_vault.writes == 4 + 2

    def test_two_contexts_never_use_one_number(self) -> None:
        vault, key = Memory(), a_key()
        pair(vault, Side.CALLER, key)
        first, second = (Voice(Context(vault, Side.CALLER, key)) for _ in range(2))
        numbers = [number_in(first.says()) for _ in range(BLOCK)]
        with pytest.raises(Lost):
            second.says()
        third = Voice(Context(vault, Side.CALLER, key))
        numbers += [number_in(third.says()) for _ in range(2)]
        with pytest.raises(Lost):
            first.says()
        assert len(set(numbers)) == BLOCK + 2

    def test_end(self) -> None:
        vault, key = Memory(), a_key()
        pair(vault, Side.CALLER, key)
        _CounterRecord(vault, Side.CALLER, key).write(Counters(1, MOST_NUMBER - 2))
        voice = Voice(Context(vault, Side.CALLER, key))
        assert [number_in(voice.says()) for _ in range(2)] == [MOST_NUMBER - 2, MOST_NUMBER - 1]
        with pytest.raises(oscore.ContextUnavailable, match="used up"):
            voice.says()
        with pytest.raises(oscore.ContextUnavailable, match="used up"):
            Voice(Context(vault, Side.CALLER, key)).says()

    def test_a_pump_has_none(self) -> None:
        vault, key = Memory(), a_key()
        pair(vault, Side.PUMP, key)
        context = Context(vault, Side.PUMP, key)
        with pytest.raises(oscore.ContextUnavailable, match="never asks"):
            context.protect(Message(code=1))
        context.post_seqnoincrease()

    @pytest.mark.requirement("SC-14")
    def test_an_answer_uses_the_nonce_of_its_request_once(self) -> None:
        ends = Ends()
        context = Context(ends.pump_vault, Side.PUMP, ends.keys[Role.PROGRAMMER])
        _, request_id = context.unprotect(Message.decode(ends.voice().says()))
        context.protect(Message(code=69), request_id)
        with pytest.raises(oscore.ContextUnavailable):
            context.protect(Message(code=69), request_id)


class TestReplay:
    @pytest.mark.requirement("P6", "SC-02", "SC-25")
    def test_nothing_is_accepted_twice_within_a_run(self) -> None:
        ends = Ends()
        voice = ends.voice()
        frames = [voice.says(payload=bytes([i])) for i in range(100)]
        order = [*frames[:10][::-1], *frames[50:], *frames[:10], *frames[50:]]
        for frame in order:
            ends.endpoint.heard(frame, Field.FAR, SOMEBODY)
        assert len({payload for *_, payload in ends.parrot.done}) == len(ends.parrot.done) == 60

    @pytest.mark.requirement("P6", "SC-02", "SC-25")
    def test_nor_after_a_start(self) -> None:
        ends = Ends()
        voice = ends.voice()
        frames = [voice.says() for _ in range(20)]
        for frame in frames[::2]:
            ends.endpoint.heard(frame, Field.FAR, SOMEBODY)
        ends.reboot()
        for frame in frames:
            assert ends.endpoint.heard(frame, Field.FAR, SOMEBODY).met is Met.REPLAYED
        assert len(ends.parrot.done) == 10
        voice.context.skip()
        assert ends.endpoint.heard(voice.says(), Field.FAR, SOMEBODY).met is Met.ANSWERED

    def test_an_accepted_request_is_struck_out_in_memory_first(self) -> None:
        """What is answered counts as used in the pump's memory by then, whatever the order of arrival."""
        ends = Ends()
        voice = ends.voice()

        class Watcher(Parrot):
            def answer(self, role: Role, field: Field, path: str, payload: bytes):  # type: ignore[no-untyped-def]
                kept = _CounterRecord(ends.pump_vault, Side.PUMP, ends.keys[role]).read()
                assert kept is not None
                assert kept.used > int.from_bytes(payload, "big")
                return super().answer(role, field, path, payload)

        watcher = Watcher()
        endpoint = Endpoint(ends.pump_vault, SERIAL, watcher)
        frames = {n: voice.says("piece", n.to_bytes(2, "big")) for n in range(200)}
        for n in (3, 1, 2, 90, 70, 91, 199, 180):
            assert number_in(frames[n]) == n
            endpoint.heard(frames[n], Field.FAR, SOMEBODY)
        assert len(watcher.done) == 8

    def test_a_caller_accepts_no_request(self) -> None:
        ends = Ends()
        caller = Context(ends.caller_vault, Side.CALLER, ends.keys[Role.PROGRAMMER])
        frame = Message.decode(dressed(Message(code=2, oscore=b"\x09\x00\x00", payload=OPEN_SESAME), 1))
        with pytest.raises(oscore.ReplayError):
            caller.unprotect(frame)

    def test_no_resynchronization(self) -> None:
        assert Context.echo_recovery is None


def _lives(cut: int, tear: Tear, who: Side, rounds: int = 90) -> bool:
    """Talk, with the power of one side failing at a write; whether it failed. Judged by what went over the air."""
    disk = FaultyDisk(RamDisk())
    vaults: dict[Side, Vault] = {Side.PUMP: Memory(), Side.CALLER: Memory(), who: disk}
    key = a_key()
    for side, vault in vaults.items():
        pair(vault, side, key)
    parrot = Parrot()
    endpoint, voice = Endpoint(vaults[Side.PUMP], SERIAL, parrot), Voice(Context(vaults[Side.CALLER], Side.CALLER, key))
    disk.cut(cut, tear, 13)
    failed = False
    aired: list[bytes] = []
    for n in range(rounds):
        try:
            frame = voice.says("piece", n.to_bytes(2, "big"))
            aired.append(frame)
            endpoint.heard(frame, Field.FAR, SOMEBODY)
        except PowerCut:
            failed = True
            voice = Voice(Context(vaults[Side.CALLER], Side.CALLER, key), voice.mid)
            endpoint = Endpoint(vaults[Side.PUMP], SERIAL, parrot)
            # What the power cut off was not accepted; it may be now, once.
            met = [endpoint.heard(old, Field.FAR, ("elsewhere", 1)).met for old in aired]
            assert set(met[:-1]) <= {Met.REPLAYED}
    for old in aired:
        assert endpoint.heard(old, Field.FAR, ("somewhere else", 1)).met is Met.REPLAYED
    numbers = [number_in(frame) for frame in aired]
    assert len(set(numbers)) == len(numbers)
    assert len({payload for *_, payload in parrot.done}) == len(parrot.done)
    assert len(parrot.done) >= rounds - BLOCK - 1
    return failed


@pytest.mark.parametrize("tear", list(Tear))
@pytest.mark.parametrize("who", SIDES)
@pytest.mark.requirement("SC-02", "SC-14")
def test_power_fails_at_every_write(tear: Tear, who: Side) -> None:
    failures = 0
    for n in count(1):
        if not _lives(n, tear, who):
            break
        failures += 1
    assert failures == 4


@given(st.lists(st.sampled_from(["say", "hear", "late", "again", "pump", "caller", "skip"]), max_size=60), st.data())
@pytest.mark.requirement("SC-02")
def test_no_order_of_events_uses_a_number_or_a_request_twice(acts: list[str], data: st.DataObject) -> None:
    ends = Ends()
    voice = ends.voice()
    aired: list[bytes] = []
    for n, act in enumerate(acts):
        match act:
            case "say" | "hear":
                aired.append(voice.says("piece", n.to_bytes(2, "big")))
                if act == "hear":
                    ends.endpoint.heard(aired[-1], Field.FAR, SOMEBODY)
            case "late" | "again" if aired:
                frame = data.draw(st.sampled_from(aired))
                ends.endpoint.heard(frame, Field.FAR, SOMEBODY)
            case "pump":
                ends.reboot()
            case "caller":
                voice = Voice(ends.voice().context, voice.mid)
            case "skip":
                voice.context.skip()
    numbers = [number_in(frame) for frame in aired]
    assert len(set(numbers)) == len(numbers)
    assert len({payload for *_, payload in ends.parrot.done}) == len(ends.parrot.done)
