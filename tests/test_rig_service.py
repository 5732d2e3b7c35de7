"""One link service owns keys, numbers and the ledger; what it sent and never heard of is there after any crash."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.rig_world import (
    PATIENCE,
    ROOT,
    SERIAL,
    SERVICE,
    SHORT,
    Process,
    Rig,
    an_order,
    asked,
    base64_of,
    bench_pump,
    granted,
    interrogated,
    paired,
    programmed,
    reprogrammed,
)

from thecal.link.ledger import Outcome, Pending
from thecal.link.patient import Bolus
from thecal.link.reading import Status
from thecal.link.roles import Role
from thecal.link.talk import Arm, Result, Why
from thecal.rig import connect as connecting
from thecal.rig import exchange as exchanging
from thecal.rig.connect import connect
from thecal.rig.exchange import RigExchange, addresses
from thecal.rig.hold import hold
from thecal.rig.home import Home
from thecal.rig.host import InUseError
from thecal.rig.keyring import Keyring
from thecal.rig.ledger import LedgerError
from thecal.rig.local import LocalClient, UnreachableError, answers
from thecal.rig.refusal import Refusal
from thecal.rig.refusal import Why as Refused
from thecal.rig.service import OPERATIONS, LinkService, serve_link
from thecal.rig.wire import plain, read, told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(Home(tmp_path / "home"))
    bench_pump(made.home)
    yield made
    made.leave()


def commands(answer: Any) -> list[tuple[str, Outcome]]:
    return [(p.path, p.outcome) for p in answer]


# Everything that people do, once.


def test_a_whole_course_of_therapy_goes_through_the_service(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        nobody = link.ask("pair", serial="nobody", role="card")
        assert isinstance(nobody, Refusal)
        assert nobody.why is Refused.UNKNOWN_PUMP
        programmed(rig, link)
        status = asked(link, "status", role="patient")
        assert isinstance(status, Status)
        assert status.delivering
        granted(asked(link, "single", strokes=8, seconds=600))
        granted(asked(link, "clock", offset_s=3600))
        granted(asked(link, "alarm_test", critical=True))
        rig.pass_s(700)
        read_again = interrogated(link)
        assert (read_again.status.clock_s, read_again.missing) == (4300, 0)
        later = asked(link, "interrogate", after=read_again.log_end[0], digest=base64_of(read_again.log_end[1]))
        assert later.records == ()
        granted(asked(link, "prime", catheter=1, volume_nl=250_000, dead_nl=250_000))
        rig.pass_s(3600)
        assert asked(link, "bolus").answer is Bolus.GRANTED
        assert asked(link, "bolus").answer is Bolus.DELIVERING
        rig.near()
        asked(link, "status")
        assert asked(link, "acknowledge", alarm=4).arm is Arm.REFUSED
        assert asked(link, "clear", alarm=4).arm is Arm.REFUSED
        stopped = asked(link, "stop")
        granted(stopped)
        assert asked(link, "bolus").answer is Bolus.STOPPED
        rig.owner("draw", serial=SERIAL)
        rig.owner("fill", serial=SERIAL, volume_nl=18_000_000)
        granted(asked(link, "refill", level_nl=18_000_000))
        interrogated(link)
        reprogrammed(link, an_order(2))
        assert asked(link, "pending") == ()
        history = commands(asked(link, "history"))
        assert ("confirm", Outcome.GRANTED) in history
        assert ("clear", Outcome.REFUSED) in history
        assert asked(link, "resolve") == asked(link, "withdraw") == ()
        given_up = asked(link, "give_up", command=77)
        assert (given_up.arm, given_up.why) == (Arm.BLOCKED, Why.NO_SUCH_COMMAND)
        wrong = asked(link, "confirm", digest=base64_of(bytes(32)))
        assert wrong.why is Why.NOT_PROPOSED


def test_a_pump_that_cannot_be_reached_is_said_to_be_and_nothing_is_written(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, SHORT) as link:
        programmed(rig, link)
        rig.kill()
        for operation in ("status", "interrogate"):
            assert asked(link, operation).arm is Arm.NOT_REACHED
        assert asked(link, "bolus").answer is Bolus.NOT_REACHED
        assert asked(link, "pending") == ()
        unpaired = link.ask("pair", serial=SERIAL, role="card")
        assert isinstance(unpaired, Refusal)
        assert unpaired.why is Refused.NOT_RUNNING
        no_key = link.ask("status", serial=SERIAL, role="card")
        assert isinstance(no_key, Refusal)
        assert (no_key.why, no_key.then) == (Refused.NO_KEY, "pair it with the pump")
        rig.home.address(SERIAL).unlink()
        away = asked(link, "status")
        assert "is not on the radio here" in away.said


def test_what_is_asked_wrongly_is_refused_with_what_is_allowed(rig: Rig) -> None:
    with connect(rig.home, SHORT) as link:
        for operation in OPERATIONS:
            refused = link.ask(operation.name, unheard_of=1)
            assert isinstance(refused, Refusal)
            assert refused.why is Refused.FIELD
        role = link.ask("single", serial=SERIAL, role="patient", strokes=1, seconds=1)
        assert isinstance(role, Refusal)
        assert role.allowed == "programmer"
        unknown = link.ask("pair", serial="nobody", role="card")
        assert isinstance(unknown, Refusal)


def test_an_exchange_without_a_key_sends_nothing(rig: Rig) -> None:
    rig.start()

    async def go() -> None:
        from thecal.link.outcome import NotSent

        keyring = Keyring(rig.home.link / "keys")
        exchange = RigExchange(rig.home, keyring, SERIAL, Role.CARD, SHORT)
        with pytest.raises(NotSent, match="the card is not paired"):
            await exchange("status", b"")
        await exchange.close()
        keyring.close()

    asyncio.run(go())
    for text in (
        "no address",
        "[]",
        "{}",
        '{"pid": 1, "far": 5}',
        '{"pid": "x"}',
        '{"pid": 999999999, "far": ["h", 1]}',
    ):
        rig.home.address(SERIAL).write_text(text)
        assert addresses(rig.home, SERIAL) == {}
    rig.home.address(SERIAL).write_text('{"pid": 1, "far": ["h", 1], "near": null}')
    assert addresses(rig.home, SERIAL) == {"far": ("h", 1)}


def test_a_process_of_somebody_else_runs_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_mine(pid: int, number: int) -> None:
        raise PermissionError(pid, number)

    home = Home(tmp_path).ready()
    home.address(SERIAL).write_text('{"pid": 1, "far": ["h", 1]}')
    monkeypatch.setattr(exchanging, "os", SimpleNamespace(kill=not_mine))
    assert addresses(home, SERIAL) == {"far": ("h", 1)}


# One service.


def test_there_is_one_service_and_everybody_else_asks_it(rig: Rig) -> None:
    rig.start()
    service = Process(SERVICE, [str(rig.home.folder)]).start()
    try:
        with pytest.raises(InUseError, match=r"the link of this home in use by process \d+ .runs the link service."):
            LinkService(rig.home)
        with pytest.raises(AssertionError, match="the link of this home in use"):
            Process(SERVICE, [str(rig.home.folder)]).start()
        with connect(rig.home) as one, connect(rig.home) as two:
            programmed(rig, one)
            assert isinstance(asked(two, "status"), Status)
        assert answers(rig.home.service_socket)
        service.stop()
        assert not answers(rig.home.service_socket)
    finally:
        service.end()


def test_a_command_is_the_service_while_it_runs_and_others_ask_it(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as first:
        paired(rig, first, Role.MONITOR)
        with connect(rig.home, PATIENCE) as second:
            assert isinstance(asked(second, "status", role="monitor"), Status)
    with connect(rig.home, PATIENCE) as third:
        assert isinstance(asked(third, "status", role="monitor"), Status)


def test_many_commands_at_once_hand_the_service_over(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        paired(rig, link, Role.MONITOR)
    program = (
        "import sys\nfrom pathlib import Path\nfrom tests.rig_world import PATIENCE, asked\n"
        "from thecal.link.reading import Status\n"
        "from thecal.rig.connect import connect\nfrom thecal.rig.home import Home\n"
        "with connect(Home(Path(sys.argv[1])), PATIENCE) as link:\n"
        "    assert isinstance(asked(link, 'status', role='monitor'), Status)\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(rig.home.folder)], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


def test_a_link_that_somebody_holds_and_does_not_serve_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "HANDOVER_S", 0.2)
    home = Home(tmp_path).ready()
    held = hold(home.link / "service.lock", "the link", "holds it for a test")
    with connect(home) as link, pytest.raises(InUseError, match="holds it for a test"):
        link.ask("paired")
    held.release()  # type: ignore[union-attr]
    keyring = Keyring(home.link / "keys")
    with pytest.raises(InUseError, match="open in another process"):
        LinkService(home)
    keyring.close()
    with connect(home) as link:
        assert link.ask("paired") == {"paired": []}


def test_a_ledger_that_cannot_be_used_ends_the_service_before_it_begins(tmp_path: Path) -> None:
    home = Home(tmp_path).ready()
    (home.link / "ledger.sqlite").write_bytes(b"no ledger" * 500)
    for _ in range(2):
        with pytest.raises(LedgerError):
            LinkService(home)
    with connect(home) as link, pytest.raises(LedgerError):
        link.ask("paired")


def test_a_service_in_this_process_leaves_when_it_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path)

    def leave() -> None:
        assert LocalClient(home.service_socket).ask("paired") == {"paired": []}
        signal.raise_signal(signal.SIGTERM)

    def ready() -> None:
        threading.Thread(target=leave).start()

    asyncio.run(serve_link(home, SHORT, ready))
    later = threading.Timer(0.5, signal.raise_signal, (signal.SIGTERM,))
    later.start()
    asyncio.run(serve_link(home, SHORT))
    later.join()
    assert not home.service_socket.exists()


# Crashes of the service.

DYING = """
import os, signal, sys
from thecal.rig import exchange
asked, when = sys.argv[2:4]
sent = exchange.RigExchange.__call__
async def dies(self, path, payload):
    if path == asked and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = await sent(self, path, payload)
    if path == asked:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
