"""What each finding means: how grave it is, and whether a reason can carry the order past it.

The table is the policy; ``GROUPS`` is the same table as data, and a test holds the two together. "stops" is a hard
finding: no reason helps, the order or a fact has to change. "reason" is a soft one: it stops until the physician
gives a reason for it, which is recorded.

| group | severity | gate | why |
| --- | --- | --- | --- |
| may not be given | contraindication | stops | a label, a law of compounding or a person's condition forbids it |
| cannot be run | contraindication | stops | the pump would refuse it, or would do something else |
| dangerous | contraindication | reason | known to kill, and right for a few: a person has to say why |
| beyond a number | by the limit | reason | authorities differ, and end of life goes past their ceilings with a reason |
| not with this label | label limit | stops | the label of pump or drug excludes the function itself |
| outside a label | label limit | reason | most intrathecal practice is off label, and says so |
| against consensus | consensus limit | reason | panels advise against it, with evidence |
| unusual | unusual | reason | nobody forbids it, and slips look like this |
| missing, stops | missing fact | stops | no reason stands for a fact that a contraindication or the pump rests on |
| missing | missing fact | reason | the care can go on without it, knowingly |

"By the limit" is label limit for a label's limit or caution, consensus limit for a panel's, unusual for a published
range or a product's strength. A ceiling on dose or concentration is therefore never hard, whoever states it: only a
label's contraindication is. A number that was not read in its source says so, and weighs the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.formulary import LimitKind
from thecal.therapy.review.finding import Code, Finding, Measure, Severity
from thecal.therapy.review.rules import rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.formulary import Source


class Gate(StrEnum):
    """Whether a reason can carry an order past a finding."""

    STOPS = "stops"
    REASON = "reason"


@dataclass(frozen=True, slots=True)
class Group:
    """Findings that are alike: their severity (None: by the limit that was met), their gate, and why."""

    name: str
    severity: Severity | None
    gate: Gate
    why: str
    codes: tuple[Code, ...]


GROUPS = (
    Group(
        "may not be given",
        Severity.CONTRAINDICATION,
        Gate.STOPS,
        "a label, a law of compounding or a person's condition forbids it",
        (
            Code.UNKNOWN_DRUG,
            Code.DRUG_FORBIDDEN,
            Code.DRUG_DO_NOT_INFUSE,
            Code.PATIENT_CONTRAINDICATED,
            Code.PRESERVATIVE_PRESENT,
            Code.BEYOND_USE_PASSED,
            Code.PATIENT_BOLUS_NAIVE,
            Code.HOURLY_FOR_DAILY,
        ),
    ),
    Group(
        "cannot be run",
        Severity.CONTRAINDICATION,
        Gate.STOPS,
        "the pump would refuse it, or would do something else",
        (
            Code.PUMP_CANNOT,
            Code.MINIMUM_RATE_UNKNOWN,
            Code.FLOW_BELOW_FLOOR,
            Code.FLOW_ABOVE_MAXIMUM,
            Code.FIXED_FLOW,
            Code.ZERO_BASE,
            Code.TOO_MANY_STEPS,
            Code.BOLUS_FLOW_ABOVE_MAXIMUM,
            Code.BOLUS_UNDER_STROKE,
            Code.BOLUS_WHILE_STOPPED,
            Code.BOLUS_EMPTY,
            Code.FILL_IMPOSSIBLE,
            Code.FILL_ABOVE_SYRINGE,
            Code.PRIMING_ABOVE_DEAD_VOLUME,
            Code.CEILING_BELOW_PROGRAM,
            Code.CEILING_NOT_IN_MIXTURE,
            Code.CEILING_TWICE,
            Code.CEILINGS_REVERSED,
            Code.FAIL_SAFE_MUST_STOP,
            Code.FALLBACK_MISSING,
            Code.FALLBACK_BELOW_FLOOR,
            Code.FALLBACK_ABOVE_BASE,
        ),
    ),
    Group(
        "dangerous",
        Severity.CONTRAINDICATION,
        Gate.REASON,
        "known to kill, and right for a few: a person has to say why",
        (
            Code.NO_BRIDGE,
            Code.RESTART_OLD_DOSE,
            Code.PRIMING_AGAIN,
            Code.WITHDRAWAL_RISK,
            Code.FAIL_SAFE_STOP_RISK,
        ),
    ),
    Group(
        "beyond a number",
        None,
        Gate.REASON,
        "authorities differ, and end of life goes past their ceilings with a reason",
        (
            Code.DAILY_DOSE_ABOVE,
            Code.DAILY_DOSE_ABOVE_WITH_BOLUSES,
            Code.START_DOSE_ABOVE,
            Code.BOLUS_ABOVE_TRIAL,
            Code.CONCENTRATION_ABOVE,
            Code.CONCENTRATION_BELOW,
            Code.CEILING_ABOVE_LIMIT,
            Code.CHANGE_UP,
            Code.CHANGE_UP_WITH_BOLUSES,
            Code.CHANGE_DOWN,
            Code.STABILITY_EXCEEDED,
            Code.MIXTURE_DEGRADES,
        ),
    ),
    Group(
        "not with this label",
        Severity.LABEL_LIMIT,
        Gate.STOPS,
        "the label of pump or drug excludes the function itself",
        (Code.PATIENT_BOLUS_NOT_ALLOWED,),
    ),
    Group(
        "outside a label",
        Severity.LABEL_LIMIT,
        Gate.REASON,
        "most intrathecal practice is off label, and says so",
        (
            Code.DRUG_OFF_LABEL,
            Code.MIXTURE_OFF_LABEL,
            Code.COMPOUNDED_OFF_LABEL,
            Code.LABEL_DO_NOT_MIX,
            Code.PUMP_NOT_APPROVED,
            Code.INDICATION_OFF_LABEL,
            Code.AGE_BELOW_LABEL,
            Code.LOW_LEVEL_LOW,
            Code.FIRST_FILL_DILUTED,
        ),
    ),
    Group(
        "against consensus",
        Severity.CONSENSUS_LIMIT,
        Gate.REASON,
        "panels advise against it, with evidence",
        (
            Code.DRUG_NOT_RECOMMENDED,
            Code.DRUG_RESEARCH_ONLY,
            Code.SEDATIVES_PRESENT,
            Code.SLEEP_APNEA_PRESENT,
        ),
    ),
    Group(
        "unusual",
        Severity.UNUSUAL,
        Gate.REASON,
        "nobody forbids it, and slips look like this",
        (
            Code.DRUG_RESTRICTED,
            Code.DAILY_DOSE_BELOW,
            Code.DAILY_DOSE_TENFOLD_LOW,
            Code.TENFOLD_CHANGE,
            Code.TENFOLD_STRENGTH,
            Code.REPEATED_HOURLY,
            Code.BOLUS_SHARE,
            Code.DOSE_QUANTIZED,
            Code.TWO_OPIOIDS,
            Code.OPIOID_SWAP,
            Code.STABILITY_UNTESTED,
            Code.BRIDGE_VOLUME,
            Code.BRIDGE_DOSE,
            Code.BRIDGE_WITHOUT_CHANGE,
            Code.SYRINGE_NOT_EMPTIED,
            Code.LOW_LEVEL_ABOVE_FILL,
            Code.NAIVE_ON_OPIOIDS,
            Code.TOLERANCE_UNEXPLAINED,
            Code.COMPOUNDED_CONTRADICTION,
        ),
    ),
    Group(
        "missing, stops",
        Severity.MISSING_FACT,
        Gate.STOPS,
        "no reason stands for a fact that a contraindication or the pump rests on",
        (
            Code.CEILING_MISSING,
            Code.FAIL_SAFE_NOT_CHOSEN,
            Code.FAIL_SAFE_NO_REASON,
            Code.PRESERVATIVE_UNKNOWN,
            Code.CONTRAINDICATIONS_UNKNOWN,
            Code.CONDITION_UNKNOWN,
            Code.OPIOID_NAIVE_UNKNOWN,
            Code.SYSTEMIC_OPIOIDS_UNKNOWN,
            Code.DEAD_VOLUME_UNKNOWN,
        ),
    ),
    Group(
        "missing",
        Severity.MISSING_FACT,
        Gate.REASON,
        "the care can go on without it, knowingly",
        (
            Code.FAIL_SAFE_MISSING,
            Code.COMPOUNDED_UNKNOWN,
            Code.STABILITY_UNKNOWN,
            Code.BEYOND_USE_UNKNOWN,
            Code.FILL_DATE_UNKNOWN,
            Code.FILL_UNKNOWN,
            Code.SYRINGE_UNKNOWN,
            Code.FIRST_FILL_UNKNOWN,
            Code.PREVIOUS_UNKNOWN,
            Code.DELIVERY_BEFORE_UNKNOWN,
            Code.SEDATIVES_UNKNOWN,
            Code.SLEEP_APNEA_UNKNOWN,
            Code.INDICATION_UNKNOWN,
            Code.AGE_UNKNOWN,
            Code.APPROVAL_UNKNOWN,
            Code.PATIENT_BOLUS_NOT_STATED,
            Code.SCREENING_DOSE_UNKNOWN,
            Code.NO_DAILY_LIMIT,
            Code.NO_CONCENTRATION_LIMIT,
            Code.STROKE_UNKNOWN,
            Code.PUMP_UNVERIFIED,
        ),
    ),
)

GROUP_OF: Mapping[Code, Group] = {code: group for group in GROUPS for code in group.codes}

BY_KIND: Mapping[LimitKind, Severity] = {
    LimitKind.LABEL: Severity.LABEL_LIMIT,
    LimitKind.CAUTION: Severity.LABEL_LIMIT,
    LimitKind.CONSENSUS: Severity.CONSENSUS_LIMIT,
    LimitKind.OBSERVED: Severity.UNUSUAL,
    LimitKind.PRODUCT: Severity.UNUSUAL,
}


def severity_of(code: Code, kind: LimitKind | None) -> Severity:
    """How grave a finding is: by its group, or by the kind of limit that was met where the group leaves it open."""
    group = GROUP_OF[code]
    if group.severity is not None:
        return group.severity
    if kind is None:
        raise ValueError(f"{code} takes its severity from the limit that was met, and none was named")
    return BY_KIND[kind]


def is_hard(code: Code) -> bool:
    """True where no reason carries an order past a finding."""
    return GROUP_OF[code].gate is Gate.STOPS


def find(
    code: Code,
    what: str,
    found: Measure,
    allowed: Measure,
    then: str,
    *,
    drug: str | None = None,
    source: Source | None = None,
    kind: LimitKind | None = None,
    reason: str | None = None,
) -> Finding:
    """A finding with the severity and gate that the policy gives; its source is the rule's own where none is named."""
    source = source or rules().source(code)
    return Finding(code, severity_of(code, kind), is_hard(code), drug, source, what, found, allowed, then, reason)
