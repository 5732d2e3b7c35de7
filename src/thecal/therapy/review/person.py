"""The patient: contraindications, tolerance, sedatives, sleep apnea, indication, age, and who may press for a bolus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.formulary import BolusPolicy, Source
from thecal.therapy.review.feasibility import of_pump
from thecal.therapy.review.finding import Code, counted, said
from thecal.therapy.review.policy import find
from thecal.therapy.review.rules import rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thecal.formulary import Drug, Statement
    from thecal.therapy.review.facts import Case, Part
    from thecal.therapy.review.finding import Finding

_NAIVE_BOLUS = "opioid-naive-patient-bolus"


def check(case: Case) -> Iterator[Finding]:
    """Every fact about the patient that a label, a panel or this review asks for."""
    yield from _contraindications(case)
    if case.opioids:
        yield from _tolerance(case)
        yield from _breathing(case)
    yield from _indication(case)
    yield from _age(case)
    if case.program.patient_bolus is not None:
        for part in case.parts:
            yield from _may_press(case, part)


def _contraindications(case: Case) -> Iterator[Finding]:
    has = case.patient.contraindications
    if has is None:
        yield find(
            Code.CONTRAINDICATIONS_UNKNOWN,
            "contraindications",
            said("nobody has asked"),
            said("a list, empty where there is none"),
            "go through the list with the patient's record",
        )
        return
    for part in case.parts:
        for statement in part.drug.contraindications:
            if statement.code in has:
                yield _contraindicated(statement, part)
    for statement in case.formulary.contraindications:
        if statement.code in has:
            yield _contraindicated(statement, None)
    yield from _unknown_conditions(case, has)


def _contraindicated(statement: Statement, part: Part | None) -> Finding:
    return find(
        Code.PATIENT_CONTRAINDICATED,
        f"{part.name if part else 'pump therapy'} in this patient",
        said(statement.text),
        said("a patient without it"),
        "do not give it; treat the condition or choose another therapy",
        drug=part.drug.code if part else None,
        source=statement.source,
    )


def _unknown_conditions(case: Case, has: tuple[str, ...]) -> Iterator[Finding]:
    """A condition that no drug names may be a known one, spelled in another way."""
    known = {s.code for s in case.formulary.contraindications}
    known.update(s.code for drug in case.formulary.drugs.values() for s in drug.contraindications)
    for condition in dict.fromkeys(has):
        if condition not in known:
            yield find(
                Code.CONDITION_UNKNOWN,
                f"condition {condition!r}",
                said("no contraindication of that name"),
                said(", ".join(sorted(known)) or "none"),
                "use the name in the formulary, or leave it out if it is none of them",
            )


def _tolerance(case: Case) -> Iterator[Finding]:
    patient = case.patient
    if patient.opioid_naive is None:
        yield _nobody_said(Code.OPIOID_NAIVE_UNKNOWN, "opioid naive or tolerant", "yes or no, from the last weeks")
    if patient.systemic_opioids is None:
        yield _nobody_said(Code.SYSTEMIC_OPIOIDS_UNKNOWN, "systemic opioids", "a list, empty where there is none")
    elif patient.opioid_naive and patient.systemic_opioids:
        yield find(
            Code.NAIVE_ON_OPIOIDS,
            "opioid naive and on opioids",
            said(", ".join(patient.systemic_opioids)),
            said("no systemic opioid in an opioid-naive patient"),
            "check both facts; limits for naive patients are applied",
        )
    elif patient.opioid_naive is False and not patient.systemic_opioids and all(p.starting for p in case.opioids):
        yield find(
            Code.TOLERANCE_UNEXPLAINED,
            "tolerance to opioids without an opioid",
            said("tolerant, no systemic opioid and none from this pump"),
            said("the opioid that the patient is used to"),
            "state it, or treat the patient as opioid naive",
        )


def _nobody_said(code: Code, what: str, allowed: str) -> Finding:
    return find(code, what, said("nobody has said"), said(allowed), "ask, and write it into the order")


def _breathing(case: Case) -> Iterator[Finding]:
    patient, names = case.patient, ", ".join(p.name for p in case.opioids)
    if patient.sedatives is None:
        yield _nobody_said(Code.SEDATIVES_UNKNOWN, "sedatives", "a list, empty where there is none")
    elif patient.sedatives:
        yield find(
            Code.SEDATIVES_PRESENT,
            f"sedatives with {names}",
            said(", ".join(patient.sedatives)),
            said("none, or as few as can be"),
            "taper them, or give the reason and the plan for watching",
        )
    if patient.sleep_apnea is None:
        yield _nobody_said(Code.SLEEP_APNEA_UNKNOWN, "sleep apnea", "yes or no")
    elif patient.sleep_apnea:
        yield find(
            Code.SLEEP_APNEA_PRESENT,
            f"sleep apnea with {names}",
            said("sleep apnea"),
            said("lower doses, longer watching, the patient's own breathing device at hand"),
            "give the plan for watching",
        )


def _indication(case: Case) -> Iterator[Finding]:
    indication = case.patient.indication
    if indication is None:
        yield _nobody_said(Code.INDICATION_UNKNOWN, "what the pump is for", "pain or spasticity, and of which origin")
        return
    for rule in rules().indications:
        if any(p.drug.code == rule.drug for p in case.parts) and indication not in rule.allowed:
            yield find(
                Code.INDICATION_OFF_LABEL,
                f"{case.name(rule.drug)} indication",
                said(str(indication)),
                said(", ".join(sorted(rule.allowed))),
                "record that it is given off label, and why",
                drug=rule.drug,
                source=rule.source,
            )


def _age(case: Case) -> Iterator[Finding]:
    """The youngest patient by the drug's label and by the pump's: each by itself."""
    asked = [(r.drug, r.years, r.source) for r in rules().ages]
    asked += [(drug, years, of_pump(case, "youngest_years")) for drug, years in case.order.pump.youngest_years]
    asked = [a for a in asked if any(p.drug.code == a[0] for p in case.parts)]
    age = case.patient.age_years
    if asked and age is None:
        yield _nobody_said(Code.AGE_UNKNOWN, "age of the patient", "whole years")
        return
    for drug, years, source in asked:
        if age is not None and age < years:
            yield _too_young(case, drug, age, years, source)


def _too_young(case: Case, drug: str, age: int, years: int, source: Source) -> Finding:
    return find(
        Code.AGE_BELOW_LABEL,
        f"{case.name(drug)} in a patient of {age} years",
        counted(age, "years"),
        counted(years, "years", "at least "),
        "record that it is given off label, and why",
        drug=drug,
        source=source,
    )


def _may_press(case: Case, part: Part) -> Iterator[Finding]:
    rule, naive = part.drug.patient_bolus, case.patient.opioid_naive
    by_pump = part.drug.code in case.order.pump.no_patient_bolus_of
    if by_pump or _excluded(case, part.drug):
        yield find(
            Code.PATIENT_BOLUS_NOT_ALLOWED,
            f"patient bolus of {part.name}",
            said("the pump's patient controller is not for it" if by_pump else rule.text or "not for this drug"),
            said("no patient bolus with this drug in this pump"),
            "leave the patient bolus out",
            drug=part.drug.code,
            source=of_pump(case, "no_patient_bolus_of") if by_pump else rule.source,
        )
    elif rule.policy is BolusPolicy.NOT_STATED:
        yield find(
            Code.PATIENT_BOLUS_NOT_STATED,
            f"patient bolus of {part.name}",
            said("no source says whether"),
            said("a source"),
            "give the reason, and watch the first boluses",
            drug=part.drug.code,
            source=rule.source,
        )
    if naive and part.drug.drug_class.is_opioid:
        yield find(
            Code.PATIENT_BOLUS_NAIVE,
            f"patient bolus of {part.name} for an opioid-naive patient",
            said("opioid naive"),
            said("a patient bolus for tolerant patients only"),
            "leave the patient bolus out until the patient is used to the drug",
            drug=part.drug.code,
            source=next((s.source for s in case.formulary.contraindications if s.code == _NAIVE_BOLUS), None),
        )


def _excluded(case: Case, drug: Drug) -> bool:
    """By the drug's own rule, for every pump or for this one by its name."""
    pump, rule = case.order.pump, drug.patient_bolus
    if rule.policy is BolusPolicy.FORBIDDEN:
        return True
    called = f"{pump.family} {pump.name}".casefold()
    return any(name.casefold() in called for name in rule.not_with)
