"""Fit the shipped person and morphine to the calibration cases, and to nothing else.

    .venv/bin/python scripts/calibrate.py            fit, print the table and the values
    .venv/bin/python scripts/calibrate.py --write    and write the values into the data files

Regularized least squares in logarithms: an error at the edge of a case's range counts as two standard deviations, and a
parameter one spread from its prior as one. Starts from the priors and from seeded draws of them; the least cost wins.
The fit runs on a coarse grid; the table is made from the rounded values on the shipped grid.
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from thecal.body.spine import calibration
from thecal.body.spine.kinetics import Kinetics, kinetics_parameters
from thecal.body.spine.neuraxis import CELLS
from thecal.body.spine.parameter import Distribution, Parameter
from thecal.body.spine.physiology import Physiology, physiology_parameters
from thecal.body.spine.prior import kinetics_of, nominal_kinetics, nominal_physiology, person

DRUG = "morphine"
SPINE = Path(__file__).resolve().parent.parent / "src/thecal/body/spine"
PERSON = ("kappa", "stroke_exponent", "top_exchange_ml_per_min")
MORPHINE = (
    "tissue_exchange_min",
    "tissue_loss_per_min",
    "dura_cm_per_min",
    "epidural_loss_per_min",
    "fat_exchange_cm2_per_min",
)
FIT_CELLS = 60
DIGITS = 2


def parameters() -> dict[str, Parameter]:
    """What is fitted, by field: the person's first."""
    mine, drug = physiology_parameters(), kinetics_parameters(DRUG)
    return {**{name: mine[name] for name in PERSON}, **{name: drug[name] for name in MORPHINE}}


def before(parameter: Parameter) -> float:
    return parameter.value if parameter.prior is None else parameter.prior


def model(values: dict[str, float]) -> tuple[Physiology, Kinetics]:
    mine: dict[str, Any] = {name: values[name] for name in PERSON}
    drug: dict[str, Any] = {name: values[name] for name in MORPHINE}
    return replace(nominal_physiology(), **mine), replace(nominal_kinetics(DRUG), **drug)


def misfit(found: dict[str, float]) -> list[float]:
    """For each case, how far from the middle of its range, where the edge is 2."""
    return [
        2 * (math.log(found[c.key]) - math.log(c.low * c.high) / 2) / (math.log(c.high / c.low) / 2)
        for c in calibration.CASES
    ]


def penalty(name: str, value: float, parameter: Parameter) -> float:
    """How many spreads from the prior; nothing for a number that is as likely anywhere in its range."""
    if parameter.distribution is Distribution.UNIFORM:
        return 0.0
    assert parameter.distribution is Distribution.LOGNORMAL, name
    assert parameter.spread is not None
    return math.log(value / before(parameter)) / parameter.spread


def fit(start: dict[str, float], cells: int) -> tuple[float, dict[str, float]]:
    known = parameters()
    names = list(known)

    def residuals(logs: np.ndarray) -> np.ndarray:
        values = dict(zip(names, np.exp(logs).tolist(), strict=True))
        priors = [penalty(name, values[name], known[name]) for name in names]
        return np.array([*misfit(calibration.found(*model(values), cells)), *priors])

    bounds = ([math.log(p.low) for p in known.values()], [math.log(p.high) for p in known.values()])
    at = np.clip([math.log(start[name]) for name in names], *(np.array(b) for b in bounds))
    solved = least_squares(residuals, at, bounds=bounds, x_scale=0.5, diff_step=1e-4, xtol=1e-5, ftol=1e-6)
    return float(solved.cost), dict(zip(names, np.exp(solved.x).tolist(), strict=True))


def starts(count: int, seed: int) -> list[dict[str, float]]:
    known = parameters()
    found = [{name: before(parameter) for name, parameter in known.items()}]
    for draw in range(count):
        mine, drug = person(seed, draw), kinetics_of(DRUG, seed, draw)
        found.append({name: getattr(mine if name in PERSON else drug, name) for name in known})
    return found


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def table(old: dict[str, float], new: dict[str, float]) -> str:
    first, last = (calibration.found(*model(v), CELLS) for v in (old, new))
    lines = [f"{'case':46} {'expected':>9} {'range':>17} {'before':>9} {'after':>9}"]
    for case in calibration.CASES:
        mark = "inside" if case.inside(last[case.key]) else "OUTSIDE"
        lines.append(
            f"{case.title + ', ' + case.unit:46} {case.expected:9.4g} {case.low:8.4g}-{case.high:8.4g}"
            f" {first[case.key]:9.4g} {last[case.key]:9.4g} {mark}"
        )
    lines += ["", f"{'parameter':30} {'range':>19} {'prior':>9} {'value':>9} {'spreads':>8}"]
    for name, parameter in parameters().items():
        away = penalty(name, new[name], parameter)
        lines.append(
            f"{name:30} {parameter.low:9.3g}-{parameter.high:9.3g} {old[name]:9.3g} {new[name]:9.3g} {away:8.2f}"
        )
    return "\n".join(lines)


def write(old: dict[str, float], new: dict[str, float]) -> None:
    """Put value and prior into the tables of the data files."""
    for file, names in (("physiology.toml", PERSON), (f"kinetics/{DRUG}.toml", MORPHINE)):
        path = SPINE / file
        text = path.read_text(encoding="utf-8")
        for name in names:
            body = rf"(\[{name}\]\nvalue = )\S+\n((?:(?!\[|prior).*\n)*?)(?:prior = \S+\n)?(source = )"
            text, hits = re.subn(body, rf"\g<1>{new[name]!r}\n\g<2>prior = {old[name]!r}\n\g<3>", text)
            assert hits == 1, name
        path.write_text(text, encoding="utf-8")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--starts", type=int, default=6, help="drawn starts beside the priors")
    asked.add_argument("--cells", type=int, default=FIT_CELLS)
    asked.add_argument("--write", action="store_true")
    options = asked.parse_args()
    old = {name: before(parameter) for name, parameter in parameters().items()}
    tries = []
    for number, start in enumerate(starts(options.starts, options.seed)):
        cost, values = fit(start, options.cells)
        print(f"start {number}: cost {cost:.4f}", flush=True)
        tries.append((round(cost, 3), number, values))
    new = {name: rounded(value) for name, value in min(tries)[2].items()}
    print(table(old, new))
    if options.write:
        write(old, new)


if __name__ == "__main__":
    main()
