"""The program step done: what was written is kept as an order, and the session moves on to the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic.programming.draft import Undrafted
from thecal.clinic.programming.signing import sign
from thecal.clinic.record.tables import Order, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.stepping import enter
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.therapy.review import Code

if TYPE_CHECKING:
    from datetime import date

    from thecal.clinic.practice import Practice
    from thecal.clinic.programming.draft import Written
    from thecal.clinic.who import Who

BRIDGED_LATER = (Code.NO_BRIDGE,)
"""What the bridge answers, where the session has a step for it after the program."""


def finish(  # noqa: PLR0917 -- as ``sign``
    practice: Practice, who: Who, session_id: int, seen: int, written: Written, today: date
) -> Session | tuple[Refused, ...]:
    """Keep what was written as an order and finish the step; every refusal is given, and then nothing moves on.

    The order is kept first: where the session changed meanwhile it waits there, and finishing again finds it.
    """
    with practice.reading() as look:
        session = look.get(Session, session_id)
    if session is None:
        return (Refused(Undrafted.NOTHING, f"no session {session_id}", "a session of this clinic", "begin a session"),)
    later = BRIDGED_LATER if Step.BRIDGE in WAYS[Workflow(session.workflow)].steps else ()
    order = sign(practice, who, session_id, written.text, today, written.plan, later=later)
    if not isinstance(order, Order):
        return (order,)
    entered = {"order": order.id, "plan": list(written.plan)}
    return enter(practice, who, session_id, seen, Step.PROGRAM, entered)
