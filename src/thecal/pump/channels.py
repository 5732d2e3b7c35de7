"""Channels: which drug the pump counts under which number, so that the core never hears a name.

A drug keeps its channel from program to program, and a channel goes to another drug only when none of the old one
was delivered in the past 24 h: the windows of the core reach so far back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.pump.core.codes import MAX_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Channel:
    """One drug and its ceilings as the pump holds them, in ng for any 1 h and any 24 h."""

    drug: str
    ceiling_1h_ng: int
    ceiling_24h_ng: int


@dataclass(frozen=True, slots=True)
class ChannelMap:
    """The channels of one pump in order; None is a gap. At most as many as the core has."""

    channels: tuple[Channel | None, ...] = ()

    def __post_init__(self) -> None:
        drugs = [c.drug for c in self.channels if c is not None]
        if len(self.channels) > MAX_CHANNELS or len(set(drugs)) != len(drugs):
            raise ValueError(f"at most {MAX_CHANNELS} channels, each drug in one of them; found {drugs}")

    @property
    def drugs(self) -> tuple[str, ...]:
        """Every drug that has a channel, in the order of the channels."""
        return tuple(c.drug for c in self.channels if c is not None)

    def number(self, drug: str) -> int:
        """The channel of a drug; KeyError where it has none."""
        for number, channel in enumerate(self.channels):
            if channel is not None and channel.drug == drug:
                return number
        raise KeyError(drug)

    def assign(self, wanted: Collection[Channel], in_use: Collection[str]) -> ChannelMap | None:
        """The map for the drugs ``wanted``; None where they and those still ``in_use`` are more than the core counts.

        ``in_use`` names the drugs of which any was delivered in the past 24 h; their channels and ceilings stay.
        """
        new = {c.drug: c for c in wanted}
        kept = [new.pop(c.drug, c if c.drug in in_use else None) if c else None for c in self.channels]
        while kept and kept[-1] is None:
            kept.pop()
        for channel in new.values():
            if None in kept:
                kept[kept.index(None)] = channel
            else:
                kept.append(channel)
        return ChannelMap(tuple(kept)) if len(kept) <= MAX_CHANNELS else None
