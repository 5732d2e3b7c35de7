"""A host keeps every pump delivering, whatever happens to the others, to itself, or to whoever asks."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import signal
import socket
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.core_world import packed
from tests.rig_world import (
    HOST,
    LEVEL_NL,
    PATIENCE,
    SERIAL,
    SHORT,
    Process,
    Rig,
    an_order,
    asked,
    bench_pump,
    granted,
    interrogated,
    paired,
    programmed,
    reprogrammed,
    until,
)

from thecal.link.answering import Code
from thecal.link.reading import Status
from thecal.link.roles import Field, Role
from thecal.link.talk import Arm
from thecal.pump.core import alarms as al
from thecal.pump.core.codes import GRANTED
from thecal.pump.device import Device, FaultyDisk, FileDisk, IdentityError, NoPower
from thecal.rig import host as hosting
from thecal.rig import hosted
from thecal.rig.clock import MOST_TRUE_S, TestClock, open_clock
from thecal.rig.connect import connect
from thecal.rig.control import OPERATIONS, Control
from thecal.rig.exchange import addresses
from thecal.rig.ground import Ground
from thecal.rig.hold import hold
from thecal.rig.home import Home
from thecal.rig.host import Host, InUseError, raise_file_limit, run
from thecal.rig.hosted import SLICE_S
from thecal.rig.refusal import Refusal, Why
from thecal.rig.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from thecal.pump.device import Disk


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(Home(tmp_path / "home"))
    bench_pump(made.home)
    yield made
    made.leave()


# Processes.


@pytest.mark.requirement("P4")
def test_a_killed_host_has_lost_nothing_and_in_doubt_more_was_delivered(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
        rig.pass_s(5000)
        granted_before = asked(link, "bolus")
        rig.pass_s(200)
        before = rig.truth()
        rig.kill()
        assert not rig.is_up()
        at = json.loads(rig.home.address(SERIAL).read_text())
        assert at["pid"]
        assert addresses(rig.home, SERIAL) == {}
        rig.start()
        assert json.loads(rig.home.address(SERIAL).read_text()) != at
        after = asked(link, "status")
        assert isinstance(after, Status)
        assert (after.loaded, after.running, after.program) == (True, True, 1)
        assert after.boots == 2
        assert after.newest == 3  # refill, confirm and start: remembered
        assert after.strokes >= before["believed"]["strokes"]
        assert after.level_nl <= before["believed"]["level_nl"]
        assert after.bolus_kind == 0  # never resumed
        again = asked(link, "bolus")
        assert (granted_before.answer.value, again.answer.value) == ("granted", "refused")
        rig.pass_s(3600)
        assert rig.truth()["delivered_nl"] > before["delivered_nl"]


def test_a_host_that_is_asked_to_leave_settles_and_leaves_nothing_running(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
    rig.pass_s(1000)
    truth = rig.truth()
    assert rig.host is not None
    rig.host.stop()
    assert sorted(p.name for p in rig.home.run.iterdir()) == ["rig.lock"]
    rig.start()
    assert rig.truth()["delivered_nl"] == truth["delivered_nl"]
    rig.owner("stop", sure=False)
    rig.owner("stop", sure=True)
    assert rig.host.process is not None
    rig.host.rest()
    assert rig.host.process.returncode == 0
    assert {stat.S_IMODE(p.stat().st_mode) for p in rig.home.folder.rglob("*") if p.is_file()} == {0o600}


def test_one_home_and_one_pump_belong_to_one_process(rig: Rig, tmp_path: Path) -> None:
    rig.start()
    assert rig.host is not None
    assert rig.host.process is not None
    for other in (Home(rig.home.folder), Home(tmp_path / "other")):
        if other != rig.home:
            other.ready()
            (other.pumps / SERIAL).symlink_to(rig.home.pump(SERIAL))
        with pytest.raises(InUseError, match=f"in use by process {rig.host.process.pid} .hosts pumps.; allowed: one"):
            asyncio.run(run(other, 0))
    with pytest.raises(InUseError, match=f"pump {SERIAL} in use"):
        bench_pump(rig.home)
    second = Process(HOST, [str(rig.home.folder), "0"])
    with pytest.raises(AssertionError, match="this home in use by process"):
        second.start()
    assert rig.is_up()


def test_two_pumps_are_not_made_in_one_place(rig: Rig) -> None:
    with pytest.raises(IdentityError):
        bench_pump(rig.home)


def test_only_the_named_pumps_are_run_and_others_are_adopted_later(rig: Rig) -> None:
    bench_pump(rig.home, "B-2")
    rig.start(0, "B-2")
    assert [row["serial"] for row in rig.owner("pumps")["pumps"]] == ["B-2"]
    assert rig.owner("adopt", serial=SERIAL)["powered"] is True
    bench_pump(rig.home, "B-3")
    rig.owner("adopt", serial="B-3")
    assert [row["serial"] for row in rig.owner("pumps")["pumps"]] == ["B-2", SERIAL, "B-3"]
    again = rig.try_owner("adopt", serial=SERIAL)
    unknown = rig.try_owner("adopt", serial="B-4")
    assert isinstance(again, Refusal)
    assert isinstance(unknown, Refusal)
    assert (again.why, unknown.why) == (Why.IN_USE, Why.UNKNOWN_PUMP)


@pytest.mark.requirement("OP-6.7.6")
def test_an_accelerated_world_delivers_by_itself_and_goes_on_while_no_process_runs(rig: Rig) -> None:
    rig.start(60)
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
        until(lambda: rig.truth()["delivered_nl"] >= 250 * 4)
        refused = rig.try_owner("advance", seconds=5)
        assert isinstance(refused, Refusal)
        assert refused.why is Why.WRONG_CLOCK
        rig.kill()
        time.sleep(0.2)
        rig.start(600)
        born = rig.owner("time")
        assert born["speed"] == 600
        truth = rig.truth()
        assert truth["believed"]["uptime_s"] < truth["true_s"]  # time without power is not proven, and counts as none
        until(lambda: rig.truth()["delivered_nl"] > truth["delivered_nl"] + 250 * 20)


# The owner of the world.


@pytest.mark.requirement("SC-10")
def test_near_is_placed_and_taken_away_and_goes_off_by_itself(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
        rig.owner("away", serial=SERIAL)
        assert set(addresses(rig.home, SERIAL)) == {"far"}
        assert asked(link, "status").near is False
        far = asked(link, "single", strokes=4, seconds=60)
        assert (far.arm, "near field" in far.said) == (Arm.NOT_REACHED, True)
        rig.owner("near", serial=SERIAL, seconds=300)
        assert set(addresses(rig.home, SERIAL)) == {"far", "near"}
        assert asked(link, "status").near is True
        granted(asked(link, "single", strokes=4, seconds=60))
        rig.pass_s(299)
        assert rig.owner("pumps")["pumps"][0]["near_left_s"] == 1
        rig.pass_s(1)
        until(lambda: set(addresses(rig.home, SERIAL)) == {"far"})


@pytest.mark.requirement("OP-8.3.1", "SF-A6")
def test_power_and_faults_are_the_owners_and_a_dark_pump_answers_nobody(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, SHORT) as link:
        programmed(rig, link)
        assert rig.owner("cut", serial=SERIAL)["powered"] is False
        assert addresses(rig.home, SERIAL) == {}
        assert asked(link, "status").arm is Arm.NOT_REACHED
        assert isinstance(rig.try_owner("pair", serial=SERIAL, role="card"), Refusal)
        assert rig.owner("tones", serial=SERIAL) == {"tones": []}
        rig.pass_s(100)
        assert rig.owner("restore", serial=SERIAL)["powered"] is True
        assert rig.owner("restore", serial=SERIAL)["powered"] is True
        assert asked(link, "status").alarm(al.POWER_LOST)
        fault = rig.owner("inject", serial=SERIAL, kind="stall")
        assert rig.owner("faults", serial=SERIAL)["faults"] == [fault]
        delivered = rig.truth()["delivered_nl"]
        rig.pass_s(4000)
        assert rig.truth()["delivered_nl"] == delivered
        assert rig.owner("tones", serial=SERIAL)["tones"]
        begins = rig.truth()["true_s"] + 50
        reset = rig.owner("inject", serial=SERIAL, kind="reset", from_s=begins, until_s=begins + 5)
        assert reset == {"kind": "reset", "from_s": begins, "until_s": begins + 5, "amount": 0}
        at = addresses(rig.home, SERIAL)
        rig.pass_s(100)
        until(lambda: addresses(rig.home, SERIAL) not in ({}, at))
        assert asked(link, "status").boots == 3
        for wrong in (
            {"kind": "leak"},
            {"kind": "reset", "until_s": 5},
            {"kind": "valve shut"},
        ):
            refused = rig.try_owner("inject", serial=SERIAL, **wrong)
            assert isinstance(refused, Refusal)
            assert refused.why is Why.CANNOT
            assert "found" in refused.message


def test_fluid_is_moved_by_hand(rig: Rig) -> None:
    rig.start()
    assert rig.owner("fill", serial=SERIAL, volume_nl=5_000_000) == {"reservoir_nl": 5_000_000}
    too_much = rig.try_owner("fill", serial=SERIAL, volume_nl=18_000_000)
    assert isinstance(too_much, Refusal)
    assert rig.owner("draw", serial=SERIAL) == {"drawn_nl": 5_000_000}
    assert rig.owner("valve", serial=SERIAL) == {"was_shut": False}
    assert rig.owner("heard", serial=SERIAL)["heard"] == {"far": {"asleep": 0}, "near": {"asleep": 0}}
    unknown = rig.try_owner("truth", serial="X")
    assert isinstance(unknown, Refusal)
    assert (unknown.why, unknown.allowed) == (Why.UNKNOWN_PUMP, f"pumps that this rig runs: {SERIAL}")


@pytest.mark.requirement("OP-8.3.1")
def test_a_new_key_works_and_the_older_one_of_that_role_does_not(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, SHORT) as link:
        paired(rig, link, Role.MONITOR, Role.SERVICE)
        assert isinstance(asked(link, "status", role="monitor"), Status)
        rig.owner("pair", serial=SERIAL, role="monitor")  # handed to somebody else
        assert asked(link, "status", role="monitor").arm is Arm.NOT_REACHED
        assert isinstance(asked(link, "status", role="service"), Status)
        paired(rig, link, Role.MONITOR)
        assert isinstance(asked(link, "status", role="monitor"), Status)
        assert link.ask("paired") == {
            "paired": [{"serial": SERIAL, "role": "monitor"}, {"serial": SERIAL, "role": "service"}]
        }


# In this process, with pumps that go wrong.


class Going:
    """A disk that can be full, or worse."""

    def __init__(self, inner: FileDisk) -> None:
        self.inner: Disk = inner
        self.fault: Exception | None = None

    def _may(self) -> None:
        if self.fault is not None:
            raise self.fault

    def read(self, name: str) -> bytes:
        return self.inner.read(name)

    def write(self, name: str, data: bytes) -> None:
        self._may()
        self.inner.write(name, data)

    def write_at(self, name: str, at: int, data: bytes) -> None:
        self._may()
        self.inner.write_at(name, at, data)

    def erase(self, name: str) -> None:
        self._may()
        self.inner.erase(name)


FULL = OSError(errno.ENOSPC, "No space left on device")


class Several:
    """Some pumps in this process, programmed and delivering under a test clock."""

    def __init__(self, home: Home, serials: tuple[str, ...]) -> None:
        self.home = home
        self.disks: dict[str, Going] = {}
        clock = open_clock(home.ready().world, 0)
        assert isinstance(clock, TestClock)
        self.host = Host(home, clock, disk_of=self.disk_of, witness=True)
        for serial in serials:
            delivering(FileDisk(bench_pump(home, serial), flush=False))

    def disk_of(self, folder: Path) -> Disk:
        self.disks[folder.name] = Going(FileDisk(folder, flush=False))
        return Ground(self.disks[folder.name])

    async def ask(self, operation: str, **fields: Any) -> Any:
        return await Control(self.host).answer({"operation": operation, **fields})

    async def delivered(self, serial: str) -> int:
        truth = await self.ask("truth", serial=serial)
        return 0 if isinstance(truth, Refusal) else int(truth["delivered_nl"])


def delivering(disk: FileDisk) -> None:
    """Fill and program a pump on the bench, before anybody hosts it."""
    device = Device(disk, 0)
    device.fill(LEVEL_NL)
    k = device.commands
    assert k.refill(LEVEL_NL) == GRANTED
    p = an_order(responses=(0, 2, 2, 0, 0, 2))
    assert k.propose(packed(p)) == GRANTED
    assert k.confirm(k.staged_digest()) == GRANTED
    assert k.start(1) == GRANTED
    device.settle()


def with_pumps(tmp_path: Path, work: Callable[[Several], Awaitable[None]], *serials: str) -> None:
    async def go() -> None:
        several = Several(Home(tmp_path / "home"), serials)
        for serial in serials:
            await several.host.adopt(serial)
        try:
            await work(several)
        finally:
            await several.host.close()

    asyncio.run(go())


@pytest.mark.requirement("OP-7.3.8", "FD-6.4")
def test_everything_that_the_owner_may_do(tmp_path: Path) -> None:
    async def work(several: Several) -> None:
        ask = several.ask
        assert (await ask("time"))["true_s"] == 0
        assert (await ask("near", serial="A"))["near_left_s"] == 600
        assert "near" in addresses(several.home, "A")
        assert await ask("away", serial="A") == {"near_left_s": 0}
        fault = await ask("inject", serial="A", kind="leak", until_s=50, amount=5)
        assert (fault["from_s"], fault["until_s"]) == (1, 50)
        assert (await ask("faults", serial="A"))["faults"] == [fault]
        assert (await ask("inject", serial="A", kind="stall", until_s=0)).why is Why.CANNOT
        assert await ask("tones", serial="A", after=5) == {"tones": []}
        assert (await ask("fill", serial="A", volume_nl=20_000_000)).why is Why.CANNOT
        assert await ask("draw", serial="A") == {"drawn_nl": LEVEL_NL}
        assert await ask("fill", serial="A", volume_nl=1) == {"reservoir_nl": 1}
        assert await ask("valve", serial="A") == {"was_shut": False}
        assert (await ask("pair", serial="A", role="card"))["role"] == "card"
        assert set((await ask("heard", serial="A"))["heard"]) == {"far", "near"}
        assert (await ask("cut", serial="A"))["powered"] is False
        assert await ask("heard", serial="A") == {"heard": {}}
        assert (await ask("pair", serial="A", role="card")).why is Why.NOT_RUNNING
        assert (await ask("restore", serial="A"))["powered"] is True
        assert (await ask("truth", serial="B")).why is Why.UNKNOWN_PUMP
        assert (await ask("adopt", serial="A")).why is Why.IN_USE
        assert (await ask("adopt", serial="B")).why is Why.UNKNOWN_PUMP
        elsewhere = hold(bench_pump(several.home, "B") / "host.lock", "pump B", "hosts it elsewhere")
        assert "hosts it elsewhere" in (await ask("adopt", serial="B")).message
        elsewhere.release()  # type: ignore[union-attr]
        assert (await ask("adopt", serial="B"))["serial"] == "B"
        assert await ask("stop", sure=False) == {"leaving": False}
        assert not several.host.leaving.is_set()
        await ask("stop", sure=True)
        assert several.host.leaving.is_set()

    with_pumps(tmp_path, work, "A")


def test_strokes_that_cannot_be_written_down_are_said_once_and_made_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(several: Several) -> None:
        pump = several.host.pumps["A"]
        device = pump.device()
        assert device is not None
        witness = Witness(tmp_path / "strokes.jsonl", device)
        device.watch(witness.turned)
        await several.host.advance(1000)
        before = await several.delivered("A")
        witness.close()
        await several.host.advance(7200)
        assert await several.delivered("A") > before
        assert caplog.text.count("strokes cannot be written down") == 1
        await several.ask("cut", serial="A")
        Witness(tmp_path / "dark.jsonl", device).close()

    with_pumps(tmp_path, work, "A")


def test_a_full_disk_stops_its_own_pump_with_an_alarm_and_no_other(tmp_path: Path) -> None:
    async def work(several: Several) -> None:
        await several.host.advance(1000)
        several.disks["A"].fault = FULL
        await several.host.advance(7200)
        stopped = await several.ask("truth", serial="A")
        alarms = stopped["believed"]["alarms"]
        assert alarms >> al.MEMORY_CRITICAL & 1
        await several.host.advance(7200)
        assert await several.delivered("A") == stopped["delivered_nl"]
        assert stopped["believed"]["strokes"] * 250 >= stopped["delivered_nl"]
        assert await several.delivered("B") > stopped["delivered_nl"]
        refused = await several.ask("pair", serial="A", role="card")
        assert (refused.why, refused.then) == (Why.CANNOT, "make room on the disk")
        several.disks["A"].fault = None
        await several.host.advance(3600)
        assert await several.delivered("A") == stopped["delivered_nl"]  # it stays stopped until somebody clears it

    with_pumps(tmp_path, work, "A", "B")


@pytest.mark.requirement("MX-08", "FD-6.2")
def test_a_pump_that_fails_is_started_again_a_few_times_and_then_stays_dark_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hosted, "WATCHDOG_S", 0.01)

    async def work(several: Several) -> None:
        await several.host.advance(1000)
        several.disks["A"].fault = RuntimeError("a defect in the memory of one pump")
        await several.host.advance(3600)
        for _ in range(200):
            await asyncio.sleep(0.01)
        row, other = (await several.ask("pumps"))["pumps"]
        assert (row["powered"], row["failed"]) == (False, "RuntimeError: a defect in the memory of one pump")
        assert (other["powered"], other["failed"]) == (True, "")
        refused = await several.ask("truth", serial="A")
        assert refused.why is Why.NOT_RUNNING
        before = await several.delivered("B")
        await several.host.advance(3600)
        assert await several.delivered("B") > before
        assert (await several.ask("restore", serial="A")).why is Why.NOT_RUNNING
        several.disks["A"].fault = None
        assert (await several.ask("restore", serial="A"))["powered"] is True
        await several.host.advance(60)
        assert several.host.pumps["A"].failed == ""

    with_pumps(tmp_path, work, "A", "B")
    assert caplog.text.count("pump A failed and loses power") > hosted.MOST_STARTS


@pytest.mark.requirement("OP-7.4.3", "FD-6.2")
def test_the_watchdog_brings_a_pump_back_that_failed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "WATCHDOG_S", 0.01)

    async def work(several: Several) -> None:
        several.disks["A"].fault = RuntimeError("once")
        await several.host.advance(3600)
        several.disks["A"].fault = None
        for _ in range(500):
            await asyncio.sleep(0.01)
            if not several.host.pumps["A"].failed:
                break
        before = await several.delivered("A")
        await several.host.advance(3600)
        assert await several.delivered("A") > before
        assert addresses(several.home, "A")

    with_pumps(tmp_path, work, "A")


def test_a_pump_whose_memory_holds_no_pump_is_said_to_fail_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted, "WATCHDOG_S", 0.01)

    async def work(several: Several) -> None:
        folder = several.home.pump("C")
        folder.mkdir()
        await several.host.adopt("C")
        rows = (await several.ask("pumps"))["pumps"]
        assert [(row["serial"], row["family"], row["powered"]) for row in rows] == [
            ("A", "bench-20", True),
            ("C", "", False),
        ]
        assert "IdentityError" in rows[1]["failed"]

    with_pumps(tmp_path, work, "A")


def test_a_pump_that_raises_while_it_answers_falls_silent_and_the_rest_go_on(tmp_path: Path) -> None:
    class Odd:
        def __init__(self, fault: Exception) -> None:
            self.fault = fault

        def answer(self, role: Role, field: Field, path: str, payload: bytes) -> None:
            raise self.fault

    async def work(several: Several) -> None:
        pump = several.host.pumps["A"]
        before = addresses(several.home, "A")
        pump._heard_break(NoPower("gone"))
        assert addresses(several.home, "A") == {}
        await pump.tuned()
        assert addresses(several.home, "A") not in ({}, before)
        pump._heard_break(FULL)
        await pump.tuned()
        assert pump.failed == ""
        pump._heard_break(ValueError("a defect"))
        assert pump.failed == "ValueError: a defect"
        assert not pump.behind()

    with_pumps(tmp_path, work, "A")


def test_a_pump_whose_power_fails_in_the_middle_of_a_write_is_dark_until_it_comes_back(tmp_path: Path) -> None:
    async def work(several: Several) -> None:
        faulty = FaultyDisk(several.disks["A"].inner)
        several.disks["A"].inner = faulty
        faulty.cut(3)
        await several.host.advance(3600)
        row = (await several.ask("pumps"))["pumps"][0]
        assert (row["powered"], row["failed"]) == (False, "")
        assert addresses(several.home, "A") == {}
        before = await several.delivered("A")
        await several.host.advance(3600)
        assert await several.delivered("A") == before
        await several.ask("restore", serial="A")
        await several.host.advance(3600)
        assert await several.delivered("A") > before

    with_pumps(tmp_path, work, "A")


def test_a_pump_answers_as_it_is_at_this_very_second(tmp_path: Path) -> None:
    async def work(several: Several) -> None:
        pump = several.host.pumps["A"]
        clock = several.host.clock
        assert isinstance(clock, TestClock)
        clock.advance(1000)
        assert pump.answer(Role.MONITOR, Field.FAR, "status", b"").code is Code.DONE
        assert not pump.behind()
        await several.ask("inject", serial="A", kind="reset", from_s=2000, until_s=2010)
        clock.advance(5000)
        with pytest.raises(NoPower, match="its answers begin anew"):
            pump.answer(Role.MONITOR, Field.FAR, "status", b"")
        await several.ask("cut", serial="A")
        with pytest.raises(NoPower, match="nobody can be answered"):
            pump.answer(Role.MONITOR, Field.FAR, "status", b"")
        assert pump.pair(Role.CARD).generation == 1
        assert pump.pair(Role.CARD).generation == 2

    with_pumps(tmp_path, work, "A")


def test_power_that_goes_while_a_radio_opens_leaves_no_ear_open(tmp_path: Path) -> None:
    async def work(several: Several) -> None:
        pump = several.host.pumps["A"]
        device = pump.device()
        assert device is not None
        pump.near(600)
        await asyncio.sleep(0)  # the near socket is being opened now
        device.cut_power()
        pump.act()
        pump._silence()
        await pump.tuned()
        assert addresses(several.home, "A") == {}
        assert pump.heard() == {}

    with_pumps(tmp_path, work, "A")


def test_a_defect_of_the_radio_is_the_end_of_one_pump_only(tmp_path: Path) -> None:
    async def defect() -> None:
        raise ValueError("a defect of the radio")

    async def work(several: Several) -> None:
        several.host.pumps["A"]._spawn(defect())
        await several.host.pumps["A"].tuned()
        await asyncio.sleep(0)
        rows = (await several.ask("pumps"))["pumps"]
        assert [row["failed"] for row in rows] == ["ValueError: a defect of the radio", ""]

    with_pumps(tmp_path, work, "A", "B")


def test_a_home_without_room_keeps_its_pumps_delivering_and_tells_their_addresses_later(tmp_path: Path) -> None:
    async def work(several: Several) -> None:
        several.home.address("A").unlink()
        several.home.address("A").mkdir()
        await several.ask("cut", serial="A")
        await several.ask("restore", serial="A")
        assert several.host.pumps["A"].failed == ""
        assert addresses(several.home, "A") == {}
        several.home.address("A").rmdir()
        await several.host.advance(3600)
        await several.host.pumps["A"].tuned()
        assert addresses(several.home, "A")

    with_pumps(tmp_path, work, "A")


@pytest.mark.requirement("OP-6.7.6", "SC-21")
def test_a_flood_on_one_radio_delays_no_delivery_and_no_other_answer(rig: Rig) -> None:
    bench_pump(rig.home, "B-2")
    rig.start(600)
    with connect(rig.home, PATIENCE) as link:
        for serial in (SERIAL, "B-2"):
            programmed(rig, link, serial=serial)
        at = addresses(rig.home, SERIAL)["far"]
        before = rig.truth()["delivered_nl"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(20):
                for _ in range(500):
                    stranger.sendto(os.urandom(60), at)
                assert isinstance(asked(link, "status", "B-2"), Status)
        until(lambda: rig.truth()["delivered_nl"] >= before + 250 * 40)
        heard = rig.owner("heard", serial=SERIAL)["heard"]["far"]
        assert heard["asleep"] > 0
        rig.near()
        assert isinstance(asked(link, "status"), Status)  # the near field has a budget of its own


@pytest.mark.requirement("FD-6.2")
def test_one_slow_pump_does_not_hold_up_the_others(tmp_path: Path) -> None:
    class Slow(Going):
        def write(self, name: str, data: bytes) -> None:
            time.sleep(0.005)
            super().write(name, data)

    async def work(several: Several) -> None:
        several.disks["A"].inner = Slow(FileDisk(several.home.pump("A"), flush=False))
        await several.host.advance(12 * 3600)
        assert await several.delivered("A") == await several.delivered("B")

    with_pumps(tmp_path, work, "A", "B")


def test_a_world_moves_in_slices_and_every_pump_with_it(tmp_path: Path) -> None:
    async def work(several: Several) -> None:
        reached = await several.host.advance(3 * SLICE_S + 5)
        assert reached == 3 * SLICE_S + 5
        assert not any(pump.behind() for pump in several.host.pumps.values())
        several.host.clock.advance(5)  # type: ignore[union-attr]
        assert several.host.pumps["A"].behind()
        ended = await several.ask("advance", seconds=0)
        assert ended == {"true_s": reached + 5}

    with_pumps(tmp_path, work, "A", "B")


def test_the_end_of_time_is_said(tmp_path: Path) -> None:
    async def work(several: Several) -> None:
        clock = several.host.clock
        assert isinstance(clock, TestClock)
        clock.advance(MOST_TRUE_S - 10)
        refused = await several.ask("advance", seconds=11)
        assert refused.allowed == "up to 10 s: there the time of a world ends"

    with_pumps(tmp_path, work)


def test_a_real_clock_is_not_moved_by_hand(tmp_path: Path) -> None:
    async def go() -> None:
        host = Host(Home(tmp_path), open_clock(tmp_path / "world.json", 1))
        with pytest.raises(TypeError, match="not moved by hand"):
            await host.advance(1)
        refused = await Control(host).answer({"operation": "advance", "seconds": 1})
        assert isinstance(refused, Refusal)
        assert refused.why is Why.WRONG_CLOCK

    asyncio.run(go())


@pytest.mark.parametrize("operation", [o.name for o in OPERATIONS])
def test_every_operation_refuses_a_field_too_many(tmp_path: Path, operation: str) -> None:
    async def work(several: Several) -> None:
        refused = await several.ask(operation, unheard_of=1)
        assert refused.why is Why.FIELD

    with_pumps(tmp_path, work)


def test_a_host_that_is_told_to_leave_while_it_starts_leaves(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for serial in ("A", "B"):
        bench_pump(home, serial)

    def disk_of(folder: Path) -> Disk:
        os.kill(os.getpid(), signal.SIGTERM)
        return FileDisk(folder)

    def ready(host: Host) -> None:
        assert list(host.pumps) in (["A"], ["A", "B"])

    asyncio.run(run(home, 1, disk_of=disk_of, ready=ready))
    asyncio.run(run(home, 1, disk_of=disk_of))
    assert not home.rig_socket.exists()


def test_too_many_pumps_for_the_system_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _which, found: limits.append(found))
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (100, 10_000))
    raise_file_limit(1000)
    assert limits == [(1000 * hosting.FILES_EACH + hosting.FILES_BESIDE, 10_000)]
    with pytest.raises(OSError, match="next: raise the limit, or host fewer pumps"):
        raise_file_limit(10_000)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (100, resource.RLIM_INFINITY))
    raise_file_limit(10_000)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    raise_file_limit(10_000)
    assert len(limits) == 2


def test_what_the_rotor_did_is_written_down_and_outlives_a_kill(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
        rig.pass_s(4000)
        rig.near()
        interrogated(link)
        reprogrammed(link, an_order(2))
        rig.pass_s(4000)
    rig.kill()
    lines = [json.loads(line) for line in (rig.home.pump(SERIAL) / "strokes.jsonl").read_text().splitlines()]
    assert [line["program"] for line in lines if "program" in line] == [1, 2]
    assert sum(line["train"] for line in lines if "train" in line) * 250 > 40_000
    assert max(line["to_s"] for line in lines if "train" in line) <= 8000
