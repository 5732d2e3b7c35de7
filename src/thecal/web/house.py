"""What the web process holds: the record, the way to the pumps, the clock of the clinic's world, the references."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from thecal.clinic.practice import Practice


class World(Protocol):
    """What the owner of the virtual world can do, as the web needs it. None of it goes over a pump's radio."""

    def near(self, serial: str) -> None:
        """Hold the programmer over a pump, for ten minutes."""

    def move(self, seconds: int) -> int:
        """Move the demonstration's clock on; the answer is its UTC in s."""

    def next_event_s(self) -> int:
        """Seconds until something happens next in any pump."""

    def draw(self, serial: str) -> int:
        """Aspirate all that is in the reservoir: nL that came out."""

    def fill(self, serial: str, volume_nl: int) -> int:
        """Put fluid into the reservoir: nL that are in it now."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the web process runs. ``origin`` is what browsers must name ("http://127.0.0.1:8080")."""

    origin: str = "http://127.0.0.1:8080"
    demonstration: bool = False
    secure_cookies: bool = False


@dataclass
class House(Practice):
    """A clinic as its web process holds it: the practice, and the virtual world where there is one."""

    world: World | None = None
    settings: Settings = field(default_factory=Settings)
