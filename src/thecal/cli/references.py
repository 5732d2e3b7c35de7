"""What an order is read against: the formulary, with a site's files over it, and the pump families; and the reading."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thecal.formulary import load
from thecal.pump.families import Calibration, family
from thecal.therapy.file_problems import FileRefused
from thecal.therapy.files import is_scenario, parse_order, read_order_file
from thecal.therapy.toml_places import parse_document, read_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from thecal.formulary import Drug, Formulary
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.files import Measured, OrderFile
    from thecal.therapy.toml_places import Document
    from thecal.twin.scenario import Scenario

STDIN = "-"
_AN_ORDER = "this is an order, not a scenario: thecal review reads it; a scenario also has [run]"


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

    def order_text(self, path: Path) -> tuple[str, OrderFile]:
        """The order in a file with the text as it was written; FileRefused names every problem."""
        if str(path) == STDIN:
            content = sys.stdin.buffer.read()
            found = parse_order(content, "<stdin>", drugs=self.drug_code, pumps=pump_envelope)
            return content.decode(), found
        found = self.order(path)
        return path.read_text("utf-8"), found

    def scenario(self, path: Path) -> Scenario:
        """The scenario in a file; FileRefused names every problem."""
        from thecal.twin.scenario import parse_scenario, read_scenario

        if str(path) != STDIN:
            try:
                return read_scenario(path, drugs=self.drug_code, pumps=pump_envelope)
            except FileRefused as refused:
                raise _of_an_order(refused, lambda: read_document(path)) from None
        content = sys.stdin.buffer.read()
        try:
            return parse_scenario(content, "<stdin>", drugs=self.drug_code, pumps=pump_envelope)
        except FileRefused as refused:
            raise _of_an_order(refused, lambda: parse_document(content, "<stdin>")) from None


def _of_an_order(refused: FileRefused, read: Callable[[], Document]) -> FileRefused:
    """The same refusal; where the file is an order, what is missing says so."""
    if not any(p.field == "run" for p in refused.problems) or is_scenario(read().values):
        return refused
    return FileRefused(tuple(replace(p, allowed=_AN_ORDER) if p.field == "run" else p for p in refused.problems))


def spoken(path: Path) -> str:
    """What a file is called in a heading."""
    return "standard input" if str(path) == STDIN else str(path)


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
