"""Where somebody lands: their own workplace, by what they may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, RedirectResponse

from thecal.web.door import Visit, may
from thecal.web.screen import go, render

router = APIRouter(tags=["home"])


@router.get("/", response_class=RedirectResponse, status_code=303)
def home(visit: Annotated[Visit, Depends(may("account.own"))]) -> RedirectResponse:
    """The board for whoever may see it, people for whoever looks after them, else one's own account."""
    if visit.who.may("board.see"):
        return go("/board")
    return go("/people" if visit.who.may("people.edit") else "/account")


@router.get("/help", response_class=HTMLResponse)
def help_page(visit: Annotated[Visit, Depends(may("account.own"))]) -> HTMLResponse:
    """Where to find what, in the same place on every page."""
    return render(visit, "home/help.html")