exchange.RigExchange.__call__ = dies
"""


def ask_a_dying_service(rig: Rig, path: str, when: str, operation: str, **fields: Any) -> None:
    """The service is killed at the very instant between writing down and sending, or between sending and the answer."""
    service = Process(DYING + SERVICE, [str(rig.home.folder), path, when]).start()
    try:
        with connect(rig.home) as link:
            if operation != "bolus":
                interrogated(link)
            with pytest.raises(UnreachableError, match="look whether it was done") as gone:
                asked(link, operation, **fields)
            assert gone.value.asked
        assert service.process is not None
        service.rest()
        assert service.process.returncode == -signal.SIGKILL
    finally:
        service.end()


def test_a_service_killed_after_sending_finds_out_by_the_next_status(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
    ask_a_dying_service(rig, "single", "after", "single", strokes=8, seconds=600)
    with connect(rig.home, PATIENCE) as link:
        assert commands(asked(link, "pending")) == [("single", Outcome.NOT_KNOWN)]
        blocked = asked(link, "single", strokes=8, seconds=600)
        assert (blocked.arm, blocked.why) == (Arm.BLOCKED, Why.NOT_KNOWN)
        refused = asked(link, "bolus")
        assert (refused.answer, refused.command) == (Bolus.REFUSED, 0)
        asked(link, "status", role="programmer")
        assert asked(link, "pending") == ()
        assert commands(asked(link, "history"))[-1] == ("single", Outcome.GRANTED)
        rig.pass_s(700)
        assert rig.truth()["strokes"]["single bolus"] == 8


def test_a_service_killed_before_sending_withdraws_what_never_left(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
    ask_a_dying_service(rig, "single", "before", "single", strokes=8, seconds=600)
    with connect(rig.home, PATIENCE) as link:
        asked(link, "status")
        assert commands(asked(link, "pending")) == [("single", Outcome.NOT_KNOWN)]  # it might still be on its way
        assert commands(asked(link, "resolve")) == [("single", Outcome.NEVER)]
        rig.pass_s(700)
        assert rig.truth()["strokes"]["single bolus"] == 0
        asked(link, "status")
        granted(asked(link, "single", strokes=8, seconds=600))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_press_whose_service_was_killed_is_given_once(rig: Rig, when: str) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
    ask_a_dying_service(rig, "bolus", when, "bolus")
    with connect(rig.home, PATIENCE) as link:
        assert commands(asked(link, "pending")) == [("bolus", Outcome.NOT_KNOWN)]
        again = asked(link, "bolus")
        assert again.answer in ({Bolus.GRANTED} if when == "before" else {Bolus.DELIVERING, Bolus.DUPLICATE})
        assert asked(link, "pending") == ()
        rig.pass_s(700)
        assert rig.truth()["strokes"]["patient bolus"] == 40


def test_a_press_whose_service_was_killed_can_be_withdrawn_or_given_up(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
    ask_a_dying_service(rig, "bolus", "before", "bolus")
    with connect(rig.home, PATIENCE) as link:
        assert commands(asked(link, "withdraw")) == [("bolus", Outcome.NEVER)]
    ask_a_dying_service(rig, "bolus", "before", "bolus")
    with connect(rig.home, PATIENCE) as link:
        (lost,) = asked(link, "pending")
        assert asked(link, "give_up", role="patient", command=lost.command).arm is Arm.NOT_KNOWN
        assert commands(asked(link, "history"))[-1] == ("bolus", Outcome.ASSUMED)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_confirmation_whose_service_was_killed_leaves_the_old_program_or_the_new_one(rig: Rig, when: str) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
    service = Process(DYING + SERVICE, [str(rig.home.folder), "confirm", when]).start()
    try:
        with connect(rig.home) as link:
            interrogated(link)
            with pytest.raises(UnreachableError):
                reprogrammed(link, an_order(2))
    finally:
        service.end()
    with connect(rig.home, PATIENCE) as link:
        status = asked(link, "status")
        assert status.program == (1 if when == "before" else 2)
        asked(link, "resolve")
        assert asked(link, "pending") == ()
        interrogated(link)
        reprogrammed(link, an_order(3))
        assert asked(link, "status").program == 3


def test_a_host_killed_under_a_command_leaves_it_to_be_resolved(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
        killing = threading.Timer(0.02, rig.kill)
        killing.start()
        results = [asked(link, "acknowledge", alarm=0) for _ in range(3)]
        killing.join()
        assert {r.arm for r in results} <= {Arm.REFUSED, Arm.NOT_KNOWN, Arm.NOT_REACHED, Arm.BLOCKED}
        rig.start()
        rig.near()  # nobody is near a pump that was just started
        assert isinstance(asked(link, "status"), Status)
        asked(link, "resolve")
        assert asked(link, "pending") == ()


# What goes over the socket.


def test_the_links_answers_come_back_as_they_were(rig: Rig) -> None:
    rig.start()
    with connect(rig.home, PATIENCE) as link:
        programmed(rig, link)
        reading = interrogated(link)
        assert type(reading)(**{f: getattr(reading, f) for f in reading.__slots__}) == reading
        assert read(type(reading), plain(reading)) == reading
    pending = Pending("P", Role.CARD, 5, "stop", {"command": 5, "digest": b"\x01", "truth": True}, "now")
    result = Result(Arm.BLOCKED, "said", why=Why.STALE, status=reading.status)
    for value in (pending, result, replace(result, why=None, status=None)):
        assert read(type(value), plain(value)) == value
    assert told({"commands": [plain(pending)]}) == (pending,)
    with pytest.raises(TypeError, match="found str; allowed: int"):
        read(Pending, {**plain(pending), "command": "5"})
