"""What runs beside the web process: the link service, and the rig with its virtual world. Both are asked at sockets."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from thecal.clinic.formulary_versions import at_start
from thecal.clinic.people.provider import provider_in
from thecal.clinic.people.sealing import seal_of
from thecal.clinic.pumps import LinkAway, Pumps
from thecal.clinic.record import Store, StoreError
from thecal.clinic.refilling.hands import Moved
from thecal.demonstration.moving import Moving
from thecal.demonstration.scenario import FILE, read_scenario
from thecal.formulary import load
from thecal.rig.beside import Standing, read_note
from thecal.rig.clock import WorldClock
from thecal.rig.connect import ANSWER_S
from thecal.rig.hold import Turn
from thecal.rig.local import LocalClient, UnreachableError
from thecal.rig.refusal import Refusal
from thecal.rig.wire import told
from thecal.web.house import House, Settings
from thecal.web.previews import PreviewAsk
from thecal.web.upkeep import Upkeep

if TYPE_CHECKING:
    from thecal.clinic.practice import Practice
    from thecal.rig.home import Home

NEAR_S = 600
"""How long the programmer is held over a pump when somebody says so. Ours."""
TICK_S = 5.0
"""How often the seconds of the machine pass in the world of a demonstration. Ours."""
MOST_TICK_S = 60
"""What passes at most at once: a machine that slept does not wake up in another day. Ours."""
NOTE = "processes.json"
"""Where whoever keeps the processes of a clinic says how they are, in the folder of what runs now."""

_log = logging.getLogger(__name__)


class LinkAsk:
    """Asks the link service of a home (``clinic.pumps.Ask``)."""

    def __init__(self, home: Home) -> None:
        self._client = LocalClient(home.service_socket, ANSWER_S)

    def __call__(self, operation: str, **fields: object) -> Any:
        """The link's own type; LinkAway where nobody answers or the service does not take it up."""
        try:
            found = self._client.ask(operation, **fields)
        except UnreachableError as gone:
            raise LinkAway(f"the link service could not be asked: {gone}", asked=gone.asked) from gone
        if isinstance(found, Refusal):
            raise LinkAway(found.message, asked=False)
        return told(found)


class WorldAway(RuntimeError):  # noqa: N818 -- one of the ends of asking, not a fault of the program
    """The rig does not answer, or says no; the message says what to do next."""


class RigWorld:
    """The owner of the virtual world (``house.World``)."""

    def __init__(self, home: Home) -> None:
        self._client = LocalClient(home.rig_socket)

    def ask(self, operation: str, **fields: object) -> dict[str, Any]:
        """One operation of the rig's owner; WorldAway where it is refused."""
        try:
            found = self._client.ask(operation, **fields)
        except UnreachableError as gone:
            raise WorldAway(f"the rig could not be asked: {gone}") from gone
        if isinstance(found, Refusal):
            raise WorldAway(found.message)
        return found

    def near(self, serial: str) -> None:
        """Hold the programmer over a pump."""
        self.ask("near", serial=serial, seconds=NEAR_S)

    def utc_s(self) -> int:
        """UTC of the world."""
        return int(self.ask("time")["utc_s"])

    def move(self, seconds: int) -> int:
        """Move a test clock on; UTC of the world after it."""
        self.ask("advance", seconds=seconds)
        return self.utc_s()

    def next_event_s(self) -> int:
        """Seconds until something happens next in any pump; an hour where the rig does not say."""
        return 3600

    def advance(self, seconds: int) -> None:
        """Move a test clock on, with every pump."""
        self.ask("advance", seconds=seconds)

    def moved(self, serial: str) -> Moved:
        """What was ever filled into a reservoir and drawn out of it."""
        truth = self.ask("truth", serial=serial)
        return Moved(int(truth["filled_nl"]), int(truth["drawn_nl"]))

    def draw(self, serial: str, only_at: int | None = None) -> int:
        """Aspirate all that is in a reservoir, in nL; not again where more was drawn than ``only_at`` since."""
        only = {} if only_at is None else {"only_at_nl": only_at}
        return int(self.ask("draw", serial=serial, **only)["drawn_nl"])

    def fill(self, serial: str, volume_nl: int, only_at: int | None = None) -> int:
        """Put fluid into a reservoir; nL that are in it now. Not again where more was filled than ``only_at`` since."""
        only = {} if only_at is None else {"only_at_nl": only_at}
        return int(self.ask("fill", serial=serial, volume_nl=volume_nl, **only)["reservoir_nl"])


class DemonstrationWorld(RigWorld):
    """The world of a demonstration: when it moves, patients press, pumps are read, and the desk's tasks come due.

    While this process runs, the seconds of the machine pass in it too, so that a lockout counts down before one's eyes.
    """

    def __init__(self, home: Home, practice: Practice) -> None:
        super().__init__(home)
        turn = Turn(home.run / "moving.lock")
        self._moving = Moving(read_scenario(FILE, practice.formulary), practice, LinkAsk(home), self, turn)

    def move(self, seconds: int) -> int:
        """Move the clock on; UTC of the world after it."""
        return self._moving.move(seconds)

    def next_event_s(self) -> int:
        """Seconds until just after what happens next."""
        return self._moving.next_event_s()

    def run_on(self) -> None:
        """Let the machine's seconds pass in the world from now on."""
        threading.Thread(target=self._run_on, name="demonstration clock", daemon=True).start()

    def _run_on(self) -> None:
        then = time.monotonic()
        while True:
            time.sleep(TICK_S)
            passed_s = int(time.monotonic() - then)
            then += passed_s
            try:
                self._moving.tick(min(passed_s, MOST_TICK_S))
            except (WorldAway, LinkAway, StoreError) as away:
                _log.info("the world stands still for now: %s", away)


def open_house(
    home: Home,
    record: str,
    software: str,
    origin: str,
    *,
    demonstration: bool,
    secure: bool = False,
    first: bool = True,
) -> House:
    """The clinic of a home as a web process holds it; the ``first`` of them does what a clinic does by itself.

    StoreError where its record cannot be used.
    """
    store = Store(record, make=False)
    with store.reading() as db:
        seal = seal_of(home.folder, db)
    settings = Settings(origin, demonstration, secure, provider_in(home.folder))
    clock = WorldClock(home.world)  # from its file: the time is known while the rig is away
    house = House(store, Pumps(LinkAsk(home)), load(), clock.utc_s, software, settings=settings, seal=seal)
    at_start(house)  # the formulary that was signed here, over what ships
    house.beside = lambda: away(home)
    house.previews = PreviewAsk(home)
    house.world = RigWorld(home)
    if demonstration:
        world = DemonstrationWorld(home, house)
        house.world = world
        if first:
            world.run_on()
    elif first:
        Upkeep(house).run_on()
    return house


def away(home: Home) -> tuple[str, ...]:
    """What does not run beside the web process now, in words; empty where all of it does, or nobody keeps it."""
    kept = read_note(home.run / NOTE)
    return tuple(f"{one.what} {one.standing.value}" for one in kept if one.standing is not Standing.RUNNING)
