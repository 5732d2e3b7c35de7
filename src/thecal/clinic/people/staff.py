"""What an administrator does about people: make, change roles, make inactive, reset; never to themselves.

A change of roles takes effect at once: every sign-in of the person ends. The last active administrator stays one.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select

from thecal.clinic.people import one_time_codes
from thecal.clinic.people.acting import unless_refused
from thecal.clinic.people.passwords import password_fault, set_password
from thecal.clinic.people.signing_in import end_all, who_is
from thecal.clinic.record.tables import KnownBrowser, Passkey, Person
from thecal.clinic.refused import Refused
from thecal.clinic.who import SYSTEM, StaffRole, Who

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record

TEMPORARY_S = 72 * 3600
"""So long a password serves that an administrator handed out. Ours."""
PAGE = 50
"""People on one page of the list. Ours."""
_LOGIN = re.compile(r"[a-z][a-z0-9.\-]{1,31}")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class StaffFault(StrEnum):
    """Why nothing was changed about somebody."""

    LOGIN = "staff-login"
    TAKEN = "staff-login-taken"
    NAME = "staff-name"
    ROLES = "staff-roles"
    OWN = "staff-own"
    LAST = "staff-last-administrator"
    REASON = "staff-reason"
    SAME = "staff-same"
    NOT_FIRST = "staff-not-first"


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A password that is shown once, to the administrator who hands it over."""

    person_id: int
    password: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change about somebody: why, and the revision that the administrator looked at."""

    person_id: int
    reason: str
    seen: int | None = None


def first_administrator(practice: Practice, login: str, name: str, password: str) -> Refused | Who:
    """Make the first person of a clinic, on the command line; refused where there is anybody already."""
    login = login.strip().casefold()
    fault = _login_fault(login) or _name_fault(name) or password_fault(login, password)
    if fault is not None:
        return fault

    def do(record: Record) -> Who | Refused:
        if record.session.scalars(select(Person.id).limit(1)).first() is not None:
            return Refused(
                StaffFault.NOT_FIRST, "people in this clinic already", "a first one", "let an administrator make others"
            )
        person = record.keep(Person(login=login, name=name.strip(), roles=[StaffRole.ADMINISTRATOR.value]))
        set_password(record, person, password)
        return who_is(person)

    return unless_refused(practice, SYSTEM, "first administrator made", do)


def make_person(practice: Practice, who: Who, login: str, name: str, roles: Sequence[str]) -> HandedOut | Refused:
    """Make somebody, with a password to hand over that serves once and for three days."""
    login = login.strip().casefold()
    fault = _login_fault(login) or _name_fault(name) or _roles_fault(roles)
    if fault is not None:
        return fault

    def do(record: Record) -> HandedOut | Refused:
        if record.session.scalars(select(Person.id).where(Person.login == login)).first() is not None:
            return Refused(
                StaffFault.TAKEN, f"the login {login}, which somebody has", "a new one", "choose another", "login"
            )
        person = record.keep(Person(login=login, name=name.strip(), roles=sorted(set(roles))))
        return HandedOut(person.id, _hand_out(practice, record, person))

    return unless_refused(practice, who, "person made", do)


def set_roles(practice: Practice, who: Who, change: Change, roles: Sequence[str]) -> Person | Refused:
    """Change what somebody is; all their sign-ins end. LookupError for a person that there is not."""
    wanted = sorted(set(roles))

    def do(record: Record) -> Person | Refused:
        person = _held(record, change.person_id)
        fault = _roles_fault(roles) or _change_fault(who, change)
        if fault is None and StaffRole.ADMINISTRATOR.value not in wanted:
            fault = _last_fault(record.session, person)
        if fault is None and wanted == sorted(person.roles):
            fault = Refused(StaffFault.SAME, "the roles of before", "other ones", "change at least one", "roles")
        if fault is not None:
            return fault
        details = {"reason": change.reason.strip(), "before": person.roles}
        record.change(person, "roles changed", change.seen, details, roles=wanted)
        end_all(record.session, person.id)
        return person

    return unless_refused(practice, who, "roles changed", do, person=change.person_id)


def make_inactive(practice: Practice, who: Who, change: Change) -> Person | Refused:
    """Let somebody in no more; all their sign-ins end. LookupError for a person that there is not."""

    def do(record: Record) -> Person | Refused:
        person = _held(record, change.person_id)
        fault = _change_fault(who, change) or _last_fault(record.session, person)
        if fault is None and not person.active:
            fault = Refused(StaffFault.SAME, "somebody who is inactive already", "a change", "go back to the list")
        if fault is not None:
            return fault
        record.change(person, "made inactive", change.seen, {"reason": change.reason.strip()}, active=False)
        end_all(record.session, person.id)
        return person

    return unless_refused(practice, who, "person made inactive", do, person=change.person_id)


def make_active(practice: Practice, who: Who, change: Change) -> Person | Refused:
    """Let somebody in again. LookupError for a person that there is not."""

    def do(record: Record) -> Person | Refused:
        person = _held(record, change.person_id)
        fault = _change_fault(who, change)
        if fault is None and person.active:
            fault = Refused(StaffFault.SAME, "somebody who is active already", "a change", "go back to the list")
        if fault is not None:
            return fault
        return record.change(person, "made active", change.seen, {"reason": change.reason.strip()}, active=True)

    return unless_refused(practice, who, "person made active", do, person=change.person_id)


def reset_second(practice: Practice, who: Who, change: Change) -> Person | Refused:
    """Take somebody's second factor and passkeys away: at the next sign-in they set it up anew."""

    def do(record: Record) -> Person | Refused:
        person = _held(record, change.person_id)
        fault = _change_fault(who, change)
        if fault is not None:
            return fault
        one_time_codes.forget(record.session, person.id)
        record.session.execute(delete(Passkey).where(Passkey.person_id == person.id))
        end_all(record.session, person.id)
        record.act("person", person.id, "second factor reset", {"reason": change.reason.strip()})
        return person

    return unless_refused(practice, who, "second factor reset", do, person=change.person_id)


