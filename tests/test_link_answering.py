"""The pump's side of the link: every cell of role, message and field, commands done once, programs in two phases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from itertools import product
from typing import Any

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.core_world import packed
from tests.fault_store import events
from tests.link_world import DOCUMENT, OTHER, Pump, digest_of, maps_of, ordered

from thecal.link.answering import Answered, Answering, Code
from thecal.link.catalogue import BY_PATH, MESSAGES, MOST_DOCUMENT, MOST_ID, MOST_PIECE, Area, Bytes, Kind, Truth, Whole
from thecal.link.change import SIZE, Change, change, change_of, pack_change
from thecal.link.codec import Reply, decode_answer, encode
from thecal.link.roles import SEAT, WHO, Field, Role
from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.codes import MAX_TIME_S
from thecal.pump.core.ledger import Ledger
from thecal.pump.core.program import RECORD_SIZE, Program
from thecal.pump.core.record import Keeper

NEAR, FAR = Field.NEAR, Field.FAR
PROGRAMMER, PATIENT, MONITOR, SERVICE, CARD = Role


class Talk:
    """One pump and whoever talks to it."""

    def __init__(self, pump: Pump | None = None) -> None:
        self.pump = pump or Pump(p=ordered())
        self.answering = Answering(self.pump)
        self.number = 0

    def send(self, path: str, role: Role = PROGRAMMER, field: Field = NEAR, /, **values: object) -> Answered:
        return self.answering.answer(role, field, path, encode(BY_PATH[path].fields, values))

    def reply(self, path: str, role: Role = PROGRAMMER, field: Field = NEAR, /, **values: object) -> Reply:
        answered = self.send(path, role, field, **values)
        assert answered.code is Code.DONE
        found = decode_answer(BY_PATH[path].answer, answered.payload)
        assert isinstance(found, Reply)
        return found

    def done(
        self, path: str, role: Role = PROGRAMMER, field: Field = NEAR, /, **values: object
    ) -> tuple[Any, Any, Any]:
        values = {"command": self.next(), **values}
        found = self.reply(path, role, field, **values).values
        return found["answer"], found["first"], found["wait_s"]

    def next(self) -> int:
        self.number += 1
        return self.number

    def status(self, role: Role = PROGRAMMER, field: Field = NEAR) -> dict[str, Any]:
        return self.reply("status", role, field).values

    def bring(self, area: Area, text: bytes, piece: int = MOST_PIECE) -> Any:
        held: Any = 0
        for at in range(0, len(text), piece):
            found = self.reply("bring", area=area.value, whole=len(text), at=at, data=text[at : at + piece])
            held = found.values["held"]
        return held

    def propose(self, p: Program, document: bytes = DOCUMENT) -> dict[str, Any]:
        self.bring(Area.PROGRAM, bytes(packed(p)))
        self.bring(Area.DOCUMENT, document)
        return self.reply("propose", program=digest_of(p), document=sha256(document).digest()).values


def a_value(name: str, kind: Kind) -> object:
    match kind:
        case Whole(least, _):
            return {"command": 9, "whole": RECORD_SIZE, "most": 64, "seconds": 60, "level_nl": 10_000_000}.get(
                name, least
            )
        case Bytes(least, _):
            return b"\x01" * least
        case Truth():
            return True
        case _:
            return kind.words[0]


def well_formed(path: str) -> bytes:
    fields = BY_PATH[path].fields
    return encode(fields, {name: a_value(name, kind) for name, kind in fields})


def malformed(path: str) -> list[bytes]:
    good = well_formed(path)
    return [b"\xff", good + b"\x00", good[:-1] or b"\xa0", cbor2.dumps({"command": "9"})]


# Every cell of role, message and field


@pytest.mark.parametrize(("role", "field"), list(product(Role, Field)))
@pytest.mark.requirement("P6", "OP-5.1.1", "OP-6.7.3", "OP-6.7.4", "OP-6.7.7", "UM-82", "HZ-1.2", "FD-10.7")
@pytest.mark.requirement("SC-05", "SC-08", "SC-09", "SC-11", "SC-19")
def test_whatever_is_not_allowed_changes_nothing_but_a_counter(role: Role, field: Field) -> None:
    talk = Talk()
    pump = talk.pump
    for message in MESSAGES:
        talk.answering.counters.clear()
        before, settled, readings = pump.memory(), pump.settled, pump.readings
        reason = None
        if role not in message.roles:
            reason = Code.FORBIDDEN
        elif (message.near or role is Role.CARD) and field is FAR:
            reason = Code.NEAR_ONLY
        if reason:
            assert talk.answering.answer(role, field, message.path, well_formed(message.path)) == Answered(reason)
        expected = Counter({(reason, role): 1} if reason else {})
        for payload in malformed(message.path):
            why = reason or Code.MALFORMED
            assert talk.answering.answer(role, field, message.path, payload) == Answered(why)
            expected[why, role] += 1
        assert talk.answering.counters == expected
        assert (pump.memory(), pump.settled, pump.readings) == (before, settled, readings), message.path
        assert pump.tones == []


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.path)
@pytest.mark.requirement("AP-14")
def test_whatever_is_allowed_reaches_the_core_once(message: Any) -> None:
    for role, field in product(sorted(message.roles), Field):
        if (message.near or role is Role.CARD) and field is FAR:
            continue
        talk = Talk()
        pump = talk.pump
        talk.status(role, field)  # a session begins
        before = pump.settled
        answered = talk.answering.answer(role, field, message.path, well_formed(message.path))
        assert answered.code is Code.DONE
        assert isinstance(decode_answer(message.answer, answered.payload), Reply)
        assert talk.answering.counters == {}
        if not message.numbered:
            assert pump.settled - before == (message.path == "propose"), "a refused proposal is in the log"
            continue
        assert pump.settled - before == 1
        assert talk.status(role, field)["newest"] == 9
        memory = pump.memory()
        again = talk.answering.answer(role, field, message.path, well_formed(message.path))
        found = decode_answer(message.answer, again.payload)
        assert isinstance(found, Reply)
        assert found.values["answer"] == codes.DUPLICATE
        assert pump.memory() == memory, "done once"


def opened(pump: Any) -> list[int]:
    """Who opened a session, by the log."""
    pump.controller.log.seal()
    return [a for event, a, _ in events(pump.controller) if event == codes.E_SESSION]


@pytest.mark.requirement("SC-27")
@pytest.mark.parametrize("role", [Role.PROGRAMMER, Role.SERVICE, Role.CARD])
def test_the_patient_hears_it_when_somebody_comes_near(role: Role) -> None:
    """Once for a session, durably in the log, whatever is said first; and again after ten minutes of silence."""
    talk = Talk()
    pump = talk.pump
    talk.answering.answer(role, FAR, "status", b"")
    assert (pump.signals, opened(pump)) == (0, []), "far away nobody holds anything to the skin"
    settled = pump.settled
    talk.status(role, NEAR)
    assert (pump.signals, opened(pump)) == (1, [WHO[role]])
    assert pump.settled > settled
    pump.run(599)
    talk.status(role, NEAR)
    pump.run(599)
    talk.status(role, NEAR)
    assert pump.signals == 1
    pump.run(600)
    talk.status(role, NEAR)
    assert (pump.signals, opened(pump)) == (2, [WHO[role]] * 2)


@pytest.mark.requirement("SC-27")
def test_each_role_is_heard_for_itself_and_a_monitor_or_the_patient_never() -> None:
    talk = Talk()
    for role in Role:
        talk.status(role, NEAR)
    assert sorted(opened(talk.pump)) == sorted(WHO[r] for r in (Role.PROGRAMMER, Role.SERVICE, Role.CARD))
    assert talk.pump.signals == 3


@pytest.mark.requirement("P6", "SC-09")
def test_a_path_that_is_not_in_the_catalogue_is_counted() -> None:
    talk = Talk()
    before = talk.pump.memory()
    for path in ("", "Status", "status/", "nothing"):
        assert talk.answering.answer(PATIENT, FAR, path, b"") == Answered(Code.UNKNOWN_PATH)
    assert talk.answering.counters == {(Code.UNKNOWN_PATH, PATIENT): 4}
    assert talk.pump.memory() == before


@given(
    st.sampled_from(list(Role)), st.sampled_from(list(Field)), st.sampled_from([m.path for m in MESSAGES]), st.binary()
)
@settings(max_examples=300)
@pytest.mark.requirement("P6", "SC-17")
def test_no_bytes_make_the_pump_raise(role: Role, field: Field, path: str, payload: bytes) -> None:
    talk = Talk(_SHARED)
    before = _SHARED.memory()
    answered = talk.answering.answer(role, field, path, payload)
    assert answered.code is Code.DONE or _SHARED.memory() == before


_SHARED = Pump(p=ordered())


# Reading


@pytest.mark.requirement("OP-6.5.23", "OP-6.7.1")
def test_a_status_says_what_the_pump_does() -> None:
    talk = Talk()
    status = talk.status()
    assert status == {**status, "loaded": True, "running": True, "delivering": True, "near": True, "has_bolus": True}
    assert status["digest"] == digest_of(talk.pump.controller.program)
    assert status["rate_pl_per_h"] == 20_000_000
    assert (status["newest"], status["newest_answer"], status["newest_wait_s"]) == (0, 255, 0)
    assert talk.status(PATIENT, FAR)["near"] is False
    assert talk.done("bolus", PATIENT, FAR)[0] == codes.GRANTED
    talk.pump.run(100)
    status = talk.status(PATIENT)
    assert (status["bolus_kind"], status["bolus_strokes"], status["bolus_left_s"]) == (codes.PATIENT, 40, 500)
    assert status["bolus_given"] == 6
    assert (status["lockout_left_s"], status["count_left_s"]) == (3500, 0)
    assert (status["newest"], status["newest_answer"]) == (1, codes.GRANTED)
    talk.done("stop", CARD)
    talk.pump.run(50)
    status = talk.status(CARD)
    assert (status["running"], status["stopped_s"], status["rate_pl_per_h"]) == (False, 100, 0)
    assert (status["bolus_kind"], status["bolus_strokes"], status["bolus_given"]) == (0, 0, 0)
    assert (status["newest"], status["newest_answer"]) == (2, codes.GRANTED)
    for role in (PROGRAMMER, SERVICE, MONITOR):
        assert talk.status(role)["newest"] == 0, "each role is told of its own commands only"


def test_a_pump_without_a_program_says_so() -> None:
    talk = Talk(Pump())
    status = talk.status()
    assert (status["loaded"], status["digest"], status["program"], status["has_bolus"]) == (False, b"", 0, False)
    assert (status["lockout_left_s"], status["count_left_s"]) == (0, 0)
    assert talk.reply("identity").values["order_digest"] == b""
    for area in (Area.PROGRAM, Area.DOCUMENT):
        assert talk.reply("piece", area=area.value, at=0, most=64).values == {"data": b"", "whole": 0, "digest": b""}


def test_a_status_counts_as_a_reading_unless_a_monitor_reads() -> None:
    """Facts 1.3: a pump in the telemetry-mode trap goes on when a programmer or the patient's app reads it."""
    talk = Talk()
    for role, readings in ((MONITOR, 0), (PROGRAMMER, 1), (PATIENT, 2), (SERVICE, 3), (CARD, 4)):
        talk.status(role)
        assert talk.pump.readings == readings
    talk.reply("identity")
    talk.reply("piece", area="program", at=0, most=1)
    assert talk.pump.readings == 4
    settled = talk.pump.settled
    talk.pump.controller.note(codes.E_CLEAR, al.STALL, 0)  # what a pump may write when it is read
    talk.status()
    assert talk.pump.settled == settled + 1


