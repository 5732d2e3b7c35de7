"""What a pump holds beside its program: the order document, the order in it, and the risk of stopping it.

A kept reading comes in. What cannot be read is said, and counts as dangerous.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.clinic.programming.order_text import parsed_by
from thecal.formulary import UnknownDrug
from thecal.link.interrogation import unpacked
from thecal.pump.annunciation import Withdrawal
from thecal.pump.document import OrderDocument, UnreadableDocument

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Interrogation
    from thecal.formulary import Drug, Formulary
    from thecal.pump.core.program import Program
    from thecal.therapy.files import OrderFile
    from thecal.therapy.program import FaultClass, Response

UNKNOWN = Withdrawal("the drug in this pump", dangerous=True, text="which drug it is could not be read", source="none")


@dataclass(frozen=True, slots=True)
class Held:
    """What stands in a pump: ``document`` and its order, None where there is none; ``wrong`` says why."""

    document: OrderDocument | None
    file: OrderFile | None
    program: Program | None
    wrong: str = ""

    @property
    def chosen(self) -> dict[FaultClass, Response]:
        """What the program does on each class of fault, as far as it was ordered."""
        safe = None if self.file is None else self.file.order.program.fail_safe
        return {} if safe is None else dict(safe.responses)


def held_in(row: Interrogation, formulary: Formulary) -> Held:
    """What a kept reading found in the pump."""
    return held_of(row.program, row.document, formulary)


def held_of(program: bytes, document: bytes, formulary: Formulary) -> Held:
    """The same from the bytes of program and document."""
    running = unpacked(program) if program else None
    if not document:
        return Held(None, None, running, "the pump has a program and no order document" if program else "")
    try:
        found = OrderDocument.decode(document)
    except UnreadableDocument as wrong:
        return Held(None, None, running, str(wrong))
    order = parsed_by(found.order, formulary)
    if isinstance(order, tuple):
        return Held(found, None, running, f"the order in the pump cannot be read: {order[0].message}")
    return Held(found, order, running)


def withdrawal_of(held: Held, formulary: Formulary) -> tuple[Withdrawal, ...]:
    """What stopping can do, by drug; where the drugs are not known, stopping counts as dangerous."""
    if held.document is None:
        return (UNKNOWN,) if held.program is not None else ()
    return tuple(withdrawal(code, formulary) for code in dict.fromkeys(i.drug for i in held.document.mixture))


def withdrawal(code: str, formulary: Formulary) -> Withdrawal:
    """What stopping one drug can do, as the formulary says it."""
    drug = known(formulary, code)
    if drug is None:
        return Withdrawal(code, dangerous=True, text="this formulary does not know the drug", source="none")
    risk = drug.withdrawal
    return Withdrawal(
        drug.display_name, dangerous=risk.risk.physician_must_choose, text=risk.text, source=risk.source.name
    )


def known(formulary: Formulary, code: str) -> Drug | None:
    """A drug of the formulary; None where it knows no such code."""
    try:
        return formulary.drug(code)
    except UnknownDrug:
        return None
