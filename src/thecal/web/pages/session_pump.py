"""A pump by itself: every alarm with its meaning, the logs with both clocks, and how far back they reach."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from thecal.clinic.record.tables import Implant, LogRecord, Patient
from thecal.clinic.session import identity_of, pending_at, reading, status_of
from thecal.clinic.session.found import alarms, log_page
from thecal.clinic.session.held import held_in
from thecal.clinic.session.timing import clock_view
from thecal.pump.wall_clock.clock import reading_of as clock_reading
from thecal.therapy.refusal import moment_text
from thecal.web.answers import MISSING
from thecal.web.door import Visit, may
from thecal.web.screen import render

router = APIRouter(tags=["pumps"])


@router.get("/pumps/{serial}", response_class=HTMLResponse, responses=MISSING)
def pump(
    visit: Annotated[Visit, Depends(may("device.see"))],
    serial: Annotated[str, Path(max_length=64)],
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
    only: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """Alarms and log of one pump, from the record."""
    if not serial.isprintable():
        raise HTTPException(404)
    with visit.reading() as db:
        row = reading(db, serial)
        implant = db.scalars(select(Implant).where(Implant.serial == serial).order_by(Implant.id.desc())).first()
        if row is None and implant is None:
            raise HTTPException(404)
        patient = None if implant is None else db.get(Patient, implant.patient_id)
        log = log_page(db, serial, page, faults=only == "faults")
        oldest = db.scalars(
            select(LogRecord.utc_s).where(LogRecord.serial == serial).order_by(LogRecord.number)
        ).first()
        clock = None if row is None else clock_view(db, row, visit.house.formulary)
    patient_id = None if implant is None else implant.patient_id
    visit.looked("saw the log of a pump", patient_id, serial=serial)
    held = None if row is None else held_in(row, visit.house.formulary)
    return render(
        visit,
        "session/pump.html",
        serial=serial,
        row=row,
        implant=implant,
        patient=patient,
        log=log,
        oldest=oldest,
        clock=clock,
        held=held,
        alarms=() if row is None or held is None else alarms(row, held, visit.house.formulary),
        identity=None if row is None else identity_of(row),
        pump_status=None if row is None else status_of(row),
        age_s=0 if row is None else max(0, visit.now_s - row.read_utc_s),
        pending=pending_at(visit.house, serial),
        on_pump_clock=lambda clock_s: moment_text(clock_reading(clock_s)),
    )
