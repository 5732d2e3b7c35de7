"""The tables of the record, by what they are about. A new table is imported here, or it does not exist."""

from thecal.clinic.record.columns import Base, Kept, Living
from thecal.clinic.record.tables.account import Act, Audit, AuditHead
from thecal.clinic.record.tables.desk import BoardLine, Booking, Contact, Feed, FieldNotice, Task
from thecal.clinic.record.tables.linked import LinkCommand, LinkNumber, LinkOutcome
from thecal.clinic.record.tables.ordered import Mixture, Order
from thecal.clinic.record.tables.patients import Implant, Observation, Patient, SystemicOpioid
from thecal.clinic.record.tables.people import Person, SignIn
from thecal.clinic.record.tables.pharmacy import Fill, Preparation
from thecal.clinic.record.tables.pumps import Interrogation, LogRecord, ProgramRun
from thecal.clinic.record.tables.sessions import DoubleCheck, NearMiss, Override, Session, Watch
from thecal.clinic.record.tables.site import Clinic

__all__ = [
    "Act",
    "Audit",
    "AuditHead",
    "Base",
    "BoardLine",
    "Booking",
    "Clinic",
    "Contact",
    "DoubleCheck",
    "Feed",
    "FieldNotice",
    "Fill",
    "Implant",
    "Interrogation",
    "Kept",
    "LinkCommand",
    "LinkNumber",
    "LinkOutcome",
    "Living",
    "LogRecord",
    "Mixture",
    "NearMiss",
    "Observation",
    "Order",
    "Override",
    "Patient",
    "Person",
    "Preparation",
    "ProgramRun",
    "Session",
    "SignIn",
    "SystemicOpioid",
    "Task",
    "Watch",
]
