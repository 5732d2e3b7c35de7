"""``thecal programmer``: read, propose, confirm, start, stop and the rest, to pumps of a real rig over real sockets."""

from __future__ import annotations

import io
import json
import signal
import socket
import threading
from contextlib import redirect_stdout
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from tests.cli_world import CliRig, advance, body, near, thecal
from tests.core_world import packed
from tests.link_world import PATIENT
from tests.rig_world import SHORT, an_order, asked, base64_of, granted, interrogated

from thecal.cli import asking
from thecal.cli.console import screen
from thecal.cli.exits import Exit
from thecal.cli.pump_view import mode, state_rows
from thecal.cli.reading_view import show_reading
from thecal.link.reading import Status
from thecal.pump.compile import Refused, Why
from thecal.rig.connect import connect
from thecal.rig.hold import Held, hold
from thecal.rig.local import answers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from thecal.rig.home import Home

CLONIDINE = "cloNIDine: stopping abruptly may do harm: rebound hypertension"
DIGEST = 8


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliRig]:
    """A rig with a test clock; each test has a pump of its own in it."""
    with pytest.MonkeyPatch.context() as patch:
        rig = CliRig(tmp_path_factory.mktemp("home"))
        patch.setenv("THECAL_HOME", str(rig.folder))
        patch.setenv("COLUMNS", "100")
        rig.pump_alone()
        rig.start("--test-clock", "--no-link")
        yield rig
        rig.end()


def proposed(rig: CliRig, serial: str, *changes: tuple[str, str]) -> str:
    """Propose the first patient's order; the digest that has to be confirmed."""
    found = body("programmer", "propose", serial, str(rig.order(serial, *changes)))
    digest: str = found["proposed"]["digest"]
    return digest


# Reading


