"""The way in: password, then second factor, then the clinic; each step with a new secret for the browser's cookie.

In a real clinic nobody is in without a second factor. A clinic that says of itself that it is a demonstration waives
it, and keeps with the sign-in that it did.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.people import one_time_codes, passwords, signing_in, waiting
from thecal.clinic.people.acting import unless_refused
from thecal.clinic.people.signing_in import Sitting, State, Visitor, begin, digest, sitting, who_is
from thecal.clinic.people.waiting import Counted, Try
from thecal.clinic.record.tables import Clinic, KnownBrowser, Password, Person
from thecal.clinic.refused import Refused
from thecal.clinic.who import SYSTEM, Who

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from thecal.clinic.people.passwords import Proved
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record


class EnterFault(StrEnum):
    """Why somebody was not let in."""

    WRONG = "sign-in-wrong"
    CODE = "sign-in-code"
    OVER = "sign-in-over"
    SAME = "sign-in-same-password"


class Then(StrEnum):
    """What comes next on the way in."""

    PASSWORD = "password"  # noqa: S105 - a step, not a password: choose one's own in place of the one handed out
    ENROLL = "enroll"  # set up the second factor
    SECOND = "second"  # say the second factor
    IN = "in"


@dataclass(frozen=True, slots=True)
class Entered:
    """One step further: the new secret for the cookie, what comes next, and the mark of a browser that is now known."""

    token: str
    then: Then
    known: str = ""
    recovery_codes: tuple[str, ...] = ()


def is_demonstration(session: Session) -> bool:
    """Whether the clinic says of itself that it is one; a record without a clinic does not."""
    clinic = session.scalars(select(Clinic)).first()
    return clinic is not None and clinic.demonstration


def enter(practice: Practice, login: str, password: str, visitor: Visitor) -> Entered | Refused:
    """The first step: login and password. Whatever is wrong, the answer is the same and takes as long."""
    login = login.strip().casefold()
    machine_s = practice.machine_s()
    checked = _checked(practice, login, password, lambda session: _counted(session, login, visitor))
    if isinstance(checked, Refused):
        return checked
    proved = checked.proved
    with practice.reading() as session:
        person = session.get(Person, proved.person_id) if proved is not None else None
        expired = person is not None and _handed_out_too_long(session, person.id, machine_s)
    if proved is None or person is None or not person.active or expired:
        _note_failure(practice, checked, visitor)
        return _wrong()
    with practice.writing(who_is(person), "password right", address=visitor.address) as record:
        passwords.renew(record.session, proved)
        waiting.end_right(record.session, checked.tried, machine_s)
        return _forward(record, person, machine_s, visitor, "password")


@dataclass(frozen=True, slots=True)
class _Checked:
    """A password that was looked at: the try, whose login it was, and what it proved."""

    tried: Try
    person_id: int
    proved: Proved | None


def _checked(
    practice: Practice, login: str, password: str, counted: Callable[[Session], list[Counted]]
) -> _Checked | Refused:
    """Look at a password, in one's turn; the refusal where one has to wait. The try is still to be ended."""
    with passwords.turn():
        with practice.store.noting() as session:
            tried = waiting.begin_try(session, counted(session), practice.machine_s())
        if isinstance(tried, Refused):
            return tried
        with practice.reading() as session:
            kept = passwords.kept_password(session, login)
        return _Checked(tried, 0 if kept is None else kept[0], passwords.verify_password(kept, password))


def say_second(practice: Practice, token: str, code: str, visitor: Visitor) -> Entered | Refused:
    """The second step: a code of the application, or a recovery code. Neither is ever taken twice."""
    machine_s = practice.machine_s()
    with practice.reading() as session:
        found = sitting(session, token, machine_s)
    if found.state is not State.HALF or found.person is None or found.row is None:
        return _over()
    counted = [Counted(f"second {found.person.id}")]
    with practice.store.noting() as session:
        tried = waiting.begin_try(session, counted, machine_s)
    if isinstance(tried, Refused):
        return tried
    with practice.writing(who_is(found.person), "second factor", address=visitor.address) as record:
        way = _way_of_code(practice, record, found.person.id, code)
        if way is None or sitting(record.session, token, machine_s).state is not State.HALF:
            waiting.end_failed(record.session, tried, machine_s)
            return _code_wrong()
        waiting.end_right(record.session, tried, machine_s)
        signing_in.end(record.session, token)
        return _in(record, found.person, machine_s, visitor, f"{found.row.way} and {way}")


