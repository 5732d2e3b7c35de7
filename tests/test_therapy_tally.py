"""Counts that add up, and rates against a reference."""

from __future__ import annotations

from fractions import Fraction

import pytest
from tests.therapy_builders import refused

from thecal.therapy.refusal import Code
from thecal.therapy.tally import Reconciled, rate, reconcile, times_reference


def test_rates() -> None:
    assert rate(3, 752) == Fraction(3, 752)
    assert rate(0, 1) == 0
    assert rate(1, 1) == 1
    assert times_reference(Fraction(1, 1000), Fraction(1, 10_000)) == 10


@pytest.mark.parametrize(("events", "of"), [(0, 0), (1, 0), (-1, 5), (6, 5)])
def test_counts_that_cannot_be(events: int, of: int) -> None:
    assert refused(rate(events, of), Code.NOT_POSITIVE).found == f"{events} of {of}"


def test_counts_add_up() -> None:
    kinds = {"deaths": 8, "other": 1343}
    assert reconcile(kinds, 1351) == Reconciled(1351)
    found = refused(reconcile(kinds, 1350), Code.DOES_NOT_ADD_UP)
    assert found.found == "kinds that add up to 1,351 with a stated total of 1,350"
