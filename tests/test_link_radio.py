from __future__ import annotations

import asyncio
import gc
import socket
from typing import TYPE_CHECKING, Any

import pytest
from aiocoap import Message
from tests.link_parts import PLENTY, QUICK, SHORT, Ends, ask, dressed, play

from thecal.link.caller import Caller
from thecal.link.endpoint import MOST_FRAME, Met
from thecal.link.outcome import Denied, NotHeard
from thecal.link.radio import FAILED_PER_HOUR, FRAMES_PER_HOUR, HOUR_S, Budget, Hearing, Radio
from thecal.link.roles import Field, Role
from thecal.pump.device.faulty_memory import PowerCut

if TYPE_CHECKING:
    from thecal.link.answering import Answered

STRANGE = dressed(Message(code=1, uri_path=("status",)), 1)


def caller(ends: Ends, patience: Any = QUICK, role: Role = Role.PROGRAMMER) -> Caller:
    return Caller(ends.caller_vault, ends.keys[role], patience)


async def answered(ends: Ends, address: tuple[str, int], path: str = "status", payload: bytes = b"") -> None:
    async with caller(ends) as c:
        assert await c.exchange(address, path, payload) == b"heard " + payload


async def unheard(ends: Ends, address: tuple[str, int], path: str = "status", payload: bytes = b"") -> None:
    async with caller(ends, SHORT) as c:
        with pytest.raises(NotHeard):
            await c.exchange(address, path, payload)


async def closed(radio: Radio) -> None:
    radio.close()
    await asyncio.sleep(0)


class TestFields:
    @pytest.mark.requirement("SC-05", "SC-11")
    def test_the_field_is_the_socket(self) -> None:
        ends = Ends()

        async def scene() -> None:
            radio = ends.radio()
            far, near = await radio.open(), await radio.open(Field.NEAR)
            assert (radio.address(Field.FAR), radio.address(Field.NEAR)) == (far, near)
            async with caller(ends) as c:
                await c.exchange(far, "piece", b"1")
                await c.exchange(near, "piece", b"2")
                with pytest.raises(Denied):
                    await c.exchange(far, "start", b"3")
                await c.exchange(near, "start", b"4")
            await closed(radio)

        play(scene())
        fields = [(field, path) for _, field, path, _ in ends.parrot.done]
        assert fields == [(Field.FAR, "piece"), (Field.NEAR, "piece"), (Field.NEAR, "start")]

    @pytest.mark.requirement("SC-10")
    def test_near_field_is_there_only_while_somebody_is_near(self) -> None:
        ends = Ends()

        async def scene() -> None:
            radio = ends.radio()
            far = await radio.open()
            assert radio.address(Field.NEAR) is None
            near = await radio.open(Field.NEAR)
            with pytest.raises(ValueError, match="near field already"):
                await radio.open(Field.NEAR)
            await answered(ends, near, "start", b"1")
            radio.close(Field.NEAR)
            radio.close(Field.NEAR)
            assert radio.address(Field.NEAR) is None
            await unheard(ends, near, "start", b"2")
            await answered(ends, far)
            near = await radio.open(Field.NEAR, near[1])
            await answered(ends, near, "start", b"3")
            await closed(radio)
            assert radio.address(Field.FAR) is None

        play(scene())
        assert [payload for *_, payload in ends.parrot.done] == [b"1", b"", b"3"]

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "224.0.1.187", "ff02::fd"])  # noqa: S104 - refused
    def test_listens_at_one_address_of_its_own(self, host: str) -> None:
        with pytest.raises(ValueError, match="one address of its own"):
            Radio(Ends().endpoint, lambda: 0, list[Exception]().append, host=host)

    def test_over_the_other_protocol_of_the_internet(self) -> None:
        ends = Ends()

        async def scene() -> None:
            radio = Radio(ends.endpoint, lambda: 0, ends.faults.append, host="::1")
            address = await radio.open()
            async with caller(ends) as c:
                assert await c.exchange(address, "status") == b"heard "
            await closed(radio)

        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
                s.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        play(scene())


