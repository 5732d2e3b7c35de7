"""The board: every pump by the days that are left, searched, narrowed and paged in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from thecal.clinic.desk.board import BAND_SHAPES, BAND_WORDS, ONLY_WORDS, Asked, Band, Only, board
from thecal.clinic.desk.contacts import OUTCOMES
from thecal.clinic.pharmacy.states import IN_WORDS
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import Text, desk_page, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(tags=["board"])


@router.get("/board", response_class=HTMLResponse)
def see_board(
    visit: Annotated[Visit, Depends(may("board.see"))],
    find: Text = "",
    band: Text = "",
    only: Text = "",
    page: Text = "",
) -> HTMLResponse:
    """The board, or what is asked for of it. Words that it does not know narrow nothing."""
    asked = Asked(find.strip(), _band(band), _only(only), whole(page, 1))
    visit.looked("saw the board", find=asked.search, page=asked.page)
    with visit.reading() as session:
        found = board(session, asked, visit.now_s)
    return desk_page(
        visit,
        "board/board.html",
        board=found,
        asked=asked,
        bands=[(b, BAND_WORDS[b], BAND_SHAPES[b]) for b in Band],
        only_words=ONLY_WORDS,
        outcomes=OUTCOMES,
        order_words={state.value: said.done for state, said in IN_WORDS.items()},
        where=lambda **new: _where(asked, new),
    )


def _band(text: str) -> Band | None:
    return next((b for b in Band if b.name.lower() == text), None)


def _only(text: str) -> Only | None:
    return next((o for o in Only if o == text), None)


def _where(asked: Asked, new: Mapping[str, object]) -> str:
    """The address of the same board with something else asked."""
    known = {
        "find": asked.search,
        "band": "" if asked.band is None else asked.band.name.lower(),
        "only": "" if asked.only is None else asked.only.value,
        "page": "",
        **new,
    }
    query = urlencode({name: str(value) for name, value in known.items() if value})
    return f"/board?{query}" if query else "/board"
