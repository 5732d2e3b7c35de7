"""The formulary: what is in force, the site's own versions over it, writing one, and another person's sign-off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from thecal.clinic import formulary_versions
from thecal.clinic.formulary_versions import Decision, SideEntry, signed_last
from thecal.clinic.pharmacy.said import class_of
from thecal.clinic.refused import Refused
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import Text, whole
from thecal.web.screen import Entries, go, render

if TYPE_CHECKING:
    from thecal.formulary import Drug, Limit, Source

router = APIRouter(tags=["formulary"])

Word = Annotated[str, Field(max_length=600)]
Number = Annotated[int, Path(ge=1, le=2**53)]
Code = Annotated[str, Path(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=formulary_versions.LONGEST_NAME)]
ALL: dict[int | str, dict[str, Any]] = {**WRONG, **MISSING, **CONFLICT}


class VersionForm(BaseModel):
    """A version as it is written; ``press`` is "add" for the side form and "keep" for the whole."""

    file: Word = ""
    text: Annotated[str, Field(max_length=formulary_versions.LONGEST_TEXT + 1)] = ""
    why: Word = ""
    press: Word = ""
    over: Word = ""
    max_concentration: Word = ""
    max_daily_dose: Word = ""
    authority: Word = ""
    edition: Word = ""
    source: Word = ""
    verified: Word = ""


class DecisionForm(BaseModel):
    """A decision about a version: "signed" or "turned down", with the reason."""

    decision: Word = ""
    why: Word = ""


@router.get("/formulary", response_class=HTMLResponse)
def formulary(
    visit: Annotated[Visit, Depends(may("formulary.see"))],
    find: Annotated[str, Query(max_length=100)] = "",
    page: Text = "",
) -> HTMLResponse:
    """Every drug in force, and the versions, the newest first."""
    held = visit.house.formulary
    drugs = list(held.find(find)) if find.strip() else list(held.drugs.values())
    with visit.reading() as db:
        newest = formulary_versions.versions(db, page=whole(page, 1))
        files = formulary_versions.texts_in_force(db)
    classes = {drug.code: class_of(drug.code, held) for drug in drugs}
    return render(visit, "formulary/list.html", drugs=drugs, find=find, newest=newest, files=files, classes=classes)


@router.get("/formulary/write", response_class=HTMLResponse)
def write_form(
    visit: Annotated[Visit, Depends(may("formulary.edit"))], file: Annotated[str, Query(max_length=80)] = ""
) -> HTMLResponse:
    """A new version of one file: it begins with what the site has in force of it, else empty."""
    with visit.reading() as db:
        now = formulary_versions.texts_in_force(db).get(file)
    return _write_page(visit, Entries({"file": file, "text": now.text if now is not None else ""}))


@router.post("/formulary/write", response_class=RedirectResponse, status_code=303, responses=ALL)
def write(visit: Annotated[Visit, Depends(may("formulary.edit"))], form: Annotated[VersionForm, Form()]) -> Response:
    """Keep a version as a draft, or add a limit from the side form to the text and show it again."""
    entered = form.model_dump()
    if form.press == "add":
        side = SideEntry(
            form.max_concentration, form.max_daily_dose, form.authority, form.edition, form.source, form.verified
        )
        text = formulary_versions.with_limits(form.file.strip(), form.text.replace("\r\n", "\n"), side)
        with visit.reading() as db:
            wrong = formulary_versions.wrong_with(db, form.file.strip(), text)
        return _write_page(visit, Entries({**entered, "text": text}, wrong), 422 if wrong else 200)
    over = whole(form.over, -1) if form.over else None
    made = formulary_versions.write(visit.house, visit.who, form.file, form.text, form.why, over=over)
    if isinstance(made, tuple):
        behind = any(r.code == formulary_versions.Why.BEHIND for r in made)
        seen = {"over": ""} if behind else {}  # the difference to what is in force now is on the page
        return _write_page(visit, Entries({**entered, **seen}, made), 409 if behind else 422)
    return go(f"/formulary/versions/{made.id}")


@router.get("/formulary/versions/{version_id}", response_class=HTMLResponse, responses=MISSING)
def one_version(visit: Annotated[Visit, Depends(may("formulary.see"))], version_id: Number) -> HTMLResponse:
    """One version: its text, what it changes, who wrote and who decided."""
    return _version_page(visit, version_id, Entries())


@router.post("/formulary/versions/{version_id}", response_class=RedirectResponse, status_code=303, responses=ALL)
def decide(
    visit: Annotated[Visit, Depends(may("formulary.sign"))], version_id: Number, form: Annotated[DecisionForm, Form()]
) -> Response:
    """Sign a version off, or turn it down."""
    decision = next((d for d in Decision if d == form.decision), None)
    if decision is None:
        allowed = ", ".join(Decision)
        wrong = Refused(formulary_versions.Why.NO_REASON, repr(form.decision[:40]), allowed, "press one of the two")
        return _version_page(visit, version_id, Entries(form.model_dump(), (wrong,)), 422)
    done = formulary_versions.decide(visit.house, visit.who, version_id, decision, form.why)
    if isinstance(done, tuple):
        conflict = any(r.code in _CONFLICTS for r in done)
        return _version_page(visit, version_id, Entries(form.model_dump(), done), 409 if conflict else 422)
    return go(f"/formulary/versions/{version_id}")


_CONFLICTS = (formulary_versions.Why.DECIDED, formulary_versions.Why.OWN, formulary_versions.Why.BEHIND)


@router.get("/formulary/{code}", response_class=HTMLResponse, responses=MISSING)
def one_drug(visit: Annotated[Visit, Depends(may("formulary.see"))], code: Code, page: Text = "") -> HTMLResponse:
    """What is known of one drug, every number with its authority, and the site's versions of it."""
    held = visit.house.formulary
    with visit.reading() as db:
        kept = formulary_versions.versions(db, code, whole(page, 1))
    drug = held.drugs.get(code)
    if drug is None and not kept.rows:
        raise HTTPException(404)
    limits = _limits(drug) if drug is not None else []
    return render(
        visit, "formulary/drug.html", drug=drug, code=code, kept=kept, limits=limits, drug_class=class_of(code, held)
    )


