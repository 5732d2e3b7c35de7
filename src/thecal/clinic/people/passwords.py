"""Passwords: what one may be, how it is kept, and whether one is right.

What is kept is made by argon2id. A check takes as long for a login that there is not as for one that there is.
"""

from __future__ import annotations

import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select

from thecal.clinic.record.tables import Password, Person
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

    from thecal.clinic.record import Record

LEAST_LENGTH = 12
"""Characters. NIST SP 800-63B asks for 8 beside a second factor and for 15 where there is none; 12 is ours."""
MOST_LENGTH = 128
"""Characters. NIST SP 800-63B asks for room for 64 at least; the end keeps a single try cheap. Ours."""

TIME_COST = 2
MEMORY_KIB = 64 * 1024
LANES = 1
"""argon2id with 64 MiB, two passes, one lane: above the OWASP cheat sheet's least (46 MiB, one pass, or 19 MiB, two).

Measured at 113 ms of one core; 200 people who sign in within a minute need 23 of the 120 s that two cores have. The
library's own default (three passes, four lanes) needs 171 ms of processor for each.
"""
AT_ONCE = 2
"""Checks of one process at the same time: a crowd of sign-ins holds 128 MiB and not 64 for each thread. Ours."""

_HASHER = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=LANES)
_GATE = BoundedSemaphore(AT_ONCE)
_COMMON = Path(__file__).with_name("common_passwords.txt")


class PasswordFault(StrEnum):
    """Why a password was not taken."""

    SHORT = "password-short"
    LONG = "password-long"
    COMMON = "password-common"
    LOGIN = "password-login"


@dataclass(frozen=True, slots=True)
class Proved:
    """A password was right. ``kept`` is the hash that it was checked against, ``renewed`` one of today's parameters."""

    person_id: int
    kept: str
    renewed: str | None


def password_fault(login: str, password: str, field: str = "password") -> Refused | None:
    """Why a password is not taken, None where it is.

    There is no rule about kinds of characters, and there is a list of common ones (NIST SP 800-63B 3.1.1.2).
    """
    said = _plain(password)
    allowed = f"{LEAST_LENGTH} to {MOST_LENGTH} characters, of any kind, spaces too"
    if len(said) < LEAST_LENGTH:
        return Refused(
            PasswordFault.SHORT, f"{len(said)} characters", allowed, "take a longer one, such as four words", field
        )
    if len(said) > MOST_LENGTH:
        return Refused(PasswordFault.LONG, f"{len(said)} characters", allowed, "take a shorter one", field)
    if _is_login(said, login):
        return Refused(
            PasswordFault.LOGIN,
            "the login again",
            "a password that does not come from the login",
            "take another",
            field,
        )
    if said.casefold() in _common() or len(set(said)) == 1:
        return Refused(
            PasswordFault.COMMON,
            "one of the commonest passwords",
            "one that is not in every list",
            "take another, such as four words that have nothing to do with each other",
            field,
        )
    return None


def set_password(
    record: Record, person: Person, password: str, field: str = "password", temporary_until_s: int | None = None
) -> Refused | None:
    """Give a person a password; the reason where it is not taken, and then nothing is written.

    ``temporary_until_s`` (the machine's clock) is for one that an administrator hands out: it serves until then, and
    only to choose another. The act that is left behind says that it was done, and never what the password is.
    """
    fault = password_fault(person.login, password, field)
    if fault is not None:
        return fault
    kept = record.session.get(Password, person.id)
    if kept is None:
        kept = Password(person_id=person.id, hash="")
        record.session.add(kept)
    kept.hash = hash_of(password)
    kept.temporary_until_s = temporary_until_s
    record.act("person", person.id, "password set", {"temporary": temporary_until_s is not None})
    return None


def kept_password(session: Session, login: str) -> tuple[int, str] | None:
    """Whose login it is and the hash that is kept; None for a login that there is not, or that has no password."""
    found = session.execute(
        select(Person.id, Password.hash).join(Password, Password.person_id == Person.id).where(Person.login == login)
    ).first()
    return None if found is None else (found[0], found[1])


def verify_password(kept: tuple[int, str] | None, password: str) -> Proved | None:
    """Whether a password is right for what ``kept_password`` gave; None where it is not.

    It takes as long where nothing is kept. Call it in one's ``turn`` and in no transaction: it is slow on purpose.
    """
    person_id, hashed = kept or (0, _of_nobody())
    if len(password) > 4 * MOST_LENGTH:
        password = ""
    if not _right(hashed, password) or kept is None:
        return None
    renewed = hash_of(password) if _HASHER.check_needs_rehash(hashed) else None
    return Proved(person_id, hashed, renewed)


def renew(session: Session, proved: Proved) -> None:
    """Keep the hash of today's parameters, unless the password was changed since it was checked."""
    kept = session.get(Password, proved.person_id)
    if proved.renewed is not None and kept is not None and kept.hash == proved.kept:
        kept.hash = proved.renewed


def hash_of(password: str) -> str:
    """A password as it is kept. It waits for no turn: it is made within a transaction, which is alone anyway."""
    return _HASHER.hash(_plain(password))


@contextmanager
def turn() -> Iterator[None]:
    """One's turn to check a password, a crowd one after the other. Take it outside of any transaction."""
    with _GATE:
        yield


def _right(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, _plain(password))
    except (VerificationError, InvalidHashError):
        return False


def _plain(password: str) -> str:
    """The same characters whatever keyboard they came from (NIST SP 800-63B: NFKC before anything else)."""
    return unicodedata.normalize("NFKC", password)


def _is_login(password: str, login: str) -> bool:
    rest = password.casefold().replace(login.casefold(), " ") if login else password
    return not rest.strip(" 0123456789!.-_") and login.casefold() in password.casefold()


@cache
def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text("utf-8").casefold().split("\n"))


@cache
def _of_nobody() -> str:
    return _HASHER.hash("")
