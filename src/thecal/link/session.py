"""A session of one role with one pump: what a person may ask for, and each time one of a closed set of ends.

Everything that changes delivery is written down before it is sent. While the outcome of a command is not known,
nothing new that changes delivery is sent, whoever asks; reading and stopping stay possible (promises 7 to 10).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from thecal.link import interrogation, therapy_change
from thecal.link.evidence import Finding, by_log, more_drug, of_answer
from thecal.link.interrogation import FROM_THE_START, Interrogation
from thecal.link.ledger import NO_RECORD, Outcome
from thecal.link.outcome import Denied, NotHeard, NotSent
from thecal.link.patient import Bolus, BolusAnswer, press
from thecal.link.roles import Role
from thecal.link.talk import Arm, Result, Talk, Why, blocked
from thecal.link.therapy_change import Proposal
from thecal.pump.core import codes

if TYPE_CHECKING:
    from thecal.link.ledger import Ledger, Pending
    from thecal.link.reading import Status
    from thecal.link.talk import Clock, Exchange


class Session:
    """The session of ``role`` with pump ``serial``. It belongs to one event loop; sessions share their ``ledger``."""

    def __init__(self, serial: str, role: Role, exchange: Exchange, ledger: Ledger, clock: Clock) -> None:
        self._talk = Talk(serial, role, exchange, ledger, clock)
        self._turn = asyncio.Lock()  # one press or one change of program at a time
        self._read: Interrogation | None = None
        self._proposal: Proposal | None = None

    # Reading

    async def status(self) -> Status | Result:
        """Ask the pump how it is; a result only where it was not reached."""
        return await self._talk.read()

    async def interrogate(self, known: tuple[int, bytes] = FROM_THE_START) -> Interrogation | Result:
        """Read all of the pump, its log from behind ``known`` on (number and digest of a record read before)."""
        read = await interrogation.interrogate(self._talk, known)
        self._read = read if isinstance(read, Interrogation) else None
        return read

    def unresolved(self) -> list[Pending]:
        """Every command of this pump whose outcome is not known, of whatever role."""
        return self._talk.open()

    # Therapy

    async def propose(self, program: bytes, document: bytes, patient: bytes) -> Proposal | Result:
        """Bring a packed program with its order document, for the ``patient`` (16 bytes) on the screen."""
        async with self._turn:
            self._proposal = None
            made = await therapy_change.propose(self._talk, self._read, program, document, patient)
            self._proposal = made if isinstance(made, Proposal) else None
            return made

    async def confirm(self, digest: bytes) -> Result:
        """Confirm the program that was proposed, by the digest that was read back, and read the pump again."""
        async with self._turn:
            proposal, self._proposal = self._proposal, None
            log_end = self._read.log_end if self._read else FROM_THE_START
            result, read = await therapy_change.confirm(self._talk, proposal, digest, log_end)
            if result.arm is not Arm.BLOCKED:
                self._read = read
            elif proposal is not None and proposal.digest == digest:
                self._proposal = proposal  # nothing was sent: it may still be confirmed
            return result

    async def start(self) -> Result:
        """Start delivery."""
        return await self._talk.command("start")

    async def stop(self) -> Result:
        """Stop all delivery. It is never held back, and a stop whose answer was not heard is sent again as itself."""
        refused = self._talk.against("stop")
        if refused is not None:
            return refused
        if self._talk.status is None:
            await self._talk.read()  # for the number; a pump that is not heard is sent the stop all the same
        before = self._talk.mine("stop")
        if before:
            result = await self._talk.send(before[-1], again=True)
            if result.status is None or not result.status.running:
                return result
        result = await self._talk.send(self._talk.write_down("stop"))
        if result.status is not None and result.status.running:
            # The pump knew the number from before, so that it meant nothing new; now it has said which is the newest.
            result = await self._talk.send(self._talk.write_down("stop"))
        return result

    async def single(self, strokes: int, seconds: int) -> Result:
        """A clinician's bolus of ``strokes`` over ``seconds``."""
        return await self._talk.command("single", strokes=strokes, seconds=seconds)

    async def prime(self, catheter: int, volume_nl: int, dead_nl: int) -> Result:
        """Fill tubing and catheter, once for each newer state of the ``catheter``."""
        return await self._talk.command("prime", catheter=catheter, volume_nl=volume_nl, dead_nl=dead_nl)

    async def refill(self, level_nl: int) -> Result:
        """The reservoir now holds ``level_nl``."""
        return await self._talk.command("refill", level_nl=level_nl)

    async def set_clock(self, offset_s: int) -> Result:
        """Set the pump clock to uptime plus ``offset_s``."""
        return await self._talk.command("clock", offset_s=offset_s)

    # Alarms

    async def acknowledge(self, alarm: int) -> Result:
        """Somebody has seen an alarm."""
        return await self._talk.command("acknowledge", alarm=alarm)

    async def clear(self, alarm: int) -> Result:
        """Clear an alarm that does not clear by itself."""
        return await self._talk.command("clear", alarm=alarm)

    async def test_alarm(self, *, critical: bool) -> Result:
        """Let the pump sound the tone of an alarm once."""
        return await self._talk.command("alarm-test", critical=critical)

    # The patient

    async def bolus(self) -> BolusAnswer:
        """The patient presses; the answer is one of a closed set."""
        if self._talk.role is not Role.PATIENT:
            return BolusAnswer(Bolus.REFUSED, "Only the patient's own controller asks for an extra dose.")
        async with self._turn:
            return await press(self._talk)

    # What is not known

    async def resolve(self) -> tuple[Pending, ...]:
        """Find out about the commands of this role that are not known; they are returned as they stand then.

        What had not arrived is withdrawn, and never done. Whatever cannot be found out stays not known.
        """
        talk = self._talk
        mine = talk.mine()
        if not isinstance(await talk.read(), Result):
            for pending in mine:
                if talk.is_open(pending):
                    await self._withdraw(pending)
        return tuple(talk.as_it_stands(p) for p in mine)

    async def _withdraw(self, pending: Pending) -> None:
        talk = self._talk
        path = "withdraw" if talk.role is Role.PATIENT else "void"
        try:
            reply = await talk.ask(path, command=pending.command)
        except (NotSent, NotHeard, Denied):
            return
        answer, first = cast("int", reply.values["answer"]), cast("int", reply.values["first"])
        if not talk.is_open(pending):
            return  # the status in the answer has shown it
        found = None
        if answer == codes.DUPLICATE:  # of the patient, and not the newest one
            found = of_answer(pending, first, 0, cast("Status", talk.status))
        elif talk.role is not Role.PATIENT:
            found = await self._log_shows(pending)
        if found is not None and talk.is_open(pending):
            talk.settle(pending, found)

    async def _log_shows(self, pending: Pending) -> Finding | None:
        """What the pump's log shows of a command that is older than the one it remembers."""
        if pending.log_records == NO_RECORD:
            return None
        records = await interrogation.records_after(self._talk, pending.log_records)
        return None if records is None else by_log(pending, records, cast("Status", self._talk.status))

    def give_up(self, command: int) -> Result:
        """Count a command of this role that can never be found out as the arm with more drug (promise 10)."""
        pending = next((p for p in self._talk.mine() if p.command == command), None)
        if pending is None:
            said = f"the {self._talk.role} has no command {command} whose outcome is not known"
            return blocked(Why.NO_SUCH_COMMAND, said)
        said = f"given up: {more_drug(pending)}"
        self._talk.settle(pending, Finding(Outcome.ASSUMED, said))
        return Result(Arm.NOT_KNOWN, said, command=command)