@pytest.mark.requirement("OP-6.5.17", "OP-6.7.2", "AP-15")
def test_alarms_are_shown_with_what_was_seen_of_them() -> None:
    talk = Talk(Pump(p=ordered(low_nl=20_000_000)))
    low = 1 << al.LOW_RESERVOIR
    status = talk.status()
    assert (status["alarms"], status["acknowledged"]) == (low, 0)
    talk.pump.run(10)
    assert talk.done("acknowledge", alarm=al.LOW_RESERVOIR)[0] == codes.GRANTED
    status = talk.status()
    assert (status["alarms"], status["acknowledged"]) == (low, low)
    assert talk.done("acknowledge", alarm=al.STALL)[0] == codes.NOT_NEEDED


def test_pieces_make_up_the_whole() -> None:
    talk = Talk()
    running = bytes(packed(talk.pump.controller.program))
    for area, text in ((Area.PROGRAM, running), (Area.DOCUMENT, DOCUMENT)):
        got = b""
        while True:
            piece: Any = talk.reply("piece", area=area.value, at=len(got), most=700).values
            assert (piece["whole"], piece["digest"]) == (len(text), sha256(text).digest())
            got += piece["data"]
            if not piece["data"]:
                break
        assert got == text


@pytest.mark.requirement("OP-6.7.2")
def test_the_log_is_read_by_records_of_whole_size() -> None:
    talk = Talk()
    pump = talk.pump
    piece = talk.reply("piece", area="log", at=2, most=MOST_PIECE).values
    assert piece == {"data": b"".join(pump.records[1:]), "whole": len(pump.records), "digest": pump.chain[1]}
    assert talk.reply("piece", area="log", at=2, most=63).values["data"] == pump.records[1]
    assert talk.reply("piece", area="log", at=2, most=31).values["data"] == b""
    for at in (0, len(pump.records) + 1):
        assert talk.reply("piece", area="log", at=at, most=64).values["data"] == b""
    identity = talk.reply("identity").values
    assert (identity["log_oldest"], identity["log_newest"]) == (1, len(pump.records))
    assert identity["log_digest"] == pump.chain[-1]