def reset_password(practice: Practice, who: Who, change: Change) -> HandedOut | Refused:
    """Give somebody a new password to hand over; that of before is void, and their sign-ins end."""

    def do(record: Record) -> HandedOut | Refused:
        person = _held(record, change.person_id)
        fault = _change_fault(who, change)
        if fault is not None:
            return fault
        record.session.execute(delete(KnownBrowser).where(KnownBrowser.person_id == person.id))
        end_all(record.session, person.id)
        record.act("person", person.id, "password reset", {"reason": change.reason.strip()})
        return HandedOut(person.id, _hand_out(practice, record, person))

    return unless_refused(practice, who, "password reset", do, person=change.person_id)


def let_in(practice: Practice, login: str) -> HandedOut | Refused:
    """A new password and no second factor for somebody whom no administrator can help: for the machine's owner alone.

    Their sign-ins end, and the second factor is set up anew at the next one.
    """

    def do(record: Record) -> HandedOut | Refused:
        query = select(Person).where(Person.login == login.strip().casefold(), Person.active.in_((True,)))
        person = record.session.scalars(query).first()
        if person is None:
            return Refused(
                StaffFault.LOGIN, f"{login.strip()[:40] or 'nothing'!r}", "the login of somebody active", "look again"
            )
        one_time_codes.forget(record.session, person.id)
        for kind in (Passkey, KnownBrowser):
            record.session.execute(delete(kind).where(kind.person_id == person.id))
        end_all(record.session, person.id)
        record.act("person", person.id, "let in at the command line", {})
        return HandedOut(person.id, _hand_out(practice, record, person))

    return unless_refused(practice, SYSTEM, "let in at the command line", do)


def people(session: Session, search: str = "", page: int = 0) -> tuple[list[Person], int]:
    """One page of the staff by name, and how many there are; searched in login and name."""
    said = search.strip().casefold().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    found = or_(
        func.lower(Person.login).like(f"%{said}%", escape="\\"), func.lower(Person.name).like(f"%{said}%", escape="\\")
    )
    count = session.scalar(select(func.count()).select_from(Person).where(found)) or 0
    query = select(Person).where(found).order_by(Person.active.desc(), Person.name, Person.id)
    return list(session.scalars(query.limit(PAGE).offset(page * PAGE))), count


def _hand_out(practice: Practice, record: Record, person: Person) -> str:
    password = "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))
    fault = set_password(record, person, password, temporary_until_s=practice.machine_s() + TEMPORARY_S)
    assert fault is None  # noqa: S101 - 20 random letters are long enough and in no list
    return password


def _held(record: Record, person_id: int) -> Person:
    found = record.session.get(Person, person_id)
    if found is None:
        raise LookupError(f"no person {person_id}")
    return found


def _change_fault(who: Who, change: Change) -> Refused | None:
    if who.person_id != change.person_id:
        return _reason_fault(change.reason)
    return Refused(
        StaffFault.OWN,
        "your own name",
        "changes to others",
        "ask another administrator; your account page has the rest",
    )


def _last_fault(session: Session, person: Person) -> Refused | None:
    """The refusal where nobody else who is active is an administrator."""
    is_one: Any = Person.roles
    query = select(Person).where(
        Person.active == True,  # noqa: E712
        func.cast(is_one, Person.login.type).like(f'%"{StaffRole.ADMINISTRATOR.value}"%'),
    )
    holders = session.scalars(query.order_by(Person.id)).all()
    others = [p for p in holders if p.id != person.id]
    if others or person.id not in {p.id for p in holders}:
        return None
    return Refused(
        StaffFault.LAST, "the last active administrator", "one at least", "make somebody else an administrator first"
    )


def _login_fault(login: str) -> Refused | None:
    if _LOGIN.fullmatch(login):
        return None
    return Refused(
        StaffFault.LOGIN,
        login or "nothing",
        "2 to 32 small letters, digits, dots and hyphens, a letter first",
        "choose another login",
        "login",
    )


def _name_fault(name: str) -> Refused | None:
    if 2 <= len(name.strip()) <= 100 and name.isprintable():
        return None
    return Refused(StaffFault.NAME, name.strip()[:40] or "nothing", "2 to 100 characters", "enter the name", "name")


def _roles_fault(roles: Sequence[str]) -> Refused | None:
    allowed = [role.value for role in StaffRole]
    if roles and all(role in allowed for role in roles):
        return None
    return Refused(StaffFault.ROLES, ", ".join(roles) or "no role", ", ".join(allowed), "choose at least one", "roles")


def _reason_fault(reason: str) -> Refused | None:
    if len(reason.strip()) >= 5:
        return None
    return Refused(
        StaffFault.REASON, reason.strip() or "no reason", "5 characters or more", "say why, for the account", "reason"
    )