class TestBudget:
    @pytest.mark.requirement("SC-19", "SC-26")
    def test_strangers_put_one_field_to_sleep_and_not_the_other(self) -> None:
        ends = Ends()

        async def scene() -> None:
            radio = ends.radio(Budget(frames=100, failed=5))
            far, near = await radio.open(), await radio.open(Field.NEAR)
            assert all([await ask(far, STRANGE) for _ in range(5)])
            assert not any([await ask(far, STRANGE, 0.05) for _ in range(3)])
            hearing = radio.hearing[Field.FAR]
            assert (hearing.met[Met.UNPROTECTED], hearing.asleep) == (5, 3)
            await unheard(ends, far)
            await answered(ends, near, "start", b"1")
            ends.now_s += HOUR_S - 1
            await unheard(ends, far)
            ends.now_s += 1
            await answered(ends, far)
            assert radio.hearing[Field.NEAR].failed == 0
            await closed(radio)

        play(scene())
        assert [path for _, _, path, _ in ends.parrot.done] == ["start", "status"]

    @pytest.mark.requirement("SC-26")
    def test_true_frames_have_a_budget_too(self) -> None:
        ends = Ends()

        async def scene() -> None:
            radio = ends.radio(Budget(frames=3, failed=3))
            far = await radio.open()
            for _ in range(3):
                await answered(ends, far)
            await unheard(ends, far)
            ends.now_s += HOUR_S
            await answered(ends, far)
            await closed(radio)

        play(scene())
        assert len(ends.parrot.done) == 4

    @pytest.mark.requirement("SC-26")
    def test_asleep_a_frame_is_not_looked_at(self) -> None:
        ends = Ends()
        radio = ends.radio(Budget(frames=10, failed=2))
        for _ in range(2):
            assert radio.meet(STRANGE, Field.FAR, ("127.0.0.1", 1)) != b""

        def never(*frame: object) -> None:
            raise AssertionError(frame)

        ends.endpoint.heard = never  # type: ignore[method-assign, assignment]
        assert radio.meet(ends.voice().says(), Field.FAR, ("127.0.0.1", 1)) == b""
        assert ends.faults == []
        assert radio.hearing[Field.FAR].asleep == 1

    def test_an_hour_begins_with_its_first_frame(self) -> None:
        hearing, budget = Hearing(), Budget(frames=2, failed=2)
        assert hearing.awake(5000, budget)
        hearing.count(Met.ANSWERED)
        assert hearing.awake(5000 + HOUR_S - 1, budget)
        hearing.count(Met.UNREADABLE)
        assert not hearing.awake(5000 + HOUR_S - 1, budget)
        assert hearing.awake(5000 + HOUR_S, budget)
        assert (hearing.frames, hearing.failed, hearing.since_s) == (0, 0, 5000 + HOUR_S)

    def test_what_counts_as_failed(self) -> None:
        for met in Met:
            hearing = Hearing()
            hearing.count(met)
            assert hearing.failed == (met not in {Met.ANSWERED, Met.DENIED, Met.REPEATED})

    def test_the_numbers_leave_room(self) -> None:
        """A status every second, and a document of 64 kB with its repeats, fit; guessing a tag of 64 bits does not."""
        assert FRAMES_PER_HOUR > HOUR_S + 2 * 65_536 // 768
        assert FAILED_PER_HOUR * 24 * 365 * 20 < 2**64 // 10**9
        assert (Budget().frames, Budget().failed) == (FRAMES_PER_HOUR, FAILED_PER_HOUR)


class TestFaults:
    def test_a_pump_without_power_is_silent_and_its_owner_knows(self) -> None:
        class Dark:
            def answer(self, role: Role, field: Field, path: str, payload: bytes) -> Answered:
                raise PowerCut

        ends = Ends(answers=Dark())

        async def scene() -> None:
            radio = ends.radio()
            far, near = await radio.open(), await radio.open(Field.NEAR)
            await unheard(ends, far)
            assert [type(f) for f in ends.faults] == [PowerCut]
            assert radio.address(Field.FAR) is radio.address(Field.NEAR) is None
            assert await ask(near, STRANGE, 0.05) == b""
            await asyncio.sleep(0)

        play(scene())

    def test_a_frame_that_is_too_long_is_not_answered(self) -> None:
        ends = Ends()

        async def scene() -> None:
            radio = ends.radio()
            far = await radio.open()
            await unheard(ends, far, "piece", b"x" * MOST_FRAME)
            await answered(ends, far, "piece", b"x" * 900)
            assert radio.hearing[Field.FAR].met[Met.TOO_LONG] == 2
            assert await ask(far, b"x" * 60_000, 0.05) == b""
            await closed(radio)

        play(scene())

    def test_answers_do_not_pile_up(self) -> None:
        ends = Ends()

        async def scene() -> None:
            radio = ends.radio()
            far = await radio.open()
            ear = radio._ears[Field.FAR]
            real = ear.transport

            class Full:
                def __getattr__(self, name: str) -> Any:
                    return getattr(real, name)

                def get_write_buffer_size(self) -> int:
                    return 1

            ear.transport = Full()
            assert await ask(far, STRANGE, 0.05) == b""
            assert radio.hearing[Field.FAR].unsent == 1
            ear.transport = real
            ear.error_received(OSError())
            assert await ask(far, STRANGE) != b""
            await closed(radio)

        play(scene())

    @pytest.mark.requirement("SC-21")
    def test_a_flood_leaves_nothing_behind(self) -> None:
        ends = Ends()

        async def scene() -> int:
            radio = ends.radio(Budget(frames=500, failed=400))
            far = await radio.open()
            gc.collect()
            before = len(gc.get_objects())
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(("127.0.0.1", 0))
                hearing = radio.hearing[Field.FAR]
                n = 0
                async with asyncio.timeout(60):
                    while hearing.asleep < 500:
                        n += 1
                        s.sendto(dressed(Message(code=1, uri_path=(str(n),)), n % 65_536), far)
                        await asyncio.sleep(0)
            assert hearing.met[Met.UNPROTECTED] == 400
            gc.collect()
            grown = len(gc.get_objects()) - before
            await closed(radio)
            return grown

        assert play(scene()) < 200


def test_many_pumps_are_cheap() -> None:
    """A hundred pumps with a caller each, all in talk at once; the figures are measured elsewhere."""
    crowd = [Ends() for _ in range(100)]

    async def scene() -> None:
        radios = [ends.radio(PLENTY) for ends in crowd]
        addresses = [await radio.open() for radio in radios]
        assert len(asyncio.all_tasks()) == 1
        async with caller(crowd[0]) as c:
            assert await c.exchange(addresses[0], "status") == b"heard "
        callers = [caller(ends) for ends in crowd]
        answers = await asyncio.gather(*(c.exchange(a, "status") for c, a in zip(callers, addresses, strict=True)))
        assert answers == [b"heard "] * 100
        for c in callers:
            await c.close()
        for radio in radios:
            radio.close()
        await asyncio.sleep(0)

    play(scene())
