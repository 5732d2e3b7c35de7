"""What a pump holds beside its program, as people need it: the order document, the mixture, the risk of stopping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.cli.asking import ended
from thecal.cli.exits import Exit
from thecal.formulary import UnknownDrug, load
from thecal.pump.annunciation import Withdrawal
from thecal.pump.document import OrderDocument, UnreadableDocument
from thecal.quantities import Concentration
from thecal.therapy.mixture import Ingredient, Mixture

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.formulary import Drug, Formulary
    from thecal.link.interrogation import Interrogation
    from thecal.quantities import Mass, Volume

UNKNOWN = Withdrawal("the drug in this pump", dangerous=True, text="which drug it is could not be read", source="none")


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """The mixture and the dead volume of the order that a pump holds; drugs are shown as the formulary has them."""

    document: OrderDocument
    mixture: Mixture
    dead_volume_nl: int | None
    formulary: Formulary

    def doses(self, volume: Volume) -> list[str]:
        """What a volume of the mixture holds, drug by drug."""
        return [self._said(i.drug, volume * i.concentration) for i in self.mixture.ingredients]

    def _said(self, code: str, mass: Mass) -> str:
        drug = known(self.formulary, code)
        return f"{mass.text(drug.dose_unit)} {drug.display_name}" if drug else f"{mass.text('mg')} {code}"


def held_order(read: Interrogation, site: Path | None = None) -> HeldOrder:
    """The order of the running program; Ended where there is none that can be read."""
    try:
        document = OrderDocument.decode(read.document)
        parts = tuple(Ingredient(i.drug, Concentration.parse(i.concentration)) for i in document.mixture)
        return HeldOrder(document, Mixture(parts), document.dead_volume_nl, load(site))
    except (UnreadableDocument, ValueError) as wrong:
        found = f"no order that can be read in the pump ({wrong})" if read.document else "a pump that holds no order"
        then = f"propose a program first: thecal programmer propose {read.identity.serial} ORDER.toml"
        raise ended(Exit.PUMP_REFUSED, found, "a pump with an order", then) from wrong


def withdrawal_of(read: Interrogation, site: Path | None) -> tuple[Withdrawal, ...]:
    """What stopping can do, by drug; where the drugs are not known, stopping counts as dangerous."""
    try:
        drugs = [i.drug for i in OrderDocument.decode(read.document).mixture]
    except UnreadableDocument:
        return (UNKNOWN,) if read.status.loaded else ()
    formulary = load(site)
    found = [(code, known(formulary, code)) for code in drugs]
    return tuple(_withdrawal(drug) if drug else _other(code) for code, drug in found)


def known(formulary: Formulary, code: str) -> Drug | None:
    """A drug of the formulary; None where it knows no such code."""
    try:
        return formulary.drug(code)
    except UnknownDrug:
        return None


def _withdrawal(drug: Drug) -> Withdrawal:
    held = drug.withdrawal
    return Withdrawal(
        drug.display_name, dangerous=held.risk.physician_must_choose, text=held.text, source=held.source.name
    )


def _other(code: str) -> Withdrawal:
    return Withdrawal(code, dangerous=True, text="this formulary does not know the drug", source="none")
