"""Pump families as data: what a kind of pump can do, every constant with its source and whether it was read there.

In come the TOML files of this package; out comes one ``Family`` for each pump, and from it the envelope that therapy
reads and the integers that the controller runs by. A constant that no source gives is marked, never hidden, and a
pump's own calibration can take its place. Nothing here holds a program or moves fluid.
"""

from thecal.pump.families.calibration import Calibration, CalibrationError
from thecal.pump.families.catalog import FamilyFileError, UnknownFamily, family, load_families
from thecal.pump.families.specification import (
    Ability,
    Alarm,
    CatheterModel,
    Constant,
    Fact,
    Family,
    HardwareConstants,
    InField,
    Kind,
    PatientControl,
    Superseded,
    UnknownCatheter,
)

__all__ = [
    "Ability",
    "Alarm",
    "Calibration",
    "CalibrationError",
    "CatheterModel",
    "Constant",
    "Fact",
    "Family",
    "FamilyFileError",
    "HardwareConstants",
    "InField",
    "Kind",
    "PatientControl",
    "Superseded",
    "UnknownCatheter",
    "UnknownFamily",
    "family",
    "load_families",
]
