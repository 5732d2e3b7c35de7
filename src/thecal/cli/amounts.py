"""Amounts on a command line, read by the same rules as those in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import typer

from thecal.quantities import AmountError, parse_number

if TYPE_CHECKING:
    from fractions import Fraction

    from thecal.quantities import Quantity

Q = TypeVar("Q", bound="Quantity")


def amount(option: str, text: str, kind: type[Q]) -> Q:
    """An amount such as "0.5 mL"; a usage error that says what to write instead for anything else."""
    try:
        return kind.parse(text)
    except AmountError as wrong:
        raise typer.BadParameter(f"found {text!r}: {wrong.problem}; {wrong.hint}", param_hint=option) from None


def number(option: str, text: str) -> Fraction:
    """A plain number such as 2.5."""
    try:
        return parse_number(text)
    except AmountError as wrong:
        raise typer.BadParameter(f"found {text!r}: {wrong.problem}; {wrong.hint}", param_hint=option) from None


def percentage(option: str, text: str) -> Fraction:
    """A percentage such as "10 %" as a part of a whole."""
    return number(option, text.removesuffix("%").rstrip(" ")) / 100
