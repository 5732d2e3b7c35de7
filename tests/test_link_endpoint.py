from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiocoap import ACK, NON, RST, Message
from aiocoap.numbers import codes as coap
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.link_parts import (
    OPEN_SESAME,
    QUICK,
    SERIAL,
    SHORT,
    SOMEBODY,
    Ends,
    Memory,
    Voice,
    ask,
    dressed,
    play,
)
from tests.link_world import Pump, ordered
from tests.lossy_link import Fault, Kind, LossyLink, Planned, Seeded, Way

from thecal.link.answering import Answering
from thecal.link.caller import Caller, Patience
from thecal.link.catalogue import MESSAGES
from thecal.link.codec import Reply as Answer
from thecal.link.codec import decode_answer, longest
from thecal.link.endpoint import MOST_FRAME, Met, Reply
from thecal.link.key import Key, Side, new_key
from thecal.link.outcome import Denial, Denied, NotHeard, NotSent
from thecal.link.protection import BLOCK, Context, pair
from thecal.link.roles import Field, Role
from thecal.pump.device.faulty_memory import PowerCut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from thecal.link.answering import Answered
    from thecal.link.radio import Radio

REFUSED = coap.UNAUTHORIZED


def state_of(ends: Ends) -> tuple[object, ...]:
    """Everything that a frame could change, apart from counters."""
    assert isinstance(ends.pump_vault, Memory)
    windows = [
        (role, c.recipient_replay_window.persist(), c._counters)
        for role, c in ends.endpoint._contexts.items()
        if isinstance(c, Context)
    ]
    return dict(ends.pump_vault.held), list(ends.parrot.done), windows, dict(ends.endpoint._last)


def refused(ends: Ends, frame: bytes, met: Met | None = None, field: Field = Field.FAR) -> Reply:
    """A frame that changes nothing, and is met with 4.01 or silence."""
    ends.endpoint.lost()  # contexts are opened by the first frame that names their role
    before = state_of(ends)
    reply = ends.endpoint.heard(frame, field, SOMEBODY)
    assert state_of(ends) == before
    assert not reply.met.genuine
    assert met is None or reply.met is met
    if reply.frame:
        answer = Message.decode(reply.frame)
        assert (answer.code, answer.payload, answer.mtype) == (REFUSED, b"", ACK)
        assert not list(answer.opt.option_list())
        assert len(reply.frame) <= len(frame)
    return reply


