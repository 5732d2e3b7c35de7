"""What runs beside the web process: the link service, and the rig with its virtual world. Both are asked over sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.clinic.pumps import LinkAway
from thecal.rig.connect import ANSWER_S
from thecal.rig.local import LocalClient, UnreachableError
from thecal.rig.refusal import Refusal
from thecal.rig.wire import told

if TYPE_CHECKING:
    from thecal.rig.home import Home

NEAR_S = 600
"""How long the programmer is held over a pump when somebody says so. Ours."""


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


class WorldAway(RuntimeError):
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

    def draw(self, serial: str) -> int:
        """Aspirate all that is in a reservoir, in nL."""
        return int(self.ask("draw", serial=serial)["drawn_nl"])

    def fill(self, serial: str, volume_nl: int) -> int:
        """Put fluid into a reservoir; nL that are in it now."""
        return int(self.ask("fill", serial=serial, volume_nl=volume_nl)["reservoir_nl"])