# Numbered commands


@pytest.mark.requirement("AP-02", "AP-14")
def test_a_repeat_is_answered_again_and_an_older_number_never() -> None:
    talk = Talk()
    assert talk.done("stop", command=5) == (codes.GRANTED, codes.GRANTED, 0)
    assert talk.done("start", command=6) == (codes.GRANTED, codes.GRANTED, 0)
    memory = talk.pump.memory()
    assert talk.done("start", command=6) == (codes.DUPLICATE, codes.GRANTED, 0)
    assert talk.done("stop", command=6) == (codes.DUPLICATE, codes.GRANTED, 0), "a number means one command for ever"
    assert talk.done("stop", command=5) == (codes.STALE_ID, codes.STALE_ID, 0)
    assert talk.done("void", command=5)[0] == codes.STALE_ID
    assert talk.pump.memory() == memory
    assert talk.pump.controller.running
    assert talk.done("stop", SERVICE, command=1)[0] == codes.GRANTED, "seats do not know of each other"


def test_a_refused_command_is_remembered_with_its_wait() -> None:
    talk = Talk()
    assert talk.done("bolus", PATIENT, FAR, command=1)[0] == codes.GRANTED
    assert talk.done("bolus", PATIENT, FAR, command=2) == (codes.LOCKOUT, codes.LOCKOUT, 3600)
    talk.pump.run(600)
    assert talk.done("bolus", PATIENT, FAR, command=2) == (codes.DUPLICATE, codes.LOCKOUT, 3000)
    assert talk.done("bolus", PATIENT, FAR, command=1) == (codes.DUPLICATE, codes.GRANTED, 0)
    talk.pump.run(3000)
    assert talk.done("bolus", PATIENT, FAR, command=2)[:2] == (codes.DUPLICATE, codes.LOCKOUT), "that press was refused"
    assert talk.done("bolus", PATIENT, FAR, command=3)[0] == codes.GRANTED
    # A seat keeps the time too: nothing can be primed while the bolus runs.
    prime = {"catheter": 1, "volume_nl": 10_000, "dead_nl": 10_000}
    assert talk.done("prime", command=1, **prime) == (codes.RUNNING, codes.RUNNING, 600)
    talk.pump.run(100)
    assert talk.done("prime", command=1, **prime) == (codes.DUPLICATE, codes.RUNNING, 500)
    status = talk.status()
    assert (status["newest_answer"], status["newest_wait_s"]) == (codes.RUNNING, 500)