def test_a_new_pump_is_read(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    ran = thecal("programmer", "read", serial)
    assert ran.code == Exit.GO_ON
    assert ran.first() == "NO PROGRAM: the pump gives nothing."
    assert "patient: none: the pump holds no order" in ran.flat
    assert "records 1 to 1 are intact" in ran.flat
    assert body("programmer", "read", serial)["interrogation"]["program"] is None
    assert body("programmer", "status", serial)["status"]["loaded"] is False


@pytest.mark.requirement("OP-6.5.1")
def test_a_reading_shows_patient_program_and_state(rig: CliRig, tmp_path: Path) -> None:
    serial = rig.programmed()
    advance("1 h")
    out = tmp_path / "new" / "reading.json"
    ran = thecal("programmer", "read", serial, "--zone", "America/Chicago", "--out", str(out))
    assert ran.code == Exit.GO_ON
    assert ran.first() == "Delivering."
    assert f"Pump {serial}, bench-20" in ran.flat
    assert "patient: EXAMPLE-0001" in ran.flat
    assert "base now: 0.3 mL/day" in ran.flat
    assert "Mixture: morphine 4 mg/mL, bupivacaine 10 mg/mL, cloNIDine 150 mcg/mL." in ran.flat
    assert "Day total without boluses: 1.4 mg morphine" in ran.flat
    assert "refill recorded: 20 mL in the reservoir" in ran.flat
    assert "on the wall:" in ran.flat
    assert "ahead of the pump clock (America/Chicago)" in ran.flat
    document = json.loads(out.read_text("utf-8"))
    assert (document["kind"], document["pump"]["serial"]) == ("interrogation", serial)
    assert document == {**document, "program": document["program"], "pending": []}


@pytest.mark.requirement("OP-6.42.3")
def test_a_reading_says_of_each_alarm_what_it_means_and_what_to_do(rig: CliRig) -> None:
    serial = rig.programmed("patient")
    assert thecal("pump", "fault", serial, "stall", "--for", "3 h").code == Exit.GO_ON
    advance("1 h")
    ran = thecal("programmer", "read", serial)
    assert ran.first() == "STOPPED BY AN ALARM: the pump gives nothing."
    for said in (
        "ALARM: motor stall (critical, number 4, since ",
        "what: The rotor does not turn although strokes were commanded.",
        "pump: All delivery is stopped, as the program chose for a fault of the class motor.",
        f"RISK: {CLONIDINE}",
        "check: A scan or a strong magnet in the past day.",
        "do: Where it does not recover, treat it as a stopped pump",
        "ends: By itself once the rotor confirms a stroke",
        "FOUND: a stall without its recovery (critical)",
        "patient bolus: none while the pump gives nothing",
    ):
        assert said in ran.flat, said
    ran = thecal("controller", "status", serial)
    assert ran.first().startswith("YOUR PUMP HAS STOPPED BECAUSE OF AN ALARM.")
    assert "! The motor of your pump may be stuck." in ran.flat
    assert "! Call your clinic now." in ran.flat
    ran = thecal("programmer", "status", serial)
    assert ran.first() == "STOPPED BY AN ALARM: the pump gives nothing."
    assert f"What the alarms mean and what to do: thecal programmer read {serial}" in ran.flat


@pytest.mark.requirement("SC-20")
def test_a_reading_names_doubt(rig: CliRig) -> None:
    serial = rig.programmed()
    assert thecal("pump", "power", serial, "--off").code == Exit.GO_ON
    assert thecal("pump", "power", serial, "--on").code == Exit.GO_ON
    ran = thecal("programmer", "read", serial)
    assert "ALARM: power was lost (non-critical, number 10" in ran.flat
    assert "ALARM: the pump clock may be wrong (non-critical, number 11" in ran.flat
    found = body("programmer", "read", serial)["interrogation"]["alarms"]
    assert [row["name"] for row in found["rows"] if row["active"]] == ["power was lost", "the pump clock may be wrong"]


def test_what_a_reading_finds(rig: CliRig) -> None:
    serial = rig.programmed("patient")
    for _ in range(2):
        thecal("controller", "bolus", serial)
        advance("20 min")
        thecal("controller", "bolus", serial)
    for _ in range(3):
        advance("4 h")
        thecal("controller", "bolus", serial)
    ran = thecal("programmer", "read", serial)
    assert "FOUND: " in ran.flat
    assert " in all)" in ran.flat
    assert "the newest 12 of" in ran.flat
    assert "request refused: the lockout still runs; 2 h 40 min to wait" in ran.flat


@pytest.mark.parametrize("role", ["monitor", "service"])
def test_others_read_too(rig: CliRig, role: str) -> None:
    serial = rig.pump(role)
    assert body("programmer", "read", serial, "--role", role)["interrogation"]["pump"]["serial"] == serial


def test_the_card_reads_and_stops_on_the_skin_alone(rig: CliRig) -> None:
    serial = rig.programmed("card")
    assert thecal("pump", "away", serial).code == Exit.GO_ON
    for word in ("read", "stop"):
        ran = thecal("programmer", word, serial, "--role", "card")
        assert ran.code == Exit.NOT_REACHED
        assert f"hold the card over the pump: thecal pump near {serial}; then run the command again" in ran.flat
    assert "The pump goes on as before." in ran.flat
    assert thecal("programmer", "status", serial).first() == "Delivering."
    near(serial)
    assert thecal("programmer", "read", serial, "--role", "card").code == Exit.GO_ON
    ran = thecal("programmer", "stop", serial, "--role", "card")
    assert ran.code == Exit.GO_ON
    assert CLONIDINE in ran.flat


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("read", "ALONE"), "no key of the programmer for pump ALONE"),
        (("read", "ALONE"), "pair them: thecal pump pair ALONE programmer"),
        (("read", "ALONE", "--role", "card"), "hold the card over the pump"),
        (("read", "NOBODY"), "check the serial number; pumps here: "),
        (("start", "NOBODY", "--home", "{none}"), "make it: thecal pump new NOBODY --family bench-20"),
    ],
)
def test_who_is_not_paired(rig: CliRig, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    ran = thecal("programmer", *(w.format(none=tmp_path) for w in words))
    assert (ran.code, ran.out) == (Exit.NOT_REACHED, "")
    assert said in ran.flat


def test_no_rig_runs(tmp_path: Path) -> None:
    home = ("--home", str(tmp_path))
    assert thecal("pump", "new", "T-1", "--family", "bench-20", *home).code == Exit.GO_ON
    ran = thecal("programmer", "read", "T-1", *home)
    assert ran.code == Exit.NOT_REACHED
    assert "next: let the pumps run: thecal pump run" in ran.flat


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("read", "a/b"), "'a/b' as a serial number"),
        (("read", "{serial}", "--zone", "America/Chicag"), "write it as in America/Chicago"),
        (("clock", "{serial}", "--zone", ""), "a name of the tz database"),
        (("stop", "{serial}", "--role", "patient"), "programmer, service, card"),
        (("confirm", "{serial}", "d06"), "8 to 64 characters"),
        (("confirm", "{serial}", "not-hexadecimal"), "8 to 64 characters"),
        (("clear", "{serial}", "40"), "a whole number from 0 to 13"),
        (("refill", "{serial}", "20"), "'20'"),
        (("single", "{serial}", ".5 mg", "10 min"), "write 0.5 mg"),
        (("single", "{serial}", "0.1 mg", "2 days"), "at most 24 h"),
        (("prime", "{serial}", str(1 << 62)), "catheter state"),
    ],
)
def test_what_is_written_wrong(rig: CliRig, words: tuple[str, ...], said: str) -> None:
    serial = rig.pump("programmer")
    ran = thecal("programmer", *(w.format(serial=serial) for w in words))
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert said in ran.flat
    assert "next:" in ran.flat


