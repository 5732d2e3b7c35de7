"""What the web process holds: the record, the way to the pumps, the clock of the clinic's world, the references."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from thecal.clinic.practice import Practice
from thecal.clinic.programming.previewing import Previews

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.clinic.people.provider import Provider
    from thecal.clinic.programming.previewing import PreviewSource
    from thecal.clinic.refilling.hands import Moved


class World(Protocol):
    """What the owner of the virtual world can do, as the web needs it. None of it goes over a pump's radio."""

    def near(self, serial: str) -> None:
        """Hold the programmer over a pump, for ten minutes."""

    def move(self, seconds: int) -> int:
        """Move the demonstration's clock on; the answer is its UTC in s."""

    def next_event_s(self) -> int:
        """Seconds until something happens next in any pump."""

    def moved(self, serial: str) -> Moved:
        """What was ever filled into the reservoir and drawn out of it."""

    def draw(self, serial: str, only_at: int | None = None) -> int:
        """Aspirate all that is in the reservoir: nL that came out. ``only_at`` as ``refilling.hands`` has it."""

    def fill(self, serial: str, volume_nl: int, only_at: int | None = None) -> int:
        """Put fluid into the reservoir: nL that are in it now."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the web process runs. ``origin`` is what browsers must name ("http://127.0.0.1:8080")."""

    origin: str = "http://127.0.0.1:8080"
    demonstration: bool = False
    secure_cookies: bool = False
    provider: Provider | None = None


@dataclass
class House(Practice):
    """A clinic as its web process holds it: the practice, and the virtual world where there is one."""

    world: World | None = None
    settings: Settings = field(default_factory=Settings)
    beside: Callable[[], tuple[str, ...]] = tuple
    """What does not run beside the web process now, in words."""
    previews: PreviewSource = field(default_factory=Previews)