def _way_of_code(practice: Practice, record: Record, person_id: int, code: str) -> str | None:
    """Which of the two ways a code is right in, and use it up; None where in neither."""
    way, machine_s = None, practice.machine_s()
    if one_time_codes.use_code(record.session, person_id, code, machine_s, practice.seal):
        way = "code"
    elif one_time_codes.use_recovery_code(record.session, person_id, code, machine_s):
        way = "recovery code"
    kind = "second factor wrong" if way is None else "second factor right"
    record.act("person", person_id, kind, {"way": way or "none"})
    return way


def take_second(practice: Practice, token: str, code: str, visitor: Visitor) -> Entered | Refused:
    """The second step of a first sign-in: take the application that was shown into use, and give out recovery codes."""
    machine_s = practice.machine_s()
    with practice.reading() as session:
        found = sitting(session, token, machine_s)
    if found.state is not State.HALF or found.person is None:
        return _over()
    person = found.person

    def do(record: Record) -> Entered | Refused:
        session = record.session
        if one_time_codes.has_second(session, person.id) or handed_out(session, person.id):
            return _over()
        if not one_time_codes.confirm(session, person.id, code, machine_s, practice.seal):
            return _code_wrong()
        record.act("person", person.id, "second factor set up", {})
        codes = tuple(one_time_codes.new_recovery_codes(session, person.id))
        signing_in.end(session, token)
        return replace(_in(record, person, machine_s, visitor, "password and code"), recovery_codes=codes)

    return unless_refused(practice, who_is(person), "second factor set up", do, address=visitor.address)


def choose_password(practice: Practice, token: str, password: str, visitor: Visitor) -> Entered | Refused:
    """Choose one's own password in place of the one that an administrator handed out."""
    machine_s = practice.machine_s()
    with practice.reading() as session:
        found = sitting(session, token, machine_s)
        kept = session.get(Password, found.person.id) if found.person is not None else None
    if found.state is not State.HALF or found.person is None or kept is None:
        return _over()
    with passwords.turn():
        same = passwords.verify_password((found.person.id, kept.hash), password) is not None
    if same:
        return Refused(
            EnterFault.SAME, "the password that was handed out", "one that only you know", "take another", "password"
        )
    person = found.person

    def do(record: Record) -> Entered | Refused:
        if not handed_out(record.session, person.id):
            return _over()
        fault = passwords.set_password(record, person, password)
        if fault is not None:
            return fault
        signing_in.end(record.session, token)
        return _forward(record, person, machine_s, visitor, "password")

    return unless_refused(practice, who_is(person), "password chosen", do, address=visitor.address)


def next_of(session: Session, found: Sitting) -> Then:
    """What comes next for somebody whose password was right."""
    person_id = found.person.id if found.person is not None else 0
    if handed_out(session, person_id):
        return Then.PASSWORD
    return Then.SECOND if one_time_codes.has_second(session, person_id) else Then.ENROLL


def unlock(practice: Practice, token: str, password: str, visitor: Visitor) -> Entered | Refused:
    """Go on at a locked screen, by the password of whoever sits there; the sign-in gets no longer by it."""
    machine_s = practice.machine_s()
    with practice.reading() as session:
        found = sitting(session, token, machine_s)
    if found.state is not State.LOCKED or found.person is None or found.row is None:
        return _over()
    login = found.person.login
    checked = _checked(practice, login, password, lambda session: _counted(session, login, visitor))
    if isinstance(checked, Refused):
        return checked
    if checked.proved is None:
        _note_failure(practice, checked, visitor)
        return _wrong("password")

    def do(record: Record) -> Entered | Refused:
        if sitting(record.session, token, machine_s).state is not State.LOCKED:
            return _over()
        waiting.end_right(record.session, checked.tried, machine_s)
        return Entered(_unlocked(record, found, machine_s), Then.IN)

    return unless_refused(practice, who_is(found.person), "unlocked", do, address=visitor.address)


def _unlocked(record: Record, found: Sitting, machine_s: int) -> str:
    """A new secret for the same sign-in: it began when it began."""
    assert found.row is not None and found.person is not None  # noqa: S101 - the caller looked
    old = record.session.get_one(type(found.row), found.row.token_digest)
    old.ended = True
    visitor = Visitor(old.address, old.browser)
    token = begin(
        record.session, found.person, old.begun_s, second_done=True, way=old.way, waived=old.waived, visitor=visitor
    )
    new = record.session.get_one(type(old), digest(token))
    new.seen_s = machine_s
    return token


