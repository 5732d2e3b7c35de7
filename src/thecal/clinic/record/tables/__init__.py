"""The tables of the record, by what they are about. A new table is imported here, or it does not exist."""

from thecal.clinic.record.columns import Base, Kept, Living
from thecal.clinic.record.tables.account import Act, Audit, AuditHead
from thecal.clinic.record.tables.desk import BoardLine, Booking, Contact, Feed, FieldNotice, NoticeHandled, Task
from thecal.clinic.record.tables.linked import LinkCommand, LinkNumber, LinkOutcome
from thecal.clinic.record.tables.ordered import Mixture, Order
from thecal.clinic.record.tables.patients import Implant, Observation, Patient, SystemicOpioid, Taper
from thecal.clinic.record.tables.people import (
    Challenge,
    FailedTries,
    KnownBrowser,
    OneTimeSecret,
    Passkey,
    Password,
    Person,
    RecoveryCode,
    SignIn,
    TryUnderWay,
)
from thecal.clinic.record.tables.pharmacy import (
    Fill,
    FormularyDecision,
    FormularyVersion,
    Preparation,
    RecalledLot,
    StockTaken,
)
from thecal.clinic.record.tables.pumps import (
    ClockDecision,
    Interrogation,
    LogRecord,
    ProgramRun,
    PumpAnswer,
    PumpAsk,
    PumpProposal,
)
from thecal.clinic.record.tables.scans import Scan
from thecal.clinic.record.tables.sessions import DoubleCheck, NearMiss, Override, Session, Watch
from thecal.clinic.record.tables.site import Clinic

__all__ = [
    "Act",
    "Audit",
    "AuditHead",
    "Base",
    "BoardLine",
    "Booking",
    "Challenge",
    "Clinic",
    "ClockDecision",
    "Contact",
    "DoubleCheck",
    "FailedTries",
    "Feed",
    "FieldNotice",
    "Fill",
    "FormularyDecision",
    "FormularyVersion",
    "Implant",
    "Interrogation",
    "Kept",
    "KnownBrowser",
    "LinkCommand",
    "LinkNumber",
    "LinkOutcome",
    "Living",
    "LogRecord",
    "Mixture",
    "NearMiss",
    "NoticeHandled",
    "Observation",
    "OneTimeSecret",
    "Order",
    "Override",
    "Passkey",
    "Password",
    "Patient",
    "Person",
    "Preparation",
    "ProgramRun",
    "PumpAnswer",
    "PumpAsk",
    "PumpProposal",
    "RecalledLot",
    "RecoveryCode",
    "Scan",
    "Session",
    "SignIn",
    "StockTaken",
    "SystemicOpioid",
    "Taper",
    "Task",
    "TryUnderWay",
    "Watch",
]
