"""One clinic at work: its record, its way to the pumps, its formulary and its clock, as functions here take it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thecal.clinic.people.sealing import Seal
from thecal.clinic.record.store import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy.orm import Session

    from thecal.clinic.pumps import Pumps
    from thecal.clinic.record import Record, Store
    from thecal.clinic.who import Who
    from thecal.formulary import Formulary


@dataclass
class Practice:
    """``now_s`` gives UTC of the clinic's world in s; ``machine_s`` that of the machine, for signing in alone.

    ``seal`` is the key of what is sealed in the record; ``decided`` the newest decision on the formulary that
    ``formulary`` follows.
    """

    store: Store
    pumps: Pumps
    formulary: Formulary
    now_s: Callable[[], int]
    software: str
    machine_s: Callable[[], int] = lambda: int(time.time())
    seal: Seal = field(default_factory=Seal)
    decided: int = 0

    def stamp(self, who: Who) -> Stamp:
        """What a row that is written now says of its making."""
        return Stamp(who, self.now_s(), self.machine_s(), self.software, self.formulary.version, self.formulary)

    def writing(
        self, who: Who, action: str, patient_id: int | None = None, **details: Any
    ) -> AbstractContextManager[Record]:
        """One transaction on the record by somebody, with one link of the audit chain."""
        return self.store.writing(self.stamp(who), action, patient_id, **details)

    def looked(self, who: Who, action: str, patient_id: int | None = None, **details: Any) -> None:
        """One link of the audit chain for what somebody is shown, written when this returns."""
        self.store.looked(self.stamp(who), action, patient_id, **details)

    def reading(self) -> AbstractContextManager[Session]:
        """A look at the record."""
        return self.store.reading()
