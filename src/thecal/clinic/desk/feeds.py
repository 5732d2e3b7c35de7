"""Calendar feeds: whose visits they hold, and the secret that their address is made of.

The secret is shown once, when a feed is made; what is kept is its digest. Calendars are copied to telephones and to
other firms' machines, so that a feed says of a patient no more than is needed to tell the visits of a day apart.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from thecal.clinic.desk.checking import GivenUp, attempt
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.record.tables import Booking, Feed, Patient, Person
from thecal.clinic.refused import EditedMeanwhile, Refused

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

DAY_S = 86_400
BACK_S = 90 * DAY_S
"""How far back visits stay in a feed. Ours."""
MOST_VISITS = 20_000
MOST_NAME = 80
SECRET_BYTES = 32


class No(StrEnum):
    """Why a feed was not made or ended."""

    NAME = "no-name"
    CLINICIAN = "no-such-clinician"
    NO_FEED = "no-such-feed"
    ENDED = "feed-has-ended"


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit as a calendar has it. ``who`` is initials or the clinic's number, as the clinic sets it."""

    uid: str
    sequence: int
    kind: str
    who: str
    begins_utc_s: int
    minutes: int
    place: str
    canceled: bool
    changed_utc_s: int


def make_feed(practice: Practice, who: Who, name: str, person: str) -> tuple[Feed, str] | tuple[Refused, ...]:
    """A feed of one clinician, or of the clinic where ``person`` is empty, and its secret, which is not shown again."""
    secret = secrets.token_urlsafe(SECRET_BYTES)

    def made(record: Record) -> Feed:
        person_id = _person(record.session, person)
        called = " ".join(name.split())
        if not 1 <= len(called) <= MOST_NAME:
            allowed = f"a name of up to {MOST_NAME} characters"
            raise GivenUp(Refused(No.NAME, called[:40] or "no name", allowed, "say where it is used", "name"))
        return record.keep(Feed(person_id=person_id, name=called, token_digest=digest(secret), active=True))

    found = attempt(practice, who, "calendar feed made", None, made)
    return found if isinstance(found, tuple) else (found, secret)


def revoke(practice: Practice, who: Who, feed_id: int, seen: int) -> Feed | tuple[Refused, ...]:
    """End a feed: its address answers nobody any more."""

    def made(record: Record) -> Feed:
        feed = record.get(Feed, feed_id)
        if feed is None:
            raise GivenUp(Refused(No.NO_FEED, f"feed {feed_id}", "a feed of this clinic", "look at the list"))
        if feed.revision != seen:
            raise EditedMeanwhile(f"feed {feed_id}", seen, feed.revision)
        if not feed.active:
            raise GivenUp(Refused(No.ENDED, "a feed that has ended", "one that is in use", "make a new one"))
        return record.change(feed, "ended", active=False)

    return attempt(practice, who, "calendar feed ended", None, made)


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return sha256(secret.encode()).hexdigest()


def feed_of(session: Session, secret: str) -> Feed | None:
    """The feed with this secret that is in use, None for any other text; compared in constant time.

    The feed of somebody who does not work here any more answers nobody.
    """
    given = digest(secret)
    feed = session.scalars(select(Feed).where(Feed.token_digest == given)).first()
    kept = feed.token_digest if feed is not None else digest("")
    same = hmac.compare_digest(kept, given)
    if feed is None or not same or not feed.active:
        return None
    person = session.get(Person, feed.person_id) if feed.person_id is not None else None
    return feed if feed.person_id is None or (person is not None and person.active) else None


def visits_of(session: Session, feed: Feed, now_s: int) -> list[Visit]:
    """The visits of a feed, the earliest first.

    A canceled visit stays for a time, marked as canceled, and then is gone. Patients who have left, or who do not want
    to be in calendars, are not in it.
    """
    desk = desk_of(session)
    query = (
        select(Booking, Patient)
        .join(Patient, Patient.id == Booking.patient_id)
        .where(Patient.active.in_((True,)), Patient.in_feeds.in_((True,)), Booking.begins_utc_s > now_s - BACK_S)
        .where(or_(Booking.state != "canceled", Booking.changed_utc_s > now_s - desk.settings.canceled_days * DAY_S))
    )
    if feed.person_id is not None:
        query = query.where(Booking.person_id == feed.person_id)
    rows = session.execute(query.order_by(Booking.begins_utc_s, Booking.id).limit(MOST_VISITS)).all()
    return [visit_of(b, p, desk.settings.identify_by) for b, p in rows]


def visit_of(booking: Booking, patient: Patient, by: str) -> Visit:
    """One booking as a calendar has it."""
    initials = "".join(f"{part[0]}." for part in (patient.given, patient.family) if part)
    return Visit(
        uid=booking.uid,
        sequence=booking.sequence,
        kind=booking.kind,
        who=patient.number if by == "number" else initials,
        begins_utc_s=booking.begins_utc_s,
        minutes=booking.minutes,
        place=booking.place,
        canceled=booking.state == "canceled",
        changed_utc_s=booking.changed_utc_s,
    )


def _person(session: Session, text: str) -> int | None:
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    person = session.get(Person, number)
    if person is None or not person.active or not set(person.roles) & {"physician", "nurse"}:
        allowed = "a physician or a nurse of this clinic, or nobody for all visits"
        raise GivenUp(Refused(No.CLINICIAN, text[:40], allowed, "choose one", "person_id"))
    return number
