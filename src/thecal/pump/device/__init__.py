"""A virtual pump around the core: durable memory, motor, reservoir, battery, clock, buzzer, and what can fail in each.

In come true seconds, what people do, faults, and what the link asks; out come strokes, and the truth about the fluid.
It knows no drug, no key and no frame.
"""

from thecal.pump.device.awake import make
from thecal.pump.device.buzzer import Tone
from thecal.pump.device.device import Device, NoPower
from thecal.pump.device.faults import KINDS, Fault, FaultError, FaultKind
from thecal.pump.device.faulty_memory import FaultyDisk, PowerCut, Tear
from thecal.pump.device.history import LOG_RECORDS
from thecal.pump.device.identity import Identity, IdentityError
from thecal.pump.device.memory import Disk, FileDisk, RamDisk
from thecal.pump.device.reservoir import ReservoirError, Stroke
from thecal.pump.device.truth import Believed, Truth
from thecal.pump.device.world import WorldError

__all__ = [
    "KINDS",
    "LOG_RECORDS",
    "Believed",
    "Device",
    "Disk",
    "Fault",
    "FaultError",
    "FaultKind",
    "FaultyDisk",
    "FileDisk",
    "Identity",
    "IdentityError",
    "NoPower",
    "PowerCut",
    "RamDisk",
    "ReservoirError",
    "Stroke",
    "Tear",
    "Tone",
    "Truth",
    "WorldError",
    "make",
]
