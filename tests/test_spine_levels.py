"""Levels: where they lie, how they may be written, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.body.spine import levels
from thecal.body.spine.levels import (
    CANAL_CM,
    DERMATOMES,
    SEGMENTS,
    VERTEBRAE,
    Kind,
    all_levels,
    conus,
    dermatome,
    dermatome_cm,
    label,
    level,
    nearest_segment,
    nearest_vertebra,
    segment,
    segment_cm,
    ticks,
    vertebra_cm,
)
from thecal.body.spine.parameter import DataFileError
from thecal.body.spine.prior import nominal_physiology
from thecal.body.transport.untrusted import Doubt, UntrustedError

CANAL = st.floats(54, 66)
DISCS = [one.name for one in all_levels() if one.kind is Kind.DISC]


def rises(numbers: list[float]) -> bool:
    return all(a < b for a, b in pairwise(numbers))


def test_the_spine_ascends_from_the_sac_to_the_skull() -> None:
    vertebrae = [vertebra_cm(name, CANAL_CM) for name in reversed(VERTEBRAE)]
    assert rises(vertebrae)
    assert vertebrae[0] == 0
    assert vertebrae[-1] < CANAL_CM


def test_the_cord_ascends_from_the_conus_to_the_skull() -> None:
    segments = [segment_cm(name, CANAL_CM) for name in reversed(SEGMENTS)]
    assert rises([conus().cm, *segments, CANAL_CM])


def test_a_disc_lies_between_its_vertebrae() -> None:
    assert len(DISCS) == len(VERTEBRAE) - 1
    for (above, below), disc in zip(pairwise(VERTEBRAE), reversed(DISCS), strict=True):
        assert vertebra_cm(below, CANAL_CM) < vertebra_cm(disc, CANAL_CM) < vertebra_cm(above, CANAL_CM)
        assert disc.startswith(f"{above}-")


def test_a_segment_lies_above_its_vertebra_and_more_so_further_down() -> None:
    shared = [name for name in SEGMENTS if name in VERTEBRAE]
    gaps = [segment_cm(name, CANAL_CM) - vertebra_cm(name, CANAL_CM) for name in shared]
    assert gaps[0] == 0  # C1
    assert all(gap > 0 for gap in gaps[1:])
    assert gaps[shared.index("L5")] > gaps[shared.index("T10")] > gaps[shared.index("T1")]


@pytest.mark.parametrize(
    ("name", "cm"),
    [
        ("L5-S1", 4),
        ("L4-5", 7.5),
        ("L3-4", 11),
        ("L2-3", 14.5),
        ("L1-2", 18),
        ("T10", 27),
        ("C7-T1", 48),
        ("C1-2", 58.5),
    ],
)
def test_given_positions_are_kept(name: str, cm: float) -> None:
    found = level(name)
    assert (found.cm, found.given, found.verified) == (cm, True, False)


def test_segment_t10_lies_between_vertebrae_t8_and_t9() -> None:
    assert segment_cm("T10", CANAL_CM) == vertebra_cm("T8-9", CANAL_CM)


@pytest.mark.parametrize("name", ["L1", "L5", "S1", "S5"])
def test_lumbosacral_segments_lie_at_t11_to_l1(name: str) -> None:
    assert nearest_vertebra(segment_cm(name, CANAL_CM), CANAL_CM).name in {"T11", "T12", "L1"}


def test_the_cord_ends_where_the_physiology_says() -> None:
    assert conus().name == "L1-2"
    assert conus().cm / CANAL_CM == pytest.approx(nominal_physiology().conus_share)


def test_nothing_that_is_interpolated_is_verified() -> None:
    assert all(one.source for one in all_levels())
    assert not [one for one in all_levels() if one.verified]
    assert any(not one.given for one in all_levels())


@given(st.sampled_from([*VERTEBRAE, *DISCS]), CANAL)
def test_positions_scale_with_the_canal(name: str, canal_cm: float) -> None:
    assert vertebra_cm(name, canal_cm) == pytest.approx(vertebra_cm(name, CANAL_CM) * canal_cm / CANAL_CM)


@given(st.sampled_from(SEGMENTS), CANAL, st.floats(0.2, 0.4))
def test_segments_follow_the_end_of_the_cord(name: str, canal_cm: float, share: float) -> None:
    found = segment_cm(name, canal_cm, share)
    assert share * canal_cm < found < canal_cm
    assert segment_cm(name, canal_cm, 18 / 60) == pytest.approx(segment_cm(name, canal_cm))
    high = segment_cm(name, canal_cm, min(share + 0.01, 0.4))
    assert high >= found


@given(st.sampled_from(DERMATOMES), CANAL)
def test_a_dermatome_is_its_segment(name: str, canal_cm: float) -> None:
    assert dermatome_cm(name, canal_cm) == segment_cm(name, canal_cm)
    assert dermatome(name).kind is Kind.DERMATOME
    assert dermatome(name).cm == segment(name).cm


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("T10", "T10"), ("t10", "T10"), ("Th10", "T10"), (" TH10 ", "T10"), ("L2-3", "L2-3"), ("L2/3", "L2-3"),
        ("L2-L3", "L2-3"), ("l2/l3", "L2-3"), ("L2 \N{EN DASH} L3", "L2-3"), ("C7-T1", "C7-T1"), ("C7/Th1", "C7-T1"),
        ("t12/l1", "T12-L1"), ("L5-S1", "L5-S1"), ("Th9-10", "T9-10"), ("S1-2", "S1-2"),
    ],
)  # fmt: skip
def test_spellings(written: str, name: str) -> None:
    assert level(written).name == name


@pytest.mark.parametrize(
    "written",
    ["", "T", "10", "T0", "T05", "T13", "L6", "S3", "D10", "lumbar", "conus", "L2-4", "L3-2", "T12-1", "C7-1", "L5-1",
     "S2-3", "T10-", "T 10", "T1 0", "T10 or T11", "T10/T11/T12",
     "T\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT ZERO}"],
)  # fmt: skip
def test_what_is_no_level_is_refused_with_what_is(written: str) -> None:
    with pytest.raises(UntrustedError, match="C7-T1") as caught:
        level(written)
    assert caught.value.doubt is Doubt.OUT_OF_RANGE
    assert f'"{written}"' in caught.value.found


@pytest.mark.parametrize("written", ["27", "27 cm", "cm 27", "27.5 cm", "270mm"])
def test_a_length_does_not_say_from_where(written: str) -> None:
    with pytest.raises(UntrustedError, match="from where"):
        level(written)


@pytest.mark.parametrize("written", ["C8", "c8", "S4"])
def test_a_segment_is_no_vertebra(written: str) -> None:
    assert segment(written).kind is Kind.SEGMENT
    with pytest.raises(UntrustedError, match="segment of the cord and no vertebra"):
        level(written)


@pytest.mark.parametrize("written", ["L2-3", "T13", "S6", "skin"])
def test_segments_and_dermatomes_refuse_the_rest(written: str) -> None:
    with pytest.raises(UntrustedError, match="C1 to C8"):
        segment(written)
    with pytest.raises(UntrustedError, match="C2 to C8"):
        dermatome(written)


def test_the_first_segment_has_no_skin() -> None:
    with pytest.raises(UntrustedError, match="dermatome"):
        dermatome("C1")


@given(st.sampled_from([*VERTEBRAE, *DISCS]), CANAL)
def test_a_level_is_labelled_by_its_name(name: str, canal_cm: float) -> None:
    at_cm = vertebra_cm(name, canal_cm)
    assert label(at_cm, canal_cm) == name
    if name in VERTEBRAE:
        assert nearest_vertebra(at_cm, canal_cm).name == name


@given(st.floats(0, 1), CANAL)
def test_no_vertebra_is_nearer_than_the_nearest(share: float, canal_cm: float) -> None:
    cm = share * canal_cm
    gap = abs(nearest_vertebra(cm, canal_cm).at_cm(canal_cm) - cm)
    assert all(gap <= abs(vertebra_cm(name, canal_cm) - cm) + 1e-9 for name in VERTEBRAE)


@given(st.sampled_from(SEGMENTS), CANAL)
def test_a_segment_is_nearest_to_itself(name: str, canal_cm: float) -> None:
    found = nearest_segment(segment_cm(name, canal_cm), canal_cm)
    assert found is not None
    assert found.name == name


def test_under_the_conus_there_is_no_segment() -> None:
    assert nearest_segment(10, CANAL_CM) is None


@pytest.mark.parametrize("cm", [-0.1, 60.1, math.nan, math.inf])
def test_outside_the_canal_there_is_no_level(cm: float) -> None:
    with pytest.raises(UntrustedError, match="the canal"):
        label(cm, CANAL_CM)


@pytest.mark.parametrize("canal_cm", [0.0, -60.0, math.nan, math.inf])
def test_a_canal_has_a_length(canal_cm: float) -> None:
    with pytest.raises(UntrustedError, match="canal"):
        vertebra_cm("T10", canal_cm)


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_conus_lies_in_the_canal(share: float) -> None:
    with pytest.raises(UntrustedError, match="conus"):
        segment_cm("T10", CANAL_CM, share)


@given(CANAL, st.floats(0.5, 70))
def test_ticks_keep_their_distance_and_leave_no_room(canal_cm: float, spacing_cm: float) -> None:
    found = ticks(canal_cm, spacing_cm)
    places = [tick.cm for tick in found]
    assert all(b - a >= spacing_cm for a, b in pairwise(places))
    free = set(VERTEBRAE) - {tick.name for tick in found}
    assert all(min(abs(vertebra_cm(name, canal_cm) - cm) for cm in places) < spacing_cm for name in free)


def test_ticks_of_a_chart_are_landmarks() -> None:
    assert {"S2", "L1", "T10", "T4", "C7"} <= {tick.name for tick in ticks(CANAL_CM)}


@pytest.mark.parametrize("spacing_cm", [0.0, -1.0, math.nan])
def test_a_spacing_is_a_length(spacing_cm: float) -> None:
    with pytest.raises(UntrustedError, match="spacing"):
        ticks(CANAL_CM, spacing_cm)


def test_places_that_change_their_order_are_refused() -> None:
    top = levels._Anchor(0.5, 60.0, "none", verified=False)
    low = levels._Anchor(2.0, 10.0, "none", verified=False)
    wrong = levels._Anchor(3.0, 20.0, "none", verified=False)
    with pytest.raises(DataFileError, match="in one order"):
        levels._falling([top, wrong, low])
    with pytest.raises(DataFileError, match="in one order"):
        levels._falling([top, low, low])
