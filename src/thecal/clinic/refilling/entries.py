"""What is entered in a session step by step, kept as a draft in ``Session.entered``, and read back.

Every change goes by the revision that the person looked at, so that two people cannot enter over one another unseen.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from thecal.clinic.record.columns import exact_text
from thecal.clinic.record.tables import NearMiss
from thecal.clinic.record.tables import Session as SessionRow
from thecal.clinic.refused import Refused
from thecal.clinic.session.stepping import at_step, enter, first_not_done, is_open
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.quantities import AmountError, Quantity, Volume

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeVar

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

    Q = TypeVar("Q", bound=Quantity)

OPEN = "open"
BEGUN = "begun"
"""Where a session keeps what was entered at a step that is not finished."""


class Wrong(StrEnum):
    """Why an entry of a refill was not taken."""

    MISSING = "missing"
    NOT_AN_AMOUNT = "not an amount"
    NOT_OPEN = "the session is not open"
    NOT_IN_ORDER = "an earlier step is not done"
    NOT_ALLOWED = "not allowed"
    NOT_KNOWN = "not known"
    HARD_STOP = "hard stop"
    MISMATCH = "does not agree"
    NOT_CONFIRMED = "not confirmed"


class NoSuchSession(LookupError):  # noqa: N818 - one of the ends of asking, not a fault of the program
    """There is no session with this number."""


def kept(volume: Volume | None) -> str | None:
    """A volume as a draft keeps it: the exact number of mL."""
    return None if volume is None else exact_text(volume.number("mL"))


def volume_of(text: str | None) -> Volume | None:
    """The volume again."""
    return None if text is None else Volume.of(Fraction(text), "mL")


def amount(text: str, kind: type[Q], unit: str, field: str, what: str) -> Q | Refused:
    """An amount as it was typed; a bare number is in ``unit``, which the field's label names."""
    typed = text.strip()
    if not typed:
        return Refused(Wrong.MISSING, f"no entry for {what}", f"an amount such as 0.5 {unit}", f"enter {what}", field)
    with_unit = typed if any(c.isalpha() for c in typed) else f"{typed} {unit}"
    try:
        return kind.parse(with_unit)
    except AmountError as wrong:
        return Refused(Wrong.NOT_AN_AMOUNT, f"{typed!r}: {wrong.problem}", wrong.hint, f"enter {what} again", field)


def needed(text: str, field: str, what: str, allowed: str = "some words") -> Refused | None:
    """The refusal where nothing was entered."""
    return None if text.strip() else Refused(Wrong.MISSING, f"no entry for {what}", allowed, f"enter {what}", field)


def entry(session: SessionRow, step: Step) -> dict[str, Any]:
    """What was entered at a step that is done; empty where it is not."""
    return dict(session.entered.get(step.value) or {})


def begun(session: SessionRow, step: Step) -> dict[str, Any]:
    """What was entered at a step so far; what it was finished with where nothing was begun since."""
    return dict((session.entered.get(BEGUN) or {}).get(step.value) or entry(session, step))


def open_here(session: SessionRow, step: Step) -> Refused | None:
    """Why a step cannot be worked on now; None where it can."""
    if session.state != OPEN:
        return Refused(Wrong.NOT_OPEN, f"a session that is {session.state}", "an open session", "begin a new session")
    if step not in WAYS[Workflow(session.workflow)].steps:
        name = WAYS[Workflow(session.workflow)].name
        return Refused(Wrong.NOT_IN_ORDER, f"the step {step}", f"a step of '{name}'", "go to a step of the step bar")
    if is_open(session, step):
        return None
    first = first_not_done(session, session.entered)
    return Refused(Wrong.NOT_IN_ORDER, f"the step {step}", f"the step {first} first", f"finish the step {first}")


def keep_begun(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int | None, step: Step, value: dict[str, Any]
) -> tuple[Refused, ...]:
    """Keep what was entered at a step that is not finished yet; EditedMeanwhile where the session changed since
    ``seen``.
    """
    with practice.writing(who, f"wrote {step}", session=session_id) as record:
        found = at_step(record.session, session_id, who, step)
        refused = found if isinstance(found, Refused) else open_here(found, step)
        if isinstance(found, Refused) or refused is not None:
            return () if refused is None else (refused,)
        change_begun(record, found, step, value, seen)
    return ()


def change_begun(record: Record, session: SessionRow, step: Step, value: dict[str, Any], seen: int | None) -> None:
    """The same within a transaction."""
    whole = {**(session.entered.get(BEGUN) or {}), step.value: value}
    record.change(session, f"wrote {step}", seen=seen, entered={**session.entered, BEGUN: whole})


def finish(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int, step: Step, value: dict[str, Any]
) -> tuple[Refused, ...]:
    """Finish a step with what was entered; what was decided on the grounds of something else there is void."""
    found = enter(practice, who, session_id, seen, step, value)
    return found if isinstance(found, tuple) else ()


def near_miss(practice: Practice, who: Who, session: SessionRow, where: str, refused: Iterable[Refused]) -> None:
    """Keep what was stopped here, as something to learn from."""
    with practice.writing(who, "stopped at a limit", session.patient_id) as record:
        for r in refused:
            record.keep(
                NearMiss(
                    patient_id=session.patient_id,
                    session_id=session.id,
                    where=where,
                    code=str(r.code),
                    found=r.found,
                    allowed=r.allowed,
                )
            )