@pytest.mark.parametrize(
    ("outcome", "wait_s"),
    [(codes.LOCKOUT, 3540), (codes.COUNT, 0), (codes.RUNNING, 540), (codes.BRIDGE, 0), (codes.STOPPED, 0)],
)
def test_a_repeated_request_of_the_patient_says_what_is_left_of_its_time(outcome: int, wait_s: int) -> None:
    talk = Talk()
    talk.done("bolus", PATIENT, FAR, command=1)
    talk.pump.run(60)
    talk.pump.controller.ledger.remember(2, outcome, 60)
    assert talk.done("bolus", PATIENT, FAR, command=2) == (codes.DUPLICATE, outcome, wait_s)
    assert talk.status(PATIENT)["newest_wait_s"] == wait_s


def test_time_that_stood_against_a_bolus_goes_with_its_reason() -> None:
    """A program without a bolus, or a lane that is free again, leaves nothing to wait for."""
    talk = Talk(Pump(p=ordered(bolus=None)))
    for outcome in (codes.COUNT, codes.RUNNING, codes.LOCKOUT):
        talk.pump.controller.ledger.remember(talk.next(), outcome, 0)
        assert talk.status(PATIENT)["newest_wait_s"] == 0
    # Eight hours of old drug at 10,000,000 pL/h.
    talk = Talk(Pump(p=ordered(bridge=(80_000_000, 10_000_000, 0))))
    assert talk.done("bolus", PATIENT, FAR) == (codes.BRIDGE, codes.BRIDGE, 28_800)
    assert talk.status()["bridge_left_s"] == 28_800
    talk.done("stop")
    assert talk.status()["bridge_left_s"] == 28_800, "at the rate that the bridge will run at"


