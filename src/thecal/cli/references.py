"""What an order is read against: the formulary, with a site's files over it, and the pump families; and the reading."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.formulary import load
from thecal.pump.families import Calibration, family
from thecal.therapy.files import parse_order, read_order_file

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.formulary import Drug, Formulary
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.files import Measured, OrderFile
    from thecal.twin.scenario import Scenario

STDIN = "-"


@dataclass(frozen=True, slots=True)
class References:
    """A formulary, and lookups as the readers of files want them."""

    formulary: Formulary

    def drug_code(self, text: str) -> str:
        """The code of a drug; UnknownDrug, which names codes like it, for any other text."""
        return self.formulary.drug(text).code

    def words(self, code: str) -> Drug:
        """How a drug is shown: the formulary's own entry."""
        return self.formulary.drug(code)

    def order(self, path: Path) -> OrderFile:
        """The order in a file; FileRefused names every problem."""
        if str(path) == STDIN:
            return parse_order(sys.stdin.buffer.read(), "<stdin>", drugs=self.drug_code, pumps=pump_envelope)
        return read_order_file(path, drugs=self.drug_code, pumps=pump_envelope)

    def scenario(self, path: Path) -> Scenario:
        """The scenario in a file; FileRefused names every problem."""
        from thecal.twin.scenario import parse_scenario, read_scenario

        if str(path) == STDIN:
            return parse_scenario(sys.stdin.buffer.read(), "<stdin>", drugs=self.drug_code, pumps=pump_envelope)
        return read_scenario(path, drugs=self.drug_code, pumps=pump_envelope)


def references(site: Path | None) -> References:
    """The references with a site's formulary files over those that ship; FormularyError names every problem."""
    return References(load(site))


def calibration(measured: Measured) -> Calibration:
    """What a file says was measured, as the families take it; CalibrationError for what no pump can have."""
    return Calibration(
        stroke=measured.stroke,
        tubing=measured.tubing,
        fixed_flow=measured.fixed_flow,
        flow_factor=measured.flow_factor,
    )


def pump_envelope(name: str, measured: Measured) -> Envelope:
    """What one pump can deliver; UnknownFamily or CalibrationError for what there is not."""
    return family(name).envelope(calibration(measured))
