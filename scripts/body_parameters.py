"""Write docs/reference/body-parameters.md from the data files of the spine.

    .venv/bin/python scripts/body_parameters.py

A test fails where the page is not what this would write.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from thecal.body.spine.kinetics import kinetics_parameters, modelled_drugs
from thecal.body.spine.parameter import Distribution, Parameter
from thecal.body.spine.physiology import area_shape, physiology_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = Path(__file__).resolve().parent.parent / "docs/reference/body-parameters.md"
BEGIN = """# Parameters of the body

Every number behind the [spine](../explanation/spine.md). They are research parameters and no clinical advice: Thecal is
[not a medical device](../explanation/not-a-device.md).

This page is written from the data by `python scripts/body_parameters.py`, and a test holds the two together. The data
are `src/thecal/body/spine/physiology.toml` (a person) and one file for each drug in `src/thecal/body/spine/kinetics/`.
They are read strictly: a missing, unknown or contradictory field is refused with its file and name.

- **Range**: what is accepted and what is drawn from. A number outside is refused.
- **Spread**: of draws over people and over what is not known. *Lognormal 0.2* has the value as its median and 0.2 as
  the standard deviation of the logarithm; *normal 3* is a standard deviation in the unit; *uniform* is over the range.
  All are cut off at the range.
- **Read**: whether the number itself was read in the source. *No* means general knowledge, our assumption, or a fit. A
  range and a spread are ours in most rows, also where the value was read.
- **Prior**: where a value was [calibrated](../explanation/spine.md), what was believed before.

The volumes and rates of plasma are those of the reference adult of 70 kg. Volumes grow with weight, and clearances do.
"""


def number(value: float) -> str:
    return f"{value:g}"


def spread(parameter: Parameter) -> str:
    if parameter.distribution in {Distribution.FIXED, Distribution.UNIFORM}:
        return parameter.distribution.value
    return f"{parameter.distribution.value} {number(parameter.spread or 0)}"


def row(name: str, parameter: Parameter) -> str:
    value = number(parameter.value)
    if parameter.prior is not None:
        value += f" (prior {number(parameter.prior)})"
    unit = "" if parameter.unit == "1" else f" {parameter.unit}"
    said = f"{parameter.source[0].upper()}{parameter.source[1:]}. {parameter.note}".strip().replace("..", ".")
    cells = (
        f"`{name}`",
        f"{value}{unit}",
        f"{number(parameter.low)} to {number(parameter.high)}",
        spread(parameter),
        "yes" if parameter.verified else "no",
        said,
    )
    return f"| {' | '.join(cells)} |"


def table(parameters: Mapping[str, Parameter]) -> str:
    head = ["| Field | Value | Range | Spread | Read | Source and note |", "|---|---|---|---|---|---|"]
    return "\n".join(head + [row(name, parameter) for name, parameter in parameters.items()])


def shape() -> str:
    found = area_shape()
    pairs = ", ".join(f"{number(r)} at {number(s)}" for s, r in zip(found.share, found.relative, strict=True))
    return (
        f"The area of fluid along the canal, relative, at shares of its length from the sac: {pairs}. Straight between "
        f"them, and scaled to `csf_ml`. Source: {found.source}; read: {'yes' if found.verified else 'no'}."
    )


def page() -> str:
    parts = [BEGIN, "## A person\n", table(physiology_parameters()) + "\n", shape() + "\n"]
    for drug in modelled_drugs():
        parts += [f"## {drug.capitalize()}\n", table(kinetics_parameters(drug)) + "\n"]
    return "\n".join(parts)


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
