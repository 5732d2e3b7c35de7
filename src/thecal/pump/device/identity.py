"""Which pump this is: family, serial number and calibration, written once when the pump is made."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from thecal.pump.core.hardware import Hardware
from thecal.pump.device.memory import IDENTITY, LOG
from thecal.pump.families import Calibration, CalibrationError, UnknownFamily, family
from thecal.quantities import AmountError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.pump.device.memory import Disk
    from thecal.pump.families import Family, HardwareConstants

LAYOUT = 1
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}\Z")
_SEAL = 64  # SHA-256 in hex, in front of the text


class IdentityError(ValueError):
    """A pump that cannot be made, or cannot be woken: says what was found, what is allowed, what to do next."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A pump: the code of its family, its serial number, and what was measured on it.

    A serial number has 1 to 32 letters (A to Z, a to z), digits and hyphens, a letter or digit first. IdentityError for
    another one, for an unknown family, for one without a controller, and for a calibration that does not fit.
    """

    family: str
    serial: str
    calibration: Calibration

    def __post_init__(self) -> None:
        if not _SERIAL.match(self.serial):
            raise IdentityError(
                f"found serial number {self.serial[:64]!r}; allowed: 1 to 32 letters (A to Z, a to z), digits and "
                "hyphens, a letter or digit first"
            )
        self.constants()

    def kind(self) -> Family:
        """Its family."""
        try:
            return family(self.family)
        except UnknownFamily as unknown:
            raise IdentityError(f"found {unknown}; next: choose one of {', '.join(unknown.known)}") from unknown

    def constants(self) -> HardwareConstants:
        """What its controller runs by."""
        try:
            found = self.kind().hardware_constants(self.calibration)
        except CalibrationError as wrong:
            raise IdentityError(f"found a calibration that does not fit: {wrong}") from wrong
        if found is None:
            raise IdentityError(
                f"found family {self.family}, which has no controller; allowed: a family with strokes, such as bench-20"
            )
        return found

    def packed(self) -> bytes:
        """As bytes with a checksum, for memory."""
        measured = {
            name: f"{volume.floor('nL')} nL"
            for name in ("stroke", "tubing")
            if (volume := getattr(self.calibration, name)) is not None
        }
        text = json.dumps(
            {"layout": LAYOUT, "family": self.family, "serial": self.serial, "calibration": measured}
        ).encode()
        return sha256(text).hexdigest().encode() + text


def read_identity(disk: Disk) -> Identity:
    """The identity that a disk holds; IdentityError where there is none, or where it is damaged."""
    held = disk.read(IDENTITY)
    if not held:
        raise IdentityError("found no identity: no pump was ever made here; next: make one, or look in another place")
    if not _sound(held):
        raise IdentityError(
            "found a damaged identity: this pump cannot say who it is and is not started; "
            "next: bring its memory back from a copy, or take the pump out of use"
        )
    fields = json.loads(held[_SEAL:])
    return Identity(fields["family"], fields["serial"], _calibration(fields["calibration"]))


def refuse_existing(disk: Disk) -> None:
    """IdentityError where a pump was made: one that ever woke has a log, even if it lost its identity."""
    if _sound(disk.read(IDENTITY)) or disk.read(LOG):
        raise IdentityError("found a pump here already; allowed: one pump in each place; next: choose another place")


def write_identity(disk: Disk, identity: Identity) -> None:
    """Write who a pump is, the last thing that makes it one; IdentityError where that does not read back."""
    disk.write(IDENTITY, identity.packed())
    if disk.read(IDENTITY) != identity.packed():
        raise IdentityError("found memory that does not hold what is written to it; next: choose another place")


def hardware(constants: HardwareConstants) -> Hardware:
    """The constants of a pump as the core takes them."""
    made = Hardware(constants.stroke_nl, constants.reservoir_nl)
    made.residual_nl = constants.residual_nl
    made.max_rate_pl_per_h = constants.max_rate_pl_per_h
    made.prime_rate_pl_per_h = constants.prime_rate_pl_per_h
    made.replace_soon_s = constants.replace_soon_s
    made.end_of_service_s = constants.end_of_service_s
    return made


def _sound(held: bytes) -> bool:
    return sha256(held[_SEAL:]).hexdigest().encode() == held[:_SEAL]


def _calibration(texts: Mapping[str, str]) -> Calibration:
    try:
        return Calibration.parse(texts)
    except (AmountError, CalibrationError) as wrong:
        raise IdentityError(f"found a calibration that cannot be read: {wrong}") from wrong
