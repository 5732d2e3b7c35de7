"""The review of an order: every case with exactly its findings and their words, the policy, reasons and the summary."""

from __future__ import annotations

import json
import os
import re
from dataclasses import FrozenInstanceError, replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from tests import therapy_review_doses, therapy_review_people, therapy_review_pumps
from tests.therapy_review_orders import (
    BACLOFEN,
    BOLUS,
    CLEAN,
    PREVIOUS,
    PROGRAM,
    before,
    bridge,
    ceiling,
    found,
    known,
    mass,
    mix,
    ml,
    only,
    ordered,
    repeated,
    reviewed,
    single,
    steady,
    time,
)

from thecal.formulary import BolusPolicy, LimitKind, Source
from thecal.quantities import Concentration, Mass
from thecal.therapy.mixture import Ingredient
from thecal.therapy.order import Indication
from thecal.therapy.program import Program
from thecal.therapy.review import GROUPS, Code, Gate, Measure, Severity, finding, policy, review
from thecal.therapy.review.rules import Rules, rules

CASES = {**therapy_review_doses.CASES, **therapy_review_people.CASES, **therapy_review_pumps.CASES}
GOLDEN = Path(__file__).parent / "data" / "therapy_review.json"


def _words(name: str) -> list[str]:
    """Every finding of a case as a person and a script read it."""
    return [
        f"{f.severity}{' (stops)' if f.hard else ''} {f.key}: {f.text} [{f.source.text}]"
        for f in reviewed(CASES[name][0]).findings
    ]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.requirement("OP-5.2.4", "OP-6.8.8", "OP-6.9.3", "UM-51", "HZ-1.3", "HZ-1.5", "HZ-1.24", "HZ-8.10")
@pytest.mark.requirement("FD-7.6", "FD-9.1", "FD-10.1", "IT-05", "AP-10")
def test_a_case_has_exactly_its_findings(name: str) -> None:
    order, keys = CASES[name]
    assert sorted(f.key for f in reviewed(order).findings) == sorted(keys)


@pytest.fixture(scope="module", autouse=True)
def _rewritten() -> None:
    """With REWRITE_GOLDEN=1 in the environment, today's words become the golden ones: then read the difference."""
    if os.environ.get("REWRITE_GOLDEN") == "1":
        GOLDEN.write_text(
            json.dumps({name: _words(name) for name in CASES}, indent=1, ensure_ascii=False) + "\n", "utf-8"
        )


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_said_in_these_words(name: str) -> None:
    """The words were read one by one; a change of them is read again (data/therapy_review.json)."""
    assert _words(name) == json.loads(GOLDEN.read_text("utf-8"))[name]


def test_every_code_has_a_case() -> None:
    seen = {key.partition(":")[0] for _, keys in CASES.values() for key in keys}
    assert seen == set(Code)


# The policy ----------------------------------------------------------------------------------------------------------


def test_the_table_in_the_docstring_is_the_policy() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", policy.__doc__ or "", re.MULTILINE)[2:]
    assert rows == [(g.name, g.severity or "by the limit", g.gate, g.why) for g in GROUPS]


def test_every_code_is_in_one_group() -> None:
    grouped = [code for group in GROUPS for code in group.codes]
    assert sorted(grouped) == sorted(Code)


@pytest.mark.parametrize("name", CASES)
def test_findings_follow_the_policy(name: str) -> None:
    for item in reviewed(CASES[name][0]).findings:
        group = policy.GROUP_OF[item.code]
        assert item.hard is (group.gate is Gate.STOPS)
        assert group.severity in (None, item.severity)


def test_a_limit_is_as_grave_as_whoever_states_it() -> None:
    code = Code.DAILY_DOSE_ABOVE
    assert policy.severity_of(code, LimitKind.LABEL) is Severity.LABEL_LIMIT
    assert policy.severity_of(code, LimitKind.CAUTION) is Severity.LABEL_LIMIT
    assert policy.severity_of(code, LimitKind.CONSENSUS) is Severity.CONSENSUS_LIMIT
    assert policy.severity_of(code, LimitKind.OBSERVED) is Severity.UNUSUAL
    assert policy.severity_of(code, LimitKind.PRODUCT) is Severity.UNUSUAL
    with pytest.raises(ValueError, match="daily-dose-above takes its severity from the limit that was met"):
        policy.severity_of(code, None)


