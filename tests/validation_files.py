"""Files of cases for the tests of the validation: one that is right, and ways to make it wrong."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

from thecal.body.validation.reading import parse

PLAIN = """
[[case]]
id = "plain"
number = "1"
title = "Morphine, made up"
status = "H"
source = "made up"
drug = "morphine"
tip = "L3-4"
bolus = [{ dose = "0.25 mg", volume = "1 mL" }]

[[case.check]]
what = "CSF after 1 h"
paper = "4000 ng/mL"
measure = { kind = "value", place = "csf", at = "L3-4", time = "1 h" }
expected = { value = "4000 ng/mL", factor = 1.5 }
"""


def values(text: str = PLAIN) -> dict[str, Any]:
    """A file as its values, to be changed."""
    return copy.deepcopy(tomllib.loads(text))


def with_measure(measure: dict[str, Any], expected: dict[str, Any] | None = None, **case: Any) -> dict[str, Any]:
    """The plain case with another measure; whatever it expects, it is shown without a verdict unless said otherwise."""
    found = values()
    found["case"][0] |= {"status": "X"} | case
    check = found["case"][0]["check"][0]
    check["measure"] = measure
    del check["expected"]
    if expected is not None:
        check["expected"] = expected
    return found


def parsed(found: dict[str, Any]) -> Any:
    """The file that these values are."""
    return parse(found)
