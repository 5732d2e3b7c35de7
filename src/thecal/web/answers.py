"""How routes answer besides the page that was asked for, for the description of the interface."""

from __future__ import annotations

from typing import Any

_PAGE: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}

WRONG: dict[int | str, dict[str, Any]] = {
    422: {"description": "The form again, with a message at each field that is wrong.", **_PAGE}
}
MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such thing.", **_PAGE}}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"description": "Somebody else changed it meanwhile, or its state does not allow this.", **_PAGE}
}
_TEXT_OR_PAGE: dict[str, Any] = {
    "content": {kind: {"schema": {"type": "string"}} for kind in ("text/plain", "text/html")}
}

EVERYWHERE: dict[int | str, dict[str, Any]] = {
    303: {"description": "On to another page: to sign in, or to where what was done is shown."},
    400: {"description": "Not the clinic's own name, or a body that cannot be read.", **_TEXT_OR_PAGE},
    401: {"description": "Nobody is signed in, or the screen is locked; what was entered is kept.", **_PAGE},
    403: {"description": "Not allowed to this person, or not asked for by a page of the clinic.", **_TEXT_OR_PAGE},
    413: {"description": "More than a million bytes.", **_TEXT_OR_PAGE},
    422: {"description": "What was entered cannot be taken; a message says why.", **_PAGE},
    500: {"description": "A fault of the program, with a number to quote.", **_PAGE},
    503: {"description": "The record, or the rig with the virtual pumps, cannot be used now.", **_PAGE},
}
"""How any route may answer."""
