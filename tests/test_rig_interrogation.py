"""The interrogation document: against its schema, against real pumps in every state, and with every part missing."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from struct import pack
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core_world import program as core_program
from tests.link_world import DOCUMENT, Pump, ordered
from tests.therapy_builders import TRIPLE, per_day
from tests.twin_builders import BOLUS, order, program

from thecal.link.catalogue import ANSWERS, Area
from thecal.link.interrogation import Interrogation
from thecal.link.ledger import Outcome, Pending
from thecal.link.log_chain import Record
from thecal.link.log_reading import LogReading, Piece, read_records
from thecal.link.reading import Identity, Status
from thecal.link.readout import identity_of, packed, piece_of, status_of
from thecal.link.roles import Role
from thecal.pump.annunciation import Withdrawal
from thecal.pump.annunciation.state import TIMES_BYTES
from thecal.pump.core import alarms as al
from thecal.pump.core import codes
from thecal.pump.core.program import Program
from thecal.pump.document import Prepared, Written, prepare
from thecal.pump.wall_clock import Belief, offset_for
from thecal.rig.interrogation import (
    LAYOUT,
    Part,
    Reading,
    interrogation_document,
    interrogation_schema,
    of_session,
)
from thecal.rig.interrogation.history import answer_text, boluses_json
from thecal.rig.interrogation.moments import Moments
from thecal.rig.interrogation.program import program_json, unpacked
from thecal.therapy.program import DayPlan, DaySchedule, FaultClass, Step

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "reference" / "interrogation-example.json"
SCHEMA = interrogation_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
CHICAGO = ZoneInfo("America/Chicago")
CST_S = -6 * 3600
START_UTC_S = int(datetime(2026, 10, 26, 15, tzinfo=UTC).timestamp())
HOUR_S = 3600
CLONIDINE = Withdrawal("cloNIDine", dangerous=True, text="rebound hypertension", source="published")
SCHEDULE = DaySchedule(
    (
        DayPlan(
            frozenset(range(7)), (Step(0, per_day("4")), Step(6 * HOUR_S, per_day("8")), Step(9 * HOUR_S, per_day("4")))
        ),
    )
)
SENTENCE = ("Morphine 4 mg a day, from 06:00 to 09:00 8 mg a day.",)


def prepared(document_title: str = "one") -> Prepared:
    found = prepare(
        order(program(SCHEDULE, TRIPLE, BOLUS), TRIPLE),
        Written("0.1.0", "a1b2", SENTENCE, 'title = "one"\n', document_title),
        number=1,
        held=None,
        changed_within_a_day=False,
    )
    assert isinstance(found, Prepared)
    return found


def pieces(pump: Pump, first: int = 1, most: int = 768) -> list[Piece]:
    """The log as a client asks for it."""
    found: list[Piece] = []
    while True:
        data, before = pump.log_piece(first, most // 32)
        if not data:
            return found
        found.append(Piece(first, before, data))
        first += len(data) // 32


def read(pump: Pump, **more: Any) -> Reading:
    """Everything that a programmer reads of a pump near by."""
    pump.settle()
    c = pump.controller
    identity = identity_of(pump, "0.1.0")
    status = status_of(pump, Role.PROGRAMMER, near=True)
    assert set(status) == {name for name, _ in ANSWERS["status"]}
    assert set(identity) == {name for name, _ in ANSWERS["identity"]}
    made = Reading(
        read_utc_s=START_UTC_S + c.t,
        software="0.1.0",
        formulary="a1b2",
        status=status,
        identity=identity,
        program=packed(c.program) if c.loaded else b"",
        document=pump.document(),
        log=pieces(pump),
        withdrawal=(CLONIDINE,),
    )
    return replace(made, **more)


def document(reading: Reading) -> dict[str, Any]:
    """The document, checked: it validates, is plain JSON, and is the same each time."""
    found = interrogation_document(reading)
    VALIDATOR.validate(found)
    assert json.loads(json.dumps(found)) == found
    assert interrogation_document(reading) == found
    return found


def clocked(pump: Pump) -> tuple[Belief, ...]:
    """Set the pump clock to winter time in Chicago."""
    offset = offset_for(pump.controller.t, START_UTC_S + pump.controller.t, CST_S)
    assert offset is not None
    assert pump.commands.set_clock(offset) == codes.GRANTED
    return (Belief(pump.controller.t, CST_S),)


def lived() -> tuple[Pump, tuple[Belief, ...]]:
    """A pump with a real order after two days: boluses, refusals, a stall, a low reservoir, and stopped at the end."""
    made = prepared()
    pump = Pump(p=made.compiled.program(), document=made.document)
    beliefs = clocked(pump)
    pump.run(HOUR_S)
    assert pump.commands.bolus(1) == codes.GRANTED
    pump.run(60)
    assert pump.commands.bolus(2) == codes.LOCKOUT
    pump.run(30 * HOUR_S)
    pump.motor.stalls.append((pump.controller.t + 600, pump.controller.t + 3 * HOUR_S))
    pump.run(2 * HOUR_S)
    assert pump.commands.acknowledge(al.STALL) == codes.GRANTED
    pump.run(3 * HOUR_S)
    assert pump.commands.refill(1_500_000) == codes.GRANTED
    pump.run(600)
    assert pump.commands.bolus(3) == codes.GRANTED
    pump.run(60)
    assert pump.commands.stop(1) == codes.GRANTED
    pump.run(12 * HOUR_S)
    return pump, beliefs


def example() -> dict[str, Any]:
    """The document that the documentation shows."""
    pump, beliefs = lived()
    pending = Pending("T-1", Role.PROGRAMMER, 9, "confirm", {"digest": bytes(32)}, "2026-10-28T12:00:00+00:00")
    return document(read(pump, beliefs=beliefs, zone=CHICAGO, pending=(pending,)))


def write_example() -> None:
    """Write the example anew, after a change that was meant."""
    EXAMPLE.write_text(json.dumps(example(), indent=1, ensure_ascii=False) + "\n", "utf-8")


# The schema


def test_the_schema_is_a_schema_and_lets_nothing_else_in() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["layout"]["const"] == LAYOUT

    def open_objects(part: Any, path: str = "") -> list[str]:
        if isinstance(part, list):
            return [p for i, row in enumerate(part) for p in open_objects(row, f"{path}/{i}")]
        if not isinstance(part, dict):
            return []
        here = [path] if part.get("type") == "object" and part.get("additionalProperties", True) is True else []
        return here + [p for key, row in part.items() for p in open_objects(row, f"{path}/{key}")]

    assert open_objects(SCHEMA) == ["/properties/order/oneOf/0/properties/content/oneOf/0"]


def test_the_example_of_the_documentation_comes_from_a_run() -> None:
    shown = json.loads(EXAMPLE.read_text("utf-8"))
    VALIDATOR.validate(shown)
    assert shown == example(), "python -c 'from tests.test_rig_interrogation import write_example as w; w()'"


@settings(max_examples=40)
@given(data=st.data())
def test_a_document_that_is_changed_does_not_validate(data: st.DataObject) -> None:
    """The schema is tight: a field that is taken away, or one more, is seen wherever it is."""
    found = deepcopy(json.loads(EXAMPLE.read_text("utf-8")))
    found["order"]["content"] = None
    found["pending"] = []
    place: Any = found
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        inner = [k for k in keys if isinstance(place[k], dict) or (isinstance(place[k], list) and _deep(place[k]))]
        if not inner or (isinstance(place, dict) and data.draw(st.booleans())):
            break
        place = place[data.draw(st.sampled_from(inner))]
    if data.draw(st.booleans()):
        place["something else"] = 1
    else:
        del place[data.draw(st.sampled_from(sorted(place)))]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(found)


def _deep(rows: list[Any]) -> bool:
    return bool(rows) and isinstance(rows[0], dict)


# What a reading shows


@pytest.mark.requirement("P12", "OP-6.5.1", "OP-6.5.23", "OP-6.7.1", "OP-6.7.2", "OP-7.3.2", "FD-10.5")
def test_everything_that_a_pump_holds_is_there() -> None:
    pump, beliefs = lived()
    c = pump.controller
    found = document(read(pump, beliefs=beliefs, zone=CHICAGO))
    assert found["reading"]["not_read"] == []
    assert found["pump"]["serial"] == "T-1"
    assert found["pump"]["stroke"]["value"] == "250"
    state = found["state"]
    assert (state["loaded"], state["running"], state["delivering"]) == (True, False, False)
    assert state["stopped"]["uptime_s"] == c.stopped_at_s
    assert Fraction(state["level"]["exact"]) == Fraction(c.level_nl, 10**6)
    assert found["delivery"]["confirmed"]["strokes"] == c.strokes
    assert found["delivery"]["missed"]["strokes"] == c.missed > 0
    assert found["battery"] == {"percent": 88, "replacement": None, "end_of_service": None}
    assert found["order"]["bound"]
    assert found["order"]["content"]["patient"] == "TEST-1"
    assert found["log"]["chain"]["standing"] == "intact"
    assert [r["number"] for r in found["log"]["records"]] == list(range(1, c.log.sealed + 1))
    retention = found["log"]["retention"]
    assert (retention["oldest_held"], retention["newest"], retention["read"]) == (1, c.log.sealed, c.log.sealed)
    assert retention["reaches_back_s"] == c.t


def test_the_program_is_shown_in_integers_and_in_words() -> None:
    pump, beliefs = lived()
    shown = document(read(pump, beliefs=beliefs))["program"]
    assert shown["words"] == list(SENTENCE)
    assert bytes.fromhex(shown["packed"]) == packed(pump.controller.program)
    assert [c["drug"] for c in shown["channels"]] == ["morphine", "bupivacaine", "clonidine"]
    assert shown["channels"][2]["strength"] == {"value": "0.15", "unit": "mg/mL", "exact": "3/20"}
    assert [s["from"] for s in shown["steps"]] == ["00:00", "06:00", "09:00"]
    assert [s["doses_24h"][0]["dose"]["value"] for s in shown["steps"]] == ["3.99999984", "7.99999992", "3.99999984"]
    (day,) = shown["days"]
    assert day["day"] == "every day"
    assert Fraction(day["doses"][0]["dose"]["exact"]) == Fraction("4.49999985")
    assert shown["patient_bolus"]["doses"][0]["dose"]["value"] == "0.1"
    assert shown["patient_bolus"]["most_in_24h"] == 4
    assert shown["on_fault"]["motor"] == "continue"
    assert shown["on_fault"]["memory"] == "stop"
    assert shown["fallback"] is None
    assert shown["bridge"] is None


@pytest.mark.requirement("OP-6.5.23")
def test_a_bare_rate_is_never_shown() -> None:
    pump, beliefs = lived()
    assert pump.commands.start(1) == codes.GRANTED
    pump.run(60)
    rate = document(read(pump, beliefs=beliefs))["state"]["rate"]
    assert rate["flow"]["unit"] == "mL/day"
    assert [d["drug"] for d in rate["doses_24h"]] == ["morphine", "bupivacaine", "clonidine"]
    morphine = Fraction(rate["doses_24h"][0]["dose"]["exact"])
    assert morphine == Fraction(rate["rate_pl_per_h"] * 24 * 10, 10**9)


@pytest.mark.requirement("P11", "OP-6.42.3", "OP-6.5.17", "UM-44", "IT-20")
def test_alarms_have_three_times_and_name_the_drug() -> None:
    pump, beliefs = lived()
    found = document(read(pump, beliefs=beliefs))
    alarms = found["alarms"]
    assert alarms["before_stop"] == [CLONIDINE.warning]
    rows = {row["code"]: row for row in alarms["rows"]}
    assert list(rows) == ["low-reservoir", "motor-stall"]
    stall = rows["motor-stall"]
    assert not stall["active"]
    times = [stall[name]["uptime_s"] for name in ("issued", "acknowledged", "cleared")]
    assert times == sorted(times)
    assert stall["issued"]["utc_is"] == "counted"
    assert stall["issued"]["believed_offset"] == "UTC-06:00"
    assert stall["base"] == "continue"
    low = rows["low-reservoir"]
    assert low["active"]
    assert low["acknowledged"] is low["cleared"] is None
    assert low["clinician"]["risk"] == [CLONIDINE.warning]
    assert low["patient"]["call"] == "now"
    findings = {f["code"]: f for f in found["findings"]}
    assert list(findings) == ["stopped", "strokes-missed", "bolus-too-soon", "bolus-cut"]
    assert findings["stopped"]["clinician"]["risk"] == [CLONIDINE.warning]
    assert findings["bolus-too-soon"]["count"] == 1


def test_where_the_drugs_are_not_known_stopping_counts_as_dangerous() -> None:
    pump, beliefs = lived()
    found = document(read(pump, beliefs=beliefs, withdrawal=None))
    assert "not known" in found["alarms"]["before_stop"][0]
    assert found["findings"][0]["patient"]["lines"][2] == "You can get very ill without the drug in this pump."
    harmless = document(read(pump, beliefs=beliefs, withdrawal=()))
    assert harmless["alarms"]["before_stop"] == []


@pytest.mark.requirement("AP-05")
def test_boluses_and_refusals_are_taken_from_the_log() -> None:
    pump, beliefs = lived()
    found = document(read(pump, beliefs=beliefs))
    first, last = found["boluses"]
    assert (first["kind"], first["granted_strokes"], first["given_strokes"], first["cut"]) == (
        "patient bolus",
        40,
        40,
        False,
    )
    assert first["given"] == {"value": "0.01", "unit": "mL", "exact": "1/100"}
    assert last["cut"]
    assert last["given_strokes"] < 40
    assert [r["reason"] for r in found["refusals"]] == ["the lockout still runs"]
    assert found["refusals"][0]["wait_s"] == 3 * HOUR_S - 60


def test_the_clock_is_compared_with_the_wall() -> None:
    pump, beliefs = lived()
    clock = document(read(pump, beliefs=beliefs, zone=CHICAGO))["clock"]
    assert clock["drift_s"] == 0
    assert clock["wall"]["text"] == "pump 06:00 = clock on the wall 07:00 until 1 Nov 2026"
    assert clock["wall"]["differs_s"] == HOUR_S
    assert clock["wall"]["next_change"].startswith("On 1 Nov 2026 at 02:00")
    codes_found = [f["code"] for f in document(read(pump, beliefs=beliefs, zone=CHICAGO))["findings"]]
    assert "clock-differs" in codes_found
    late = replace(read(pump, beliefs=beliefs), read_utc_s=START_UTC_S + pump.controller.t + 42)
    drifted = document(late)
    assert drifted["clock"]["drift"] == "the pump clock is 42 s behind"
    assert "clock-differs" in [f["code"] for f in drifted["findings"]]
    tokyo = document(read(pump, beliefs=beliefs, zone=ZoneInfo("Asia/Tokyo")))["clock"]
    assert tokyo["wall"]["next_change"] is None
    unknown = document(read(pump))["clock"]
    assert (unknown["believed_offset"], unknown["drift_s"], unknown["drift"], unknown["wall"]) == (None,) * 4


def test_a_bolus_that_runs_a_command_and_what_is_pending() -> None:
    pump = Pump(p=ordered())
    assert pump.commands.bolus(1) == codes.GRANTED
    pump.run(100)
    big = 2**61
    pump.controller.ledger.seat_remember(0, big, codes.GRANTED, 0, pump.controller.t)
    pending = (
        Pending("T-1", Role.PROGRAMMER, big, "start", {}, "2026-10-28T12:00:00+00:00"),
        Pending(
            "T-1",
            Role.PROGRAMMER,
            2,
            "single",
            {"strokes": 3, "near": True},
            "2026-10-28T12:00:00+00:00",
            outcome=Outcome.REFUSED,
            answer=codes.LOCKOUT,
            wait_s=7,
            said="the pump remembers its answer",
            resolved_utc="2026-10-28T12:00:05+00:00",
        ),
    )
    found = document(read(pump, pending=pending))
    assert found["state"]["bolus"]["kind"] == "patient bolus"
    assert found["state"]["bolus"]["left_s"] == 500
    assert found["state"]["next_bolus"] == {"lockout_left_s": 3500, "count_left_s": 0}
    assert found["state"]["newest_command"] == {"number": str(big), "answer": "granted", "wait_s": 0}
    assert [p["outcome"] for p in found["pending"]] == ["not known", "refused"]
    assert found["pending"][0]["answer"] is None
    assert found["pending"][1]["answer"] == "the lockout still runs"
    assert found["pending"][1]["fields"] == {"strokes": "3", "near": "True"}


def test_a_pump_from_the_shelf_has_no_program_and_that_is_no_fault() -> None:
    found = document(read(Pump()))
    assert found["reading"]["not_read"] == []
    assert found["program"] is None
    assert found["order"] is None
    assert found["state"]["program"] is None
    assert found["state"]["rate"]["doses_24h"] == []
    assert found["state"]["stopped"] is None
    assert found["alarms"]["rows"] == []
    assert found["findings"] == []


def test_service_dates_come_with_their_day() -> None:
    pump = Pump(p=ordered())
    hw = pump.controller.hw
    hw.replace_soon_s, hw.end_of_service_s = 10 * codes.DAY_S, 100 * codes.DAY_S
    pump.controller.plan()
    pump.run(11 * codes.DAY_S)
    found = document(read(pump))
    assert found["battery"]["replacement"] == {
        "uptime_s": 10 * codes.DAY_S,
        "in_s": -codes.DAY_S,
        "on": "2026-11-05",
    }
    assert found["battery"]["end_of_service"]["in_s"] == 89 * codes.DAY_S
    assert found["alarms"]["rows"][0]["code"] == "replace-soon"


def test_a_week_a_bridge_and_a_fallback() -> None:
    week = tuple((d * codes.DAY_S, 10_000_000 * (d + 1)) for d in range(7))
    p = core_program(
        rates=week,
        cycle_s=codes.WEEK_S,
        bridge=(50_000_000, 10_000_000, 0),
        responses=(0, 1, 2, 0, 0, 2),
        fallback=5_000_000,
    )
    p.anchor_s = codes.DAY_S
    shown = program_json(p, packed(p), (), None)
    assert [s["from"] for s in shown["steps"]][:2] == ["Tuesday 00:00", "Wednesday 00:00"]
    assert [d["day"] for d in shown["days"]] == [
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "Monday",
    ]
    assert [d["volume"]["value"] for d in shown["days"]][:3] == ["0.24", "0.48", "0.72"]
    assert shown["fallback"]["flow"]["value"] == "0.12"
    assert shown["bridge"] == {
        "volume": {"value": "0.05", "unit": "mL", "exact": "1/20"},
        "rate_pl_per_h": 10_000_000,
        "flow": {"value": "0.24", "unit": "mL/day", "exact": "6/25"},
    }
    assert shown["on_fault"]["motor"] == "fallback"
    assert shown["words"] is None
    assert shown["channels"][0]["drug"] is None
    hours = program_json(
        q := core_program(rates=((0, 30_000_000), (600, 0)), cycle_s=HOUR_S, bolus=None), packed(q), (), None
    )
    assert hours["days"][0]["volume"]["value"] == "0.12"
    assert hours["patient_bolus"] is None


# What could not be read


PARTS = ("status", "identity", "program", "document", "log")


@pytest.mark.parametrize("gone", [g for n in range(6) for g in combinations(PARTS, n)], ids="-".join)
def test_whatever_is_missing_is_said_and_the_rest_is_there(gone: tuple[str, ...]) -> None:
    pump, beliefs = lived()
    whole = read(pump, beliefs=beliefs, zone=CHICAGO)
    missing: dict[str, Any] = dict.fromkeys(gone)
    found = document(replace(whole, unread={Part.STATUS: "no answer came"}, **missing))
    said = {row["part"]: row["why"] for row in found["reading"]["not_read"]}
    names = {"document": "order document"}
    assert {names.get(g, g) for g in gone} <= set(said)
    assert said.get("status", "no answer came") == "no answer came"
    assert (found["state"] is None) == ("status" in gone)
    assert (found["pump"] is None) == ("identity" in gone)
    assert (found["program"] is None) == ("program" in gone)
    assert (found["order"] is None) == ("document" in gone)
    assert (found["log"] is None) == bool({"log", "status", "identity"} & set(gone))
    if "log" in said and "log" not in gone:
        assert "neither its times nor its end" in said["log"]
    if not {"document", "program"} & set(gone):
        assert found["program"]["channels"][0]["drug"] == "morphine"


def test_without_identity_alarms_are_known_and_their_times_are_not() -> None:
    pump, _ = lived()
    rows = document(read(pump, identity=None))["alarms"]["rows"]
    assert [(r["code"], r["active"], r["issued"]) for r in rows] == [("low-reservoir", True, None)]


def test_a_damaged_program_is_no_program() -> None:
    pump, beliefs = lived()
    whole = read(pump, beliefs=beliefs)
    assert whole.program is not None
    for data in (whole.program[:-1], bytes([whole.program[0] ^ 1]) + whole.program[1:], b"x"):
        found = document(replace(whole, program=data))
        assert found["program"] is None
        said = {row["part"]: row["why"] for row in found["reading"]["not_read"]}
        assert "damaged" in said["program"]
        assert found["state"]["rate"]["doses_24h"] == []
        assert found["alarms"]["rows"][1]["base"] == "stop"  # what nobody can read has chosen nothing
    unsound = Program()
    assert unpacked(packed(unsound)) is None


@pytest.mark.requirement("FD-7.1", "HZ-8.6")
def test_nothing_is_taken_from_a_document_that_is_not_the_programs() -> None:
    pump, beliefs = lived()
    found = document(read(pump, beliefs=beliefs, document=prepared("another").document))
    assert not found["order"]["bound"]
    assert found["order"]["content"] is None
    assert found["program"]["words"] is None
    assert found["program"]["channels"][0]["drug"] is None
    (said,) = found["reading"]["not_read"]
    assert "not the one that the running program names" in said["why"]


def test_a_document_that_nobody_can_read_is_said() -> None:
    found = document(read(Pump(p=ordered(document=DOCUMENT))))
    assert found["order"]["bound"]
    assert found["order"]["content"] is None
    (said,) = found["reading"]["not_read"]
    assert said["part"] == "order document"


def test_tables_of_another_length_are_not_guessed_at() -> None:
    pump, _ = lived()
    whole = read(pump)
    identity = dict(whole.identity or {})
    assert len(identity["alarms"]) == TIMES_BYTES
    found = document(replace(whole, identity={**identity, "alarms": identity["alarms"][:-4], "totals": b"short"}))
    assert found["delivery"] is None
    assert [r["active"] for r in found["alarms"]["rows"]] == [True]
    assert len(found["reading"]["not_read"]) == 2
    odd = {**identity, "family": b"\xff", "catheter": 2**60}
    shown = document(replace(whole, identity=odd))["pump"]
    assert shown["family"] == "\ufffd"
    assert shown["catheter"] == str(2**60)


# The log and its times


@pytest.mark.requirement("MX-07", "FD-10.7")
def test_a_broken_log_is_shown_and_found_and_the_rest_is_still_read() -> None:
    pump, beliefs = lived()
    whole = read(pump, beliefs=beliefs)
    assert isinstance(whole.log, list)
    piece = whole.log[0]
    bad = piece.data[:40] + bytes([piece.data[40] ^ 1]) + piece.data[41:]
    found = document(replace(whole, log=[replace(piece, data=bad), *whole.log[1:]]))
    assert found["log"]["chain"]["standing"] == "broken"
    assert "log-broken" in [f["code"] for f in found["findings"]]
    assert found["program"] is not None
    assert found["alarms"]["rows"]


@pytest.mark.requirement("OP-6.6.6", "UM-85")
def test_records_that_are_gone_are_a_finding() -> None:
    pump, beliefs = lived()
    found = document(read(pump, beliefs=beliefs, log=pieces(pump, 5)))
    assert found["log"]["chain"]["missing"] == [[1, 4]]
    finding = next(f for f in found["findings"] if f["code"] == "log-gap")
    assert finding["count"] == 4
    oldest = found["log"]["records"][0]
    assert oldest["times"]["utc_is"] == "counted"  # nothing is missing after it
    late = document(read(pump, beliefs=beliefs, log=pieces(pump, 5)[:-1]))
    assert late["log"]["chain"]["standing"] == "gap"


@pytest.mark.requirement("OP-6.6.3", "MX-03")
def test_time_without_power_makes_earlier_times_uncertain() -> None:
    made = prepared()
    pump = Pump(p=made.compiled.program(), document=made.document)
    beliefs = clocked(pump)
    pump.run(HOUR_S)
    pump.settle()
    pump.wake()
    pump.settle()
    pump.run(HOUR_S)
    found = document(read(pump, beliefs=beliefs))
    by_name = {r["name"]: r["times"] for r in found["log"]["records"]}
    assert by_name["program confirmed"]["utc_is"] == "at the latest"
    assert by_name["started"]["utc_is"] == "counted"
    assert found["reading"]["times"]["utc_is"] == "counted"
    lost = next(r for r in found["alarms"]["rows"] if r["code"] == "power-lost")
    assert lost["issued"]["utc_is"] == "counted"
    assert found["state"]["starts"] == 1
    assert "time without power counts as none" in lost["clinician"]["check"]


@given(moves=st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 10**6)), max_size=6), seed=st.integers(0, 10**6))
def test_the_pump_clock_of_any_second_is_found_in_the_log(moves: list[tuple[int, int]], seed: int) -> None:
    """Against the truth, kept beside: what the clock was at each second, however it was set."""
    pump = Pump()
    truth: dict[int, int] = {}

    def live(seconds: int) -> None:
        for second in range(pump.controller.t + 1, pump.controller.t + seconds + 1):
            truth[second] = second + pump.controller.offset_s
        pump.run(seconds)

    for seconds, offset in moves:
        live(seconds)
        assert pump.commands.set_clock(offset) == codes.GRANTED
    live(seed % 5_000 + 1)
    reading = read(pump)
    assert reading.identity is not None
    assert isinstance(reading.log, list)
    records = tuple(r for p in reading.log for r in read_records(p.data))
    moments = Moments(
        pump.controller.t, reading.read_utc_s, pump.controller.offset_s, (), records, reading.identity["log_newest"]
    )
    uptime = seed % max(truth) + 1
    clock = datetime.fromisoformat(moments.at(uptime)["pump_clock"])
    set_then = any(r.event == codes.E_CLOCK and r.uptime_s == uptime for r in records)
    if not set_then:  # a second in which the clock was set has two readings
        assert (clock - datetime(2001, 1, 1)).total_seconds() == truth[uptime]  # noqa: DTZ001
    assert moments.at(uptime)["utc"] <= moments.now()["utc"]


def test_the_pump_clock_is_not_guessed_where_records_are_missing() -> None:
    def row(number: int, uptime_s: int, clock_s: int) -> Record:
        return Record(number, uptime_s, clock_s, codes.E_TOTAL, 0, 0)

    rows = (row(3, 100, 1100), row(4, 200, 1200), row(6, 400, 9400))
    moments = Moments(500, START_UTC_S, 9000, (), rows, 7)
    assert moments.at(50)["pump_clock"] is None  # before the first record that is held
    assert moments.at(150)["pump_clock"] == "2001-01-01T00:19:10"
    assert moments.at(300)["pump_clock"] is None  # record 5 may have set it
    assert moments.at(450)["pump_clock"] is None  # and so may record 7
    assert moments.at(150)["utc_is"] == "at the latest"
    assert moments.now()["pump_clock"] is not None
    whole = Moments(500, START_UTC_S, 9000, (), rows, 6)
    assert whole.at(450)["pump_clock"] == "2001-01-01T02:37:30"
    assert whole.at(450)["utc_is"] == "counted"
    unread = Moments(500, START_UTC_S, None, (), (), None)
    assert unread.now()["pump_clock"] is None
    assert unread.at(450)["pump_clock"] is None


def test_boluses_at_the_edges_of_a_log() -> None:
    def row(number: int, event: int, a: int, b: int) -> Record:
        return Record(number, number * 10, number * 10, event, a, b)

    rows = (
        row(1, codes.E_BOLUS_END, codes.SINGLE, 5),  # begun before the log begins
        row(2, codes.E_BOLUS, codes.PATIENT, 40),
        row(3, codes.E_BOLUS_CUT, codes.PATIENT, 7),
        row(4, codes.E_BOLUS_CUT, codes.SINGLE, 0),  # waited and never began
        row(5, codes.E_BOLUS, 9, 3),  # of a kind to come
        row(6, codes.E_BOLUS, codes.PATIENT, 40),  # and one that still runs
    )
    found = boluses_json(rows, Moments(100, START_UTC_S, 0, (), rows, 6), None)
    assert [(b["kind"], b["granted_strokes"], b["given_strokes"], b["cut"]) for b in found] == [
        ("single bolus", None, 5, False),
        ("patient bolus", 40, 7, True),
        ("single bolus", None, 0, True),
        ("other", 3, None, False),
        ("patient bolus", 40, None, False),
    ]
    assert found[0]["granted"] is None
    assert found[0]["given"] is None
    assert found[4]["ended"] is None


def test_an_answer_without_words_is_a_number() -> None:
    assert answer_text(codes.DOCUMENT) == "the order document that the program names is not held whole"
    assert answer_text(250) == "answer 250"


# A stall at the first reading, and a session of the link


def test_a_stall_asks_for_a_second_reading() -> None:
    pump = Pump(p=ordered())
    pump.motor.stalls.append((100, 10**6))
    pump.run(HOUR_S)
    first = document(read(pump))
    assert "stall-not-recovered" in [f["code"] for f in first["findings"]]
    second = document(read(pump, first=False))
    assert "stall-not-recovered" not in [f["code"] for f in second["findings"]]


@pytest.mark.parametrize("missing", [0, 3])
def test_a_session_of_the_link_makes_the_same_document(missing: int) -> None:
    pump, beliefs = lived()
    whole = read(pump, beliefs=beliefs, log=pieces(pump, missing + 1))
    assert whole.status is not None
    assert whole.identity is not None
    assert isinstance(whole.log, list)
    identity = Identity.of(dict(whole.identity))
    found = Interrogation(
        status=Status.of(dict(whole.status)),
        identity=identity,
        program=whole.program or b"",
        document=whole.document or b"",
        records=tuple(r for p in whole.log for r in read_records(p.data)),
        missing=missing,
        log_end=(identity.log_newest, identity.log_digest),
        read_utc=datetime.fromtimestamp(whole.read_utc_s, UTC).isoformat(timespec="seconds"),
    )
    read_again = replace(of_session(found, "0.1.0"), formulary="a1b2", beliefs=beliefs, withdrawal=whole.withdrawal)
    assert document(read_again) == document(whole)


def test_a_log_that_a_session_does_not_trust_is_shown_as_broken() -> None:
    pump, _ = lived()
    whole = read(pump)
    assert whole.status is not None
    assert whole.identity is not None
    assert isinstance(whole.log, list)
    identity = Identity.of(dict(whole.identity))
    records = tuple(r for p in whole.log for r in read_records(p.data))
    end, utc = (0, bytes(32)), "2026-10-28T12:00:00+00:00"
    found = Interrogation(
        Status.of(dict(whole.status)), identity, b"", b"", records, 0, end, utc, "record 3 was changed"
    )
    log = document(of_session(found, "0.1.0"))["log"]
    assert log["chain"]["standing"] == "broken"
    assert "record 3 was changed" in log["chain"]["text"]
    assert len(log["records"]) == len(records), "shown all the same"


def test_a_session_that_read_nothing_new_of_the_log() -> None:
    pump, _ = lived()
    whole = read(pump)
    assert whole.status is not None
    assert whole.identity is not None
    identity = Identity.of(dict(whole.identity))
    end = (identity.log_newest, identity.log_digest)
    found = Interrogation(Status.of(dict(whole.status)), identity, b"", b"", (), 0, end, "2026-10-28T12:00:00+00:00")
    made = of_session(found, "0.1.0")
    assert isinstance(made.log, LogReading)
    log = document(made)["log"]
    assert log["chain"]["text"] == "no records are intact"
    assert log["retention"]["reaches_back_s"] is None


def test_alarms_are_told_in_the_order_of_the_core() -> None:
    """The bytes of the link, as this document takes them."""
    pump, _ = lived()
    a = pump.controller.alarms
    told = identity_of(pump, "0.1.0")["alarms"]
    assert told == b"".join(pack("<III", a.issued_s[i], a.acknowledged_s[i], a.cleared_s[i]) for i in range(14))
    piece = piece_of(pump, Area.LOG, 1, 768)
    assert (piece["whole"], piece["digest"]) == (pump.controller.log.sealed, bytes(32))


def test_every_class_of_fault_is_in_the_schema() -> None:
    on_fault = SCHEMA["properties"]["program"]["oneOf"][0]["properties"]["on_fault"]["properties"]
    assert list(on_fault) == [str(f) for f in FaultClass]