def test_no_ceiling_of_an_authority_is_hard() -> None:
    """Clinical facts 1.5: ceilings need a recorded reason, not a hard refusal."""
    numbers = next(g for g in GROUPS if g.name == "beyond a number")
    assert numbers.gate is Gate.REASON
    assert {Code.DAILY_DOSE_ABOVE, Code.CONCENTRATION_ABOVE, Code.CEILING_ABOVE_LIMIT} <= set(numbers.codes)


def test_severities_are_in_order_of_gravity() -> None:
    assert [s.rank for s in Severity] == [0, 1, 2, 3, 4]
    assert list(Severity) == ["contraindication", "label limit", "consensus limit", "unusual", "missing fact"]


# Reasons and the summary ----------------------------------------------------------------------------------------------


WEAKER = ordered(previous={"mixture": mix(morphine="20 mg/mL")})


def test_an_order_with_nothing_to_find_goes_on() -> None:
    result = reviewed(CLEAN)
    assert result.findings == ()
    assert not result.stops
    assert result.formulary_version == known().version


@pytest.mark.requirement("OP-5.2.4", "OP-6.5.9", "MX-01")
def test_a_soft_finding_stops_until_it_has_a_reason() -> None:
    assert reviewed(WEAKER).stops
    assert [f.key for f in reviewed(WEAKER).unreasoned] == ["no-bridge"]
    reasoned = reviewed(ordered(WEAKER, program={"reasons": {"no-bridge": " line was aspirated "}}))
    assert not reasoned.stops
    assert reasoned.unreasoned == ()
    assert [f.reason for f in reasoned.findings] == ["line was aspirated"]
    assert reasoned.unused_reasons == ()


def test_an_empty_reason_is_none() -> None:
    result = reviewed(ordered(WEAKER, program={"reasons": {"no-bridge": "  "}}))
    assert result.stops
    assert result.findings[0].reason is None


def test_a_reason_for_one_drug_comes_before_the_reason_for_all() -> None:
    order = ordered(
        pump={"approved": frozenset()},
        mixture={
            "ingredients": (*CLEAN.mixture.ingredients, Ingredient("clonidine", Concentration.parse("100 mcg/mL")))
        },
        program={"reasons": {"pump-not-approved": "usual care", "pump-not-approved:clonidine": "hypertension"}},
    )
    reasons = {f.drug: f.reason for f in reviewed(order).of(Code.PUMP_NOT_APPROVED)}
    assert reasons == {"morphine": "usual care", "clonidine": "hypertension"}


@pytest.mark.requirement("OP-6.5.10", "MX-01", "AP-08")
def test_no_reason_helps_with_a_hard_finding() -> None:
    reasons = {"ceiling-missing": "forgot", "ceiling-missing:morphine": "forgot"}
    result = reviewed(ordered(program={"ceilings": (), "reasons": reasons}))
    assert result.stops
    assert [f.reason for f in result.hard] == [None]
    assert result.unreasoned == ()
    assert result.unused_reasons == ("ceiling-missing", "ceiling-missing:morphine")


def test_a_reason_that_nothing_asked_for_is_told() -> None:
    result = reviewed(ordered(program={"reasons": {"nobridge": "typed wrong", "change-up:clonidine": "early"}}))
    assert not result.stops
    assert result.unused_reasons == ("change-up:clonidine", "nobridge")


@pytest.mark.requirement("P11", "IT-20")
def test_the_reason_of_a_fail_safe_carries_its_risk() -> None:
    risk = only(BACLOFEN, Code.FAIL_SAFE_STOP_RISK)
    assert risk.reason == "the patient lives next to the hospital"
    said = only(
        ordered(BACLOFEN, program={"reasons": {"fail-safe-stop-risk": "nurse at home"}}), Code.FAIL_SAFE_STOP_RISK
    )
    assert said.reason == "nurse at home"


def test_findings_come_gravest_first_and_in_a_fixed_order() -> None:
    order = ordered(
        WEAKER,
        pump={"approved": frozenset()},
        patient={"sedatives": ("lorazepam",), "sleep_apnea": None, "contraindications": ("infection",)},
        program={"base": steady("16 mg/day"), "ceilings": (ceiling("morphine", "20 mg", "20 mg"),)},
    )
    listed = [
        (f.severity.rank, not f.hard, f.code, f.drug or "", f.authority, f.edition) for f in reviewed(order).findings
    ]
    assert listed == sorted(listed)
    assert len({rank for rank, *_ in listed}) == 5


