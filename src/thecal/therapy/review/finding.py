"""What a review finds: a closed set of codes, a severity, the numbers on both sides, and what to do next.

A finding is a value. It names the authority and edition whose limit was met, says whether that number was read in
its source, and carries the reason that the physician gave, where one was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from thecal.quantities import number_text, percent_text

if TYPE_CHECKING:
    from thecal.formulary import Source
    from thecal.quantities import Quantity

HOUSE = "Thecal"
"""The authority of the rules that no source states and this review goes by."""

Amount = TypeVar("Amount", bound="Quantity")


class Severity(StrEnum):
    """How grave a finding is, the gravest first."""

    CONTRAINDICATION = "contraindication"
    LABEL_LIMIT = "label limit"
    CONSENSUS_LIMIT = "consensus limit"
    UNUSUAL = "unusual"
    MISSING_FACT = "missing fact"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return list(Severity).index(self)


class Code(StrEnum):
    """Every finding that a review can make; stable, so that reasons and scripts can rely on it."""

    # what may not be given
    UNKNOWN_DRUG = "unknown-drug"
    DRUG_FORBIDDEN = "drug-forbidden"
    DRUG_DO_NOT_INFUSE = "drug-do-not-infuse"
    PATIENT_CONTRAINDICATED = "patient-contraindicated"
    PRESERVATIVE_PRESENT = "preservative-present"
    BEYOND_USE_PASSED = "beyond-use-passed"
    PATIENT_BOLUS_NAIVE = "patient-bolus-naive"
    HOURLY_FOR_DAILY = "hourly-for-daily"
    # what cannot be run
    PUMP_CANNOT = "pump-cannot"
    MINIMUM_RATE_UNKNOWN = "minimum-rate-unknown"
    FLOW_BELOW_FLOOR = "flow-below-floor"
    FLOW_ABOVE_MAXIMUM = "flow-above-maximum"
    FIXED_FLOW = "fixed-flow"
    ZERO_BASE = "zero-base"
    TOO_MANY_STEPS = "too-many-steps"
    BOLUS_FLOW_ABOVE_MAXIMUM = "bolus-flow-above-maximum"
    BOLUS_UNDER_STROKE = "bolus-under-stroke"
    BOLUS_WHILE_STOPPED = "bolus-while-stopped"
    BOLUS_EMPTY = "bolus-empty"
    FILL_IMPOSSIBLE = "fill-impossible"
    FILL_ABOVE_SYRINGE = "fill-above-syringe"
    PRIMING_ABOVE_DEAD_VOLUME = "priming-above-dead-volume"
    CEILING_BELOW_PROGRAM = "ceiling-below-program"
    CEILING_NOT_IN_MIXTURE = "ceiling-not-in-mixture"
    CEILING_TWICE = "ceiling-twice"
    CEILINGS_REVERSED = "ceilings-reversed"
    FAIL_SAFE_MUST_STOP = "fail-safe-must-stop"
    FALLBACK_MISSING = "fallback-missing"
    FALLBACK_BELOW_FLOOR = "fallback-below-floor"
    FALLBACK_ABOVE_BASE = "fallback-above-base"
    # what is dangerous unless somebody can say why
    NO_BRIDGE = "no-bridge"
    RESTART_OLD_DOSE = "restart-old-dose"
    PRIMING_AGAIN = "priming-again"
    WITHDRAWAL_RISK = "withdrawal-risk"
    FAIL_SAFE_STOP_RISK = "fail-safe-stop-risk"
    # beyond a number that an authority gives
    DAILY_DOSE_ABOVE = "daily-dose-above"
    DAILY_DOSE_ABOVE_WITH_BOLUSES = "daily-dose-above-with-boluses"
    START_DOSE_ABOVE = "start-dose-above"
    BOLUS_ABOVE_TRIAL = "bolus-above-trial"
    CONCENTRATION_ABOVE = "concentration-above"
    CONCENTRATION_BELOW = "concentration-below"
    CEILING_ABOVE_LIMIT = "ceiling-above-limit"
    CHANGE_UP = "change-up"
    CHANGE_UP_WITH_BOLUSES = "change-up-with-boluses"
    CHANGE_DOWN = "change-down"
    STABILITY_EXCEEDED = "stability-exceeded"
    MIXTURE_DEGRADES = "mixture-degrades"
    # outside a label
    DRUG_OFF_LABEL = "drug-off-label"
    MIXTURE_OFF_LABEL = "mixture-off-label"
    COMPOUNDED_OFF_LABEL = "compounded-off-label"
    LABEL_DO_NOT_MIX = "label-do-not-mix"
    PUMP_NOT_APPROVED = "pump-not-approved"
    INDICATION_OFF_LABEL = "indication-off-label"
    AGE_BELOW_LABEL = "age-below-label"
    LOW_LEVEL_LOW = "low-level-low"
    FIRST_FILL_DILUTED = "first-fill-diluted"
    PATIENT_BOLUS_NOT_ALLOWED = "patient-bolus-not-allowed"
    # against what is agreed
    DRUG_NOT_RECOMMENDED = "drug-not-recommended"
    DRUG_RESEARCH_ONLY = "drug-research-only"
    SEDATIVES_PRESENT = "sedatives-present"
    SLEEP_APNEA_PRESENT = "sleep-apnea-present"
    # unusual
    DRUG_RESTRICTED = "drug-restricted"
    DAILY_DOSE_BELOW = "daily-dose-below"
    DAILY_DOSE_TENFOLD_LOW = "daily-dose-tenfold-low"
    TENFOLD_CHANGE = "tenfold-change"
    TENFOLD_STRENGTH = "tenfold-strength"
    REPEATED_HOURLY = "repeated-hourly"
    BOLUS_SHARE = "bolus-share"
    DOSE_QUANTIZED = "dose-quantized"
    TWO_OPIOIDS = "two-opioids"
    OPIOID_SWAP = "opioid-swap"
    STABILITY_UNTESTED = "stability-untested"
    BRIDGE_VOLUME = "bridge-volume"
    BRIDGE_DOSE = "bridge-dose"
    BRIDGE_WITHOUT_CHANGE = "bridge-without-change"
    SYRINGE_NOT_EMPTIED = "syringe-not-emptied"
    LOW_LEVEL_ABOVE_FILL = "low-level-above-fill"
    NAIVE_ON_OPIOIDS = "naive-on-opioids"
    TOLERANCE_UNEXPLAINED = "tolerance-unexplained"
    COMPOUNDED_CONTRADICTION = "compounded-contradiction"
    # missing, and delivery is not safe without it
    CEILING_MISSING = "ceiling-missing"
    FAIL_SAFE_NOT_CHOSEN = "fail-safe-not-chosen"
    FAIL_SAFE_NO_REASON = "fail-safe-no-reason"
    PRESERVATIVE_UNKNOWN = "preservative-unknown"
    CONTRAINDICATIONS_UNKNOWN = "contraindications-unknown"
    CONDITION_UNKNOWN = "condition-unknown"
    OPIOID_NAIVE_UNKNOWN = "opioid-naive-unknown"
    SYSTEMIC_OPIOIDS_UNKNOWN = "systemic-opioids-unknown"
    DEAD_VOLUME_UNKNOWN = "dead-volume-unknown"
    # missing
    FAIL_SAFE_MISSING = "fail-safe-missing"
    COMPOUNDED_UNKNOWN = "compounded-unknown"
    STABILITY_UNKNOWN = "stability-unknown"
    BEYOND_USE_UNKNOWN = "beyond-use-unknown"
    FILL_DATE_UNKNOWN = "fill-date-unknown"
    FILL_UNKNOWN = "fill-unknown"
    SYRINGE_UNKNOWN = "syringe-unknown"
    FIRST_FILL_UNKNOWN = "first-fill-unknown"
    PREVIOUS_UNKNOWN = "previous-unknown"
    DELIVERY_BEFORE_UNKNOWN = "delivery-before-unknown"
    SEDATIVES_UNKNOWN = "sedatives-unknown"
    SLEEP_APNEA_UNKNOWN = "sleep-apnea-unknown"
    INDICATION_UNKNOWN = "indication-unknown"
    AGE_UNKNOWN = "age-unknown"
    APPROVAL_UNKNOWN = "approval-unknown"
    PATIENT_BOLUS_NOT_STATED = "patient-bolus-not-stated"
    SCREENING_DOSE_UNKNOWN = "screening-dose-unknown"
    NO_DAILY_LIMIT = "no-daily-limit"
    NO_CONCENTRATION_LIMIT = "no-concentration-limit"
    STROKE_UNKNOWN = "stroke-unknown"
    PUMP_UNVERIFIED = "pump-unverified"


@dataclass(frozen=True, slots=True)
class Measure:
    """One side of a comparison: the text for a person and, where it is a number, the exact number in ``unit``."""

    text: str
    exact: Fraction | None = None
    unit: str | None = None

    def as_json(self) -> dict[str, str]:
        """For ``--json``: the text, and the exact number as decimal text, rational and unit."""
        if self.exact is None:
            return {"text": self.text}
        value = number_text(self.exact, 12).replace(",", "")
        return {"text": self.text, "value": value, "exact": str(self.exact), "unit": self.unit or ""}


def said(text: str) -> Measure:
    """A side that is words and no number."""
    return Measure(text)


def counted(number: int, unit: str, before: str = "", after: str = "", *, one: str | None = None) -> Measure:
    """A side that counts things, such as steps; ``one`` is what a single one is called."""
    called = one if one is not None and number == 1 else unit
    return Measure(f"{before}{number_text(number)} {called}{after}", Fraction(number), unit)


def amount(quantity: Quantity, unit: str, before: str = "", after: str = "", digits: int = 4) -> Measure:
    """A side that is an amount, in the unit that it is shown in, with words before and after."""
    return Measure(f"{before}{quantity.text(unit, digits)}{after}", quantity.number(unit), unit)


def percent(ratio: Fraction, before: str = "", after: str = "", digits: int = 3) -> Measure:
    """A side that is a part of a whole."""
    return Measure(f"{before}{percent_text(ratio, digits)}{after}", ratio * 100, "%")


def apart(found: Amount, allowed: Amount, unit: str) -> int:
    """The digits that it takes to tell two amounts that differ from one another; 4 where that is enough."""
    if found == allowed:
        return 4
    enough = (n for n in range(4, 40) if found.text(unit, n) != allowed.text(unit, n))
    return next(enough, 4)


def ratios_apart(found: Fraction, allowed: Fraction) -> int:
    """The digits that it takes to tell two percentages that differ from one another; 3 where that is enough."""
    enough = (n for n in range(3, 40) if percent_text(found, n) != percent_text(allowed, n))
    return next(enough, 3)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a review found. A hard one stops; a soft one stops until it has a reason.

    ``next_step`` says what to do; ``reason`` is what the physician gave for going on, None where nothing was given.
    """

    code: Code
    severity: Severity
    hard: bool
    drug: str | None
    source: Source
    what: str
    found: Measure
    allowed: Measure
    next_step: str
    reason: str | None = None

    @property
    def authority(self) -> str:
        """Who states the limit."""
        return self.source.authority

    @property
    def edition(self) -> str:
        """Which edition states it; several that agree are listed."""
        return self.source.edition

    @property
    def by(self) -> str:
        """Who says so, in words."""
        return "a rule of this review" if self.authority == HOUSE else self.source.name

    @property
    def verified(self) -> bool:
        """True where the number was read in the source that is named."""
        return self.source.verified

    @property
    def stops(self) -> bool:
        """True where the order cannot go on with it as it is."""
        return self.hard or self.reason is None

    @property
    def key(self) -> str:
        """What a reason for it is filed under: the code, with the drug where it is about one."""
        return f"{self.code}:{self.drug}" if self.drug else str(self.code)

    @property
    def message(self) -> str:
        """What was found, what is allowed and who says so, in one line."""
        note = "" if self.verified or self.authority == HOUSE else ", not verified"
        return f"{self.what}: found {self.found.text}; allowed: {self.allowed.text} ({self.by}{note})"

    @property
    def text(self) -> str:
        """The message, and what to do next."""
        return f"{self.message}; next: {self.next_step}"

    def as_json(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "code": str(self.code),
            "severity": str(self.severity),
            "hard": self.hard,
            "drug": self.drug,
            "authority": self.authority,
            "edition": self.edition,
            "source": self.source.text,
            "verified": self.verified,
            "found": self.found.as_json(),
            "allowed": self.allowed.as_json(),
            "message": self.message,
            "next_step": self.next_step,
            "reason": self.reason,
        }
