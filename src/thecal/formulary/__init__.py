"""What may be given: a TOML file for each drug, every number with its authority, edition and source.

In come the files that ship with Thecal and, where there is one, a site's directory over them; out comes one
``Formulary``. It states facts and never judges an order, and a file that is wrong is refused whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.formulary.catalog import Formulary, UnknownDrug
from thecal.formulary.conversion import Conversion, DoseRange, Operation, Report, Route, SafeEnd
from thecal.formulary.drug import (
    Approval,
    BolusPolicy,
    Code,
    CodeSystem,
    Drug,
    DrugClass,
    FirstFill,
    MolarMass,
    PatientBolusRule,
    Statement,
    Status,
    TallMan,
    Withdrawal,
    WithdrawalRisk,
)
from thecal.formulary.limits import (
    Change,
    ConcentrationLimit,
    DoseLimit,
    Limit,
    LimitKind,
    MassLimit,
    Observation,
    Phase,
    Population,
    PumpKind,
    Source,
    StartRule,
    Strength,
    Titration,
    TrialLadder,
)
from thecal.formulary.problem import FormularyError, Problem
from thecal.formulary.stability import FillCondition, Outcome, Stability, StudiedRange, Vessel

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Approval",
    "BolusPolicy",
    "Change",
    "Code",
    "CodeSystem",
    "ConcentrationLimit",
    "Conversion",
    "DoseLimit",
    "DoseRange",
    "Drug",
    "DrugClass",
    "FillCondition",
    "FirstFill",
    "Formulary",
    "FormularyError",
    "Limit",
    "LimitKind",
    "MassLimit",
    "MolarMass",
    "Observation",
    "Operation",
    "Outcome",
    "PatientBolusRule",
    "Phase",
    "Population",
    "Problem",
    "PumpKind",
    "Report",
    "Route",
    "SafeEnd",
    "Source",
    "Stability",
    "StartRule",
    "Statement",
    "Status",
    "Strength",
    "StudiedRange",
    "TallMan",
    "Titration",
    "TrialLadder",
    "UnknownDrug",
    "Vessel",
    "Withdrawal",
    "WithdrawalRisk",
    "load",
]


def load(site: Path | None = None) -> Formulary:
    """The built-in formulary, with the files of ``site`` over it; FormularyError says which file and field is wrong."""
    from thecal.formulary import reading  # noqa: PLC0415  (the schema is heavy: import stays light until it is needed)

    return reading.load(site)
