"""The board's page: who sees it, what stands in a row, and that whatever is asked of it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.clinic_world import NOW_S, ClinicWorld, clinic_world
from tests.desk_world import give_booking, pump_at_work

from thecal.clinic.desk.contacts import Entry, write_down
from thecal.clinic.desk.lines import refresh
from thecal.clinic.record.tables import Audit
from thecal.pump.core.codes import DAY_S

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def world(tmp_path_factory: Any) -> Iterator[ClinicWorld]:
    made = clinic_world(tmp_path_factory.mktemp("board"))
    plain = pump_at_work(made, "1", "B-1", drug="morphine", strength="4 mg/mL", dose="1.6 mg/day", level="18")
    pump_at_work(made, "2", "B-2", drug="baclofen", strength="500 mcg/mL", dose="200 mcg/day", level="18",
        about={"given": "Bo", "family": "Ekman", "risks": ["deep implant"], "language": "Polish"})  # fmt: skip
    pump_at_work(made, "3", "B-3", drug="morphine", strength="4 mg/mL", dose="1.6 mg/day", running=False,
        stopped_s=1, about={"given": "Cy", "family": "Berg"})  # fmt: skip
    write_down(made.house, made.people["desk"], plain.id, Entry("call", "refill", "no answer", ""))
    with made.writing() as record:
        give_booking(record, plain, NOW_S + 20 * DAY_S)
        refresh(record, plain.id)
    yield made
    made.end()


def text_of(world: ClinicWorld, role: str = "desk", address: str = "/board") -> str:
    answer = world.client(role).get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_each_row_says_everything_of_j8(world: ClinicWorld) -> None:
    page = text_of(world)
    for said in (
        "31 Oct 2026", "Expected 31 Oct 2026", "11 Oct 2026 09:13", "not booked", "Book by 24 Oct 2026", "not ordered",
        "Order by", "1 try", "No answer", "Dangerous to stop: baclofen", "Deep implant", "Language: Polish",
        "The pump is stopped", "Read under 1 min ago",
    ):  # fmt: skip
        assert said in page, said


def test_the_bands_are_words_and_shapes_with_their_counts(world: ClinicWorld) -> None:
    page = text_of(world)
    for shape, word in (("■", "Act now"), ("▲", "Soon"), ("◆", "Plan"), ("○", "Later")):
        assert f'<span aria-hidden="true">{shape}</span> {word}' in page


def test_a_stopped_pump_stands_first_and_dangerous_drugs_above_equals(world: ClinicWorld) -> None:
    page = text_of(world)
    assert page.index('id="p3"') < page.index('id="p2"') < page.index('id="p1"')


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("find=ekman", [2]), ("find=B-1", [1]), ("find=nobody", []), ("only=stopped", [3]), ("only=withdrawal", [2]),
        ("only=unbooked", [2, 3]), ("only=stale", []), ("only=look", [3]), ("only=notice", []), ("band=now", [3]),
        ("band=next&only=withdrawal", [2]), ("band=purple&only=else&page=-3", [1, 2, 3]),
        ("page=999999999999", [1, 2, 3]),
        ("find=%25", []),
    ],
)  # fmt: skip
def test_the_board_is_narrowed_and_whatever_is_asked_is_answered(
    world: ClinicWorld, asked: str, found: list[int]
) -> None:
    page = text_of(world, address=f"/board?{asked}")
    assert [n for n in (1, 2, 3) if f'id="p{n}"' in page] == found


@pytest.mark.parametrize("role", ["physician", "nurse", "pharmacist", "desk", "engineer"])
def test_who_may_see_the_board_is_led_nowhere_they_may_not_go(world: ClinicWorld, role: str) -> None:
    client = world.client(role)
    page = client.get("/board").text
    links = {part.split('"')[0] for part in page.split('href="')[1:]}
    theirs = [link for link in links if link.startswith(("/contacts", "/bookings", "/notices", "/tasks", "/feeds"))]
    assert [link for link in theirs if client.get(link.replace("&amp;", "&")).status_code != 200] == []


def test_others_do_not_see_it(world: ClinicWorld) -> None:
    assert world.client("administrator").get("/board").status_code == 403
    assert world.client(None).get("/board").status_code == 303


def test_looking_at_the_board_is_audited(world: ClinicWorld) -> None:
    text_of(world, "physician", "/board?find=ekman")
    with world.store.reading() as session:
        link = session.query(Audit).order_by(Audit.seq.desc()).first()
    assert link is not None and link.action == "saw the board" and link.details["find"] == "ekman"
    assert link.by_person == world.people["physician"].person_id


def test_what_a_person_is_called_is_never_read_as_markup(tmp_path: Any) -> None:
    made = clinic_world(tmp_path)
    try:
        pump_at_work(made, about={"given": "<b>Ada", "risks": ["<script>"]})
        page = text_of(made)
        assert "&lt;b&gt;Ada" in page and "<b>Ada" not in page and "<script>" not in page.split("</head>")[1]
    finally:
        made.end()