@given(st.sampled_from([m for m in MESSAGES if m.numbered]), st.data())
@settings(max_examples=200)
@pytest.mark.requirement("SC-16")
def test_every_value_in_bounds_has_an_answer(message: Any, data: st.DataObject) -> None:
    talk = Talk()
    role = data.draw(st.sampled_from(sorted(message.roles)))
    values = data.draw(maps_of(message.fields))
    found = talk.reply(message.path, role, NEAR, **values)
    assert found.status["newest"] == values["command"]
    assert found.values["answer"] == found.values["first"] == found.status["newest_answer"]


@pytest.mark.requirement("P2", "P4")
def test_outcome_and_effect_survive_together() -> None:
    """After a loss of power at any time a repeat is a repeat, and what was not answered was not done."""
    for path, role, field in (("stop", PROGRAMMER, NEAR), ("bolus", PATIENT, FAR)):
        talk = Talk()
        assert talk.done(path, role, field, command=7)[0] == codes.GRANTED
        strokes = sum(talk.pump.motor.of_request.values())
        talk.pump.wake()
        talk.pump.settle()
        assert talk.done(path, role, field, command=7)[:2] == (codes.DUPLICATE, codes.GRANTED)
        assert talk.done("void" if role is PROGRAMMER else "withdraw", role, command=7)[:2] == (
            codes.DUPLICATE,
            codes.GRANTED,
        )
        talk.pump.run(3600)
        assert sum(talk.pump.motor.of_request.values()) == strokes == 0
        if role is PROGRAMMER:
            assert not talk.pump.controller.running


@pytest.mark.requirement("P4")
def test_nothing_is_answered_where_memory_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    before = talk.pump.memory()

    def no_power(keeper: Keeper, controller: object) -> None:
        raise OSError("no power")

    monkeypatch.setattr(Keeper, "settle", no_power)
    with pytest.raises(OSError, match="no power"):
        talk.send("stop", command=1)
    monkeypatch.undo()
    talk.pump.wake()
    talk.pump.settle()
    assert talk.pump.controller.running, "what was not answered was not done"
    assert talk.status()["newest"] == 0
    assert before[2:4] == tuple(talk.pump.store.areas[2:])


