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
