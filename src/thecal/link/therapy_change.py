"""A change of therapy in two phases: propose, read back, confirm, and read again (promise 7).

Digest and change in dose are computed here as well as in the pump, and nothing can be confirmed where the two differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, cast

from thecal.link import wording
from thecal.link.catalogue import MOST_DOCUMENT, MOST_PIECE, Area
from thecal.link.change import Change, change, pack_change
from thecal.link.interrogation import Interrogation, interrogate, unpacked
from thecal.link.outcome import Denied, NotHeard, NotSent
from thecal.link.talk import Arm, Result, Why, blocked
from thecal.pump.core import codes

if TYPE_CHECKING:
    from thecal.link.codec import Decoded
    from thecal.link.talk import Talk
    from thecal.pump.core.program import Program


@dataclass(frozen=True, slots=True)
class Proposal:
    """A program that the pump holds beside the running one, for a person to compare before it is confirmed.

    ``digest`` is what is confirmed; ``number`` is the program's; ``change`` is the dose of 24 h before and after in
    each channel, on which pump and sender agree; it must be confirmed within ``confirm_within_s``.
    """

    digest: bytes
    number: int
    change: tuple[Change, ...]
    confirm_within_s: int
    program: bytes
    document: bytes


async def propose(
    talk: Talk, read: Interrogation | None, program: bytes, document: bytes, patient: bytes
) -> Proposal | Result:
    """Bring a packed program with its order document, for the ``patient`` (16 bytes) on the screen."""
    refused = talk.against("confirm") or _not_as_read(talk, read)
    if refused is not None or read is None:
        return cast("Result", refused)
    refused = _unfit(read, program, document, patient)
    if refused is not None:
        return refused
    try:
        for area, text in ((Area.PROGRAM, program), (Area.DOCUMENT, document)):
            if not await _bring(talk, area, text):
                said = f"the {area} did not arrive in order: nothing was changed; next: propose it again"
                return Result(Arm.NOT_REACHED, said)
        digests = {"program": sha256(program).digest(), "document": sha256(document).digest()}
        reply = await talk.ask("propose", **digests)
    except (NotSent, NotHeard, Denied) as why:
        return Result(Arm.NOT_REACHED, f"the program was not proposed ({why}): the running one is untouched")
    answer, wait_s = cast("int", reply.values["answer"]), cast("int", reply.values["wait_s"])
    if answer != codes.GRANTED:
        said = f"the program was not taken: {wording.words(answer, wait_s)}; the running one is untouched"
        return Result(Arm.REFUSED, said, answer, answer, wait_s, status=talk.status)
    return _read_back(read, reply.values, program, document)


def _not_as_read(talk: Talk, read: Interrogation | None) -> Result | None:
    """Why the pump is not known well enough for a proposal."""
    if read is None or talk.status is None:
        return blocked(Why.NOT_READ, "only a pump that was interrogated in this session is programmed; next: read it")
    running = sha256(read.program).digest() if read.program else b""
    if talk.status.digest != running:
        return blocked(Why.STALE, "the pump runs another program than when it was read; next: interrogate it again")
    return None


def _unfit(read: Interrogation, program: bytes, document: bytes, patient: bytes) -> Result | None:
    """Why a program is not proposed: not sound, another document, or another patient."""
    new = unpacked(program)
    fault = "the whole" if new is None else new.fault()
    if new is None or fault:
        return blocked(Why.BAD_PROGRAM, f"the program is not sound ({fault}); next: compile the order again")
    if bytes(new.order_digest) != sha256(document).digest() or not 0 < len(document) <= MOST_DOCUMENT:
        return blocked(
            Why.DOCUMENT, "the order document is not the one that the program names; next: compile the order"
        )
    if bytes(new.patient_ref) != patient:
        return blocked(
            Why.OTHER_PATIENT, "the program is for another patient than the one on the screen; next: compare"
        )
    if read.program and read.identity.patient != patient:
        return blocked(
            Why.OTHER_PATIENT, "the pump is another patient's than the one on the screen; next: compare both"
        )
    return None


async def _bring(talk: Talk, area: Area, text: bytes) -> bool:
    """Bring a text piece by piece; whether the pump holds it whole."""
    for at in range(0, len(text), MOST_PIECE):
        data = text[at : at + MOST_PIECE]
        reply = await talk.ask("bring", area=area.value, whole=len(text), at=at, data=data)
        if reply.values["held"] != at + len(data):
            return False
    return True


def _read_back(read: Interrogation, told: Decoded, program: bytes, document: bytes) -> Proposal | Result:
    """The proposal, where the pump's account of it is the sender's own."""
    new = cast("Program", unpacked(program))
    rows = change(read.running(), new)
    expected = {"digest": sha256(program).digest(), "number": new.number, "change": pack_change(rows)}
    for name, value in expected.items():
        if told[name] != value:
            said = f"the {name} that the pump read back is not what was sent: it cannot be confirmed"
            return blocked(Why.MISMATCH, f"{said}; next: propose it again")
    within_s = cast("int", told["confirm_within_s"])
    return Proposal(sha256(program).digest(), new.number, rows, within_s, program, document)


async def confirm(
    talk: Talk, proposal: Proposal | None, digest: bytes, log_end: tuple[int, bytes]
) -> tuple[Result, Interrogation | None]:
    """Confirm what was proposed and read back, by the digest that the person saw; then read the pump again.

    A granted result with a ``why`` was not, or not rightly, read again: it must be looked at. The pump's log is read
    from behind ``log_end`` on.
    """
    if proposal is None or proposal.digest != digest:
        said = "this is not the program that was proposed and read back in this session; next: propose it"
        return talk.against("confirm") or blocked(Why.NOT_PROPOSED, said), None
    result = await talk.command("confirm", digest=digest)
    if result.arm is not Arm.GRANTED:
        return result, None
    read = await interrogate(talk, log_end)
    if isinstance(read, Result):
        said = f"{result.said}, but it was not read again: {read.said}"
        return replace(result, said=said, why=read.why or Why.NOT_READ, status=talk.status), None
    if read.program != proposal.program or read.document != proposal.document:
        said = f"{result.said}, but the pump holds something else: look at it; next: stop the pump and propose again"
        return replace(result, said=said, why=Why.MISMATCH, status=read.status), read
    return replace(result, said=f"{result.said}, and read again as proposed", status=read.status), read