@pytest.mark.parametrize("role", [PROGRAMMER, SERVICE, CARD])
@pytest.mark.requirement("AP-02")
def test_a_voided_number_is_never_done(role: Role) -> None:
    talk = Talk()
    assert talk.done("void", role, command=3) == (codes.VOIDED, codes.VOIDED, 0)
    memory = talk.pump.memory()
    assert talk.done("stop", role, command=3) == (codes.DUPLICATE, codes.VOIDED, 0)
    assert talk.done("void", role, command=3) == (codes.DUPLICATE, codes.VOIDED, 0)
    assert talk.pump.memory() == memory
    assert talk.pump.controller.running
    assert int.from_bytes(talk.pump.records[-1][12:16], "little") == codes.E_VOIDED
    assert int.from_bytes(talk.pump.records[-1][16:24], "little") == WHO[role]
    assert talk.done("stop", role, command=4)[0] == codes.GRANTED
    assert talk.done("void", role, command=4) == (codes.DUPLICATE, codes.GRANTED, 0)


@pytest.mark.requirement("P2")
def test_a_withdrawn_request_is_never_done() -> None:
    talk = Talk()
    assert talk.done("withdraw", PATIENT, FAR, command=3) == (codes.VOIDED, codes.VOIDED, 0)
    assert talk.done("bolus", PATIENT, FAR, command=3) == (codes.DUPLICATE, codes.VOIDED, 0)
    assert talk.done("bolus", PATIENT, FAR, command=2) == (codes.STALE_ID, codes.STALE_ID, 0)
    assert talk.pump.controller.b_kind == 0


@pytest.mark.requirement("OP-6.5.19")
def test_each_command_does_what_it_says() -> None:
    talk = Talk()
    pump = talk.pump
    assert talk.done("refill", level_nl=15_000_000)[0] == codes.GRANTED
    assert talk.status()["level_nl"] == 15_000_000
    assert talk.done("clock", offset_s=3600)[0] == codes.GRANTED
    assert pump.controller.offset_s == 3600
    assert talk.done("single", strokes=20, seconds=300)[0] == codes.GRANTED
    assert talk.done("single", strokes=10, seconds=60)[0] == codes.GRANTED, "waits for the first one"
    assert talk.status()["bolus_kind"] == codes.SINGLE
    pump.run(360)
    assert pump.motor.of_request[0] == 30
    assert talk.done("prime", catheter=4, volume_nl=10_000, dead_nl=10_000)[0] == codes.GRANTED
    pump.run(3600)
    assert talk.reply("identity").values["catheter"] == 4
    assert talk.done("prime", catheter=4, volume_nl=10_000, dead_nl=10_000)[0] == codes.PRIMED
    assert talk.done("clear", alarm=al.STALL)[0] == codes.NOT_NEEDED
    assert talk.done("alarm-test", critical=True)[0] == codes.GRANTED
    assert talk.done("alarm-test", critical=False)[0] == codes.GRANTED
    assert pump.tones == [True, False]
    told = [(int.from_bytes(r[12:16], "little"), int.from_bytes(r[16:24], "little")) for r in pump.records[-2:]]
    assert told == [(codes.E_TEST, 1), (codes.E_TEST, 0)]
    assert talk.done("stop", SERVICE)[0] == codes.GRANTED
    assert int.from_bytes(pump.records[-1][16:24], "little") == WHO[SERVICE]
    assert talk.done("start")[0] == codes.GRANTED


def test_a_message_that_nobody_does_stops_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_PATH, "new", replace(BY_PATH["start"], path="new"))
    talk = Talk()
    with pytest.raises(AssertionError, match="new is in the catalogue"):
        talk.send("new", command=1)


def test_the_seats_fit_the_core() -> None:
    assert max(SEAT.values()) < len(Ledger().seat_id)
    assert len(set(SEAT.values())) == len(SEAT)
    for message in MESSAGES:
        assert not message.numbered or message.roles <= set(SEAT) | {PATIENT}


# Programs