def asked_again(practice: Practice, who: Who, password: str, field: str = "password") -> Refused | None:
    """The refusal where the password of somebody who is signed in is not right, with the waits of a sign-in.

    It is asked again before a change of how they sign in.
    """
    with practice.reading() as session:
        login = session.get_one(Person, who.person_id).login
    checked = _checked(practice, login, password, lambda _: [Counted(f"again {who.person_id}")])
    if isinstance(checked, Refused):
        return replace(checked, field=field)
    end = waiting.end_failed if checked.proved is None else waiting.end_right
    with practice.store.noting() as session:
        end(session, checked.tried, practice.machine_s())
    return _wrong(field) if checked.proved is None else None


def come_in(record: Record, person: Person, machine_s: int, visitor: Visitor, way: str) -> Entered:
    """Let somebody in who has proved it all at once: a passkey, or a provider that vouches for both factors."""
    return _in(record, person, machine_s, visitor, way)


def come_half(record: Record, person: Person, machine_s: int, visitor: Visitor, way: str) -> Entered:
    """Let somebody as far as the second factor, whose first was not our password."""
    return _forward(record, person, machine_s, visitor, way)


def _forward(record: Record, person: Person, machine_s: int, visitor: Visitor, way: str) -> Entered:
    """After the first factor: on to what is still to come, or in where the demonstration waives it."""
    session = record.session
    if handed_out(session, person.id):
        then = Then.PASSWORD
    elif one_time_codes.has_second(session, person.id):
        then = Then.SECOND
    elif is_demonstration(session):
        return _in(record, person, machine_s, visitor, f"{way}, second factor waived", waived=True)
    else:
        then = Then.ENROLL
    token = begin(session, person, machine_s, second_done=False, way=way, visitor=visitor)
    return Entered(token, then)


def _in(record: Record, person: Person, machine_s: int, visitor: Visitor, way: str, *, waived: bool = False) -> Entered:
    token = begin(record.session, person, machine_s, second_done=True, way=way, waived=waived, visitor=visitor)
    record.act("person", person.id, "signed in", {"way": way, "address": visitor.address})
    known = "" if _knows(record.session, visitor.known, person.id) else secrets.token_urlsafe(32)
    if known:
        record.session.add(KnownBrowser(token_digest=digest(known), person_id=person.id, made_s=machine_s))
    return Entered(token, Then.IN, known)


def handed_out(session: Session, person_id: int) -> bool:
    """Whether somebody's password is one that an administrator handed out."""
    kept = session.get(Password, person_id)
    return kept is not None and kept.temporary_until_s is not None


def _handed_out_too_long(session: Session, person_id: int, machine_s: int) -> bool:
    kept = session.get(Password, person_id)
    return kept is not None and kept.temporary_until_s is not None and kept.temporary_until_s <= machine_s


def _counted(session: Session, login: str, visitor: Visitor) -> list[Counted]:
    person_id = session.scalars(select(Person.id).where(Person.login == login)).first()
    if person_id is not None and _knows(session, visitor.known, person_id):
        return [Counted(f"browser {digest(visitor.known)} {person_id}")]
    return [Counted(f"login {digest(login)}"), Counted.address(visitor.address)]


def _knows(session: Session, known: str, person_id: int) -> bool:
    kept = session.get(KnownBrowser, digest(known)) if known else None
    return kept is not None and kept.person_id == person_id


def _note_failure(practice: Practice, checked: _Checked, visitor: Visitor) -> None:
    """Write down a failure, at whatever login, so that it takes as long at each.

    One that there is not may be a password, and is not kept: its person is 0.
    """
    with practice.writing(SYSTEM, "sign-in refused", person=checked.person_id, address=visitor.address) as record:
        waiting.end_failed(record.session, checked.tried, practice.machine_s())


def _wrong(field: str = "") -> Refused:
    found = "a wrong password" if field else "a login or a password that is not right"
    return Refused(EnterFault.WRONG, found, "what you sign in with", "try again, or ask an administrator", field)


def _code_wrong() -> Refused:
    return Refused(
        EnterFault.CODE,
        "a code that is not right, is over, or was used already",
        "the code that the application shows now, or a recovery code that was never used",
        "wait for the next code and enter it",
        "code",
    )


def _over() -> Refused:
    return Refused(
        EnterFault.OVER,
        "a sign-in that is over or further on",
        f"the second step within {signing_in.HALF_S // 60} minutes of the first",
        "sign in again",
    )