@pytest.mark.requirement("MX-01")
def test_the_review_as_json() -> None:
    order = ordered(
        WEAKER,
        program={
            "base": steady("16.00001 mg/day"),
            "ceilings": (),
            "reasons": {"no-bridge": "rinsed", "nonsense": "x"},
        },
    )
    told = reviewed(order).as_json()
    assert json.loads(json.dumps(told)) == told
    assert told["stops"] is True
    assert told["formulary_version"] == known().version
    assert told["hard"] == ["ceiling-missing:morphine"]
    assert told["unreasoned"] == ["change-up:morphine", "daily-dose-above:morphine"]
    assert told["unused_reasons"] == ["nonsense"]
    listed = told["findings"]
    assert isinstance(listed, list)
    above = next(f for f in listed if f["code"] == "daily-dose-above")
    assert above == {
        "code": "daily-dose-above",
        "severity": "consensus limit",
        "hard": False,
        "drug": "morphine",
        "authority": "PACC",
        "edition": "2007, 2012, 2017",
        "source": "unsourced, from general knowledge",
        "verified": False,
        "found": {"text": "16 mg/day", "value": "16.00001", "exact": "1600001/100000", "unit": "mg/day"},
        "allowed": {"text": "at most 15 mg/day", "value": "15", "exact": "15", "unit": "mg/day"},
        "message": "morphine per 24 h, base alone: found 16 mg/day; allowed: at most 15 mg/day"
        " (PACC 2007, 2012, 2017, not verified)",
        "next_step": "order less, or give a reason for going past PACC 2007, 2012, 2017",
        "reason": None,
    }
    no_bridge = next(f for f in listed if f["code"] == "no-bridge")
    assert no_bridge["reason"] == "rinsed"
    assert set(no_bridge["found"]) == {"text"}


def test_findings_and_reviews_do_not_change() -> None:
    result = reviewed(WEAKER)
    with pytest.raises(FrozenInstanceError):
        result.findings[0].reason = "later"  # type: ignore[misc]
    assert result.of(Code.UNKNOWN_DRUG) == ()


def test_today_stands_in_for_the_date_of_a_fill() -> None:
    order = ordered(mixture={"beyond_use": date(2026, 8, 19)}, fill={"on": None})
    assert review(order, known(), today=date(2026, 8, 19)).findings == ()
    assert review(order, known(), today=date(2026, 8, 20)).findings[0].code is Code.BEYOND_USE_PASSED
    stated = ordered(mixture={"beyond_use": date(2026, 8, 19)}, fill={"on": date(2026, 8, 18)})
    assert review(stated, known(), today=date(2026, 8, 20)).findings == ()


# Numbers on both sides ------------------------------------------------------------------------------------------------


def test_two_amounts_that_differ_are_never_printed_alike() -> None:
    close = ordered(program={"base": steady("3.000000001 mg/day"), "ceilings": (ceiling("morphine", "1 mg", "3 mg"),)})
    shown = only(close, Code.CEILING_BELOW_PROGRAM)
    assert shown.found.text == "3.000000001 mg in 24 h"
    assert shown.allowed.text == "at most 3 mg in any 24 h"
    assert finding.apart(mass("3 mg"), mass("4 mg"), "mg") == 4
    assert finding.apart(mass("3 mg"), mass("3 mg"), "mg") == 4
    assert finding.apart(Mass.of(Fraction(10**10 + 1, 10**10), "mg"), mass("1 mg"), "mg") == 11


def test_two_percentages_that_differ_are_never_printed_alike() -> None:
    """30.0001 % is above 30 %, and says so."""
    assert finding.ratios_apart(Fraction(3, 10), Fraction(3, 10)) == 3
    assert finding.ratios_apart(Fraction(3, 10), Fraction(4, 10)) == 3
    close = Fraction(300001, 10**6)
    assert finding.ratios_apart(close, Fraction(3, 10)) == 6
    order = therapy_review_doses.CASES["change: up by 30 %"][0]
    up = found(ordered(order, program={"base": steady("2.600002 mg/day")}), Code.CHANGE_UP)
    assert up[0].found.text.startswith("30.0001 % (2 mg to 2.6 mg in 24 h")
    down = found(ordered(BACLOFEN, program={"base": steady("239.99997 mcg/day")}), Code.WITHDRAWAL_RISK)
    assert down[0].found.text.startswith("20.00001 % (300 mcg to 240 mcg in 24 h")
    share = found(ordered(program={"patient_bolus": replace(BOLUS, dose=mass("0.6000003 mg"))}), Code.BOLUS_SHARE)
    assert share[0].found.text == "20.00001 %"
    low = found(ordered(program={"patient_bolus": replace(BOLUS, dose=mass("0.1499997 mg"))}), Code.BOLUS_SHARE)
    assert low[0].found.text == "4.99999 %"
    bridged = found(ordered(WEAKER, program={"bridge": bridge("0.3", "3.900003 mg/day")}), Code.BRIDGE_DOSE)
    assert bridged[0].found.text == "30.0001 % more"
    zic = therapy_review_doses.CASES["change: ziconotide up by the step of the experts"][0]
    step = found(ordered(zic, program={"base": steady("6.50000001 mcg/day")}), Code.CHANGE_UP)
    assert step[0].found.text.startswith("0.50000001 mcg/day more than before")


