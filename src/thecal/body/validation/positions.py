"""Places along the canal as people write them: a level, cm from the end of the dural sac, or cm from the tip."""

from __future__ import annotations

import re
from dataclasses import dataclass

from thecal.body.spine.levels import vertebra_cm
from thecal.body.transport.untrusted import UntrustedError
from thecal.body.validation.units import BadAmountError, Dimension, amount

_OFFSET = re.compile(r"(?P<base>.+?) (?P<sign>[+-]) (?P<far>[^+-]+)")
_LENGTH = Dimension(length=1)
NOMINAL_CM = 60.0


@dataclass(frozen=True, slots=True)
class Position:
    """``level`` is the name of one, ``tip``, or nothing for the end of the sac; ``offset_cm`` is counted cranially."""

    text: str
    level: str
    offset_cm: float

    def cm(self, canal_cm: float, tip_cm: float) -> float:
        """Where it lies in a canal of this length, from the end of the sac."""
        if self.level == "tip":
            return tip_cm + self.offset_cm
        return (vertebra_cm(self.level, canal_cm) if self.level else 0.0) + self.offset_cm


def position(text: str) -> Position:
    """Read ``"L2-3"``, ``"14 cm"``, ``"tip + 5 cm"`` or ``"T10 - 2 cm"``; BadAmountError for anything else."""
    moved = _OFFSET.fullmatch(text)
    if moved:
        far = amount(moved["far"], _LENGTH) * (1 if moved["sign"] == "+" else -1)
        return Position(text, _base(moved["base"]), far)
    if text[:1].isdigit():
        return Position(text, "", amount(text, _LENGTH))
    return Position(text, _base(text), 0.0)


def _base(name: str) -> str:
    """A level that is known, or the tip."""
    if name != "tip":
        try:
            vertebra_cm(name, NOMINAL_CM)
        except UntrustedError:
            raise BadAmountError(
                repr(name), 'a vertebra or disc such as T10, L2-3 or C7-T1, "tip", or a length such as "14 cm"'
            ) from None
    return name
