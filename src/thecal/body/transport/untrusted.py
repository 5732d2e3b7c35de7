"""Why a run is not made: one closed set of reasons, raised as one error."""

from __future__ import annotations

from enum import StrEnum


class Doubt(StrEnum):
    """What cannot be trusted."""

    NOT_A_NUMBER = "not a number"
    OUT_OF_RANGE = "out of range"
    NOT_A_TREE = "not a tree"
    SHAPE = "shape"
    TIME = "time"
    DISPERSION_FLOOR = "dispersion under the floor"
    LOST_DIGITS = "lost digits"
    NO_MODEL = "no model"


class UntrustedError(ValueError):
    """A run that cannot be trusted; ``doubt`` says why, the message what was found and what is allowed."""

    def __init__(self, doubt: Doubt, found: str, allowed: str) -> None:
        super().__init__(f"{doubt}: found {found}; allowed: {allowed}")
        self.doubt = doubt
        self.found = found
        self.allowed = allowed

    def __reduce__(self) -> tuple[type[UntrustedError], tuple[Doubt, str, str]]:
        """So that it comes out of another process as what it is."""
        return type(self), (self.doubt, self.found, self.allowed)