def test_measures_carry_the_exact_number() -> None:
    assert finding.said("words").as_json() == {"text": "words"}
    assert finding.counted(1200, "steps").as_json() == {
        "text": "1,200 steps",
        "value": "1200",
        "exact": "1200",
        "unit": "steps",
    }
    assert finding.counted(1, "days", "in ", " or less", one="day").text == "in 1 day or less"
    assert finding.counted(2, "days", one="day").text == "2 days"
    assert finding.counted(1, "times").text == "1 times"
    third = finding.percent(Fraction(1, 3), "about ", " more")
    assert third == Measure("about 33.3 % more", Fraction(100, 3), "%")
    assert third.as_json()["value"] == "33.3333333333"
    assert finding.amount(mass("0.5 mg"), "mcg", "at least ", " each") == Measure(
        "at least 500 mcg each", Fraction(500), "mcg"
    )
    assert Measure("nothing", Fraction(0)).as_json() == {"text": "nothing", "value": "0", "exact": "0", "unit": ""}


def test_a_number_that_was_not_read_says_so() -> None:
    source = Source("PACC", "2017", "recalled", verified=False)
    item = replace(only(WEAKER, Code.NO_BRIDGE), code=Code.CHANGE_UP, source=source, what="dose", next_step="ask")
    item = replace(item, found=Measure("2 mg"), allowed=Measure("1 mg"))
    assert item.key == "change-up"
    assert item.message == "dose: found 2 mg; allowed: 1 mg (PACC 2017, not verified)"
    assert item.text == item.message + "; next: ask"
    assert replace(item, source=replace(source, verified=True)).message == "dose: found 2 mg; allowed: 1 mg (PACC 2017)"
    assert replace(item, source=rules().house).message == "dose: found 2 mg; allowed: 1 mg (a rule of this review)"
    assert (item.authority, item.edition, item.verified) == ("PACC", "2017", False)
    assert item.stops
    assert not replace(item, reason="why").stops
    assert replace(item, reason="why", hard=True).stops


# Stories --------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("HZ-1.1", "HZ-8.10", "FD-10.1", "IT-06")
def test_the_hourly_bolus_that_was_meant_once_a_day() -> None:
    """ISMP: 60 mcg of baclofen each morning, programmed for every hour (worked example WE-14)."""
    meant, entered = repeated("60 mcg", "24 h", "300 mcg/day"), repeated("60 mcg", "1 h", "300 mcg/day")
    order = ordered(
        BACLOFEN,
        program={"base": entered, "ceilings": (ceiling("baclofen", "200 mcg", "2 mg"),)},
        previous={"program": replace(BACLOFEN.program, base=meant)},
    )
    slip = only(order, Code.HOURLY_FOR_DAILY)
    assert slip.hard
    assert slip.found.text == "1,440 mcg in 24 h"
    assert slip.allowed.text == "60 mcg in 24 h"
    assert "24 times a day" in only(order, Code.REPEATED_HOURLY).message
    assert reviewed(ordered(order, program={"reasons": dict.fromkeys(Code, "meant")})).stops


@pytest.mark.requirement("HZ-8.1")
def test_forty_milliliters_typed_for_twenty() -> None:
    """A closed claim: both numbers are named, and no reason helps."""
    stop = only(ordered(fill={"volume": ml("40"), "syringe": ml("20")}), Code.FILL_ABOVE_SYRINGE)
    assert stop.hard
    assert stop.authority == "TMLT"
    assert stop.found.text == "40 mL typed when 20 mL was dispensed"
    assert stop.found.exact == 40


