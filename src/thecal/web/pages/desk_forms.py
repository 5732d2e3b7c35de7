"""What the pages of the desk share: numbers in addresses, revisions in forms, a patient by number, a whole page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import HTTPException, Path, Query
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import select

from thecal.clinic.desk.days import as_date
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.record.tables import Patient, Person
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.screen import Entries, render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi.responses import HTMLResponse
    from sqlalchemy.orm import Session

    from thecal.clinic.refused import Refused
    from thecal.web.door import Visit

RowId = Annotated[int, Path(ge=1, le=2**53)]
"""A row's number in an address."""
NO_CHARACTER = "\x00"
"""What no database keeps in a text; it is shown as the sign for what cannot be read."""


def _readable(text: str) -> str:
    return text.replace(NO_CHARACTER, "\N{REPLACEMENT CHARACTER}")


Words = Annotated[str, Field(max_length=2000), AfterValidator(_readable)]
Lines = Annotated[str, Field(max_length=20_000), AfterValidator(_readable)]
Text = Annotated[str, Query(max_length=200), AfterValidator(_readable)]
"""What an address asks for."""

FORM = {**WRONG, **MISSING, **CONFLICT}
"""How routes answer that take a form about something that is there."""


class SeenForm(BaseModel):
    """The revision that somebody looked at, and a note."""

    revision: Words = ""
    note: Words = ""


def whole(text: str, otherwise: int = 0) -> int:
    """A whole number as it was typed or stood in an address; ``otherwise`` for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def patient_of(session: Session, patient_id: int) -> Patient:
    """A patient of this clinic; 404 where there is none."""
    patient = session.get(Patient, patient_id)
    if patient is None:
        raise HTTPException(404)
    return patient


def names_of(session: Session, people: Iterable[int | None]) -> dict[int, str]:
    """Names of staff by their number."""
    wanted = {p for p in people if p}
    return {p.id: p.name for p in session.scalars(select(Person).where(Person.id.in_(wanted)))}


def desk_page(visit: Visit, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page of the desk."""
    with visit.reading() as session:
        desk = desk_of(session)
    return render(visit, template, status, desk=desk, as_date=as_date, **{"entries": Entries(), **context})


def status_for(refused: tuple[Refused, ...]) -> int:
    """409 where the state of things does not allow it, 422 where an entry is wrong."""
    return 422 if any(r.field for r in refused) else 409