def _write_page(visit: Visit, entries: Entries, status: int = 200) -> HTMLResponse:
    file, text = str(entries.value("file")), str(entries.value("text"))
    with visit.reading() as db:
        now, newest = formulary_versions.texts_in_force(db).get(file.strip()), signed_last(db, file.strip())
    over = entries.value("over") or (newest if file.strip() else "")
    diff = formulary_versions.difference(now.text if now is not None else "", text)
    files = [*visit.house.formulary.drugs, "mixtures", "conversions"]
    return render(visit, "formulary/write.html", status, entries=entries, diff=diff, files=files, over=over)


def _version_page(visit: Visit, version_id: int, entries: Entries, status: int = 200) -> HTMLResponse:
    with visit.reading() as db:
        one = formulary_versions.version(db, version_id)
        if one is None:
            raise HTTPException(404)
        diff = formulary_versions.difference(formulary_versions.before_it(db, one.row), one.row.text)
        now = formulary_versions.texts_in_force(db).get(one.row.file)
    running = now is not None and now.id == version_id
    mine = one.row.by_person == visit.who.person_id
    return render(
        visit, "formulary/version.html", status, one=one, diff=diff, running=running, mine=mine, entries=entries
    )


def _limits(drug: Drug) -> list[tuple[str, str, str, Source]]:
    """Every limit in words: what, kind, number, source."""
    groups: list[tuple[str, str, tuple[Limit[Any], ...]]] = [
        ("starting dose", drug.rate_unit, drug.starting_dose),
        ("trial bolus", drug.dose_unit, drug.trial_bolus),
        ("highest daily dose", drug.rate_unit, drug.max_daily_dose),
        ("usual dose", drug.rate_unit, drug.typical_dose),
        ("highest strength", drug.conc_unit, drug.max_concentration),
        ("lowest strength", drug.conc_unit, drug.min_concentration),
    ]
    return [
        (what, str(limit.kind), _range(limit, unit), limit.source) for what, unit, limits in groups for limit in limits
    ]


def _range(limit: Limit[Any], unit: str) -> str:
    low, high = (end.text(unit) if end is not None else "" for end in (limit.low, limit.high))
    said = f"{low} to {high}" if low and high else f"at most {high}" if high else f"at least {low}" if low else ""
    about = ", ".join(str(w) for w in (limit.population, limit.condition, limit.note) if w)
    return f"{said} ({about})" if said and about else said or about