class TestAnswers:
    def test_is_given_to_the_role_of_the_key_in_the_field_of_the_socket(self) -> None:
        ends = Ends(*Role)
        for field in Field:
            for role in Role:
                voice = ends.voice(role)
                reply = ends.endpoint.heard(voice.says(), field, SOMEBODY)
                far_card = role is Role.CARD and field is Field.FAR
                assert reply.met is (Met.DENIED if far_card else Met.ANSWERED)
                assert voice.reads(reply.frame) == (("4.03", b"") if far_card else ("2.05", b"heard "))
        everybody = [(role, field, "status", b"") for field in Field for role in Role]
        assert ends.parrot.done == [d for d in everybody if d[:2] != (Role.CARD, Field.FAR)]

    def test_codes(self) -> None:
        ends = Ends(Role.PROGRAMMER, Role.PATIENT)
        doctor, patient = ends.voice(), ends.voice(Role.PATIENT)
        wanted: list[tuple[Voice, str, bytes, str, bytes]] = [
            *((doctor, "status", b"", "2.05", b"heard "), (doctor, "piece", b"x", "2.04", b"heard x")),
            *((doctor, "nothing", b"x", "4.04", b""), (patient, "identity", b"", "4.03", b"")),
            *((doctor, "start", b"x", "4.03", b""), (doctor, "piece", b"bad", "4.00", b"")),
        ]
        for voice, path, payload, code, content in wanted:
            reply = ends.endpoint.heard(voice.says(path, payload), Field.FAR, SOMEBODY)
            assert reply.met is (Met.ANSWERED if code[0] == "2" else Met.DENIED)
            assert voice.reads(reply.frame) == (code, content)

    @pytest.mark.parametrize(
        "inner",
        [
            Message(code=1, uri_path=("status",), payload=b"x"),
            Message(code=2, uri_path=("status",)),
            Message(code=3, uri_path=("status",), payload=b"x"),
            Message(code=4, uri_path=("status",)),
            Message(code=5, uri_path=("status",), payload=b"x"),
            Message(code=1, uri_path=("status", "x")),
            Message(code=1),
            Message(code=1, uri_path=(".well-known", "core")),
            Message(code=1, uri_path=("status",), uri_query=("a",)),
            Message(code=1, uri_path=("status",), block2=(0, False, 0)),
            Message(code=2, uri_path=("piece",), payload=b"x", block1=(0, True, 0)),
            Message(code=1, uri_path=("status",), no_response=26),
            Message(code=1, uri_path=("status",), if_none_match=True),
        ],
        ids=lambda m: f"{m.code.dotted} {m.opt!r}"[:60].split(" at ")[0],
    )
    def test_other_requests_of_a_true_role_are_malformed(self, inner: Message) -> None:
        ends = Ends()
        voice = ends.voice()
        reply = ends.endpoint.heard(voice.says(inner=inner), Field.FAR, SOMEBODY)
        assert reply.met is Met.DENIED
        assert voice.reads(reply.frame) == ("4.00", b"")
        assert ends.parrot.done == []

    @pytest.mark.requirement("UM-82", "SC-08", "SC-09", "SC-11")
    def test_every_cell_of_role_and_message_and_field(self) -> None:
        ends = Ends(*Role)
        for message in MESSAGES:
            for role in Role:
                for field in Field:
                    voice = ends.voice(role)
                    before = len(ends.parrot.done)
                    reply = ends.endpoint.heard(voice.says(message.path, OPEN_SESAME), field, SOMEBODY)
                    allowed = role in message.roles and (field is Field.NEAR or not (message.near or role is Role.CARD))
                    assert voice.reads(reply.frame)[0] == ("2.04" if allowed else "4.03")
                    assert len(ends.parrot.done) - before == allowed

    def test_a_repeat_gets_the_same_bytes_and_nothing_is_done(self) -> None:
        ends = Ends(Role.PROGRAMMER, Role.PATIENT)
        frame = ends.voice().says()
        first = ends.endpoint.heard(frame, Field.FAR, SOMEBODY)
        ends.endpoint.heard(ends.voice(Role.PATIENT).says(), Field.FAR, SOMEBODY)
        assert ends.endpoint.heard(frame, Field.FAR, SOMEBODY) == Reply(Met.REPEATED, first.frame)
        assert ends.endpoint.heard(frame, Field.FAR, ("elsewhere", 1)).met is Met.REPLAYED
        assert len(ends.parrot.done) == 2
        ends.endpoint.heard(ends.voice().says(), Field.FAR, SOMEBODY)
        assert ends.endpoint.heard(frame, Field.FAR, SOMEBODY).met is Met.REPLAYED

    def test_keeps_one_exchange_for_each_role_and_nothing_of_strangers(self) -> None:
        ends = Ends(Role.PROGRAMMER)
        voice = ends.voice()
        for n in range(300):
            ends.endpoint.heard(voice.says(), Field.FAR, ("127.0.0.1", n))
            ends.endpoint.heard(dressed(Message(code=1), n), Field.FAR, ("127.0.0.1", n))
        assert len(ends.endpoint._last) == 1
        assert len(ends.endpoint._contexts) == 1

    def test_what_the_pump_raises_goes_through(self) -> None:
        class Dark:
            def answer(self, role: Role, field: Field, path: str, payload: bytes) -> Answered:
                raise PowerCut

        ends = Ends(answers=Dark())
        frame = ends.voice().says()
        with pytest.raises(PowerCut):
            ends.endpoint.heard(frame, Field.FAR, SOMEBODY)
        assert ends.endpoint._last == {}
        assert ends.endpoint.heard(frame, Field.FAR, SOMEBODY).met is Met.REPLAYED

    def test_the_longest_message_fits(self) -> None:
        """Around the payload stand at most 4 + 8 bytes of head and token, 13 of options, and 40 within and behind."""
        assert max(longest(message.fields) for message in MESSAGES) + 65 <= MOST_FRAME
        ends = Ends()
        reply = ends.endpoint.heard(ends.voice().says("bring", b"x" * 900), Field.NEAR, SOMEBODY)
        assert reply.met is Met.ANSWERED


