"""Waits after failed sign-ins: they grow, they are kept in the record, and no stranger can lock anybody out for long.

What is counted:

- tries at a login from browsers in which that person never signed in, together, wherever they come from: guessing is
  slow however many machines do it;
- tries at a login from one browser in which that person did sign in before, apart: a stranger who tries the login for
  hours makes strange browsers wait, and not the person at their own desk (the OWASP "device cookie");
- tries from one address, whatever the login, with more room, because a whole clinic may share an address; a browser
  that is known is not held up by this one either;
- tries at somebody's second factor, by person.

Only a try that has ended as a failure makes anybody wait. One that is under way is written down before the password is
looked at, and takes up room: never are there more tries at once than failures are still free, and where none is, one
after the other. So a crowd that comes in the right way waits for nobody, and nobody guesses faster by guessing at once.
What is under way stands in the record too: it does not matter which process of the web it came to.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, or_, select

from thecal.clinic.record.tables import FailedTries, TryUnderWay
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

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

LOST_S = 60
"""A try that did not end for so long never will: its process is gone. It counts as a failure. Ours."""


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


@dataclass(frozen=True, slots=True)
class Try:
    """One try that is under way: what it counts for, and where each of these is written down."""

    counted: tuple[Counted, ...]
    ids: tuple[int, ...]


def begin_try(session: Session, counted: Sequence[Counted], machine_s: int) -> Try | Refused:
    """Write down a try before it is looked at; the refusal where one of these has to wait, and then nothing is."""
    rows = [(_row(session, one, machine_s), one) for one in counted]
    wait = max((_still_s(row, machine_s) for row, _ in rows), default=0)
    if wait <= 0 and all(_has_room(session, row, one) for row, one in rows):
        # By chance and not counted up: SQLite gives the number of a row that was taken away to the next one.
        made = [TryUnderWay(id=secrets.randbits(62), counted=one.name, begun_s=machine_s) for one in counted]
        session.add_all(made)
        return Try(tuple(counted), tuple(row.id for row in made))
    return Refused(
        WaitFault.WAIT,
        "too many tries that failed" if wait > 0 else "as many tries at once as may fail",
        "another try after the wait",
        f"try again in {wait_words(max(wait, 1))}, or ask an administrator",
    )


def end_failed(session: Session, tried: Try, machine_s: int) -> None:
    """The try was wrong: it counts."""
    for number, one in zip(tried.ids, tried.counted, strict=True):
        if _took_away(session, number):  # else it was given up as lost, and has counted as a failure already
            _count(_row(session, one, machine_s), one, machine_s)
    session.execute(delete(FailedTries).where(FailedTries.newest_s < machine_s - FORGOTTEN_S))


def end_right(session: Session, tried: Try, machine_s: int) -> None:
    """The try was right: the counts of the person begin anew; an address keeps its own."""
    for number, one in zip(tried.ids, tried.counted, strict=True):
        _took_away(session, number)
        if not one.leaks:
            row = _row(session, one, machine_s)
            row.failures = row.wait_until_s = 0


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


def _has_room(session: Session, row: FailedTries, one: Counted) -> bool:
    query = select(func.count()).select_from(TryUnderWay).where(TryUnderWay.counted == one.name)
    return (session.scalar(query) or 0) < max(1, one.free - row.failures)


def _took_away(session: Session, number: int) -> bool:
    """Take away that a try is under way; False where that was done."""
    row = session.get(TryUnderWay, number)
    if row is None:
        return False
    session.delete(row)
    return True


def _count(row: FailedTries, one: Counted, machine_s: int) -> None:
    if row.failures == 0 or not one.leaks:
        row.newest_s = machine_s
    row.failures += 1
    row.wait_until_s = machine_s + _wait_s(row.failures - one.free)


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
    for lost in _lost(session, one, machine_s):
        session.delete(lost)
        _count(row, one, machine_s)
    return row


def _lost(session: Session, one: Counted, machine_s: int) -> list[TryUnderWay]:
    """Tries whose process was killed before it could say how they ended: they count as failures."""
    begun = TryUnderWay.begun_s
    old = or_(begun < machine_s - LOST_S, begun > machine_s + LOST_S)
    return list(session.scalars(select(TryUnderWay).where(TryUnderWay.counted == one.name, old)))
