"""The web application: every page, the door before each, and what goes with every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from thecal.clinic.refused import EditedMeanwhile
from thecal.web.door import NotAllowed, SignInFirst
from thecal.web.pages import ROUTERS
from thecal.web.screen import HERE, page
from thecal.web.security import Headers, SameOrigin

if TYPE_CHECKING:
    from starlette.responses import Response

    from thecal.web.house import House


def make_app(house: House) -> FastAPI:
    """The application of one clinic. It holds no state but the house."""
    app = FastAPI(
        title="Thecal clinic",
        version=house.software,
        summary="The clinic's workplaces. It drives virtual pumps, not people's.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.house = house
    app.add_middleware(SameOrigin, origin=house.settings.origin)
    app.add_middleware(Headers)
    app.mount("/static", StaticFiles(directory=HERE / "static", check_dir=True), name="static")
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(SignInFirst, _sign_in_first)
    app.add_exception_handler(NotAllowed, _not_allowed)
    app.add_exception_handler(EditedMeanwhile, _edited_meanwhile)
    app.add_exception_handler(404, _not_found)
    return app


def _sign_in_first(request: Request, _why: Exception) -> Response:
    if request.method != "GET" or request.headers.get("hx-request"):
        return HTMLResponse(page(request, "door/sign_in_first.html", None), 401)
    return RedirectResponse(f"/sign-in?next={request.url.path}", 303)


def _not_allowed(request: Request, why: Exception) -> Response:
    assert isinstance(why, NotAllowed)  # noqa: S101 -- registered for it alone
    return HTMLResponse(page(request, "door/not_allowed.html", why.who, action=why.action), 403)


def _edited_meanwhile(request: Request, why: Exception) -> Response:
    from thecal.web.door import who_is_there  # noqa: PLC0415

    return HTMLResponse(page(request, "door/edited_meanwhile.html", who_is_there(request), why=why), 409)


def _not_found(request: Request, _why: Exception) -> Response:
    from thecal.web.door import who_is_there  # noqa: PLC0415

    return HTMLResponse(page(request, "door/not_found.html", who_is_there(request)), 404)
