"""Volumes and strengths in words, for reading back what was typed (rule E13): eleven point five milliliters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.quantities import exact_number_text

if TYPE_CHECKING:
    from fractions import Fraction

    from thecal.quantities import Quantity

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_UNITS = {
    "mL": "milliliters",
    "mg": "milligrams",
    "mcg": "micrograms",
    "ng": "nanograms",
    "g": "grams",
    "mg/mL": "milligrams in each milliliter",
    "mcg/mL": "micrograms in each milliliter",
    "mg/day": "milligrams in a day",
    "mcg/day": "micrograms in a day",
}
MOST_WORDS = 999_999


def in_words(amount: Quantity, unit: str) -> str:
    """An amount in words, its digits after the point one by one; ValueError where the decimal never ends."""
    return f"{number_in_words(amount.number(unit))} {_UNITS.get(unit, unit)}"


def number_in_words(number: Fraction) -> str:
    """A number in words: 11.5 is "eleven point five". ValueError below zero, or where the decimal never ends."""
    if number < 0:
        raise ValueError("amounts that are read back are zero or more")
    whole, _, part = exact_number_text(number).replace(",", "").partition(".")
    said = _whole(int(whole)) if int(whole) <= MOST_WORDS else " ".join(_ONES[int(d)] for d in whole)
    return said if not part else f"{said} point {' '.join(_ONES[int(digit)] for digit in part)}"


def _whole(number: int) -> str:
    if number < len(_ONES):
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    many, rest = divmod(number, size)
    return f"{_whole(many)} {name}" + (f" {_whole(rest)}" if rest else "")
