"""Whether the reservoir holds what the pump's program is written for: by the last fill, and by the order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import Fill
from thecal.clinic.record.tables import Mixture as MixtureRow
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.quantities import Concentration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from sqlalchemy.orm import Session as Look


def against_other_fluid(db: Look, serial: str, ingredients: Iterable[Any]) -> Refused | None:
    """Why no dose is written for a pump: a refill with another mixture was left before its program was sent.

    ``ingredients`` are drug and strength as an order's text has them.
    """
    query = select(MixtureRow).join(Fill, Fill.mixture_id == MixtureRow.id).where(Fill.serial == serial)
    row = db.scalars(query.order_by(Fill.filled_utc_s.desc(), Fill.id.desc()).limit(1)).first()
    if row is None or _strengths(row.ingredients) == _strengths(ingredients):
        return None
    return Refused(
        No.ORDER,
        f"a reservoir that was filled with {_said(row.ingredients)}, and a program for {_said(ingredients)}",
        "one mixture in reservoir and program",
        "refill with another mixture: the new program is written for what goes in",
    )


def _strengths(ingredients: Iterable[Any]) -> dict[str, Concentration]:
    return {str(i["drug"]).lower(): Concentration.parse(i["concentration"]) for i in ingredients}


def _said(ingredients: Iterable[Any]) -> str:
    return ", ".join(f"{i['drug']} {i['concentration']}" for i in ingredients)
