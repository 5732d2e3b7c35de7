"""What a clinic does by itself: tasks come due each minute, and pumps that nobody read for long are read.

A demonstration does the same whenever its clock moves. What goes wrong here is a line in the log: nobody asked for it,
and the next round tries again.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.desk.tasks import tasks_due
from thecal.clinic.pumps import LinkAway
from thecal.clinic.record import StoreError
from thecal.clinic.record.tables import Implant, Interrogation
from thecal.clinic.refused import Refused
from thecal.clinic.session import poll
from thecal.web.security import lines_of

if TYPE_CHECKING:
    from thecal.clinic.practice import Practice

ROUND_S = 60.0
"""Real seconds between two rounds. Ours."""
OLD_S = 6 * 3600
"""A pump whose last reading is older is read, where it can be reached. Ours."""
AT_ONCE = 5
"""Pumps read in one round, so that people at their screens never wait for it. Ours."""

_log = logging.getLogger(__name__)


class Upkeep:
    """The rounds of one practice. A pump that did not answer waits until the others had their turn."""

    def __init__(self, practice: Practice) -> None:
        self._practice = practice
        self._tried: dict[str, int] = {}

    def run_on(self) -> None:
        """Go round from now on, in a thread that ends with the process."""
        threading.Thread(target=self._rounds, name="upkeep", daemon=True).start()

    def _rounds(self) -> None:
        while True:
            try:
                self.round()
            except (LinkAway, StoreError) as away:
                _log.info("a round of the clinic's upkeep was not finished: %s", away)
            except Exception as wrong:  # noqa: BLE001 -- one bad round must not end all of them
                _log.error("a round of the clinic's upkeep failed\n%s", lines_of(wrong))
            time.sleep(ROUND_S)

    def round(self) -> list[str]:
        """One round; the serial numbers of the pumps that were read."""
        tasks_due(self._practice)
        read = []
        for serial in self.old():
            self._tried[serial] = self._practice.now_s()
            if not isinstance(poll(self._practice, serial), Refused):
                read.append(serial)
        return read

    def old(self) -> list[str]:
        """The pumps to read now: those whose last reading, or try, is oldest."""
        newest = (
            select(Interrogation.serial, func.max(Interrogation.read_utc_s).label("read_s"))
            .group_by(Interrogation.serial)
            .subquery()
        )
        query = (
            select(Implant.serial, newest.c.read_s)
            .outerjoin(newest, newest.c.serial == Implant.serial)
            .where(Implant.until.is_(None))
        )
        before_s = self._practice.now_s() - OLD_S
        with self._practice.reading() as db:
            rows = [(max(read_s or 0, self._tried.get(serial, 0)), serial) for serial, read_s in db.execute(query)]
        return [serial for at_s, serial in sorted(rows) if at_s < before_s][:AT_ONCE]
