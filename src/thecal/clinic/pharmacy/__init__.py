"""The pharmacy: from the order of a syringe over worksheet, blind check, label and shipping to the refill.

In come what a physician orders and what a pharmacist takes from the shelf; out come worksheets, labels, countdowns and
refusals with their reason. All amounts come from ``therapy.compounding``, all limits and stability from the formulary.

What others need of it stands here: ``by_code`` finds the syringe of a scanned code, ``receive`` takes it in at the
clinic, ``use`` marks it used (once) within the transaction of the refill, ``countdown`` says which step is due when.
"""

from thecal.clinic.pharmacy.leads import Countdown, DueStep, countdown, lead_times, learned
from thecal.clinic.pharmacy.lookup import by_code, mixture_in, stock_lot
from thecal.clinic.pharmacy.refusing import Why
from thecal.clinic.pharmacy.states import State
from thecal.clinic.pharmacy.way import receive, use

__all__ = [
    "Countdown",
    "DueStep",
    "State",
    "Why",
    "by_code",
    "countdown",
    "lead_times",
    "learned",
    "mixture_in",
    "receive",
    "stock_lot",
    "use",
]