def test_two_months_without_drug_and_then_the_old_dose() -> None:
    """The same claim: hydromorphone 1.94 to 2.174 mg/day is 12 %, and yet a restart (worked example WE-13)."""
    held = mix(hydromorphone="10 mg/mL")
    ceilings = (ceiling("hydromorphone", "1 mg", "4 mg"),)
    program = replace(PROGRAM, base=steady("2.174 mg/day"), ceilings=ceilings)
    then = replace(PREVIOUS, mixture=held, program=replace(program, base=steady("1.94 mg/day")))
    order = replace(CLEAN, mixture=held, program=program, previous=then)
    assert not found(order, Code.CHANGE_UP)
    dry = replace(order, previous=replace(then, gap=time("60 days")))
    restart = only(dry, Code.RESTART_OLD_DOSE)
    assert restart.severity is Severity.CONTRAINDICATION
    assert restart.found.text == "2.174 mg in 24 h; 1.94 mg before the gap"
    assert found(dry, Code.START_DOSE_ABOVE)
    empty = replace(order, previous=replace(then, gap=None, delivered_per_day=mass("0 mg")))
    assert found(empty, Code.RESTART_OLD_DOSE)


def test_a_bridge_is_left_out_only_with_a_physicians_reason() -> None:
    """Journey J5: as grave as a contraindication, and yet a reason carries it."""
    bare = only(WEAKER, Code.NO_BRIDGE)
    assert bare.severity is Severity.CONTRAINDICATION
    assert not bare.hard
    assert bare.stops


def test_morphine_for_hydromorphone_shows_the_ratio() -> None:
    order = ordered(previous={"mixture": mix(hydromorphone="10 mg/mL")})
    swap = only(order, Code.OPIOID_SWAP)
    assert swap.what == "morphine in place of HYDROmorphone"
    assert "5 to 6" in swap.found.text


def test_authorities_that_differ_have_a_finding_each() -> None:
    """Ziconotide 20 mcg/day: above FDA and PACC, within EMA and UK; at 22 above all of them."""

    def who(dose: str) -> set[tuple[str, str]]:
        order = therapy_review_doses.CASES["daily: ziconotide: FDA and PACC differ from EMA and UK"][0]
        return {
            (f.authority, f.edition)
            for f in found(ordered(order, program={"base": steady(dose)}), Code.DAILY_DOSE_ABOVE)
        }

    some = {("FDA label", "not stated"), ("PACC", "2007, 2012"), ("PACC", "2017")}
    assert who("20 mcg/day") == some
    assert who("22 mcg/day") == some | {("EMA", "2019"), ("UK SmPC", "2023")}


@pytest.mark.requirement("HZ-1.3")
def test_the_approved_vial_above_the_consensus() -> None:
    """Morphine 25 mg/mL: sold with approval, above PACC; the review says the one and does not hide the other."""
    order = ordered(
        mixture={"ingredients": mix(morphine="25 mg/mL").ingredients}, previous={"mixture": mix(morphine="25 mg/mL")}
    )
    above = only(order, Code.CONCENTRATION_ABOVE)
    assert (above.authority, above.severity) == ("PACC", Severity.CONSENSUS_LIMIT)
    assert not above.hard


# Every drug -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(known().drugs))
@pytest.mark.requirement("OP-6.9.3", "HZ-1.1")
def test_every_drug_is_reviewed_on_both_sides_of_its_limits(code: str) -> None:
    drug = known().drug(code)
    held = Ingredient(code, Concentration.parse("1 mg/mL"))
    wide = replace(ceiling("morphine", "1 mg", "1 mg"), drug=code)
    for limit in drug.max_daily_dose:
        if limit.high is None or not limit.kind.binds:
            continue
        for factor, expected in ((Fraction(1), False), (Fraction(1001, 1000), True)):
            program = Program(steady("1 mg/day"), ceilings=(wide,))
            base = replace(program, base=type(steady("1 mg/day"))(limit.high * factor))
            order = replace(CLEAN, mixture=replace(CLEAN.mixture, ingredients=(held,)), program=base, previous=None)
            met = [f for f in found(order, Code.DAILY_DOSE_ABOVE) if f.authority == limit.source.authority]
            editions = [f for f in met if limit.source.edition in f.edition.split(", ")]
            assert bool(editions) is expected, (code, limit)
            assert all(f.drug == code and drug.display_name in f.message for f in met)


