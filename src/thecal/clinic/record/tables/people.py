"""The staff, and how they sign in.

Secrets stand in tables of their own, never in ``Person``: a person's row goes into the account of what was done, word
for word. What was done to a secret is written there as an act without it. Times are of the machine's clock, in s UTC.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from thecal.clinic.record.columns import Base, Living, Raw, Structure, Whole, Words, YesNo, of


class Person(Living):
    """Somebody of the staff. ``roles`` are words of ``StaffRole``; whoever leaves is made inactive, not taken away."""

    login: Mapped[str] = mapped_column(Words, unique=True)
    name: Mapped[str] = mapped_column(Words)
    roles: Mapped[Any] = mapped_column(Structure)
    active: Mapped[bool] = mapped_column(YesNo, default=True)


class SignIn(Base):
    """Somebody's sitting at a screen: begun with a password, ended by leaving, by time, or by being locked.

    The cookie holds a secret; here is its digest alone. ``seen_s`` is of the newest thing that the person did;
    ``waived`` is set where the demonstration let the second factor go.
    """

    token_digest: Mapped[str] = mapped_column(Words, primary_key=True)
    person_id: Mapped[int] = mapped_column(of("person"), index=True)
    begun_s: Mapped[int] = mapped_column(Whole)
    seen_s: Mapped[int] = mapped_column(Whole)
    locked: Mapped[bool] = mapped_column(YesNo, default=False)
    second_done: Mapped[bool] = mapped_column(YesNo, default=False)
    ended: Mapped[bool] = mapped_column(YesNo, default=False)
    waived: Mapped[bool] = mapped_column(YesNo, default=False)
    way: Mapped[str] = mapped_column(Words, default="password")
    address: Mapped[str] = mapped_column(Words, default="")
    browser: Mapped[str] = mapped_column(Words, default="")


class Password(Base):
    """A person's password as argon2 keeps it. ``temporary_until_s``: handed out by an administrator, to be replaced."""

    person_id: Mapped[int] = mapped_column(of("person"), primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(Words)
    temporary_until_s: Mapped[int | None] = mapped_column(Whole)


class OneTimeSecret(Base):
    """What a person's authenticator application shares with the clinic (RFC 6238).

    ``pending`` is one that was shown and of which no code was entered yet; until then ``secret`` stays what it was.
    ``newest_step`` is that of the newest code that was taken: none up to it is ever taken again.
    """

    person_id: Mapped[int] = mapped_column(of("person"), primary_key=True, autoincrement=False)
    secret: Mapped[str | None] = mapped_column(Words)
    pending: Mapped[str | None] = mapped_column(Words)
    newest_step: Mapped[int] = mapped_column(Whole, default=0)


class RecoveryCode(Base):
    """One way in without the second factor, for one time; the digest of it alone."""

    digest: Mapped[str] = mapped_column(Words, primary_key=True)
    person_id: Mapped[int] = mapped_column(of("person"), index=True)
    used_s: Mapped[int | None] = mapped_column(Whole)


class Passkey(Base):
    """A public key whose other half is in a person's device (WebAuthn); ``handle`` is the person's name to devices."""

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    person_id: Mapped[int] = mapped_column(of("person"), index=True)
    credential: Mapped[str] = mapped_column(Words, unique=True)
    public_key: Mapped[bytes] = mapped_column(Raw)
    handle: Mapped[str] = mapped_column(Words)
    uses: Mapped[int] = mapped_column(Whole)
    label: Mapped[str] = mapped_column(Words)
    made_s: Mapped[int] = mapped_column(Whole)
    used_s: Mapped[int | None] = mapped_column(Whole)


class Challenge(Base):
    """What a device is asked to sign, once: ``person_id`` stands where it is to become that person's passkey."""

    challenge: Mapped[str] = mapped_column(Words, primary_key=True)
    made_s: Mapped[int] = mapped_column(Whole, index=True)
    person_id: Mapped[int | None] = mapped_column(of("person"))
    handle: Mapped[str] = mapped_column(Words, default="")


class FailedTries(Base):
    """How often somebody failed to sign in, by what is counted ("login ...", "address ..."), and until when to wait."""

    counted: Mapped[str] = mapped_column(Words, primary_key=True)
    failures: Mapped[int] = mapped_column(Whole)
    newest_s: Mapped[int] = mapped_column(Whole)
    wait_until_s: Mapped[int] = mapped_column(Whole)


class TryUnderWay(Base):
    """A try to sign in that is being looked at, once for each thing that it counts for (``FailedTries``)."""

    id: Mapped[int] = mapped_column(Whole, primary_key=True)
    counted: Mapped[str] = mapped_column(Words, index=True)
    begun_s: Mapped[int] = mapped_column(Whole)


class KnownBrowser(Base):
    """A browser in which somebody has signed in before: strangers who try that person's login do not make it wait."""

    token_digest: Mapped[str] = mapped_column(Words, primary_key=True)
    person_id: Mapped[int] = mapped_column(of("person"), index=True)
    made_s: Mapped[int] = mapped_column(Whole)
