"""A catheter as implanted: what was trimmed off is less than what was supplied."""

from __future__ import annotations

import re

import pytest

from thecal.quantities import Length, LinearVolume, Volume
from thecal.therapy.envelope import Catheter

PER_CM = LinearVolume.parse("0.002 mL/cm")


@pytest.mark.parametrize(
    ("removed", "length", "volume"), [("0", "100", "0.2"), ("20", "80", "0.16"), ("99", "1", "0.002")]
)
def test_what_is_left_of_a_catheter(removed: str, length: str, volume: str) -> None:
    catheter = Catheter(Length.parse("100 cm"), Length.parse(f"{removed} cm"), PER_CM)
    assert (catheter.length, catheter.volume) == (Length.parse(f"{length} cm"), Volume.parse(f"{volume} mL"))


@pytest.mark.parametrize(("cm", "said"), [(-1, "-1 cm"), (100, "100 cm"), (101, "101 cm")])
def test_more_than_there_is_cannot_be_trimmed_off(cm: int, said: str) -> None:
    words = f"removed {said}: allowed from 0 cm to under the 100 cm supplied"
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        Catheter(Length.parse("100 cm"), Length.of(cm, "cm"), PER_CM)