class TestStrangers:
    @pytest.mark.parametrize(
        ("frame", "met"),
        [
            (b"", Met.UNREADABLE),
            (b"\x40", Met.UNREADABLE),
            (b"\x40\x00\x00\x01", Met.NOT_A_REQUEST),  # a ping
            (b"\x40\x02\x00\x01\xff", Met.UNPROTECTED),
            (b"\x40\x02\x00\x01\xf0", Met.UNREADABLE),
            (b"\x49\x02\x00\x01" + b"t" * 9, Met.UNREADABLE),
            (b"\x80\x02\x00\x01", Met.UNREADABLE),  # version 2
            (b"\x4f\x02\x00\x01", Met.UNREADABLE),
            (b"\x40\x02\x00\x01\x91\xff", Met.NOT_GENUINE),
            (b"x" * (MOST_FRAME + 1), Met.TOO_LONG),
            (b"\x40\x02\x00\x01\xff" + b"x" * (MOST_FRAME - 4), Met.TOO_LONG),
            (dressed(Message(code=1, uri_path=("status",)), 1), Met.UNPROTECTED),
            (dressed(Message(code=1, uri_path=(".well-known", "core")), 1), Met.UNPROTECTED),
            (dressed(Message(code=2, uri_path=(".well-known", "edhoc"), payload=b"\xf5\x00\x01"), 1), Met.UNPROTECTED),
            (dressed(Message(code=1, uri_path=("status",), observe=0), 1), Met.UNPROTECTED),
            (dressed(Message(code=2, block1=(0, True, 6), payload=OPEN_SESAME), 1), Met.UNPROTECTED),
            (dressed(Message(code=2, proxy_uri="coap://x/"), 1), Met.UNPROTECTED),
            (dressed(Message(code=1, uri_path=("status",)), 1, mtype=NON), Met.NOT_A_REQUEST),
            (dressed(Message(code=69, payload=b"x"), 1), Met.NOT_A_REQUEST),
            (dressed(Message(code=69, payload=b"x"), 1, mtype=ACK), Met.NOT_A_REQUEST),
            (dressed(Message(code=0), 1, mtype=RST), Met.NOT_A_REQUEST),
            *(
                (dressed(Message(code=2, oscore=option, payload=OPEN_SESAME), 1), met)
                for option, met in [
                    (b"", Met.UNKNOWN_KEY),
                    (b"\x08", Met.UNKNOWN_KEY),
                    (b"\x09\x00\x09", Met.UNKNOWN_KEY),
                    (b"\x09\x00\x00", Met.UNKNOWN_KEY),  # the pump's own
                    (b"\x09\x00\x02", Met.UNKNOWN_KEY),  # a role that was never paired
                    (b"\x19\x00\x01x\x01", Met.UNKNOWN_KEY),  # with a context of its own
                    (b"\x10", Met.NOT_GENUINE),
                    (b"\x11\x00", Met.NOT_GENUINE),
                    (b"\x11\x00\x05a", Met.NOT_GENUINE),
                    (b"\xff\x00\x01", Met.NOT_GENUINE),
                    (b"\x05\x00", Met.NOT_GENUINE),
                    (b"\x09\x00\x01", Met.NOT_GENUINE),
                    (b"\x08\x01", Met.NOT_GENUINE),  # no number
                    (b"\x29\x00\x01", Met.NOT_GENUINE),  # a group's
                    (b"\x0f\x01\x02\x03\x04\x05\x06\x07\x01", Met.NOT_GENUINE),  # a number of seven bytes
                ]
            ),
            (dressed(Message(code=2, oscore=b"\x09\x00\x01", payload=b""), 1), Met.NOT_GENUINE),
        ],
    )
    @pytest.mark.requirement("P6", "FD-10.7", "SC-01", "SC-06", "SC-09", "SC-28")
    def test_change_nothing(self, frame: bytes, met: Met) -> None:
        refused(Ends(), frame, met)

    @pytest.mark.parametrize(
        "outer",
        [
            *(
                {"code": 1},
                {"code": 3},
                {"code": 5},
                {"observe": 0},
                {"block1": (0, True, 6)},
                {"block2": (0, False, 6)},
            ),
            *({"uri_path": ("status",)}, {"proxy_scheme": "coap"}, {"edhoc": True}, {"echo": b"x" * 8}, {"max_age": 1}),
        ],
        ids=str,
    )
    @pytest.mark.requirement("P6")
    def test_nor_what_stands_around_a_true_request(self, outer: dict[str, Any]) -> None:
        ends = Ends()
        voice = ends.voice()
        refused(ends, voice.says(**outer), Met.UNPROTECTED)
        refused(ends, voice.says(mtype=NON, **outer), Met.NOT_A_REQUEST)

    def test_a_name_of_the_host_is_no_matter(self) -> None:
        ends = Ends()
        frame = ends.voice().says(uri_host="pump.example", uri_port=5683)
        assert ends.endpoint.heard(frame, Field.FAR, SOMEBODY).met is Met.ANSWERED

    @pytest.mark.requirement("P6", "FD-10.7", "SC-01", "SC-03", "SC-28")
    def test_a_wrong_key(self) -> None:
        ends = Ends(*Role)
        for other in (new_key(Role.PROGRAMMER, SERIAL), Key(Role.PROGRAMMER, SERIAL, 1, bytes(16), bytes(8))):
            vault = Memory()
            pair(vault, Side.CALLER, other)
            refused(ends, Voice(Context(vault, Side.CALLER, other)).says(), Met.NOT_GENUINE)

    @pytest.mark.requirement("P6", "SC-08", "SC-12")
    def test_the_key_of_another_role_or_pump(self) -> None:
        ends, others = Ends(*Role), Ends(*Role)
        for role in Role:
            refused(ends, others.voice(role).says(), Met.NOT_GENUINE)
        patient = Message.decode(ends.voice(Role.PATIENT).says())
        claims = patient.opt.oscore[:-1] + b"\x01"  # to be the programmer
        refused(ends, dressed(Message(code=2, oscore=claims, payload=patient.payload), 1), Met.NOT_GENUINE)

    @pytest.mark.requirement("P6", "SC-01", "SC-03")
    def test_every_bit_of_a_true_request_matters(self) -> None:
        """But for its message id, token and how it is to be delivered, which the protection leaves to the path."""
        ends = Ends()
        frame = ends.voice().says("piece", OPEN_SESAME)
        for bit in range(8 * 6, 8 * len(frame)):
            spoiled = bytearray(frame)
            spoiled[bit // 8] ^= 1 << bit % 8
            refused(ends, bytes(spoiled))
        for length in range(len(frame)):
            refused(ends, frame[:length])
        refused(ends, frame + b"\0", Met.NOT_GENUINE)
        assert ends.endpoint.heard(frame, Field.FAR, SOMEBODY).met is Met.ANSWERED

    @given(st.binary(max_size=80))
    @pytest.mark.requirement("P6", "SC-17")
    def test_random_bytes(self, frame: bytes) -> None:
        refused(Ends(), frame)

    @given(st.binary(max_size=60), st.sampled_from(list(range(32))), st.binary(max_size=12))
    @pytest.mark.requirement("SC-06", "SC-17")
    def test_random_requests(self, rest: bytes, code: int, option: bytes) -> None:
        ends = Ends()
        refused(ends, bytes((0x42, code, 0, 1)) + b"tk" + rest)
        refused(ends, bytes((0x42, 2, 0, 1)) + b"tk" + bytes((0x90 + len(option),)) + option + b"\xff" + rest)

    @given(st.data())
    @pytest.mark.requirement("P6")
    def test_a_true_request_with_anything_changed(self, data: st.DataObject) -> None:
        ends = Ends()
        frame = ends.voice().says("piece", OPEN_SESAME)
        at = data.draw(st.integers(6, len(frame)))
        end = data.draw(st.integers(at, len(frame)))
        spoiled = frame[:at] + data.draw(st.binary(max_size=20)) + frame[end:]
        if spoiled != frame:
            refused(ends, spoiled)


@pytest.mark.long
@settings(max_examples=20_000)
@given(st.binary(max_size=MOST_FRAME + 10))
@pytest.mark.requirement("P6", "SC-17")
def test_very_many_random_frames(frame: bytes) -> None:
    refused(Ends(), frame)


# Over real sockets


async def _open(ends: Ends, link: LossyLink | None = None) -> Radio:
    radio = ends.radio()
    far = await radio.open()
    if link is not None:
        link.target = far
    return radio


def _talk(
    ends: Ends,
    act: Callable[[Caller, LossyLink], Awaitable[None]],
    plan: Any = None,
    patience: Patience = QUICK,
    role: Role = Role.PROGRAMMER,
) -> LossyLink:
    """Let a caller act over a path to the pump, on real sockets."""

    async def scene() -> LossyLink:
        async with LossyLink(("127.0.0.1", 9), plan) as link:
            radio = await _open(ends, link)
            async with Caller(ends.caller_vault, ends.keys[role], patience) as caller:
                await act(caller, link)
            radio.close()
            await asyncio.sleep(0)
            return link

    return play(scene())


class TestCalls:
    @pytest.mark.requirement("SC-01", "SC-18")
    def test_an_exchange(self) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            assert await caller.exchange(link.address, "status") == b"heard "
            assert await caller.exchange(link.address, "piece", b"x" * 700) == b"heard " + b"x" * 700

        link = _talk(ends, act)
        assert [len(link.frames(way)) for way in Way] == [2, 2]
        assert all(b"heard" not in frame and b"xxx" not in frame and b"status" not in frame for _, frame in link.seen)

    def test_many_at_once_take_turns(self) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            said = [bytes([n]) for n in range(20)]
            answers = await asyncio.gather(*(caller.exchange(link.address, "piece", one) for one in said))
            assert answers == [b"heard " + one for one in said]

        link = _talk(ends, act)
        assert [way for way, _ in link.seen] == [Way.TO_PUMP, Way.TO_CALLER] * 20

    @pytest.mark.parametrize(
        ("path", "payload", "role", "reason"),
        [
            ("start", b"x", Role.PROGRAMMER, Denial.FORBIDDEN),
            ("identity", b"", Role.PATIENT, Denial.FORBIDDEN),
            ("nothing", b"", Role.PROGRAMMER, Denial.UNKNOWN_PATH),
            ("piece", b"bad", Role.PROGRAMMER, Denial.MALFORMED),
        ],
    )
    def test_a_denial_is_the_pumps_own_word(self, path: str, payload: bytes, role: Role, reason: Denial) -> None:
        ends = Ends(role)

        async def act(caller: Caller, link: LossyLink) -> None:
            with pytest.raises(Denied) as denied:
                await caller.exchange(link.address, path, payload)
            assert denied.value.reason is reason

        _talk(ends, act, role=role)

    @pytest.mark.parametrize("way", list(Way))
    @pytest.mark.parametrize("kind", list(Kind))
    @pytest.mark.requirement("FD-6.3")
    def test_each_frame_hit_in_turn_by_each_fault(self, way: Way, kind: Kind) -> None:
        """One fault never keeps an answer away for good unless it spoils it, and nothing is done twice."""
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            for n in range(1, 4):
                fault = Fault(kind, {Kind.LATE: 80, Kind.CUT: 9, Kind.FLIP: 150}.get(kind, 0))
                link.plan = Planned({(way, len(link.frames(way)) + 1): fault})
                try:
                    await caller.exchange(link.address, "piece", bytes([n]))
                except NotHeard:
                    assert kind in {Kind.CUT, Kind.FLIP}
            link.plan = Planned()
            await caller.exchange(link.address, "status")

        assert len(_talk(ends, act).hit) == 3
        assert len({payload for *_, payload in ends.parrot.done}) == len(ends.parrot.done)

    @pytest.mark.requirement("FD-6.3")
    def test_a_bad_path(self) -> None:
        _campaign(seed=7, exchanges=60)

    @pytest.mark.long
    @pytest.mark.parametrize("seed", range(10))
    @pytest.mark.requirement("FD-6.3")
    def test_a_bad_path_for_long(self, seed: int) -> None:
        _campaign(seed, exchanges=400)

    def test_a_restarted_pump_is_asked_once_more(self) -> None:
        ends = Ends()

        async def scene() -> None:
            async with LossyLink(("127.0.0.1", 9)) as link:
                radio = await _open(ends, link)
                async with Caller(ends.caller_vault, ends.keys[Role.PROGRAMMER], QUICK) as caller:
                    for n in range(2 * BLOCK):
                        if n % 7 == 0:
                            radio.close()
                            ends.reboot()
                            radio = await _open(ends, link)
                        assert await caller.exchange(link.address, "piece", bytes([n])) == b"heard " + bytes([n])
                radio.close()
                await asyncio.sleep(0)

        play(scene())
        assert [payload for *_, payload in ends.parrot.done] == [bytes([n]) for n in range(2 * BLOCK)]

    @pytest.mark.requirement("P6", "SC-02", "SC-25")
    def test_captured_frames_sent_again_change_nothing(self) -> None:
        ends = Ends()

        async def again(link: LossyLink, far: tuple[str, int], met: Met) -> None:
            for frame in link.frames(Way.TO_PUMP):
                before = state_of(ends)
                answer = Message.decode(await ask(far, frame))
                assert (answer.code, answer.payload) == (REFUSED, b"")
                assert state_of(ends) == before
            for frame in link.frames(Way.TO_CALLER):
                assert await ask(far, frame, 0.02) == b""

        async def scene() -> None:
            async with LossyLink(("127.0.0.1", 9)) as link:
                radio = await _open(ends, link)
                async with Caller(ends.caller_vault, ends.keys[Role.PROGRAMMER], QUICK) as caller:
                    for n in range(5):
                        await caller.exchange(link.address, "piece", bytes([n]))
                await again(link, link.target, Met.REPLAYED)
                assert radio.hearing[Field.FAR].met[Met.REPLAYED] == 5
                radio.close()
                ends.reboot()
                ends.endpoint.lost()
                radio = await _open(ends, link)
                await again(link, link.target, Met.REPLAYED)
                assert radio.hearing[Field.FAR].met[Met.REPLAYED] == 5
                radio.close()
                await asyncio.sleep(0)

        play(scene())
        assert len(ends.parrot.done) == 5

    @pytest.mark.requirement("OP-6.7.1")
    def test_the_real_pump_answers(self) -> None:
        pump = Pump(p=ordered())
        ends = Ends(answers=Answering(pump))

        async def act(caller: Caller, link: LossyLink) -> None:
            status = decode_answer("status", await caller.exchange(link.address, "status"))
            assert isinstance(status, Answer)
            before = pump.memory()
            for path in ("start", "stop", "confirm", "prime", "nothing"):
                with pytest.raises(Denied):
                    await caller.exchange(link.address, path, b"\xa0")
            with pytest.raises(Denied):
                await caller.exchange(link.address, "piece", b"not the catalogue's")
            assert pump.memory() == before

        _talk(ends, act)


def _campaign(seed: int, exchanges: int) -> None:
    ends = Ends()
    heard = 0

    async def act(caller: Caller, link: LossyLink) -> None:
        nonlocal heard
        for n in range(exchanges):
            payload = n.to_bytes(2, "big")
            with suppress(NotHeard):
                assert await caller.exchange(link.address, "piece", payload) == b"heard " + payload
                heard += 1
                assert ends.parrot.done[-1][-1] == payload

    link = _talk(ends, act, Seeded(seed, 0.3, late_ms=150))
    done = [payload for *_, payload in ends.parrot.done]
    # Asked once more after an unprotected 4.01, a message may be done again: its number tells the pump, not this layer.
    assert all(done.count(payload) <= 2 for payload in done)
    assert heard > exchanges / 3
    assert len(link.hit) > exchanges / 10


class TestNoAnswer:
    def test_silence_is_not_heard(self) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            link.plan = Planned({(Way.TO_PUMP, n): Fault(Kind.DROP) for n in range(1, 20)})
            with pytest.raises(NotHeard, match="no answer came"):
                await caller.exchange(link.address, "status")

        link = _talk(ends, act, patience=SHORT)
        assert len(set(link.frames(Way.TO_PUMP))) == 1
        assert len(link.frames(Way.TO_PUMP)) == 2
        assert ends.parrot.done == []

    def test_a_closed_port_is_not_heard(self) -> None:
        ends = Ends()

        async def scene() -> None:
            async with Caller(ends.caller_vault, ends.keys[Role.PROGRAMMER], SHORT) as caller:
                for _ in range(2):
                    with pytest.raises(NotHeard):
                        await caller.exchange(("127.0.0.1", 9), "status")

        play(scene())

    def test_no_such_address_is_not_sent(self) -> None:
        ends = Ends()

        async def scene() -> None:
            async with Caller(ends.caller_vault, ends.keys[Role.PROGRAMMER], SHORT) as caller:
                with pytest.raises(NotSent, match="no such address"):
                    await caller.exchange(("no-such-host.invalid", 9), "status")

        play(scene())

    def test_lost_counters_are_not_sent(self) -> None:
        ends = Ends()
        ends.caller_vault.held = dict.fromkeys(ends.caller_vault.held, b"")

        async def act(caller: Caller, link: LossyLink) -> None:
            with pytest.raises(NotSent, match="pair them again"):
                await caller.exchange(link.address, "status")

        assert _talk(ends, act).seen == []

    def test_counters_lost_under_way_are_not_sent(self) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            await caller.exchange(link.address, "status")
            ends.caller_vault.held = {}
            for _ in range(BLOCK - 1):
                await caller.exchange(link.address, "status")
            with pytest.raises(NotSent, match="pair them again"):
                await caller.exchange(link.address, "status")

        assert len(_talk(ends, act).frames(Way.TO_PUMP)) == BLOCK

    @pytest.mark.requirement("SC-04")
    def test_a_forged_refusal_is_nobodys_word(self) -> None:
        """Whoever answers 4.01 without protection makes the caller ask once more, and then gives up no secret."""
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            with pytest.raises(NotHeard, match="did not protect"):
                await caller.exchange(link.address, "status")

        assert len(_forged(ends, act, Message(code=REFUSED))) == 2

    def test_a_forged_refusal_when_nothing_more_can_be_sent(self) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            with pytest.raises(NotHeard, match="no further try"):
                await caller.exchange(link.address, "status")

        def forget() -> None:
            ends.caller_vault.held = {}

        assert len(_forged(ends, act, Message(code=REFUSED), forget)) == 1

    @pytest.mark.parametrize(
        "forged",
        [
            Message(code=69, payload=b"heard "),
            Message(code=69, payload=OPEN_SESAME, oscore=b""),
            Message(code=68, payload=OPEN_SESAME, oscore=b"\x19"),
            Message(code=68, payload=b"", oscore=b"\x01"),
            Message(code=coap.FORBIDDEN),
            Message(code=coap.INTERNAL_SERVER_ERROR),
        ],
        ids=str,
    )
    @pytest.mark.requirement("SC-04")
    def test_a_forged_answer_is_none(self, forged: Message) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            with pytest.raises(NotHeard, match="did not protect"):
                await caller.exchange(link.address, "status")

        assert len(_forged(ends, act, forged)) == 1

    def test_a_forged_acknowledgment_does_not_hold_it_up(self) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            with pytest.raises(NotHeard, match="no answer came"):
                await caller.exchange(link.address, "status")

        _forged(ends, act, None)

    def test_a_code_that_means_nothing_is_not_heard(self) -> None:
        ends = Ends()
        pump = Context(ends.pump_vault, Side.PUMP, ends.keys[Role.PROGRAMMER])

        async def act(caller: Caller, link: LossyLink) -> None:
            with pytest.raises(NotHeard, match="means nothing"):
                await caller.exchange(link.address, "status")

        def protected(request: Message) -> Message:
            _, request_id = pump.unprotect(request)
            answer, _ = pump.protect(Message(code=coap.INTERNAL_SERVER_ERROR), request_id)
            return answer

        _forged(ends, act, protected)

    def test_cancelled_it_leaves_nothing_behind(self) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            link.plan = Planned({(Way.TO_PUMP, n): Fault(Kind.DROP) for n in range(1, 3)})
            asking = asyncio.create_task(caller.exchange(link.address, "status"))
            await asyncio.sleep(0.02)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await caller.exchange(link.address, "status") == b"heard "

        _talk(ends, act)

    def test_closed_twice_or_unused_is_no_matter(self) -> None:
        ends = Ends()

        async def act(caller: Caller, link: LossyLink) -> None:
            await caller.close()
            await caller.exchange(link.address, "status")
            await caller.close()
            await caller.exchange(link.address, "status")

        _talk(ends, act)

    def test_patience(self) -> None:
        assert Patience().longest_s() == 93  # RFC 7252, section 4.8.2: MAX_TRANSMIT_WAIT
        assert pytest.approx(SHORT.longest_s()) == SHORT.tuning().MAX_TRANSMIT_WAIT


def _forged(
    ends: Ends,
    act: Callable[[Caller, LossyLink], Awaitable[None]],
    forged: Message | Callable[[Message], Message] | None,
    first: Callable[[], None] = lambda: None,
) -> set[bytes]:
    """Let somebody else answer in the pump's place; None acknowledges and says nothing. What was asked is returned."""
    asked: set[bytes] = set()

    class Forger(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            first()
            asked.add(data)
            request = Message.decode(data)
            answer = forged(request) if callable(forged) else forged
            if answer is None:
                frame = bytes((0x60, 0, *request.mid.to_bytes(2, "big")))
            else:
                answer.mtype, answer.mid, answer.token = ACK, request.mid, request.token
                frame = answer.encode()
            self.transport.sendto(frame, addr)

    async def scene() -> None:
        forger, _ = await asyncio.get_running_loop().create_datagram_endpoint(Forger, local_addr=("127.0.0.1", 0))
        async with (
            LossyLink(forger.get_extra_info("sockname")[:2]) as link,
            Caller(ends.caller_vault, ends.keys[Role.PROGRAMMER], QUICK if forged else SHORT) as caller,
        ):
            await act(caller, link)
        forger.close()
        await asyncio.sleep(0)

    play(scene())
    return asked
