"""The second factor: codes of an authenticator application (RFC 6238), and recovery codes for when it is lost.

What an application shares with the clinic is sealed in the record (``sealing``); of recovery codes there are digests.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import TYPE_CHECKING

import pyotp
from pyotp.utils import strings_equal
from sqlalchemy import delete, select

from thecal.clinic.record.tables import OneTimeSecret, RecoveryCode

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.people.sealing import Seal

STEP_S = 30
"""A code is made every so often (RFC 6238 4.1)."""
STEPS_ASIDE = 1
"""A code of the step before or after is taken too: RFC 6238 5.2 recommends at most one, for delay and drift."""
RECOVERY_CODES = 10
"""How many are given out at a time. Ours."""
_RECOVERY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LENGTH = 16  # 79 bits: too many to guess, so that a plain digest keeps them


def has_second(session: Session, person_id: int) -> bool:
    """Whether somebody has an authenticator application set up."""
    kept = session.get(OneTimeSecret, person_id)
    return kept is not None and kept.secret is not None


def offer(session: Session, person_id: int, seal: Seal) -> str:
    """A secret to show: the one that was offered before and is not confirmed, else a new one."""
    kept = session.get(OneTimeSecret, person_id)
    if kept is None:
        kept = OneTimeSecret(person_id=person_id, newest_step=0)
        session.add(kept)
    if kept.pending is None:
        kept.pending = seal.seal(pyotp.random_base32(), person_id)
    return seal.open(kept.pending, person_id)


def offered(session: Session, person_id: int, seal: Seal) -> str | None:
    """The secret that was offered and is not confirmed yet, None where there is none."""
    kept = session.get(OneTimeSecret, person_id)
    return None if kept is None or kept.pending is None else seal.open(kept.pending, person_id)


def address_of(secret: str, login: str, clinic: str) -> str:
    """The address that an authenticator application reads from the picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=clinic)


def confirm(session: Session, person_id: int, code: str, machine_s: int, seal: Seal) -> bool:
    """Take the offered secret into use by a code of it; False where the code is not of it."""
    kept = session.get(OneTimeSecret, person_id)
    if kept is None or kept.pending is None:
        return False
    step = _step_of(seal.open(kept.pending, person_id), code, machine_s, 0)
    if step is None:
        return False
    kept.secret, kept.pending, kept.newest_step = kept.pending, None, step
    return True


def use_code(session: Session, person_id: int, code: str, machine_s: int, seal: Seal) -> bool:
    """Whether a code is right now; it is used up by this, and with it every older one."""
    kept = session.get(OneTimeSecret, person_id)
    if kept is None or kept.secret is None:
        return False
    step = _step_of(seal.open(kept.secret, person_id), code, machine_s, kept.newest_step)
    if step is None:
        return False
    kept.newest_step = step
    return True


def _step_of(secret: str, code: str, machine_s: int, newest: int) -> int | None:
    """The step whose code this is, None where it is of none in the window that is newer than the newest used one."""
    said = "".join(code.split())
    now = machine_s // STEP_S
    made = pyotp.TOTP(secret)
    found = None
    for step in range(now - STEPS_ASIDE, now + STEPS_ASIDE + 1):
        if strings_equal(made.generate_otp(step), said) and step > newest:
            found = step
    return found


def new_recovery_codes(session: Session, person_id: int) -> list[str]:
    """New recovery codes, to be shown once; those of before are void."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(digest=_digest(code), person_id=person_id) for code in codes)
    return codes


def use_recovery_code(session: Session, person_id: int, code: str, machine_s: int) -> bool:
    """Whether a recovery code is right; it is used up by this."""
    kept = session.get(RecoveryCode, _digest(code))
    if kept is None or kept.person_id != person_id or kept.used_s is not None:
        return False
    kept.used_s = machine_s
    return True


def codes_left(session: Session, person_id: int) -> int:
    """How many recovery codes are not used up."""
    query = select(RecoveryCode).where(RecoveryCode.person_id == person_id, RecoveryCode.used_s.is_(None))
    return len(session.scalars(query).all())


def forget(session: Session, person_id: int) -> None:
    """Take the second factor away: it has to be set up again."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    session.execute(delete(OneTimeSecret).where(OneTimeSecret.person_id == person_id))


def _new_code() -> str:
    letters = "".join(secrets.choice(_RECOVERY_LETTERS) for _ in range(_RECOVERY_LENGTH))
    return "-".join(letters[i : i + 4] for i in range(0, _RECOVERY_LENGTH, 4))


def _digest(code: str) -> str:
    plain = "".join(c for c in code.casefold() if c.isalnum())
    return sha256(plain.encode()).hexdigest()
