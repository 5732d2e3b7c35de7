"""The host is killed at random instants under boluses, programs and refills; the strokes that truly fell are judged.

The file of strokes is appended to by the host at the moment of each stroke, so that it knows what a kill made the pump
forget. Nothing here shares code with the pump: strokes are put on their true seconds one by one.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.core_world import Stroke, broken_windows
from tests.rig_world import (
    HOST,
    LEVEL_NL,
    ROOT,
    SERIAL,
    SHORT,
    Rig,
    an_order,
    asked,
    base64_of,
    bench_pump,
    interrogated,
    programmed,
)

from thecal.link.ledger import Outcome
from thecal.link.therapy_change import Proposal
from thecal.rig.connect import connect
from thecal.rig.home import Home
from thecal.rig.local import UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.pump.core.program import Program
    from thecal.rig.connect import Link

# A search through many lives: its lines are counted by the tests of each part, and counting them here doubles its time.
pytestmark = pytest.mark.no_cover

NG_EACH = 1250  # a stroke of 250 nL at 5 mg per mL
BOLUS = (40, 600, 3600, 6)  # strokes, seconds, lockout, in 24 h
BASE = 80  # strokes an hour


def ordered(number: int, room: int) -> Program:
    """A program with so many strokes of room over its base and boluses; odd ones run slower than even ones."""
    rate = 20_000_000 if number % 2 else 22_500_000
    base = BASE * rate // 20_000_000
    per_1h, per_24h = (base + 50 + room // 10) * NG_EACH, (24 * base + 6 * 40 + 60 + room) * NG_EACH
    return an_order(number, rates=((0, rate),), per_1h=[per_1h], per_24h=[per_24h], bolus=BOLUS)


class Clinic(threading.Thread):
    """People who use the pump without a pause, and never learn why it falls silent."""

    def __init__(self, rig: Rig, link: Link, chance: random.Random, room: int) -> None:
        super().__init__()
        self.room = room
        self.rig = rig
        self.link = link
        self.chance = chance
        self.leaving = threading.Event()
        self.number = 1
        self.fault: BaseException | None = None
        self.acts = 0
        self.done: Counter[tuple[str, Outcome]] = Counter()

    def run(self) -> None:
        acts = [self.bolus, self.bolus, self.single, self.program, self.refill, self.wait, self.wait, self.acknowledge]
        while not self.leaving.is_set():
            try:
                if self.chance.randrange(2):
                    self.near()
                self.chance.choice(acts)()
                self.acts += 1
            except UnreachableError:
                time.sleep(0.01)
            except BaseException as fault:  # noqa: BLE001 -- it is raised in the test
                self.fault = fault
                return

    def owner(self, operation: str, **fields: Any) -> None:
        self.rig.try_owner(operation, **fields)

    def near(self) -> None:
        self.owner("near", serial=SERIAL, seconds=3600)
        asked(self.link, "resolve")
        asked(self.link, "withdraw")

    def wait(self) -> None:
        self.owner("advance", seconds=self.chance.choice((7, 300, 1000, 4000, 15_000, 40_000)))

    def bolus(self) -> None:
        asked(self.link, "bolus")

    def single(self) -> None:
        asked(self.link, "status")
        asked(self.link, "single", strokes=5, seconds=120)

    def acknowledge(self) -> None:
        asked(self.link, "status")
        asked(self.link, "acknowledge", alarm=10)

    def refill(self) -> None:
        self.owner("draw", serial=SERIAL)
        self.owner("fill", serial=SERIAL, volume_nl=LEVEL_NL)
        asked(self.link, "status")
        asked(self.link, "refill", level_nl=LEVEL_NL)

    def program(self) -> None:
        from tests.core_world import packed
        from tests.link_world import DOCUMENT, PATIENT

        asked(self.link, "interrogate")
        self.number += 1
        fields = {"program": packed(ordered(self.number, self.room)), "document": DOCUMENT, "patient": PATIENT}
        made = asked(self.link, "propose", **{name: base64_of(bytes(data)) for name, data in fields.items()})
        if isinstance(made, Proposal):
            asked(self.link, "confirm", digest=base64_of(made.digest))


def strokes_of(path: Path) -> tuple[list[Stroke], dict[str, int]]:
    """Every stroke on its true second with what it charged, and how many there were of each kind."""
    strokes: list[Stroke] = []
    kinds: dict[str, int] = {}
    channels: list[list[int]] = []
    stroke_nl = 0
    for text in path.read_text().splitlines():
        line = json.loads(text)
        if "program" in line:
            channels, stroke_nl = line["channels"], line["stroke_nl"]
            continue
        charge = tuple(strength * stroke_nl for strength, _, _ in channels) + (0,) * (8 - len(channels))
        limits = tuple((one * 10**6, day * 10**6) for _, one, day in channels)
        kinds[line["why"]] = kinds.get(line["why"], 0) + line["train"]
        for k in range(1, line["train"] + 1):
            at = line["from_s"] + -(-(k * line["unit"] - line["acc"]) // line["rate"])
            assert line["from_s"] < at <= line["to_s"]
            strokes.append(Stroke(at, 1, charge, limits, line["why"] == "prime"))
    return strokes, kinds


def presses(path: Path) -> list[tuple[int, int]]:
    """Each bolus of the patient that truly fell: its first second and its strokes."""
    found: list[tuple[int, int]] = []
    last = -(10**9)
    for text in path.read_text().splitlines():
        line = json.loads(text)
        if line.get("why") == "patient bolus":
            if line["from_s"] > last + 1200:
                found.append((line["from_s"], 0))
            found[-1] = (found[-1][0], found[-1][1] + line["train"])
            last = line["to_s"]
    return found


def judge(rig: Rig, link: Link) -> None:
    """What was promised, against what truly fell."""
    rig.near()
    asked(link, "resolve")
    asked(link, "withdraw")
    assert asked(link, "pending") == ()
    read = interrogated(link)  # program, document and log belong together, and the chain holds
    believed = rig.truth()["believed"]
    path = rig.home.pump(SERIAL) / "strokes.jsonl"
    strokes, kinds = strokes_of(path)
    assert broken_windows(strokes) == []
    assert believed["strokes"] >= len(strokes)
    assert read.status.strokes == believed["strokes"]
    given = presses(path)
    assert all(n <= BOLUS[0] for _, n in given)
    starts = [at for at, _ in given]
    assert all(b - a >= BOLUS[2] for a, b in itertools.pairwise(starts))
    history = asked(link, "history")
    granted = [p for p in history if p.path == "bolus" and p.outcome in {Outcome.GRANTED, Outcome.ASSUMED}]
    assert len(given) <= len(granted)
    assert kinds.get("single bolus", 0) <= 5 * sum(
        p.path == "single" and p.outcome in {Outcome.GRANTED, Outcome.ASSUMED} for p in history
    )
    confirmed = [p.outcome for p in history if p.path == "confirm"]
    assert read.status.program == 1 or Outcome.GRANTED in confirmed


def killed_again_and_again(folder: Path, kills: int, seed: int, room: int) -> Clinic:
    chance = random.Random(seed)  # noqa: S311 -- instants, not secrets
    rig = Rig(Home(folder / "home"))
    bench_pump(rig.home)
    rig.start()
    try:
        with connect(rig.home, SHORT) as link:
            programmed(rig, link, ordered(1, room))
            clinic = Clinic(rig, link, chance, room)
            clinic.start()
            try:
                for _ in range(kills):
                    kill_soon(rig, chance)
                    assert clinic.fault is None, clinic.fault
            finally:
                clinic.leaving.set()
                clinic.join(60)
            assert clinic.fault is None, clinic.fault
            judge(rig, link)
            clinic.done = Counter((p.path, p.outcome) for p in asked(link, "history"))
    finally:
        rig.end()
    return clinic


def kill_soon(rig: Rig, chance: random.Random) -> None:
    """Kill the host at some instant, most times kill the next one while it starts, and start it once more."""
    time.sleep(chance.random() * 0.8)
    rig.end()
    if chance.randrange(3):
        command = [sys.executable, "-c", HOST, str(rig.home.folder), "0"]
        early = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.random())  # somewhere between the first line of the program and its pumps
        early.kill()
        early.wait()
    rig.start()


def test_a_few_kills_break_no_promise(tmp_path: Path) -> None:
    clinic = killed_again_and_again(tmp_path, 3, 11, 600)
    assert clinic.acts > 0


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("seed", "room"), [(1, 6000), (2, 1000), (3, 0)])
def test_hundreds_of_kills_break_no_promise(tmp_path: Path, seed: int, room: int) -> None:
    clinic = killed_again_and_again(tmp_path, 120, seed, room)
    assert clinic.done["bolus", Outcome.REFUSED] > 10, clinic.done
    if room < 6000:
        return  # what a kill makes the pump count as delivered leaves no room for more
    for path in ("bolus", "confirm", "refill", "single"):
        assert clinic.done[path, Outcome.GRANTED] > 5, clinic.done


def test_the_judge_sees_a_window_that_holds_too_much(tmp_path: Path) -> None:
    path = tmp_path / "strokes.jsonl"
    lines: list[dict[str, object]] = [
        {"program": 1, "stroke_nl": 250, "channels": [[5_000_000, 50 * NG_EACH, 10**9]]},
        {"train": 51, "from_s": 0, "to_s": 3000, "acc": 0, "rate": 51, "unit": 3000, "why": "base"},
        {"train": 40, "from_s": 9000, "to_s": 9600, "acc": 0, "rate": 40, "unit": 600, "why": "patient bolus"},
        {"train": 40, "from_s": 9700, "to_s": 10300, "acc": 0, "rate": 40, "unit": 600, "why": "patient bolus"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    strokes, kinds = strokes_of(path)
    assert kinds == {"base": 51, "patient bolus": 80}
    assert (3000, 3600, 0) in broken_windows(strokes)
    assert presses(path) == [(9000, 80)]
