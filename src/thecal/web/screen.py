"""Pages: templates filled with what the clinic answered, in the words and numbers of the house.

Times are shown in the clinic's own zone, 24 hours, the month spelled out (rule T1); amounts come as text from
``quantities`` and are never formatted here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import select

from thecal.clinic.record.tables import BoardLine, Clinic
from thecal.exchange.papers.log_words import in_ml
from thecal.therapy.refusal import day_text, minute_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fastapi import Request

    from thecal.clinic.refused import Refused
    from thecal.clinic.who import Who
    from thecal.web.door import Visit
    from thecal.web.house import House

HERE = Path(__file__).parent
MOST_STOPPED = 5
"""Stopped pumps that the bar names; the board shows all."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What somebody entered in a form, with the message at each field. Nothing that was entered is lost."""

    values: Mapping[str, Any] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()

    def value(self, name: str) -> Any:
        """What was entered in a field."""
        return self.values.get(name, "")

    def at(self, name: str) -> tuple[Refused, ...]:
        """What is wrong with a field."""
        return tuple(r for r in self.refused if r.field == name)

    def of_whole(self) -> tuple[Refused, ...]:
        """What is wrong with no field in particular."""
        return tuple(r for r in self.refused if not r.field)


def render(visit: Visit, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page for somebody who is signed in."""
    return HTMLResponse(page(visit.request, template, visit.who, **context), status)


def page(request: Request, template: str, who: Who | None, **context: Any) -> str:
    """A page as text; ``who`` is None on those for everybody."""
    house: House = request.app.state.house
    with house.store.reading() as session:
        clinic = session.scalars(select(Clinic)).first()
        query = (
            select(BoardLine)
            .where(BoardLine.stopped_utc_s.is_not(None))
            .order_by(BoardLine.rank)
            .limit(MOST_STOPPED + 1)
        )
        stopped = list(session.scalars(query)) if who is not None else []
    zone = ZoneInfo(clinic.zone if clinic is not None else "UTC")
    return _ENVIRONMENT.get_template(template).render(
        {
            "request": request,
            "path": request.url.path,
            "who": who,
            "house": house,
            "clinic": clinic,
            "zone": zone,
            "now_s": house.now_s(),
            "stopped_pumps": stopped,
            "theme": request.cookies.get("theme", "auto"),
            **context,
        }
    )


def go(path: str) -> RedirectResponse:
    """After something was done: the page that shows it (so that reloading does nothing twice)."""
    return RedirectResponse(path, status_code=303)


def moment(utc_s: int | None, zone: ZoneInfo) -> str:
    """A moment on the clinic's wall: 22 Nov 2026 14:05."""
    if utc_s is None:
        return "never"
    at = datetime.fromtimestamp(utc_s, UTC).astimezone(zone)
    return minute_text(at)


def day(when: date | None) -> str:
    """A day with its month spelled out: 22 Nov 2026."""
    return "not known" if when is None else day_text(when)


def age(seconds: int) -> str:
    """How old something is, in the largest unit that fits: 3 min, 5 h, 12 days."""
    for unit, length in (("day", 86_400), ("h", 3600), ("min", 60)):
        count = seconds // length
        if count:
            return f"{count:,} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return "under 1 min"


def begin_sentence(text: str) -> str:
    """The text with its first letter large; the rest as it is, so that units stay what they are."""
    return text[:1].upper() + text[1:]


def as_moment(text: str, zone: ZoneInfo) -> str:
    """A moment that the link wrote down in UTC (ISO 8601), as ``moment`` shows it."""
    return moment(int(datetime.fromisoformat(text).timestamp()), zone)


def plain_day(text: str) -> str:
    """A moment without the zero before its day, as every other moment stands: 2 Nov 2026 14:05:00."""
    return text.removeprefix("0")


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        moment=moment,
        day=day,
        as_day=date.fromisoformat,
        age=age,
        begin_sentence=begin_sentence,
        in_ml=in_ml,
        as_moment=as_moment,
        plain_day=plain_day,
        zip_same=_alike,
        names_of=_names_of,
    )
    made.globals["no_entries"] = Entries()
    return made


def _alike(words: Iterable[str]) -> list[tuple[str, str]]:
    """Options that are called what they are."""
    return [(word, word) for word in words]


def _names_of(kinds: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Options by code, called by their names."""
    return [(code, kind.name) for code, kind in kinds.items()]


_ENVIRONMENT = _environment()
