"""The bar that moves the clock: in a demonstration alone, back to pages of this clinic alone, or with a message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.clinic_world import ClinicWorld, clinic_world

from thecal.web.beside import WorldAway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Standing:
    """A world whose clock says how it was moved."""

    def __init__(self) -> None:
        self.moves: list[int] = []
        self.away = False

    def near(self, serial: str) -> None:
        raise NotImplementedError

    def move(self, seconds: int) -> int:
        if self.away:
            raise WorldAway("found nobody at rig.sock; allowed: a running process; next: start it")
        self.moves.append(seconds)
        return 0

    def next_event_s(self) -> int:
        return 777

    def moved(self, serial: str) -> None:
        raise NotImplementedError

    def draw(self, serial: str, only_at: int | None = None) -> int:
        raise NotImplementedError

    def fill(self, serial: str, volume_nl: int, only_at: int | None = None) -> int:
        raise NotImplementedError


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path)
    made.house.settings = replace(made.house.settings, demonstration=True)
    made.house.world = Standing()  # type: ignore[assignment]
    yield made
    made.end()


@pytest.mark.parametrize(("by", "seconds"), [("hour", 3600), ("day", 86_400), ("event", 777)])
def test_it_moves_by_an_hour_a_day_or_to_the_next_event(world: ClinicWorld, by: str, seconds: int) -> None:
    answer = world.client("desk").post("/world/move", data={"by": by, "back": "/board"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/board")
    assert world.house.world.moves == [seconds]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere", "", "/world/move", "x"]
)
def test_it_leads_to_pages_of_this_clinic_alone(world: ClinicWorld, back: str) -> None:
    answer = world.client("nurse").post("/world/move", data={"by": "hour", "back": back})
    assert answer.headers["location"] == "/"


def test_another_step_is_refused_with_what_is_allowed(world: ClinicWorld) -> None:
    answer = world.client("nurse").post("/world/move", data={"by": "year"})
    assert answer.status_code == 422
    assert "hour, day, event" in answer.text
    assert world.house.world.moves == []  # type: ignore[union-attr]


def test_a_rig_that_is_away_is_said(world: ClinicWorld) -> None:
    world.house.world.away = True  # type: ignore[union-attr]
    answer = world.client("nurse").post("/world/move", data={"by": "day"})
    assert answer.status_code == 409
    assert "next: start it" in answer.text


def test_a_clinic_of_ones_own_has_no_bar_and_no_such_page(world: ClinicWorld) -> None:
    world.house.settings = replace(world.house.settings, demonstration=False)
    assert world.client("nurse").post("/world/move", data={"by": "day"}).status_code == 404
    assert "/world/move" not in world.client("nurse").get("/help").text


def test_what_does_not_run_is_said_on_every_page(world: ClinicWorld) -> None:
    world.house.beside = lambda: ("the link service ended and is being started again",)
    assert "the link service ended and is being started again" in world.client("nurse").get("/help").text
