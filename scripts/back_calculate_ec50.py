"""Derives the numbers of effect that no paper gives from numbers that papers give; prints them beside those shipped.

- The EC50 of morphine at the cord: relief lasts about 12 h after 0.25 and 0.5 mg (Nordberg 1984, pubmed 6546839), so
  half of the effect is taken to be left at 12 h. The model says what concentration there is then; of the two doses the
  geometric mean is taken. Only spinal relief is counted: the paper cannot tell it from supraspinal relief.
- The EC50 of hydromorphone there: that of morphine over the ratio of intrathecal doses.
- The delay of hydromorphone, fentanyl and sufentanil: that with which the effect of an intravenous bolus is greatest at
  the time that stanpumpR gives (R/drugs_*.R at ace20c9).

Run it again after the kinetics of these drugs changed, and put what it prints into src/thecal/body/spine/effects/.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import expm
from scipy.optimize import brentq

from thecal.body.spine.effect import effect_sites, nominal_effect, spinal_site
from thecal.body.spine.levels import vertebra_cm
from thecal.body.spine.neuraxis import build, channels
from thecal.body.spine.prior import nominal_kinetics, nominal_physiology
from thecal.body.spine.response import Endpoint, response
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.modal import Modes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.body.spine.response import Facts

DOSES_MG, RELIEF_H = (0.25, 0.5), 12.0
TIP, BOLUS_ML, DERMATOME = "L3-4", 1.0, "L1"  # ours: a lumbar needle, and skin that the operated leg begins with
HYDROMORPHONE_RATIO = 6.0  # intrathecal morphine over hydromorphone, aneskey.com; 5 is said too
PEAK_MIN = {"hydromorphone": 19.6, "fentanyl": 3.7, "sufentanil": 5.8}


def spinal_ec50_ng_per_ml() -> float:
    """That of morphine, in fluid in equilibrium with cord tissue."""
    left = [at_cord_ng_per_ml(dose) for dose in DOSES_MG]
    return math.exp(sum(math.log(ce) for ce in left) / len(left))


def at_cord_ng_per_ml(dose_mg: float) -> float:
    """What is at the site of effect of the dermatome when relief ends, over the partition of tissue."""
    physiology, kinetics = nominal_physiology(), nominal_kinetics("morphine")
    sites = effect_sites(nominal_effect(kinetics), (DERMATOME,), physiology)
    tip_cm = vertebra_cm(TIP, physiology.canal_cm)
    neuraxis = build(physiology, kinetics, tip_cm, bolus_ml=(BOLUS_ML,), effects=sites)
    wanted = channels(neuraxis, {"cord": (spinal_site(DERMATOME), 0.0)})
    course = Modes(neuraxis.system).run(Dosing.bolus(dose_mg * 1e6), np.array([0.0, RELIEF_H * 3600]), wanted)
    return float(course.of("cord")[-1]) / kinetics.tissue_partition


def delay_half_time_min(drug: str, peak_min: float) -> float:
    """The half-time of a lag behind plasma that is greatest ``peak_min`` after an intravenous bolus."""
    k = nominal_kinetics(drug)
    out = k.k10_per_min + k.k12_per_min + k.k13_per_min

    def still_rises(ke0_per_min: float) -> float:
        matrix = np.array([
            [-out, k.k21_per_min, k.k31_per_min, 0.0],
            [k.k12_per_min, -k.k21_per_min, 0.0, 0.0],
            [k.k13_per_min, 0.0, -k.k31_per_min, 0.0],
            [ke0_per_min, 0.0, 0.0, -ke0_per_min],
        ])  # fmt: skip
        amounts = expm(matrix * peak_min)[:, 0]
        return float(amounts[0] - amounts[3])

    return math.log(2) / float(brentq(still_rises, 1e-4, 10.0))


def main() -> None:
    shipped = {drug: response(drug).endpoints for drug in ("morphine", *PEAK_MIN)}
    cord = spinal_ec50_ng_per_ml()
    print(f"cord EC50, morphine       {cord:8.3g} ng/mL, shipped {_cord(shipped['morphine']):.3g}")
    ours = f"{cord / HYDROMORPHONE_RATIO:8.3g}"
    print(f"cord EC50, hydromorphone  {ours} ng/mL, shipped {_cord(shipped['hydromorphone']):.3g}")
    for drug, peak_min in PEAK_MIN.items():
        value = shipped[drug][Endpoint.WARNING_INDEX].ke0_half_time_min.value
        print(f"delay, {drug:18s} {delay_half_time_min(drug, peak_min):8.3g} min, shipped {value:.3g}")


def _cord(endpoints: Mapping[Endpoint, Facts]) -> float:
    return endpoints[Endpoint.SPINAL].ec50_ng_per_ml.value


if __name__ == "__main__":
    main()
