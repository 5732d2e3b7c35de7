"""Waits after failed sign-ins: they grow, they are kept in the record, and no stranger can lock anybody out for long.

What is counted:

- tries at a login from browsers in which that person never signed in, together, wherever they come from: guessing is
  slow however many machines do it;
- tries at a login from one browser in which that person did sign in before, apart: a stranger who tries the login for
  hours makes strange browsers wait, and not the person at their own desk (the OWASP "device cookie");
- tries from one address, whatever the login, with more room, because a whole clinic may share an address; a browser
  that is known is not held up by this one either;
- tries at somebody's second factor, by person.

A try is counted before the password is looked at, and taken back when it was right: a hundred tries at the same instant
count as a hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.clinic.record.tables import FailedTries
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FREE_TRIES = 4
"""Failures without any wait. Ours; NIST SP 800-63B 3.2.2 allows up to 100 in a row."""
FREE_OF_ADDRESS = 40
"""The same for one address: a clinic of many people behind one. Ours."""
FIRST_WAIT_S = 5
"""After the first failure beyond the free ones; each further one doubles it. Ours."""
LONGEST_WAIT_S = 15 * 60
"""Where the doubling ends: at most 96 tries a day. Ours."""
FORGOTTEN_S = 24 * 3600
"""After so long without a failure all of them are forgotten. Ours."""
LEAK_S = 10 * 60
"""An address forgets one failure every so often: the slips of a whole clinic do not add up over the day. Ours."""


class WaitFault(StrEnum):
    """Why a sign-in was not looked at."""

    WAIT = "sign-in-wait"


@dataclass(frozen=True, slots=True)
class Counted:
    """One thing that is counted, how many failures it has free, and whether it forgets one by one."""

    name: str
    free: int = FREE_TRIES
    leaks: bool = False

    @classmethod
    def address(cls, address: str) -> Counted:
        """Tries from one address."""
        return cls(f"address {address}", FREE_OF_ADDRESS, leaks=True)


def try_once(session: Session, counted: list[Counted], machine_s: int) -> Refused | None:
    """Count a try before it is looked at; the refusal where one of these has to wait, and then none is counted."""
    rows = [_row(session, one, machine_s) for one in counted]
    wait = max((_still_s(row, machine_s) for row in rows), default=0)
    if wait > 0:
        return Refused(
            WaitFault.WAIT,
            "too many tries that failed",
            "another try after the wait",
            f"try again in {wait_words(wait)}, or ask an administrator",
        )
    for row, one in zip(rows, counted, strict=True):
        if row.failures == 0 or not one.leaks:
            row.newest_s = machine_s
        row.failures += 1
        row.wait_until_s = machine_s + _wait_s(row.failures - one.free)
    return None


def take_back(session: Session, counted: list[Counted], machine_s: int) -> None:
    """The try was right: the counts of the person begin anew; the count of an address goes back by this try alone."""
    for one in counted:
        row = _row(session, one, machine_s)
        row.failures = max(0, row.failures - 1) if one.leaks else 0
        row.wait_until_s = 0


def wait_words(seconds: int) -> str:
    """A wait as people say it."""
    if seconds < 60:
        return f"{seconds} s"
    return f"{-(-seconds // 60)} min"


def _wait_s(beyond: int) -> int:
    return 0 if beyond <= 0 else min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(beyond - 1, 20))


def _still_s(row: FailedTries, machine_s: int) -> int:
    """Seconds to wait; a clock that went back makes nobody wait longer than the longest."""
    row.wait_until_s = min(row.wait_until_s, machine_s + LONGEST_WAIT_S)
    return row.wait_until_s - machine_s


def _row(session: Session, one: Counted, machine_s: int) -> FailedTries:
    """The row of something that is counted, made where there is none. Whoever calls is the only writer."""
    row = session.get(FailedTries, one.name)
    if row is None:
        row = FailedTries(counted=one.name, failures=0, newest_s=machine_s, wait_until_s=0)
        session.add(row)
    if abs(machine_s - row.newest_s) > FORGOTTEN_S:
        row.failures = 0
    elif one.leaks and machine_s > row.newest_s:
        leaked = (machine_s - row.newest_s) // LEAK_S
        row.failures = max(0, row.failures - leaked)
        row.newest_s += leaked * LEAK_S
    return row
