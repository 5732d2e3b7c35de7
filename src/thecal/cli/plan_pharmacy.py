"""The compounding worksheet: what to weigh, what to draw, diluent, overfill and check sum, and the label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from thecal.cli.amounts import amount, percentage
from thecal.cli.parts import Grid, Part
from thecal.quantities import Concentration, Volume, percent_text
from thecal.therapy.compounding import Powder, Solution, label, worksheet
from thecal.therapy.refusal import Refusal
from thecal.therapy.reservoir import drug_in

if TYPE_CHECKING:
    from thecal.cli.planning import Case
    from thecal.therapy.compounding import Line, Stock, Worksheet


def worksheet_part(case: Case) -> Part:
    """The worksheet for what the syringe holds; without stock, the amounts alone."""
    fill, title = case.order.fill, "Compounding worksheet"
    if fill is None:
        return Part("worksheet", title, missing=["the volume: state [fill] volume, and the syringe's if it differs"])
    volume = fill.syringe or fill.volume
    over = Volume.zero() if case.asked.overfill is None else amount("--overfill", case.asked.overfill, Volume)
    stocks = _stocks(case)
    if not stocks:
        return _amounts(case, volume, over)
    sheet = worksheet(case.order.mixture, volume, over, stocks)
    if isinstance(sheet, Refusal):
        return Part("worksheet", title, refusals=[sheet])
    return _sheet_part(case, sheet, stocks)


def _stocks(case: Case) -> dict[str, Stock]:
    found: dict[str, Stock] = {}
    for entry in case.asked.stock:
        name, equals, text = entry.partition("=")
        if not equals:
            raise typer.BadParameter(
                f"found {entry!r}: the = between drug and stock is missing; "
                'allowed: DRUG=STOCK; next: write it as in "morphine=25 mg/mL"',
                param_hint="--stock",
            )
        try:
            code = case.known.drug_code(name.strip())
        except KeyError as unknown:
            raise typer.BadParameter(f"found {entry!r}: {unknown}", param_hint="--stock") from None
        if code not in case.order.mixture.drugs:
            raise typer.BadParameter(f"found {entry!r}: {code} is not in the mixture", param_hint="--stock")
        found[code] = _stock(text.strip())
    return found


def _stock(text: str) -> Stock:
    """A solution by its strength, or a powder by its content in percent."""
    if text.startswith("powder"):
        content = percentage("--stock", text.removeprefix("powder").strip())
        if not 0 < content <= 1:
            raise typer.BadParameter(
                f"found {text!r}; allowed: powder with more than 0 % to 100 %", param_hint="--stock"
            )
        return Powder(content)
    return Solution(amount("--stock", text, Concentration))


def _amounts(case: Case, volume: Volume, over: Volume) -> Part:
    total = volume + over
    rows, body = [], {}
    for held in drug_in(total, case.order.mixture):
        drug = case.known.words(held.drug)
        sold = ", ".join(dict.fromkeys(s.concentration.text(drug.conc_unit) for s in drug.strengths))
        rows.append([drug.display_name, f"{held.mass.text(drug.dose_unit)} per {total.text('mL')}", sold])
        body[held.drug] = held.mass.as_json(drug.dose_unit)
    facts = [("volume", _volume_text(volume, over))]
    missing = ['the stock of each drug: --stock "morphine=25 mg/mL" or --stock "bupivacaine=powder 98 %"']
    grid = Grid(["drug", "in all", "products on the market (not a stock list)"], rows)
    return Part("worksheet", "Compounding worksheet", facts, grid, missing=missing, body={"amounts": body})


def _volume_text(volume: Volume, over: Volume) -> str:
    return f"{volume.text('mL')} + overfill {over.text('mL')} = {(volume + over).text('mL')}"


def _sheet_part(case: Case, sheet: Worksheet, stocks: dict[str, Stock]) -> Part:
    units = {code: case.known.words(code).dose_unit for code in case.order.mixture.drugs}
    rows = [_line_cells(case, line, stocks[line.drug]) for line in sheet.lines]
    diluent = case.order.mixture.diluent or "DILUENT NOT STATED"
    rows.append([diluent, "", "", "up to the mark", sheet.diluent.text("mL")])
    rows.append(["check sum of volumes", "", "", "", sheet.check_sum.text("mL")])
    facts = [("volume", _volume_text(sheet.volume, sheet.overfill))]
    for made in label(sheet, units):
        main = f"{made.amount.text(made.unit)} per {made.volume.text('mL')}"
        facts.append((f"label, {case.known.words(made.drug).display_name}", f"{main} {made.strength}"))
    notes = ["Powder is counted as taking no volume: the diluent is made up to the mark."]
    if case.order.mixture.preservative_free is not True:
        notes.append("PRESERVATIVE-FREE IS NOT STATED: every product has to be.")
    grid = Grid(["take", "drug in it", "stock", "weigh", "draw"], rows, numbers=(1, 2, 3, 4))
    body: dict[str, Any] = {
        "volume": sheet.volume.as_json("mL"),
        "overfill": sheet.overfill.as_json("mL"),
        "diluent": sheet.diluent.as_json("mL"),
        "check_sum": sheet.check_sum.as_json("mL"),
        "lines": {
            i.drug: {
                "amount": i.amount.as_json(units[i.drug]),
                "weigh": i.weigh.as_json(units[i.drug]),
                "draw": i.draw.as_json("mL"),
            }
            for i in sheet.lines
        },
    }
    return Part("worksheet", "Compounding worksheet", facts, grid, notes, body=body)


def _line_cells(case: Case, made: Line, stock: Stock) -> list[str]:
    drug = case.known.words(made.drug)
    contained = made.amount.text(drug.dose_unit)
    if isinstance(stock, Powder):
        return [
            drug.display_name,
            contained,
            f"powder {percent_text(stock.content)}",
            made.weigh.text(drug.dose_unit),
            "",
        ]
    return [drug.display_name, contained, stock.concentration.text(drug.conc_unit), "", made.draw.text("mL")]