@pytest.mark.parametrize("code", sorted(known().drugs))
@pytest.mark.requirement("P8", "UM-53")
def test_every_drug_without_a_limit_says_so(code: str) -> None:
    drug = known().drug(code)
    held = (Ingredient(code, Concentration.parse("1 mg/mL")),)
    order = replace(CLEAN, mixture=replace(CLEAN.mixture, ingredients=held), previous=None)
    limited = any(limit.kind.binds and limit.high is not None for limit in drug.max_daily_dose)
    assert bool(found(order, Code.NO_DAILY_LIMIT)) is not limited


def test_an_indication_that_differs_between_labels() -> None:
    order = ordered(patient={"indication": Indication.CANCER_PAIN})
    assert reviewed(order).findings == ()


def test_a_start_rule_without_a_trial_ladder_asks_for_the_screening_dose() -> None:
    site = replace(known(), drugs={**known().drugs, "baclofen": replace(known().drug("baclofen"), trial_ladders=())})
    order = ordered(BACLOFEN, program={"base": steady("900 mcg/day")}, previous={"gap": time("24 h")})
    result = review(order, site)
    assert result.of(Code.SCREENING_DOSE_UNKNOWN)
    assert not result.of(Code.START_DOSE_ABOVE)


@pytest.mark.parametrize("policy", BolusPolicy)
@pytest.mark.requirement("IT-11")
def test_what_a_drugs_rule_says_of_patient_boluses(policy: BolusPolicy) -> None:
    drug = known().drug("morphine")
    rule = replace(drug.patient_bolus, policy=policy, text=None)
    site = replace(known(), drugs={**known().drugs, "morphine": replace(drug, patient_bolus=rule)})
    order = ordered(program={"patient_bolus": BOLUS}, previous=before(patient_bolus=BOLUS))
    expected = {
        BolusPolicy.FORBIDDEN: ["patient-bolus-not-allowed:morphine"],
        BolusPolicy.NOT_STATED: ["patient-bolus-not-stated:morphine"],
    }
    findings = review(order, site).findings
    assert [f.key for f in findings] == expected.get(policy, [])
    assert all(f.found.text in ("not for this drug", "no source says whether") for f in findings)


def test_a_formulary_without_rules_for_mixtures_leaves_the_rule_to_the_review() -> None:
    bare = replace(known(), mixture_rules=(), contraindications=())
    order = ordered(
        patient={"opioid_naive": True},
        mixture={"preservative_free": False, "compounded": True},
        program={"patient_bolus": BOLUS},
    )
    result = review(order, bare)
    for code in (Code.PRESERVATIVE_PRESENT, Code.COMPOUNDED_OFF_LABEL, Code.PATIENT_BOLUS_NAIVE):
        assert result.of(code)[0].source == rules().house


def test_the_rules_are_what_their_file_says() -> None:
    """Read past the cache, so that reading is what is tested."""
    read: Rules = rules.__wrapped__()
    assert read == rules()
    assert (read.share.value, read.share_factor) == (Fraction(1, 10), 2)
    assert (read.tenfold.value, read.hourly.value, read.child_below) == (Fraction(10), Fraction(24), 12)
    assert [read.share.source.authority, read.tenfold.source.authority] == ["Lindley", "ISMP"]
    assert [(a.drug, a.years, a.source.text) for a in read.ages] == [("baclofen", 4, "empr.com Gablofen")]
    pain = frozenset({Indication.CANCER_PAIN, Indication.NON_CANCER_PAIN})
    spasticity = frozenset({Indication.SPASTICITY_SPINAL, Indication.SPASTICITY_CEREBRAL})
    assert [(i.drug, i.allowed, i.source.authority) for i in read.indications] == [
        ("morphine", pain, "FDA label"),
        ("ziconotide", pain, "FDA label"),
        ("baclofen", spasticity, "FDA label"),
    ]


def test_rules_of_the_review_name_codes_that_exist() -> None:
    assert {Code(code) for code in rules().sources} <= set(Code)
    assert rules().source(Code.NO_BRIDGE).authority == "clinic panel"
    assert rules().source(Code.UNKNOWN_DRUG) == rules().house


def test_single_and_patient_bolus_before_are_no_change() -> None:
    order = ordered(
        program={"patient_bolus": BOLUS, "single_boluses": (single("0.3 mg"),)},
        previous=before(patient_bolus=BOLUS, single_boluses=(single("0.3 mg"),)),
    )
    assert reviewed(order).findings == ()
