"""The session at a pump: read first, steps in their order, review and send apart, and every end is said.

A session begins with an interrogation of the whole pump and rests on it. What is entered is a draft under
``session.entered[step]``, and nothing of it is true of the pump. Whatever is asked of the pump is written down before
it is asked and again with what came of it, so that a process that dies in between leaves both sides able to tell.

What other steps put where ``send`` finds it, as text and whole numbers:

- ``entered["program"]["order"]``: the number of the order (its row) that was drafted in this session;
- ``entered["fill"]["level_nl"]``: what the reservoir holds after the fill, in whole nL, rounded down; the pump is
  told it when the session is sent, before a program;
- ``entered["bolus"]``: ``dose`` and ``over`` as amounts in text;
- ``entered["clock"]``: ``kind``, ``zone``, ``reason``, and for a later change ``later_utc_s``.
"""

from thecal.clinic.session.asking import PAST_TELLING, command, open_asks, pending_at
from thecal.clinic.session.beginning import begin, read_again, take_over, turn
from thecal.clinic.session.closing import close
from thecal.clinic.session.ended import Ended, No, Proposed, Sent
from thecal.clinic.session.proposing import draft_of, propose
from thecal.clinic.session.readings import identity_of, keep_reading, poll, reading, status_of
from thecal.clinic.session.sending import send
from thecal.clinic.session.settling import give_up, resolve
from thecal.clinic.session.stepping import enter, is_done, is_open

__all__ = [
    "PAST_TELLING",
    "Ended",
    "No",
    "Proposed",
    "Sent",
    "begin",
    "close",
    "command",
    "draft_of",
    "enter",
    "give_up",
    "identity_of",
    "is_done",
    "is_open",
    "keep_reading",
    "open_asks",
    "pending_at",
    "poll",
    "propose",
    "read_again",
    "reading",
    "resolve",
    "send",
    "status_of",
    "take_over",
    "turn",
]
