"""The facts that ship: every number has its source and its mark, and says what the authority said."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import thecal.formulary
from thecal.formulary import (
    BolusPolicy,
    CodeSystem,
    DrugClass,
    FillCondition,
    LimitKind,
    Outcome,
    Phase,
    Population,
    PumpKind,
    Source,
    Status,
    WithdrawalRisk,
    load,
)
from thecal.quantities import Concentration, DoseRate, Duration, Mass, Quantity, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOM = Path(thecal.formulary.__file__).parent
FILES = sorted([*ROOM.glob("*.toml"), *(ROOM / "drugs").glob("*.toml")])
BOOK = load()
Row = tuple[str, str, str | None, str | None, str, str, str, bool]
KIND: dict[str, type[Quantity]] = {
    "starting_dose": DoseRate,
    "max_daily_dose": DoseRate,
    "typical_dose": DoseRate,
    "trial_bolus": Mass,
    "max_concentration": Concentration,
    "min_concentration": Concentration,
}

# drug, list, low, high, kind, authority, edition, verified: read off the fact files by hand.
LIMITS: list[Row] = [
    ("morphine", "starting_dose", "0.1 mg/day", "0.5 mg/day", "consensus", "PACC", "2017", False),
    ("morphine", "starting_dose", "0.2 mg/day", "1 mg/day", "label", "FDA label", "not stated", True),
    ("morphine", "starting_dose", "1 mg/day", "10 mg/day", "label", "FDA label", "not stated", True),
    ("morphine", "starting_dose", "0.05 mg/day", "0.4 mg/day", "observed", "published", "low-dose cohort", True),
    ("morphine", "trial_bolus", "0.2 mg", "1 mg", "consensus", "PACC", "2012", False),
    ("morphine", "trial_bolus", None, "0.15 mg", "consensus", "PACC", "2017", False),
    ("morphine", "max_concentration", None, "20 mg/mL", "consensus", "PACC", "2017", False),
    ("morphine", "max_concentration", None, "25 mg/mL", "product", "US product", "not stated", True),
    ("morphine", "max_daily_dose", None, "15 mg/day", "consensus", "PACC", "2017", False),
    ("morphine", "max_daily_dose", None, "20 mg/day", "caution", "FDA label", "not stated", True),
    ("hydromorphone", "starting_dose", "0.02 mg/day", "0.5 mg/day", "consensus", "PACC", "2012", False),
    ("hydromorphone", "starting_dose", "0.01 mg/day", "0.15 mg/day", "consensus", "PACC", "2017", False),
    ("hydromorphone", "trial_bolus", "0.025 mg", "0.1 mg", "consensus", "PACC", "2017", False),
    ("hydromorphone", "max_daily_dose", None, "4 mg/day", "consensus", "PACC", "2007", False),
    ("hydromorphone", "max_concentration", None, "15 mg/mL", "consensus", "PACC", "2017", False),
    ("fentanyl", "starting_dose", "25 mcg/day", "75 mcg/day", "consensus", "PACC", "2017", False),
    ("fentanyl", "max_daily_dose", None, "1,000 mcg/day", "consensus", "PACC", "2017", False),
    ("fentanyl", "max_daily_dose", None, None, "consensus", "PACC", "2012", False),
    ("fentanyl", "max_concentration", None, "10 mg/mL", "consensus", "PACC", "2017", False),
    ("sufentanil", "max_concentration", None, "50 mcg/mL", "consensus", "PACC", "2007", False),
    ("sufentanil", "max_concentration", None, "5 mg/mL", "consensus", "PACC", "2012", False),
    ("sufentanil", "max_daily_dose", None, "500 mcg/day", "consensus", "PACC", "2017", False),
    ("bupivacaine", "starting_dose", "0.01 mg/day", "4 mg/day", "consensus", "PACC", "2017", False),
    ("bupivacaine", "max_daily_dose", None, "30 mg/day", "consensus", "PACC", "2007", False),
    ("bupivacaine", "max_daily_dose", None, "10 mg/day", "consensus", "PACC", "2012", False),
    ("bupivacaine", "max_daily_dose", "15 mg/day", "20 mg/day", "consensus", "PACC", "2017", False),
    ("bupivacaine", "max_daily_dose", "2 mg/day", "25 mg/day", "observed", "published", "2001", True),
    ("bupivacaine", "max_concentration", None, "37 mg/mL", "observed", "published", "2010", True),
    ("ropivacaine", "max_concentration", None, "7.5 mg/mL", "observed", "published", "2017", True),
    ("clonidine", "starting_dose", "40 mcg/day", "100 mcg/day", "consensus", "PACC", "2012", False),
    ("clonidine", "starting_dose", "20 mcg/day", "100 mcg/day", "consensus", "PACC", "2017", False),
    ("clonidine", "max_daily_dose", None, "600 mcg/day", "consensus", "PACC", "2017", False),
    ("clonidine", "max_concentration", None, "1,000 mcg/mL", "consensus", "PACC", "2017", False),
    ("baclofen", "trial_bolus", "50 mcg", "100 mcg", "label", "FDA label", "not stated", True),
    ("baclofen", "max_concentration", None, "2,000 mcg/mL", "product", "FDA label", "not stated", True),
    ("baclofen", "max_daily_dose", None, "1,000 mcg/day", "caution", "FDA label", "not stated", True),
    ("baclofen", "max_daily_dose", "12 mcg/day", "2,000 mcg/day", "observed", "published", "not stated", True),
    ("baclofen", "max_daily_dose", "22 mcg/day", "1,400 mcg/day", "observed", "published", "not stated", True),
    ("baclofen", "max_daily_dose", "24 mcg/day", "1,199 mcg/day", "observed", "published", "not stated", True),
    ("ziconotide", "starting_dose", "0.5 mcg/day", "2.4 mcg/day", "consensus", "PACC", "2012", False),
    ("ziconotide", "starting_dose", "0.5 mcg/day", "1.2 mcg/day", "consensus", "PACC", "2017", True),
    ("ziconotide", "starting_dose", "2.4 mcg/day", "2.4 mcg/day", "label", "EMA", "2019", True),
    ("ziconotide", "starting_dose", None, "2.4 mcg/day", "label", "UK SmPC", "2023", True),
    ("ziconotide", "max_daily_dose", None, "19.2 mcg/day", "label", "FDA label", "not stated", True),
    ("ziconotide", "max_daily_dose", None, "19.2 mcg/day", "consensus", "PACC", "2017", True),
    ("ziconotide", "max_daily_dose", None, "21.6 mcg/day", "label", "UK SmPC", "2023", True),
    ("ziconotide", "min_concentration", "25 mcg/mL", None, "label", "FDA label", "not stated", True),
    ("ziconotide", "typical_dose", None, "9.6 mcg/day", "observed", "EMA", "not stated", True),
]


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: "-".join(str(cell) for cell in row))
@pytest.mark.requirement("OP-6.9.1")
def test_a_limit_stands_as_its_authority_states_it(row: Row) -> None:
    drug, name, low, high, kind, authority, edition, verified = row

    def read(text: str | None) -> Quantity | None:
        return None if text is None else KIND[name].parse(text)

    found = [
        limit
        for limit in getattr(BOOK.drug(drug), name)
        if (limit.low, limit.high, limit.kind) == (read(low), read(high), LimitKind(kind))
        and (limit.source.authority, limit.source.edition, limit.source.verified) == (authority, edition, verified)
    ]
    assert len(found) == 1


@pytest.mark.requirement("OP-6.9.1")
def test_every_drug_of_the_brief_is_there_and_nothing_else() -> None:
    assert list(BOOK.drugs) == sorted(BOOK.drugs)
    assert set(BOOK.drugs) == {
        *("morphine", "hydromorphone", "fentanyl", "sufentanil", "bupivacaine", "ropivacaine", "clonidine", "baclofen"),
        *("ziconotide", "methadone", "meperidine", "ketamine", "octreotide", "gabapentin", "adenosine", "midazolam"),
        *("droperidol", "neostigmine", "lidocaine", "tetracaine", "vincristine"),
    }


@pytest.mark.parametrize(
    ("status", "drugs"),
    [
        (Status.APPROVED, {"morphine", "baclofen", "ziconotide"}),
        (Status.OFF_LABEL, {"hydromorphone", "fentanyl", "sufentanil", "bupivacaine", "clonidine"}),
        (Status.RESTRICTED, {"ropivacaine"}),
        (Status.NOT_RECOMMENDED, {"methadone", "meperidine", "ketamine"}),
        (Status.RESEARCH_ONLY, {"octreotide", "gabapentin", "adenosine", "midazolam", "droperidol", "neostigmine"}),
        (Status.DO_NOT_INFUSE, {"lidocaine", "tetracaine"}),
        (Status.FORBIDDEN, {"vincristine"}),
    ],
)
@pytest.mark.requirement("IT-05")
def test_status(status: Status, drugs: set[str]) -> None:
    assert {d.code for d in BOOK.drugs.values() if d.status is status} == drugs
    assert all((d.approval.us is True) == (d.status is Status.APPROVED) for d in BOOK.drugs.values())


@pytest.mark.parametrize(
    ("code", "text", "verified"),
    [
        ("hydromorphone", "HYDROmorphone", True),
        ("fentanyl", "fentaNYL", True),
        ("sufentanil", "SUFentanil", True),
        ("clonidine", "cloNIDine", True),
        ("vincristine", "vinCRIStine", True),
        ("bupivacaine", "BUPivacaine", False),
        ("ropivacaine", "ROPivacaine", False),
    ],
)
def test_tall_man_is_shown_only_where_it_was_read(code: str, text: str, verified: bool) -> None:
    drug = BOOK.drug(code)
    assert drug.tall_man is not None
    assert (drug.tall_man.text, drug.tall_man.source.verified) == (text, verified)
    assert drug.tall_man.text.lower() == drug.name == drug.code
    assert drug.display_name == (text if verified else code)


def test_no_other_drug_has_a_tall_man_form() -> None:
    assert {d.code for d in BOOK.drugs.values() if d.tall_man is None} >= {"morphine", "baclofen", "ziconotide"}
    assert BOOK.drug("morphine").display_name == "morphine"


@pytest.mark.requirement("P11", "IT-20")
def test_withdrawal_says_where_the_physician_must_choose() -> None:
    risk = {d.code: d.withdrawal.risk for d in BOOK.drugs.values()}
    assert {c for c, r in risk.items() if r is WithdrawalRisk.HIGH} == {"baclofen", "clonidine"}
    assert {c for c, r in risk.items() if r is WithdrawalRisk.NONE} == {"ziconotide", "bupivacaine"}
    assert {c for c, r in risk.items() if r is WithdrawalRisk.MODERATE} == {
        d.code for d in BOOK.drugs.values() if d.drug_class.is_opioid
    }
    chosen = {r for r in WithdrawalRisk if r.physician_must_choose}
    assert chosen == {WithdrawalRisk.HIGH, WithdrawalRisk.UNKNOWN}
    assert BOOK.drug("ziconotide").withdrawal.stop_abruptly is True
    assert BOOK.drug("baclofen").withdrawal.stop_abruptly is False


def test_only_the_binding_kinds_bind() -> None:
    assert {k for k in LimitKind if k.binds} == {LimitKind.LABEL, LimitKind.CONSENSUS, LimitKind.CAUTION}


@pytest.mark.requirement("OP-6.9.2")
def test_the_units_of_a_drug_never_change() -> None:
    assert {d.code: d.dose_unit for d in BOOK.drugs.values() if d.dose_unit == "mcg"}.keys() == {
        *("fentanyl", "sufentanil", "clonidine", "baclofen", "ziconotide", "octreotide", "neostigmine")
    }
    assert all(d.conc_unit == f"{d.dose_unit}/mL" and d.rate_unit == f"{d.dose_unit}/day" for d in BOOK.drugs.values())


def test_ziconotide_is_titrated_by_three_rules() -> None:
    steps = {t.source.name: t for t in BOOK.drug("ziconotide").titration}
    assert set(steps) == {"FDA label", "EMA 2019", "UK SmPC 2023", "published expert practice"}
    assert {t.step_max for t in steps.values()} == {DoseRate.parse("2.4 mcg/day"), DoseRate.parse("0.5 mcg/day")}
    assert steps["FDA label"].max_per_week == 3
    assert (steps["FDA label"].interval_min, steps["FDA label"].interval_max) == (
        Duration.parse("56 h"),
        Duration.parse("84 h"),
    )
    assert steps["EMA 2019"].interval_min == Duration.parse("24 h")
    assert steps["EMA 2019"].interval_recommended == Duration.parse("48 h")
    assert steps["published expert practice"].interval_min == Duration.parse("1 week")


def test_ziconotide_first_fill() -> None:
    drug = BOOK.drug("ziconotide")
    fill = drug.first_fill
    assert fill is not None
    assert (fill.rinses, fill.rinse, fill.days) == (3, Volume.parse("2 mL"), 14)
    assert fill.concentration == Concentration.parse("25 mcg/mL")
    days = {s.condition: s.days for s in drug.stability if s.drugs == {"ziconotide"} and not s.any_other}
    assert days == {FillCondition.FIRST_FILL: 14, FillCondition.UNDILUTED: 84, FillCondition.DILUTED: 40}
    assert {m.pump for m in drug.min_concentration} == {PumpKind.INTERNAL, PumpKind.EXTERNAL}


def test_baclofen_screening_start_and_titration() -> None:
    drug = BOOK.drug("baclofen")
    (ladder,) = drug.trial_ladders
    assert ladder.steps == tuple(Mass.of(n, "mcg") for n in (50, 75, 100))
    assert ladder.interval == Duration.parse("24 h")
    assert (ladder.observe_low, ladder.observe_high) == (Duration.parse("4 h"), Duration.parse("8 h"))
    rule = drug.start_rule
    assert rule is not None
    assert (rule.multiple, rule.multiple_long) == (Fraction(2), Fraction(1))
    assert (rule.long_effect, rule.hold) == (Duration.parse("8 h"), Duration.parse("24 h"))
    assert {(t.population, t.phase, t.percent_low, t.percent_high) for t in drug.titration} == {
        (Population.SPASTICITY_SPINAL, Phase.TITRATION, Fraction(10), Fraction(30)),
        (Population.SPASTICITY_CEREBRAL, Phase.TITRATION, Fraction(5), Fraction(15)),
        (Population.CHILD, Phase.TITRATION, Fraction(5), Fraction(15)),
        (Population.SPASTICITY_SPINAL, Phase.MAINTENANCE, Fraction(10), Fraction(40)),
        (Population.SPASTICITY_CEREBRAL, Phase.MAINTENANCE, Fraction(5), Fraction(20)),
        (None, Phase.MAINTENANCE, Fraction(10), Fraction(20)),
    }
    assert drug.approval.do_not_mix
    assert not drug.approval.monotherapy_only
    assert drug.patient_bolus.policy is BolusPolicy.NOT_EVERY_PUMP
    assert drug.patient_bolus.not_with == ("Prometra",)


def test_opioid_steps_by_indication() -> None:
    for drug in (d for d in BOOK.drugs.values() if d.drug_class.is_opioid and d.starting_dose):
        steps = {t.population: t.percent_high for t in drug.titration}
        assert steps == {None: 25, Population.NON_CANCER_PAIN: 30, Population.CANCER_PAIN: 50}


def test_the_highest_strength_is_the_product_limit() -> None:
    for code in ("morphine", "ziconotide", "baclofen"):
        drug = BOOK.drug(code)
        (product,) = [m for m in drug.max_concentration if m.kind is LimitKind.PRODUCT]
        assert product.high == max(s.concentration for s in drug.strengths)


@pytest.mark.parametrize(
    ("drugs", "days", "outcome", "verified"),
    [
        ("morphine bupivacaine clonidine", {90}, Outcome.STABLE, True),
        ("morphine clonidine", {90}, Outcome.STABLE, True),
        ("morphine bupivacaine", {60}, Outcome.STABLE, True),
        ("hydromorphone", {120}, Outcome.STABLE, True),
        ("hydromorphone bupivacaine", {60}, Outcome.STABLE, True),
        ("hydromorphone clonidine", {35}, Outcome.STABLE, True),
        ("bupivacaine", {84}, Outcome.STABLE, True),
        ("baclofen clonidine", {98}, Outcome.STABLE, True),
        ("baclofen morphine", {30, 7}, Outcome.STABLE, True),
        ("baclofen", {77, 28, 180}, Outcome.STABLE, True),
        ("sufentanil", {21}, Outcome.DEGRADES, True),
        ("hydromorphone ziconotide", {None}, Outcome.DEGRADES, True),
        ("morphine", {180}, Outcome.STABLE, False),
    ],
)
@pytest.mark.requirement("FD-9.1")
def test_stability_of_a_mixture(drugs: str, days: set[int | None], outcome: Outcome, verified: bool) -> None:
    facts = [s for s in BOOK.stability(drugs.split()) if not s.any_other]
    assert {s.days for s in facts} == days
    assert {s.outcome for s in facts} == {outcome}
    assert {s.source.verified for s in facts} == {verified}


def test_ziconotide_with_morphine_was_not_read_in_a_source() -> None:
    facts = [s for s in BOOK.stability(["morphine", "ziconotide"]) if not s.any_other]
    assert {s.days for s in facts} == {8, 34}
    assert not any(s.source.verified for s in facts)


def test_ziconotide_degrades_with_any_other_drug_and_not_alone() -> None:
    (fact,) = BOOK.stability(["ziconotide", "fentanyl"])
    assert fact.any_other
    assert fact.outcome is Outcome.DEGRADES
    assert not any(s.any_other for s in BOOK.stability(["ziconotide"]))


@pytest.mark.requirement("IT-05")
def test_mixtures_and_compounded_drugs_are_off_label_everywhere() -> None:
    rules = {r.code: r.source for r in BOOK.mixture_rules}
    for code in ("mixture-off-label", "compounded-off-label"):
        assert (rules[code].authority, rules[code].edition, rules[code].verified) == ("FDA", "2018", True)
    assert {"infection", "uncorrected-coagulopathy", "opioid-naive-patient-bolus"} <= {
        c.code for c in BOOK.contraindications
    }


@pytest.mark.requirement("OP-6.9.2")
def test_molar_masses_and_codes() -> None:
    morphine = BOOK.drug("morphine")
    assert [m.g_per_mol for m in morphine.molar_mass if m.source.verified] == [Fraction("758.83")]
    codes = {(d.code, c.system, c.value): c.source.verified for d in BOOK.drugs.values() for c in d.codes}
    assert codes["morphine", CodeSystem.ATC, "N02AA01"]
    assert codes["morphine", CodeSystem.RXNORM, "7052"]
    assert codes["ziconotide", CodeSystem.HCPCS, "J2278"]
    assert not codes["bupivacaine", CodeSystem.RXNORM, "1815"]
    assert ("ziconotide", CodeSystem.RXNORM) not in {key[:2] for key in codes}


def test_each_drug_has_the_class_of_its_kind() -> None:
    assert BOOK.drug("fentanyl").drug_class is DrugClass.OPIOID_LIPOPHILIC
    assert not BOOK.drug("baclofen").drug_class.is_opioid


def _facts(value: object) -> Iterator[Any]:
    """Every dataclass inside, however deep."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type | Quantity):
        yield value
        for field in dataclasses.fields(value):
            yield from _facts(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _facts(item)


_CARRIES_NO_SOURCE = {"Source", "StudiedRange", "Drug", "Conversion"}  # they stand inside, or hold, what carries one


@pytest.mark.requirement("OP-6.9.2")
def test_every_fact_has_a_source_with_authority_edition_text_and_mark() -> None:
    facts = [f for d in BOOK.drugs.values() for f in _facts(d)]
    facts += [f for c in (*BOOK.conversions, *BOOK.mixture_rules, *BOOK.contraindications) for f in _facts(c)]
    facts += [f for n in BOOK.conversion_notes for f in _facts(n)]
    assert len(facts) > 900
    for fact in facts:
        if type(fact).__name__ not in _CARRIES_NO_SOURCE:
            source = fact.source
            assert isinstance(source, Source)
            assert source.authority
            assert source.edition
            assert source.text
            assert not source.from_site


def test_what_was_never_read_is_marked_so_and_nothing_else() -> None:
    sources = {s for d in BOOK.drugs.values() for s in _facts(d) if isinstance(s, Source)}
    for source in sources:
        assert source.verified != source.text.startswith(("unsourced", "not in the lists read"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_files_use_every_source_and_write_amounts_safely(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    keys = list(tomllib.loads(text)["sources"])
    assert [k for k in keys if f'source = "{k}"' not in text] == []
    assert not re.search(r"µ|μ|\bug\b|\bcc\b|\bQD\b|\bIU\b|\bMS\b", text)
    assert not re.search(r'"\.[0-9]|\b[0-9]+\.[0-9]*0 (mg|mcg|mL)', text)
    assert text.isascii()
