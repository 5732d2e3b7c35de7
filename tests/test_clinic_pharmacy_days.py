"""Lead times over weekends and holidays: no step falls due on a day on which nobody works, and none is assumed free."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clinic_world import ClinicWorld, clinic_world

from thecal.clinic.pharmacy.leads import countdown, settings_of
from thecal.clinic.pharmacy.site_settings import set_for_site
from thecal.clinic.pharmacy.workdays import SETTING, Closed, closed_of
from thecal.clinic.record.tables import Clinic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MONDAY = date(2026, 12, 28)
LEADS = {"prescription": 1, "make": 2, "quality_check": 1, "ship": 1}
WEEKEND = {"weekdays": [5, 6], "days": ["2026-12-24", "2026-12-25"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    yield made
    made.end()


def test_over_a_weekend_and_two_holidays_every_step_moves_before_them() -> None:
    found = countdown(None, {"pharmacy_leads": LEADS, SETTING: WEEKEND}, date(2026, 12, 1), MONDAY)
    assert [(s.lead.value, s.due.isoformat()) for s in found.steps] == [
        ("prescription", "2026-12-18"),
        ("make", "2026-12-22"),
        ("quality_check", "2026-12-23"),
        ("ship", "2026-12-28"),
    ]
    assert found.order_by == date(2026, 12, 17)


def test_a_site_that_set_no_free_day_works_on_every_day() -> None:
    found = countdown(None, {"pharmacy_leads": LEADS}, date(2026, 12, 1), MONDAY)
    assert [(MONDAY - s.due).days for s in found.steps] == [4, 2, 1, 0]
    assert found.order_by == MONDAY - timedelta(days=5)


def test_a_syringe_that_is_needed_on_a_free_day_comes_on_the_last_day_of_work() -> None:
    sunday = date(2026, 12, 20)
    found = countdown(None, {"pharmacy_leads": LEADS, SETTING: WEEKEND}, date(2026, 12, 1), sunday)
    assert found.steps[-1].due == date(2026, 12, 18)
    assert found.needed_by == sunday


@given(
    st.dates(date(2020, 1, 1), date(2100, 1, 1)),
    st.sets(st.integers(0, 6), max_size=6),
    st.lists(st.integers(0, 20), min_size=4, max_size=4),
    st.sets(st.integers(0, 40), max_size=30),
)
def test_steps_are_days_of_work_in_order_with_their_days_between(
    needed: date, weekdays: set[int], days: list[int], off: set[int]
) -> None:
    free = [(needed - timedelta(days=back)).isoformat() for back in off]
    leads = dict(zip(LEADS, days, strict=True))
    settings = {"pharmacy_leads": leads, SETTING: {"weekdays": sorted(weekdays), "days": free}}
    found, closed = countdown(None, settings, date(2020, 1, 1), needed), closed_of(settings)
    dues = [found.order_by, *(s.due for s in found.steps)]
    assert all(closed.works(due) for due in dues)
    assert all(before <= after <= needed for before, after in pairwise(dues))
    between = [timedelta(days=1) * n for n in range(1, (needed - found.order_by).days + 1)]
    assert sum(closed.works(found.order_by + step) for step in between) >= sum(days) - 1
    assert Closed().open_before(needed, sum(days)) == needed - timedelta(days=sum(days))


def test_free_days_are_the_sites_own_and_are_checked(world: ClinicWorld) -> None:
    who = world.people["pharmacist"]
    wrong = set_for_site(world.house, who, {}, {}, (list("0123456"), "2026-12-25, Christmas"))
    assert isinstance(wrong, tuple)
    assert {r.field for r in wrong} == {"closed_weekdays", "closed_days"}
    done = set_for_site(world.house, who, {}, {}, (["5", "6", "x"], "2026-12-25\n2026-12-24, 2026-12-25"))
    assert isinstance(done, Clinic)
    with world.house.reading() as db:
        assert closed_of(settings_of(db)) == Closed(
            frozenset({5, 6}), frozenset({date(2026, 12, 24), date(2026, 12, 25)})
        )


def test_the_page_keeps_and_shows_them(world: ClinicWorld) -> None:
    client = world.client("pharmacist")
    with world.house.reading() as db:
        seen = db.query(Clinic).one().revision
    form = {"seen": str(seen), "closed_weekdays": ["5", "6"], "closed_days": "2026-12-25"}
    assert client.post("/pharmacy/settings", data=form).status_code == 303
    page = client.get("/pharmacy/settings").text
    assert 'value="5" checked' in page
    assert 'value="4" checked' not in page
    assert "2026-12-25" in page
    wrong = client.post("/pharmacy/settings", data={**form, "seen": str(seen + 1), "closed_days": "soon"})
    assert wrong.status_code == 422
    assert "such as 2026-12-25" in wrong.text