def test_a_reading_that_cannot_be_written(rig: CliRig, tmp_path: Path) -> None:
    serial = rig.pump("programmer")
    ran = thecal("programmer", "read", serial, "--out", str(tmp_path))
    assert ran.code == Exit.NOT_WRITTEN
    assert "name another file" in ran.flat


# Changing


def test_from_far_nothing_is_changed(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    for words in (("start", serial), ("refill", serial, "20 mL"), ("propose", serial, str(rig.order(serial)))):
        ran = thecal("programmer", *words)
        assert ran.code == Exit.NOT_REACHED
        assert f"hold the programmer over the pump: thecal pump near {serial}" in ran.flat
    assert "only in near field, and nothing is held over the pump" in thecal("programmer", "start", serial).flat
    assert body("programmer", "start", serial)["next"].startswith("hold the programmer over the pump")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRig]:
    """A rig with its link service, which remembers what was proposed."""
    monkeypatch.setenv("THECAL_HOME", str(tmp_path))
    rig = CliRig(tmp_path)
    rig.pump_alone()
    rig.start("--test-clock")
    yield rig
    rig.leave()


def test_a_program_is_proposed_confirmed_and_started(served: CliRig) -> None:
    rig = served
    assert answers(rig.home.service_socket)
    serial = rig.pump("programmer")
    near(serial)
    ran = thecal("programmer", "start", serial)
    assert ran.code == Exit.PUMP_REFUSED
    assert ran.first() == "NO PROGRAM: the pump gives nothing."
    assert thecal("programmer", "refill", serial, "20 mL").code == Exit.GO_ON
    ran = thecal("programmer", "propose", serial, str(rig.order(serial)))
    assert ran.code == Exit.GO_ON
    assert "Proposed; the running program is untouched" in ran.flat
    assert "drug base before base after most before most after" in ran.flat
    assert "morphine 0 mg 1.4 mg 0 mg 1.8 mg" in ran.flat
    digest = ran.flat.rpartition(f"thecal programmer confirm {serial} ")[2].strip()
    assert len(digest) == DIGEST
    assert f"proposed: {digest}, not confirmed" in thecal("programmer", "status", serial).flat
    other = f"{int(digest, 16) ^ 1:08x}"
    ran = thecal("programmer", "confirm", serial, other)
    assert ran.code == Exit.PUMP_REFUSED
    assert f"digest {other}; the pump holds a proposal with digest {digest}" in ran.flat
    ran = thecal("programmer", "confirm", serial, digest)
    assert ran.code == Exit.GO_ON, ran.flat
    assert f"Next: start it: thecal programmer start {serial}" in ran.flat
    advance("10 min")
    near(serial)
    ran = thecal("programmer", "start", serial)
    assert ran.code == Exit.STOPPED
    assert "the reading is 10 min old, at most 3 min is allowed" in ran.flat
    assert f"Next: look at the pump: thecal programmer read {serial}; then run the command again" in ran.flat
    assert thecal("programmer", "read", serial).code == Exit.GO_ON
    assert thecal("programmer", "start", serial).code == Exit.GO_ON
    digest = proposed(rig, serial)
    assert thecal("programmer", "propose", serial, str(rig.order(serial)), "--confirm").code == Exit.GO_ON


