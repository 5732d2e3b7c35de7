"""What a pump makes of an order, for scripts: the words and rows for people are the clinic's own (``achieving``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thecal.pump.compile import Refused

if TYPE_CHECKING:
    from thecal.clinic.programming.achieving import Achievable


def achievable_json(found: Achievable) -> dict[str, Any]:
    """For ``--json``: why the pump takes nothing of it, or every setting as it compiled it."""
    made = found.made
    if isinstance(made, Refused):
        return {"refused": {"why": str(made.why), "found": made.found, "allowed": made.allowed, "next": made.then}}
    return {"refused": None, **made.as_json()}
