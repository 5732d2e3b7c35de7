"""``thecal controller``: one press, one answer, in words for the one who holds it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests.cli_world import CliRig, advance, body, near, thecal
from tests.rig_world import SHORT

from thecal.cli import asking
from thecal.cli.exits import Exit
from thecal.rig.connect import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.rig.home import Home


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


def test_one_press_one_answer(rig: CliRig) -> None:
    serial = rig.programmed("patient")
    ran = thecal("controller", "status", serial)
    assert ran.first() == "Your pump is working."
    assert "You can ask for an extra dose now." in ran.flat
    ran = thecal("controller", "bolus", serial)
    assert ran.code == Exit.GO_ON
    assert ran.flat == "GRANTED: Your extra dose has started. The next one is possible in 3 h."
    assert thecal("controller", "bolus", serial).out.startswith("DELIVERING: Your extra dose is being given.")
    assert thecal("controller", "status", serial).first() == "Your pump is giving an extra dose."
    assert "patient bolus: 0 of 100 strokes, 10 min left" in thecal("programmer", "status", serial).flat
    advance("20 min")
    ran = thecal("controller", "bolus", serial)
    assert ran.code == Exit.PUMP_REFUSED
    assert "It is too soon after your last extra dose. The next one is possible in 2 h 40 min." in ran.flat
    assert "Next extra dose: in 2 h 40 min." in thecal("controller", "status", serial).flat
    assert "patient bolus: next in 2 h 40 min" in thecal("programmer", "status", serial).flat
    advance("3 h")
    found = body("controller", "bolus", serial)
    assert (found["command"], found["answer"]["answer"]) == ("controller bolus", "granted")


def test_a_pump_that_gives_nothing_says_so_first(rig: CliRig) -> None:
    serial = rig.pump("patient", "programmer")
    assert thecal("controller", "status", serial).first().startswith("YOUR PUMP HAS NO PROGRAM. It gives nothing.")
    assert thecal("controller", "bolus", serial).code == Exit.PUMP_REFUSED
    serial = rig.programmed("patient")
    assert thecal("programmer", "stop", serial).code == Exit.GO_ON
    ran = thecal("controller", "status", serial)
    assert ran.first() == "YOUR PUMP IS STOPPED. It gives nothing. Call your clinic."
    assert "You can ask" not in ran.flat
    ran = thecal("controller", "bolus", serial)
    assert ran.code == Exit.PUMP_REFUSED
    assert ran.out.startswith("PUMP STOPPED: Your pump is stopped.")


def test_while_an_alarm_forbids_it_no_dose_is_promised(rig: CliRig) -> None:
    serial = rig.programmed("patient")
    assert thecal("pump", "fault", serial, "low battery reset").code == Exit.GO_ON
    advance("1 min")
    ran = thecal("controller", "status", serial)
    assert ran.first() == "Your pump is working."
    assert "! " in ran.out
    assert "No extra dose is possible now." in ran.flat
    assert "You can ask" not in ran.flat
    assert "patient bolus: none while this alarm is active" in thecal("programmer", "status", serial).flat
    ran = thecal("controller", "bolus", serial)
    assert ran.code == Exit.PUMP_REFUSED
    assert "Your pump has an alarm. Call your clinic." in ran.flat


def test_a_pump_out_of_reach(rig: CliRig) -> None:
    serial = rig.programmed("patient")
    assert thecal("pump", "power", serial, "--off").code == Exit.GO_ON
    ran = thecal("controller", "status", serial)
    assert ran.code == Exit.NOT_REACHED
    assert ran.first() == "YOUR PUMP COULD NOT BE REACHED. Nothing was changed."
    assert "If it stays so, call your clinic." in ran.flat
    assert body("controller", "status", serial)["outcome"] == "not-reached"
    ran = thecal("controller", "bolus", serial)
    assert ran.code == Exit.NOT_REACHED
    assert "Nothing was asked for." in ran.flat
    assert "If it stays so, call your clinic." in ran.flat


def test_nobody_is_paired(rig: CliRig) -> None:
    for word in ("bolus", "status"):
        ran = thecal("controller", word, "ALONE")
        assert ran.code == Exit.NOT_REACHED
        assert "next:" in ran.flat
        assert "thecal pump pair ALONE patient" in ran.flat


def test_a_press_that_was_not_answered_is_the_same_press(rig: CliRig, monkeypatch: pytest.MonkeyPatch) -> None:
    serial = rig.programmed("patient")

    def short(home: Home) -> object:
        return connect(home, SHORT)

    monkeypatch.setattr(asking, "connect", short)
    assert rig.process is not None
    rig.process.send_signal(signal.SIGSTOP)
    try:
        ran = thecal("controller", "bolus", serial)
    finally:
        rig.process.send_signal(signal.SIGCONT)
    assert ran.code == Exit.NOT_REACHED
    assert "Nothing was asked for." in ran.flat
    near(serial)
    assert thecal("controller", "bolus", serial).code == Exit.GO_ON