def test_without_a_link_service_a_proposal_is_not_remembered(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    near(serial)
    ran = thecal("programmer", "propose", serial, str(rig.order(serial)))
    assert ran.code == Exit.GO_ON
    assert "nothing here remembers what is proposed" in ran.flat
    ran = thecal("programmer", "confirm", serial, proposed(rig, serial))
    assert ran.code == Exit.STOPPED
    assert "Next: nothing here remembers what is proposed: start what does, thecal link run" in ran.flat


def test_a_program_within_one_session(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    near(serial)
    assert thecal("programmer", "refill", serial, "20 mL").code == Exit.GO_ON
    ran = thecal("programmer", "propose", serial, str(rig.order(serial)), "--confirm")
    assert ran.code == Exit.GO_ON
    assert ran.first() == "STOPPED: the pump gives nothing, for 0 s."
    assert "! morphine: base of 24 h 0 mg before, 1.4 mg after" in ran.flat
    assert f"Next: start it: thecal programmer start {serial}" in ran.flat
    ran = thecal("programmer", "start", serial)
    assert ran.code == Exit.GO_ON
    assert ran.first() == "GRANTED: start."
    assert "Delivering." in ran.flat
    digest = proposed(rig, serial)
    ran = thecal("programmer", "propose", serial, str(rig.order(serial)))
    assert "morphine 1.4 mg 1.4 mg 1.8 mg 1.8 mg" in ran.flat
    assert len(digest) == 64
    advance("6 min")
    near(serial)
    ran = thecal("programmer", "confirm", serial, digest)
    assert ran.code in {Exit.PUMP_REFUSED, Exit.STOPPED}
    assert "Delivering." in thecal("programmer", "status", serial).out


def test_nothing_was_proposed(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    near(serial)
    ran = thecal("programmer", "confirm", serial, "0123456789")
    assert ran.code == Exit.PUMP_REFUSED
    assert "digest 0123456789; the pump holds no proposal" in ran.flat


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (('serial = "{serial}"', 'serial = "OTHER-1"'), Exit.STOPPED, "an order for pump OTHER-1"),
        (('stroke = "250 nL"', 'stroke = "125 nL"'), Exit.STOPPED, "an order for a stroke of 125 nL"),
        (('family = "bench-20"', 'family = "peristaltic-20"'), Exit.STOPPED, "an order for the family peristaltic-20"),
        (('per_24h = "2 mg"', 'per_24h = "1 mg"'), Exit.STOPPED, "STOPPED"),
        (('dose = "0.1 mg"', 'dose = "0.1"'), Exit.FILE_REFUSED, "found:"),
    ],
)
def test_an_order_that_is_not_for_this_pump(rig: CliRig, change: tuple[str, str], code: Exit, said: str) -> None:
    serial = rig.pump("programmer")
    near(serial)
    order = rig.order(serial, (change[0].format(serial=serial), change[1]))
    ran = thecal("programmer", "propose", serial, str(order))
    assert ran.code == code, ran.flat
    assert said in ran.flat
    assert body("programmer", "status", serial)["status"]["staged"] == ""


def test_an_order_that_is_no_text(rig: CliRig, tmp_path: Path) -> None:
    serial = rig.pump("programmer")
    (tmp_path / "order.toml").write_bytes(b"\xff\xfe")
    assert thecal("programmer", "propose", serial, str(tmp_path / "order.toml")).code == Exit.FILE_REFUSED
    assert thecal("programmer", "propose", serial, str(tmp_path / "none.toml")).code == Exit.FILE_REFUSED


def test_a_refill(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    near(serial)
    ran = thecal("programmer", "refill", serial, "20 mL")
    assert ran.code == Exit.GO_ON
    assert "GRANTED: refill." in ran.flat
    assert "reservoir: 20 mL, calculated" in ran.flat
    assert body("programmer", "refill", serial, "19 mL")["result"]["status"]["level_nl"] == 19_000_000


def test_a_prime_and_a_single_bolus(rig: CliRig) -> None:
    serial = rig.programmed()
    ran = thecal("programmer", "single", serial, "0.1 mg", "10 min")
    assert ran.code == Exit.GO_ON
    assert "! 0.025 mL in 100 strokes: 0.1 mg morphine, 0.25 mg bupivacaine, 3.75 mcg cloNIDine" in ran.flat
    assert "clinician's bolus: 0 of 100 strokes, 10 min left" in ran.flat
    ran = thecal("programmer", "single", serial, "0.001 mg", "1 min")
    assert "1 stroke:" in ran.flat
    ran = thecal("programmer", "single", serial, "0.0001 mg", "10 min")
    assert ran.code == Exit.PUMP_REFUSED
    assert "one stroke or more: 0.001 mg morphine" in ran.flat
    ran = thecal("programmer", "single", serial, "5 mg", "10 min")
    assert ran.code == Exit.PUMP_REFUSED
    assert f"thecal programmer read {serial} shows" in ran.flat
    advance("1 h")
    near(serial)
    ran = thecal("programmer", "prime", serial, "1", "--volume", "0.1 mL")
    assert ran.code == Exit.GO_ON
    assert "0.1 mL; tubing and catheter hold 0.286 mL" in ran.flat
    advance("30 min")
    near(serial)
    assert "this catheter state was primed before" in thecal("programmer", "prime", serial, "1").flat
    assert thecal("programmer", "prime", serial, "2").code == Exit.GO_ON


def test_what_needs_an_order(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    near(serial)
    for words in (("single", serial, "0.1 mg", "10 min"), ("prime", serial, "1")):
        ran = thecal("programmer", *words)
        assert ran.code == Exit.PUMP_REFUSED
        assert "a pump that holds no order" in ran.flat
        assert f"propose a program first: thecal programmer propose {serial}" in ran.flat


def test_a_stop_says_what_it_can_do(rig: CliRig) -> None:
    serial = rig.programmed()
    ran = thecal("programmer", "stop", serial)
    assert ran.code == Exit.GO_ON
    assert ran.first() == "STOPPED: the pump gives nothing, for 0 s."
    assert f"! {CLONIDINE}" in ran.flat
    assert "Next: cover these drugs in another way, and watch the patient" in ran.flat
    advance("5 h")
    ran = thecal("programmer", "status", serial)
    assert ran.first() == "STOPPED: the pump gives nothing, for 5 h."
    assert thecal("programmer", "read", serial).first() == "STOPPED: the pump gives nothing, for 5 h."


def test_a_pump_that_holds_nothing_is_stopped_without_a_risk(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    near(serial)
    ran = thecal("programmer", "stop", serial)
    assert "harm" not in ran.flat


def test_alarms_are_acknowledged_and_cleared(rig: CliRig) -> None:
    serial = rig.programmed()
    thecal("pump", "fault", serial, "stall", "--for", "30 min")
    advance("1 h")
    near(serial)
    ran = thecal("programmer", "acknowledge", serial, "4")
    assert ran.code == Exit.GO_ON
    assert "motor stall (critical, number 4, acknowledged)" in ran.flat
    ran = thecal("programmer", "start", serial)
    if ran.code == Exit.GO_ON:
        assert f"an alarm stops the pump all the same: thecal programmer read {serial}" in ran.flat
    assert "acknowledged" in thecal("programmer", "read", serial).flat
    ran = thecal("programmer", "clear", serial, "4")
    assert ran.code == Exit.GO_ON
    assert ran.first() == "GRANTED: clear."
    assert "Delivering." in ran.flat


# What cannot be read


def with_document(rig: CliRig, document: bytes) -> str:
    """A new pump that runs a program with an order document that no command here would write."""
    serial = rig.pump("programmer", "card")
    near(serial)
    p = an_order()
    p.order_digest[:] = sha256(document).digest()
    with connect(rig.home) as link:
        interrogated(link, serial)
        fields = {"program": packed(p), "document": document, "patient": PATIENT}
        proposal = asked(link, "propose", serial, **{name: base64_of(bytes(data)) for name, data in fields.items()})
        granted(asked(link, "confirm", serial, digest=base64_of(proposal.digest)))
    return serial


@pytest.mark.requirement("SC-20")
def test_an_order_that_cannot_be_read(rig: CliRig) -> None:
    serial = with_document(rig, b"no order at all")
    ran = thecal("programmer", "read", serial)
    assert ran.code == Exit.GO_ON
    assert "NOT READ: order document: the order document cannot be read" in ran.flat
    assert "patient: not known: the order in the pump cannot be read" in ran.flat
    for words in (("clock", serial), ("single", serial, "0.1 mg", "1 min")):
        ran = thecal("programmer", *words)
        assert ran.code == Exit.PUMP_REFUSED
        assert "order" in ran.flat
    ran = thecal("programmer", "propose", serial, str(rig.order(serial, ('stroke = "250 nL"', 'stroke = "250 nL"'))))
    assert ran.code == Exit.PUMP_REFUSED
    assert "next: call the service; the pump goes on as before" in ran.flat
    ran = thecal("programmer", "stop", serial, "--role", "card")
    assert "! the drug in this pump: stopping abruptly may do harm: which drug it is could not be read" in ran.flat


def test_a_drug_that_nobody_here_knows(rig: CliRig) -> None:
    other = rig.programmed()
    with connect(rig.home) as link:
        held = json.loads(interrogated(link, other).document)
    held["mixture"][0]["drug"] = "unobtainium"
    serial = with_document(rig, json.dumps(held).encode())
    ran = thecal("programmer", "read", serial)
    assert "Mixture: unobtainium 4 mg/mL, bupivacaine 10 mg/mL" in ran.flat
    ran = thecal("programmer", "single", serial, "0.1 mg", "1 min")
    assert "0.1 mg unobtainium" in ran.flat
    ran = thecal("programmer", "stop", serial)
    assert "! unobtainium: stopping abruptly may do harm: this formulary does not know the drug" in ran.flat
    held["mixture"][0]["concentration"] = "0 mg/mL"
    held["dead_volume_nl"] = None
    ran = thecal("programmer", "prime", with_document(rig, json.dumps(held).encode()), "1")
    assert ran.code == Exit.PUMP_REFUSED
    assert "no order that can be read in the pump" in ran.flat
    held["mixture"][0]["concentration"] = "4 mg/mL"
    ran = thecal("programmer", "prime", with_document(rig, json.dumps(held).encode()), "1")
    assert ran.code == Exit.PUMP_REFUSED
    assert "an order without a catheter" in ran.flat


def test_a_log_that_was_changed(rig: CliRig) -> None:
    serial = rig.programmed()
    read = body("programmer", "read", serial)["interrogation"]
    broken = {
        **read,
        "log": {**read["log"], "chain": {"standing": "broken", "text": "the chain is broken at record 3"}},
    }
    out = io.StringIO()
    with redirect_stdout(out), connect(rig.home) as link:
        show_reading(screen(), interrogated(link, serial), broken, None, None)
    assert out.getvalue().splitlines()[:2] == ["Delivering.", "LOG: the chain is broken at record 3"]


def test_a_pump_that_cannot_run_it(rig: CliRig, monkeypatch: pytest.MonkeyPatch) -> None:
    serial = rig.pump("programmer")
    near(serial)
    refused = Refused(Why.TOO_MANY_DRUGS, "9 drugs", "8 drugs together", "order fewer drugs")
    monkeypatch.setattr("thecal.cli.proposing.prepare", lambda *_, **__: refused)
    ran = thecal("programmer", "propose", serial, str(rig.order(serial)))
    assert ran.code == Exit.PUMP_REFUSED
    assert ran.flat == "found: 9 drugs allowed: 8 drugs together next: order fewer drugs"


def test_everything_that_a_status_can_say(rig: CliRig) -> None:
    serial = rig.programmed()
    with connect(rig.home) as link:
        found = asked(link, "status", serial)
    assert isinstance(found, Status)
    rows = dict(state_rows(replace(found, held=True, bridging=True, bridge_left_s=600, level_nl=-1_000)))
    assert rows["held back"] == "strokes that a ceiling does not admit"
    assert rows["bridge"] == "10 min left at this rate"
    assert rows["reservoir"] == "0.001 mL under zero, as counted, calculated"
    assert mode(replace(found, bridging=True)) == "Delivering: the old drug in the line first (bridge)."


# The clock


def test_the_clock_of_a_new_pump(rig: CliRig) -> None:
    serial = rig.pump("programmer")
    ran = thecal("programmer", "clock", serial, "--zone", "America/Chicago")
    assert ran.code == Exit.GO_ON
    assert "Pump clock: " in ran.flat
    assert "Skipped" not in ran.flat
    assert f"To set it: thecal pump near {serial}; then the same command with --set." in ran.flat
    near(serial)
    ran = thecal("programmer", "clock", serial, "--zone", "America/Chicago", "--set")
    assert ran.code == Exit.GO_ON
    assert "GRANTED: clock." in ran.flat
    ran = thecal("programmer", "clock", serial, "--zone", "America/Chicago")
    assert "pump clock = clock on the wall until" in ran.flat
    found = body("programmer", "clock", serial, "--zone", "Europe/Berlin")
    assert found["choices"][1]["skipped"] == {}
    assert found["wanted"] in {"UTC+01:00", "UTC+02:00"}
    assert "(America/Chicago)" in thecal("programmer", "read", serial, "--zone", "America/Chicago").flat


def test_the_clock_of_a_pump_that_delivers(rig: CliRig) -> None:
    serial = rig.programmed()
    ran = thecal("programmer", "clock", serial)
    assert "That is more than a week: the pump clock was never set, or it is wrong." in ran.flat
    assert "Skipped" not in ran.flat
    assert "In the 24 h after it: 1.4 mg morphine" in ran.flat
    assert "To set it: the same command with --set." in ran.flat
    assert thecal("programmer", "clock", serial, "--set").code == Exit.GO_ON
    ran = thecal("programmer", "clock", serial, "--zone", "Asia/Tokyo")
    assert "Change it now: the pump clock goes forward by 9 h" in ran.flat
    assert "Skipped: 0." in ran.flat
    assert "pump 06:00 = clock on the wall 15:00" in ran.flat


def test_a_clock_that_no_pump_can_show(rig: CliRig, monkeypatch: pytest.MonkeyPatch) -> None:
    serial = rig.pump("programmer")
    monkeypatch.setattr("thecal.cli.clocks.WorldClock.utc_s", lambda _self: 0)
    ran = thecal("programmer", "clock", serial)
    assert ran.code == Exit.PUMP_REFUSED
    assert "check date and time of this machine" in ran.flat


# What is not known


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that do not wait long for a pump."""

    def short(home: Home) -> object:
        return connect(home, SHORT)

    monkeypatch.setattr(asking, "connect", short)


def frozen(rig: CliRig, *words: str) -> tuple[int, str]:
    """Run a command while the rig stands still: whatever is sent is not answered."""
    assert rig.process is not None
    rig.process.send_signal(signal.SIGSTOP)
    try:
        ran = thecal(*words)
    finally:
        rig.process.send_signal(signal.SIGCONT)
    return ran.code, ran.flat


def lost(rig: CliRig, serial: str, role: str = "programmer") -> None:
    """A stop whose answer was never heard: it needs no reading before it. The pump does it when it goes on."""
    code, flat = frozen(rig, "programmer", "stop", serial, "--role", role)
    assert code == Exit.NOT_KNOWN, flat
    assert "It is written down. Nothing that changes delivery is sent until it is resolved." in flat
    assert f"Next: as soon as the pump can be reached: thecal programmer resolve {serial}" in flat


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_was_lost_blocks_until_it_is_resolved(rig: CliRig) -> None:
    serial = rig.programmed()
    assert "Every command to this pump has an outcome." in thecal("programmer", "pending", serial).flat
    assert "there is nothing to resolve" in thecal("programmer", "resolve", serial).flat
    assert thecal("pump", "pair", serial, "card").code == Exit.GO_ON
    lost(rig, serial, "card")  # what the card asked for, the pump tells the card alone
    ran = thecal("programmer", "pending", serial)
    assert ran.code == Exit.NOT_KNOWN
    assert "stop" in ran.flat
    assert f"ask the pump: thecal programmer resolve {serial} --role card" in ran.flat
    read = thecal("programmer", "read", serial)
    assert "NOT KNOWN: whether the pump did it: stop, command" in read.flat
    ran = thecal("programmer", "refill", serial, "19 mL")
    assert ran.code == Exit.STOPPED
    assert f"see it: thecal programmer pending {serial}; resolve it: thecal programmer resolve {serial}" in ran.flat
    ran = thecal("programmer", "resolve", serial, "--role", "card")
    assert ran.code == Exit.GO_ON, ran.flat
    assert thecal("programmer", "pending", serial).code == Exit.GO_ON
    found = body("programmer", "history", serial)["commands"]
    assert [c["path"] for c in found] == ["refill", "confirm", "start", "stop"]
    assert "how it is known" in thecal("programmer", "history", serial).flat


def test_a_bolus_that_is_too_big_is_refused_before_anything_is_sent(rig: CliRig) -> None:
    serial = rig.programmed()
    ran = thecal("programmer", "single", serial, "1,000 mg", "10 min")
    assert ran.code == Exit.PUMP_REFUSED
    assert "a bolus of 1,000 mg" in ran.flat
    assert "at most 25 mL" in ran.flat
    assert [c["path"] for c in body("programmer", "history", serial)["commands"]] == ["refill", "confirm", "start"]


@pytest.mark.usefixtures("impatient")
def test_a_reading_resolves_what_the_pump_did(rig: CliRig) -> None:
    serial = rig.programmed()
    lost(rig, serial)
    assert thecal("programmer", "pending", serial).code == Exit.NOT_KNOWN
    assert thecal("programmer", "read", serial).flat.startswith("STOPPED: the pump gives nothing")
    assert thecal("programmer", "pending", serial).code == Exit.GO_ON
    assert [c["outcome"] for c in body("programmer", "history", serial)["commands"]][-1] == "granted"


@pytest.mark.usefixtures("impatient")
def test_a_command_that_can_never_be_found_out(rig: CliRig) -> None:
    serial = rig.programmed()
    assert "No command to this pump was ever" not in thecal("programmer", "history", serial).flat
    lost(rig, serial)
    assert thecal("pump", "power", serial, "--off").code == Exit.GO_ON
    ran = thecal("programmer", "resolve", serial)
    assert ran.code == Exit.NOT_KNOWN
    assert f"where the pump is lost for good: thecal programmer give-up {serial} NUMBER --role programmer" in ran.flat
    number = body("programmer", "pending", serial)["commands"][0]["command"]
    ran = thecal("programmer", "give-up", serial, str(number + 1))
    assert ran.code == Exit.STOPPED
    assert f"thecal programmer pending {serial} shows their numbers" in ran.flat
    ran = thecal("programmer", "give-up", serial, str(number))
    assert ran.code == Exit.GO_ON
    assert "COUNTED: given up:" in ran.flat
    assert thecal("programmer", "pending", serial).code == Exit.GO_ON


@pytest.mark.usefixtures("impatient")
def test_a_pump_that_is_not_heard(rig: CliRig) -> None:
    serial = rig.pump("programmer", "card")
    near(serial)
    for words in (("status", serial), ("read", serial), ("confirm", serial, "01234567")):
        code, flat = frozen(rig, "programmer", *words)
        assert code == Exit.NOT_REACHED
        assert f"read the pump: thecal programmer read {serial}" in flat
    assert thecal("pump", "power", serial, "--off").code == Exit.GO_ON
    ran = thecal("programmer", "single", serial, "0.1 mg", "1 min")
    assert ran.code == Exit.NOT_REACHED
    assert f"thecal pump power {serial} --on" in ran.flat


def test_the_link_service_ends_while_it_is_asked(tmp_path: Path) -> None:
    rig = CliRig(tmp_path)
    rig.home.ready()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(rig.home.service_socket))
        listening.listen()
        closing = threading.Thread(target=_accept_and_close, args=(listening, 2))
        closing.start()
        ran = thecal("programmer", "start", "T-1", "--home", str(tmp_path))
        closing.join()
    assert ran.code == Exit.NOT_KNOWN
    assert "the link service ended while it was asked" in ran.flat


def test_somebody_holds_the_link_and_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thecal.rig.connect.HANDOVER_S", 0.1)
    rig = CliRig(tmp_path)
    rig.home.ready()
    held = hold(rig.home.link / "service.lock", "the link of this home", "stands still")
    assert not isinstance(held, Held)
    ran = thecal("link", "paired", "--home", str(tmp_path))
    held.release()
    assert ran.code == Exit.NOT_REACHED
    assert "stands still" in ran.flat


def _accept_and_close(listening: socket.socket, times: int) -> None:
    """Somebody who is asked, and ends."""
    for _ in range(times):
        listening.accept()[0].close()