@pytest.mark.requirement("P7", "OP-5.1.1", "UM-09", "IT-06", "IT-07")
def test_a_program_is_changed_in_two_phases() -> None:
    talk = Talk()
    pump = talk.pump
    new = ordered(2, rates=((0, 30_000_000),), document=b"another order")
    proposal = talk.propose(new, b"another order")
    assert (proposal["answer"], proposal["digest"], proposal["number"]) == (codes.GRANTED, digest_of(new), 2)
    assert proposal["confirm_within_s"] == 300
    running = pump.controller.program
    assert running.number == 1, "nothing changes before it is confirmed (promise 7)"
    rows = change_of(proposal["change"])
    # 20 mcL/h and 30 mcL/h of 5 mg/mL for 24 h; with 6 boluses of 40 strokes of 250 nL: 0.3 mg more.
    assert rows[0] == Change(2_400_000, 3_600_000, 2_700_000, 3_900_000)
    assert rows[1:] == (Change(0, 0, 0, 0),) * 7
    assert pump.document() == DOCUMENT
    assert talk.done("confirm", digest=digest_of(running))[0] == codes.UNKNOWN
    assert talk.done("confirm", digest=digest_of(new))[0] == codes.GRANTED
    status = talk.status()
    assert (status["program"], status["digest"], status["staged"]) == (2, digest_of(new), b"")
    assert pump.document() == b"another order"
    assert talk.reply("propose", program=digest_of(new), document=sha256(b"another order").digest()).values[
        "answer"
    ] == (codes.UNKNOWN), "what was confirmed is not held any more"


@pytest.mark.requirement("P7")
def test_a_confirmation_that_comes_too_late_changes_nothing() -> None:
    talk = Talk()
    new = ordered(2)
    assert talk.propose(new)["answer"] == codes.GRANTED
    talk.pump.run(301)
    assert talk.done("confirm", digest=digest_of(new))[0] == codes.EXPIRED
    assert talk.status()["program"] == 1
    assert talk.propose(new)["answer"] == codes.GRANTED, "the pieces are still held"


def test_a_pump_without_a_program_takes_its_first_one_from_any_patient() -> None:
    talk = Talk(Pump())
    new = ordered(1)
    assert change_of(talk.propose(new)["change"])[0] == Change(0, 2_400_000, 0, 2_700_000)
    assert talk.done("confirm", digest=digest_of(new))[0] == codes.GRANTED
    assert talk.reply("identity").values["patient"] == bytes(new.patient_ref)


REFUSED_PROPOSALS = {
    "another patient": (ordered(2, patient=OTHER), DOCUMENT, codes.OTHER_PATIENT),
    "another document": (ordered(2, document=b"something else"), DOCUMENT, codes.DOCUMENT),
    "an old number": (ordered(1), DOCUMENT, codes.STALE_ID),
    "another stroke": (ordered(2, stroke_nl=500), DOCUMENT, codes.BAD_VALUE),
}


@pytest.mark.parametrize(("new", "document", "reason"), REFUSED_PROPOSALS.values(), ids=REFUSED_PROPOSALS)
@pytest.mark.requirement("P7", "OP-8.1.2", "HZ-8.6")
def test_a_proposal_is_refused_with_its_reason(new: Program, document: bytes, reason: int) -> None:
    talk = Talk()
    first = ordered(2)
    assert talk.propose(first)["answer"] == codes.GRANTED
    records = len(talk.pump.records)
    proposal = talk.propose(new, document)
    assert (proposal["answer"], proposal["digest"], proposal["change"]) == (reason, b"", b"")
    assert talk.status()["staged"] == b"", "neither this one nor the one before it can be confirmed"
    assert talk.done("confirm", digest=digest_of(first))[0] == codes.UNKNOWN
    assert [r[12] for r in talk.pump.records[records:]] == [codes.E_REFUSED] * 2
    assert talk.status()["program"] == 1


def test_a_document_that_does_not_read_back_is_refused() -> None:
    talk = Talk()
    talk.pump.keeps = False
    assert talk.propose(ordered(2))["answer"] == codes.DOCUMENT


def test_a_program_that_is_damaged_in_itself_is_refused() -> None:
    talk = Talk()
    damaged = bytes(RECORD_SIZE)
    talk.bring(Area.PROGRAM, damaged)
    talk.bring(Area.DOCUMENT, DOCUMENT)
    digests = {"program": sha256(damaged).digest(), "document": sha256(DOCUMENT).digest()}
    assert talk.reply("propose", **digests).values["answer"] == codes.BAD_VALUE


