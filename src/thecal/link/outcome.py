"""How one exchange with a pump can end, apart from its answer."""

from __future__ import annotations

from enum import StrEnum


class Denial(StrEnum):
    """Why a pump did not take a message up. It says so under protection: this is its own word."""

    FORBIDDEN = "this role may not say that, or only in near field"
    UNKNOWN_PATH = "the pump knows no such message"
    MALFORMED = "the message is not as the catalogue has it"


class NotSent(Exception):  # noqa: N818 - one of the ends of an exchange, not a fault of the program
    """Nothing left this side: the pump cannot have done anything."""


class NotHeard(Exception):  # noqa: N818 - one of the ends of an exchange, not a fault of the program
    """It was sent and no answer came that the pump protected: whether it was done is not known."""


class Denied(Exception):  # noqa: N818 - one of the ends of an exchange, not a fault of the program
    """The pump heard it, did nothing, and said so."""

    def __init__(self, reason: Denial) -> None:
        super().__init__(reason.value)
        self.reason = reason
