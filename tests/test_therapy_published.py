"""The rules that come with Thecal, as the sources give them."""

from __future__ import annotations

from fractions import Fraction
from importlib import resources

import pytest
from tests.therapy_builders import ml

from thecal.formulary.drug import DrugClass
from thecal.therapy.published import Direction, Measure, Published, published, read

TEXT = resources.files("thecal.therapy").joinpath("published.toml").read_text(encoding="utf-8")


@pytest.fixture
def rules() -> Published:
    """Read anew for each test, so that reading is what is tested."""
    return read(TEXT)


def test_the_rules_that_come_along_are_the_file(rules: Published) -> None:
    assert published() == rules
    assert published() is published()


def test_tolerance(rules: Published) -> None:
    hours = {kind: rule.after.number("h") for kind, rule in rules.tolerance.items()}
    assert hours == {
        DrugClass.OPIOID: 24,
        DrugClass.OPIOID_HYDROPHILIC: 24,
        DrugClass.OPIOID_LIPOPHILIC: 24,
        DrugClass.GABA_B_AGONIST: 24,
        DrugClass.ALPHA_2_AGONIST: 48,
    }
    assert all(rule.drug_class is kind for kind, rule in rules.tolerance.items())


def test_leads_and_levels(rules: Published) -> None:
    assert [(lead.code, lead.days) for lead in rules.leads] == [
        ("medtronic-week", 7),
        ("gillette-5", 5),
        ("gillette-3", 3),
    ]
    assert rules.bolus_end_volume.volume == ml("3")
    levels = {code: level.volume for code, level in rules.low_levels.items()}
    assert levels == {"synchromed": ml("2"), "medstream": ml("3"), "baclofen-withdrawal-study": ml("4")}
    assert rules.set_overfill.volume == ml("3")
    assert (rules.service.notice_days, rules.service.planned_months_before) == (90, 6)


def test_gap_rules(rules: Published) -> None:
    by_code = {rule.code: rule for rule in rules.gap_rules}
    bounds = {code: (r.measure, r.more_than, r.direction, r.reservoir) for code, r in by_code.items()}
    part = Fraction(145, 1000)
    assert bounds == {
        "asra-2017-volume": (Measure.RESIDUAL, ml("2"), Direction.EITHER, None),
        "asra-2017-accuracy": (Measure.DELIVERED, part, Direction.EITHER, None),
        "manufacturer-overinfusion": (Measure.DELIVERED, part, Direction.OVER, None),
        "maino-2017-20": (Measure.AFTER_REFILL, ml("1"), Direction.EITHER, ml("20")),
        "maino-2017-40": (Measure.AFTER_REFILL, ml("2"), Direction.EITHER, ml("40")),
        "maino-2017-20-residual": (Measure.RESIDUAL, ml("1"), Direction.EITHER, ml("20")),
        "maino-2017-40-residual": (Measure.RESIDUAL, ml("2"), Direction.EITHER, ml("40")),
        "pre-implant-drain": (Measure.PREDICTED, Fraction(1, 5), Direction.EITHER, None),
    }
    assert [code for code, rule in by_code.items() if not rule.source.verified] == [
        "maino-2017-20-residual",
        "maino-2017-40-residual",
    ]


def test_numbers_without_a_source_are_not_verified(rules: Published) -> None:
    assert (rules.early_depletion.ratio, rules.early_depletion.source.verified) == (Fraction(1, 2), False)
    assert (rules.repeated_gap.count, rules.repeated_gap.source.verified) == (2, False)


def test_the_tubing_volume_is_versioned(rules: Published) -> None:
    assert {t.family for t in rules.tubing} == {"SynchroMed II"}
    assert [(t.version, t.volume, t.replaced) for t in rules.tubing] == [
        ("before the 2016-17 correction", ml("0.199"), True),
        ("2016-17 correction", ml("0.14"), False),
    ]
    assert rules.tubing_of("SynchroMed II").version == "2016-17 correction"
    with pytest.raises(KeyError, match="Prometra"):
        rules.tubing_of("Prometra")


def test_dose_steps(rules: Published) -> None:
    steps = {code: share.ratio for code, share in rules.dose_steps.items()}
    assert steps == {"non_malignant": Fraction(3, 10), "malignant": Fraction(1, 2)}


def test_every_entry_names_its_source(rules: Published) -> None:
    sources = [lead.source for lead in rules.leads]
    sources += [rule.source for rule in rules.gap_rules]
    sources += [rule.source for rule in rules.tolerance.values()]
    sources += [entry.source for entry in rules.tubing]
    sources += [level.source for level in (rules.bolus_end_volume, rules.set_overfill, *rules.low_levels.values())]
    sources += [share.source for share in (rules.early_depletion, *rules.dose_steps.values())]
    sources += [rules.repeated_gap.source, rules.service.source]
    assert all(source.authority and source.text for source in sources)


def test_a_site_can_read_its_own_file(rules: Published) -> None:
    own = read(TEXT.replace("days = 7", "days = 10"))
    assert own.leads[0].days == 10
    assert own.gap_rules == rules.gap_rules
    with pytest.raises(KeyError, match="lead"):
        read(TEXT.replace("[[lead]]", "[[other]]"))