def test_pieces_are_taken_in_order_and_as_one_whole() -> None:
    talk = Talk()
    text = bytes(packed(ordered(2)))

    def bring(at: int, data: bytes, whole: int = RECORD_SIZE, area: str = "program") -> object:
        return talk.reply("bring", area=area, whole=whole, at=at, data=data).values["held"]

    assert bring(700, text[700:1400]) == 0, "nothing before it"
    assert bring(0, text[:700]) == 700
    assert bring(700, text[700:1400]) == 1400
    assert bring(700, text[700:1400]) == 1400, "a repeat changes nothing"
    assert bring(1400, text[1400:1500], whole=1500) == 1400, "of another whole"
    assert bring(1400, text[1400:] + b"x") == 1400, "longer than the whole"
    assert bring(0, b"x", area="document", whole=MOST_DOCUMENT) == 1
    assert bring(1400, text[1400:]) == RECORD_SIZE
    assert bring(0, text[:700]) == 700, "a first piece begins anew"
    assert bring(0, b"x" * 10, whole=10) == 700, "no program is as short"
    talk.bring(Area.DOCUMENT, DOCUMENT)
    for program, document in ((digest_of(ordered(2)), sha256(DOCUMENT).digest()), (bytes(32), bytes(32))):
        assert talk.reply("propose", program=program, document=document).values["answer"] == codes.UNKNOWN


def test_the_longest_document_is_held() -> None:
    talk = Talk()
    document = b"\x07" * MOST_DOCUMENT
    assert talk.bring(Area.DOCUMENT, document) == MOST_DOCUMENT
    assert talk.propose(ordered(2, document=document), document)["answer"] == codes.GRANTED


# The change in dose


def test_a_change_is_read_back_as_it_was_packed() -> None:
    rows = change(ordered(1, strengths=(5_000_000, 1)), ordered(2, strengths=(7, 3, 1_000_000_000)))
    assert len(pack_change(rows)) == SIZE == 256
    assert change_of(pack_change(rows)) == rows
    for data in (b"", bytes(255), bytes(257)):
        with pytest.raises(ValueError, match="allowed: 256"):
            change_of(data)


def test_the_dose_of_a_week_is_its_mean_day() -> None:
    steps = ((0, 0), (86_400, 70_000_000))
    p = ordered(1, rates=steps, cycle_s=codes.WEEK_S, strengths=(1_000_000,), bolus=None)
    # Six days of 70 mcL/h in seven: 60 mcL/h on the mean day, 1.44 mL of 1 mg/mL.
    assert change(None, p)[0] == Change(0, 1_440_000, 0, 1_440_000)


@given(st.integers(1, 2_000_000_000), st.integers(1, 1_000_000_000), st.integers(1, 100), st.integers(1, 48))
@example(2_000_000_000, 1_000_000_000, 100_000, 48)
def test_the_dose_is_rounded_down_and_fits(rate: int, strength: int, strokes: int, most: int) -> None:
    p = ordered(1)
    p.rate_pl_per_h[0], p.strength_ng_per_ml[0] = rate, strength
    p.bolus_strokes, p.bolus_most = strokes, most
    row = change(p, p)[0]
    base_fg = rate * 24 * strength  # pL times ng/mL is 1e-9 ng
    bolus_fg = strokes * most * 250 * 1000 * strength
    assert row.base_after_ng == row.base_before_ng == base_fg // 10**9
    assert row.most_after_ng == row.most_before_ng == (base_fg + bolus_fg) // 10**9
    assert change_of(pack_change((row,) * 8)) == (row,) * 8


def test_the_bounds_of_a_status_hold_what_a_pump_can_say() -> None:
    """The slowest bridge lasts longer than uptime can count: it is told as that long or longer."""
    talk = Talk()
    c = talk.pump.controller
    c.bridging, c.rate, c.bridge_left = True, 1, 10_000_000_000 * 3600
    assert talk.status()["bridge_left_s"] == MAX_TIME_S
    assert talk.done("bolus", PATIENT, FAR, command=MOST_ID) == (codes.BRIDGE, codes.BRIDGE, MAX_TIME_S)
    assert talk.done("single", command=MOST_ID, strokes=1, seconds=60) == (codes.BRIDGE, codes.BRIDGE, MAX_TIME_S)
    assert talk.status()["newest_wait_s"] == MAX_TIME_S
