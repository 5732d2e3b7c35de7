"""What several pages of a refill show alike: masses in a volume, and two entries beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.clinic import double_check
from thecal.therapy.reservoir import drug_in

if TYPE_CHECKING:
    from thecal.clinic.record.tables import DoubleCheck
    from thecal.clinic.refilling.case import Case
    from thecal.quantities import Volume
    from thecal.web.door import Visit


def compared_rows(visit: Visit, check: DoubleCheck) -> list[tuple[str, str, str, bool]]:
    """Both entries of a double check beside each other; only after both are in."""
    return double_check.beside(check, visit.house.formulary)


def masses(case: Case, volume: Volume, held: Any) -> list[str]:
    """How much of every drug a volume holds, for the eye."""
    shown = []
    for part in drug_in(volume, held):
        drug = case.drug(part.drug)
        shown.append(f"{part.mass.text(drug.dose_unit)} {drug.display_name}")
    return shown
