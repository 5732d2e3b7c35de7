"""Overrides and near misses: counted, listed, and handed out as files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from thecal.clinic.pharmacy import analysis
from thecal.web.door import Visit, may
from thecal.web.screen import render

router = APIRouter(tags=["overrides"])

What = Annotated[str, Query(pattern="^(overrides|near-misses)$")]
Words = Annotated[str, Query(max_length=100)]
FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The rows as a file.", "content": {"text/csv": {}, "application/json": {}}}
}


@router.get("/overrides", response_class=HTMLResponse)
def counted(visit: Annotated[Visit, Depends(may("override.see"))]) -> HTMLResponse:
    """The last twelve months: alerts for each hundred programs, shares by finding and role, near misses by month."""
    with visit.reading() as db:
        found = analysis.overview(db, visit.now_s)
    return render(visit, "overrides/counted.html", found=found)


@router.get("/overrides/list", response_class=HTMLResponse)
def listed(
    visit: Annotated[Visit, Depends(may("override.see"))],
    what: What = analysis.OVERRIDES,
    kind: Words = "",
    find: Words = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> HTMLResponse:
    """Single rows, with who was there and the reason that was given."""
    visit.looked("saw overrides and near misses", what=what, kind=kind, find=find)
    with visit.reading() as db:
        found = analysis.rows(db, what, kind=kind, text=find, page=page)
        kinds = analysis.kinds(db, what)
    return render(visit, "overrides/listed.html", found=found, what=what, kind=kind, find=find, kinds=kinds)


@router.get("/overrides/file", response_class=Response, responses=FILES)
def as_file(
    visit: Annotated[Visit, Depends(may("override.see"))],
    what: What = analysis.OVERRIDES,
    form: Annotated[str, Query(pattern="^(csv|json)$")] = "csv",
    kind: Words = "",
    find: Words = "",
) -> Response:
    """The same rows as CSV or JSON."""
    visit.looked("took overrides and near misses out", what=what, form=form, kind=kind, find=find)
    with visit.reading() as db:
        text = (analysis.as_json if form == "json" else analysis.as_csv)(db, what, kind, find)
    media = "application/json" if form == "json" else "text/csv; charset=utf-8"
    return Response(text, media_type=media, headers={"content-disposition": f'attachment; filename="{what}.{form}"'})
