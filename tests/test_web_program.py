"""The program's pages without scripts: the form, its messages, draft, undo and redo, the answer, finishing, the
preview.
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.session_world import begun, entered, now, programmed, session_clinic

from thecal.clinic.programming.draft import DRAFT, draft_in
from thecal.clinic.programming.previewing import Previews
from thecal.clinic.record.tables import Audit, NearMiss, Order, Session
from thecal.clinic.session import close
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.rig.home import Home
from thecal.web.pages import preview as preview_pages
from thecal.web.pages.program_form import ProgramForm
from thecal.web.previews import PreviewAsk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient


class Form(HTMLParser):
    """The entries of the program's form as a browser would send them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.data: dict[str, list[str]] = {}
        self.inside = False
        self.chosen: tuple[str, str] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "form":
            self.inside = found.get("id") == "program-form"
        elif self.inside and tag == "input" and found.get("name"):
            self.data.setdefault(str(found["name"]), []).append(found.get("value") or "")
        elif self.inside and tag == "select":
            self.chosen = (str(found["name"]), "")
        elif tag == "option" and self.chosen is not None and "selected" in found:
            self.chosen = (self.chosen[0], found.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self.chosen is not None:
            self.data.setdefault(self.chosen[0], []).append(self.chosen[1])
            self.chosen = None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    yield from session_clinic(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def patient(world: ClinicWorld) -> Patient:
    made = world.patient()
    programmed(world, made)
    return made


@pytest.fixture
def session(world: ClinicWorld, patient: Patient) -> Iterator[Session]:
    made = begun(world, patient, Workflow.PROGRAM)
    entered(world, made, Step.READ)
    yield made
    close(world.house, world.people["physician"], made.id, now(world, made).revision, "running")


@pytest.fixture(scope="module")
def client(world: ClinicWorld) -> TestClient:
    return world.client("physician")


def url(session: Session, rest: str = "program") -> str:
    return f"/sessions/{session.id}/{rest}"


def form(client: TestClient, session: Session, **changes: Any) -> dict[str, Any]:
    """The form as it opens, with some entries changed."""
    page = client.get(url(session))
    assert page.status_code == 200
    data: dict[str, Any] = Form(page.text).data
    return {**data, **changes}


def planned(client: TestClient, session: Session, **changes: Any) -> dict[str, Any]:
    """The form with the plan of 1.4 mg, which is what runs."""
    return form(client, session, **{"plan": "1.4 mg", **changes})


@pytest.mark.requirement("UM-48")
def test_a_change_begins_with_what_runs_and_says_so_and_the_plan_is_empty(client: TestClient, session: Session) -> None:
    page = client.get(url(session)).text
    data = Form(page).data
    assert "What you see is what runs in this pump now." in page
    assert data["plan"] == [""]
    assert data["step_dose"] == ["0.05 mg/h", "0.075 mg/h", "0.05 mg/h", "0.075 mg/h", "0.05 mg/h"]
    assert "0.075 mg/h morphine comes 2 times a day" in page
    assert "stopped" not in Form(page).data["base"]
    assert '<option value="stopped"' not in page


def test_seeing_the_page_is_in_the_audit(world: ClinicWorld, client: TestClient, session: Session) -> None:
    client.get(url(session))
    with world.house.reading() as db:
        seen = db.scalars(select(Audit.action).where(Audit.patient_id == session.patient_id)).all()
    assert "saw the program" in seen


def test_apply_undo_redo_and_leaving(world: ClinicWorld, client: TestClient, session: Session) -> None:
    committed = now(world, session).entered
    data = planned(client, session, low_level="2.5 mL", press="apply")
    answered = client.post(url(session), data=data)
    assert (answered.status_code, answered.headers["location"]) == (303, url(session))
    held = draft_in(now(world, session))
    assert held is not None and 'low_level = "2.5 mL"' in held.now.text
    client.post(url(session), data=form(client, session, press="undo"))
    undone = draft_in(now(world, session))
    assert undone is not None and undone.now == held.back[-1]
    assert 'low_level = "2 mL"' in undone.now.text
    client.post(url(session), data=form(client, session, press="redo"))
    assert draft_in(now(world, session)) == held
    left = client.post(url(session), data=form(client, session, press="leave"))
    assert left.status_code == 303
    assert now(world, session).entered == committed
    assert "What you see is what runs in this pump now." in client.get(url(session)).text


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (
            {"step_from": ["00:00", "06:00", "05:00", "18:00", "22:00"]},
            "program.days.0.steps.2.from",
            "05:00 after a step from 06:00",
        ),
        ({"step_to": ["05:00", "", "", "", ""]}, "program.days.0.steps.0.to", "nothing planned from 05:00 to 06:00"),
        (
            {"step_dose": ["0.05 mg/h", ".075 mg/h", "0.05 mg/h", "0.075 mg/h", "0.05 mg/h"]},
            "program.days.0.steps.1.dose",
            "write 0.075 mg/h",
        ),
        (
            {"step_dose": ["50 mcg/h", "0.075 mg/h", "0.05 mg/h", "0.075 mg/h", "0.05 mg/h"]},
            "program.days.0.steps.0.dose",
            "morphine in mg",
        ),
        ({"bolus_most_per_24h": "many"}, "program.patient_bolus.most_per_24h", "many"),
        ({"ceiling_1h": ["3 mg", "0.625 mg", "9.375 mcg"]}, "program.ceilings.0.per_1h", "above the ceiling for 24 h"),
        ({"plan": "1.4"}, "plan.0", "no unit"),
        ({"low_level": "two"}, "program.low_level", "two"),
        ({"safe_motor": "sing"}, "program.fail_safe.motor", "sing"),
    ],
)
def test_bad_entries_are_answered_at_their_field_and_nothing_is_lost(
    world: ClinicWorld, client: TestClient, session: Session, changes: dict[str, Any], field: str, words: str
) -> None:
    data = {**planned(client, session), **changes, "press": "apply"}
    answered = client.post(url(session), data=data)
    assert answered.status_code == 422
    at = answered.text.index(f'id="w-{field}"')
    assert words in answered.text[at : at + 500]
    again = Form(answered.text).data
    for name, value in changes.items():
        typed = value if isinstance(value, list) else [value]
        assert again[name] == typed or name == "safe_motor"
    assert DRAFT not in now(world, session).entered


def test_rows_come_and_go_by_buttons_without_scripts(world: ClinicWorld, client: TestClient, session: Session) -> None:
    more = client.post(url(session), data=planned(client, session, press="add-0"))
    assert more.status_code == 200
    assert len(Form(more.text).data["step_from"]) == 6
    less = client.post(url(session), data=planned(client, session, press="remove-0-1"))
    assert Form(less.text).data["step_from"] == ["00:00", "10:00", "18:00", "22:00"]
    assert DRAFT not in now(world, session).entered


def test_another_base_shows_its_own_fields(client: TestClient, session: Session) -> None:
    shown = client.post(url(session), data=form(client, session, base="repeated doses", press="show"))
    assert "repeated_every" in Form(shown.text).data
    assert len(Form(shown.text).data["plan"]) == 2
    week = client.post(url(session), data=form(client, session, days="each day of the week", press="show"))
    assert len(Form(week.text).data["plan"]) == 7


def test_the_answer_says_the_sentence_the_totals_and_what_the_pump_gives(client: TestClient, session: Session) -> None:
    answered = client.post(url(session, "program/answer"), data=planned(client, session))
    assert answered.status_code == 200
    page = answered.text
    assert "May go on." in page
    assert "Day total without boluses: 1.4 mg morphine, 3.5 mg bupivacaine and 52.5 mcg cloNIDine" in page
    assert "0.35 mL/day" in page and "to 0.075 mg/h" in page
    assert "The pump gives" in page
    assert 'data-chart="steps"' in page and "the ceiling ordered" in page
    assert "<html" not in page


def test_j3_every_hour_for_once_a_day_cannot_go_on(world: ClinicWorld, client: TestClient, session: Session) -> None:
    data = form(
        client,
        session,
        base="repeated doses",
        repeated_dose="0.06 mg",
        repeated_duration="30 min",
        repeated_every="1 h",
        repeated_background="0 mg/h",
        plan="0.06 mg",
    )
    page = client.post(url(session, "program/answer"), data=data).text
    assert "CANNOT GO ON" in page and "24 times a day" in page and "24 times the plan" in page
    finished = client.post(url(session), data={**data, "press": "finish"})
    assert finished.status_code == 422
    assert "24 times the plan" in finished.text
    with world.house.reading() as db:
        assert not db.scalars(select(Order).where(Order.session_id == session.id)).all()
        codes = db.scalars(select(NearMiss.code).where(NearMiss.session_id == session.id)).all()
    assert "total differs from the plan" in codes
    assert now(world, session).step == "program"


def test_a_soft_finding_needs_a_reason_of_the_list_or_words(
    world: ClinicWorld, client: TestClient, session: Session
) -> None:
    data = planned(client, session, low_level="1 mL", press="finish")
    first = client.post(url(session), data=data)
    assert first.status_code == 422
    assert "low-level-low" in first.text
    rows = Form(first.text).data
    at = rows["reason_key"].index("low-level-low")
    rows["reason_choice"][at] = "Observed in hospital"
    done = client.post(url(session), data={**rows, "press": "finish"})
    assert done.status_code == 303
    assert done.headers["location"] == url(session, "preview")
    held = now(world, session)
    with world.house.reading() as db:
        order = db.get(Order, held.entered["program"]["order"])
    assert order is not None and order.state == "signed"
    assert 'low-level-low = "Observed in hospital"' in order.text


def test_somebody_else_changed_it_meanwhile(client: TestClient, session: Session) -> None:
    data = planned(client, session, press="apply")
    assert client.post(url(session), data=data).status_code == 303
    assert client.post(url(session), data=data).status_code == 303, "the same again changes nothing"
    assert client.post(url(session), data={**data, "low_level": "3 mL"}).status_code == 409


def test_no_such_session_and_nobody_who_may_not(world: ClinicWorld, client: TestClient, session: Session) -> None:
    for rest in ("program", "preview", "preview/lines", "preview/band"):
        assert client.get(f"/sessions/999999/{rest}").status_code == 404
        assert world.client("nurse").get(url(session, rest)).status_code == 403
    assert client.post("/sessions/999999/program", data={}).status_code == 404
    assert client.post("/sessions/999999/program/answer", data={}).status_code == 404
    assert client.post("/sessions/999999/preview", data={}).status_code == 404


def test_a_session_without_a_program_says_so(world: ClinicWorld, client: TestClient, patient: Patient) -> None:
    look = begun(world, patient, Workflow.LOOK)
    try:
        for rest in ("program", "preview"):
            answered = client.get(url(look, rest))
            assert answered.status_code == 409
            assert "a workflow that ends in a program" in answered.text
    finally:
        close(world.house, world.people["physician"], look.id, now(world, look).revision, "running")


# The preview ------------------------------------------------------------------------------------------------------


def kept(client: TestClient, session: Session) -> None:
    """A program with one step raised, kept as an order."""
    data = planned(
        client,
        session,
        press="finish",
        plan="1.5 mg",
        step_dose=["0.05 mg/h", "0.1 mg/h", "0.05 mg/h", "0.075 mg/h", "0.05 mg/h"],
    )
    answered = client.post(url(session), data=data)
    assert answered.status_code == 303, answered.text


def ready(client: TestClient, session: Session, rest: str = "preview") -> str:
    """The page of the preview once its central lines are there."""
    for _ in range(20):
        page = client.get(url(session, rest)).text
        if "Waiting." not in page:
            break
    return page


def test_the_preview_shows_both_says_what_it_is_and_gates_nothing(
    world: ClinicWorld, client: TestClient, session: Session
) -> None:
    assert client.get(url(session, "preview")).status_code == 409
    kept(client, session)
    page = ready(client, session)
    assert "Computed, not measured; not a dose recommendation." in page
    assert "one-dimensional model" in page
    assert "Runs now" in page and "Proposed" in page
    assert "Ratios at the places" in page
    assert "linear, at least 2 times the highest of what runs now" in page
    data = {"seen": str(now(world, session).revision)}
    gone_on = client.post(url(session, "preview"), data=data)
    assert (gone_on.status_code, gone_on.headers["location"]) == (303, url(session, "review"))


def test_the_band_follows(client: TestClient, session: Session) -> None:
    kept(client, session)
    client.get(url(session, "preview"))
    for _ in range(100):
        fragment = client.get(url(session, "preview/band")).text
        if "drawn persons" in fragment:
            break
    assert "The band holds 80 of 100 of 64 drawn persons." in fragment
    assert 'data-line="low"' in fragment


def test_a_full_queue_is_a_state_of_its_own(
    world: ClinicWorld, client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(client, session)
    monkeypatch.setattr(preview_pages, "PATIENCE_S", 0.0)
    fresh = Previews()
    monkeypatch.setattr(world.house, "previews", fresh)
    page = client.get(url(session, "preview")).text
    assert "Waiting." in page and "look again" in page
    fresh.close()


def test_without_the_process_that_computes_previews_the_page_says_so_and_one_can_go_on(
    world: ClinicWorld, client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept(client, session)
    monkeypatch.setattr(world.house, "previews", PreviewAsk(Home(tmp_path)))
    page = client.get(url(session, "preview")).text
    assert "No preview: nobody computes it now" in page
    assert "you can go on without one" in page
    gone_on = client.post(url(session, "preview"), data={"seen": str(now(world, session).revision)})
    assert gone_on.status_code == 303 and gone_on.headers["location"].endswith("/review")


def test_another_place_is_a_page_away(client: TestClient, session: Session) -> None:
    kept(client, session)
    page = ready(client, session, "preview?site=plasma")
    assert "morphine: plasma" in page
    assert client.get(url(session, "preview?site=nowhere")).status_code == 200


# Whatever is typed ------------------------------------------------------------------------------------------------

TYPED = st.one_of(
    st.sampled_from(
        ["", "0 mg", "0.05 mg/h", "1.4 mg", "24:00", "06:00", "-1", "1e9 mg", "fallback", "add-0", "remove-0-9"]
    ),
    st.text(max_size=30),
)
NAMES = sorted(set(ProgramForm.model_fields) - {"press"})


@given(
    changes=st.dictionaries(st.sampled_from(NAMES), TYPED | st.lists(TYPED, max_size=4), max_size=8),
    press=st.sampled_from(
        ["", "show", "answer", "add-0", "remove-0-1", "remove-0-\u00b2", "add-9", "undo", "redo", "apply"]
    ),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_typed_is_answered_in_our_words(
    client: TestClient, session: Session, changes: dict[str, Any], press: str
) -> None:
    data = {**planned(client, session), **changes, "press": press}
    for rest in ("program", "program/answer"):
        answered = client.post(url(session, rest), data=data)
        assert answered.status_code in {200, 303, 400, 409, 422}  # 400: control characters go no further than the door
        if answered.status_code != 303:
            assert answered.headers["content-type"].startswith("text/html"), answered.text


# A refill with another mixture ------------------------------------------------------------------------------------


def to_program(world: ClinicWorld, patient: Patient, workflow: Workflow, **steps: dict[str, Any]) -> Session:
    """A session whose steps before the program are entered."""
    made = begun(world, patient, workflow)
    for step in WAYS[workflow].steps:
        if step is Step.PROGRAM:
            break
        entered(world, made, step, **steps.get(step.value, {}))
    return made


def test_with_another_mixture_every_field_opens_empty_and_the_bridge_is_asked_for_later(
    world: ClinicWorld, client: TestClient, patient: Patient
) -> None:
    stronger = [{"drug": "morphine", "concentration": "6 mg/mL"}]
    steps: dict[str, dict[str, Any]] = {
        "mixture": {"ingredients": stronger, "preservative_free": True},
        "fill": {"volume": "18", "left": "1/2"},
    }
    session = to_program(world, patient, Workflow.REFILL_NEW, **steps)
    try:
        page = client.get(url(session)).text
        assert "Every field is empty." in page and "morphine 6 mg/mL" in page
        data: dict[str, Any] = Form(page).data
        filled = {n: v for n, v in data.items() if any(v) and n not in {"seen", "ceiling_drug"}}
        assert not filled
        data |= {
            "base": "continuous",
            "plan": "1.4 mg",
            "continuous": "1.4 mg/day",
            "press": "apply",
            "ceiling_1h": ["0.2 mg"],
            "ceiling_24h": ["2 mg"],
        }
        assert client.post(url(session), data=data).status_code == 303
        page = client.get(url(session)).text
        rows = Form(page).data
        assert "no-bridge" in rows["reason_key"]
        rows["reason_choice"] = ["" if k == "no-bridge" else "Agreed with the pharmacy" for k in rows["reason_key"]]
        done = client.post(url(session), data={**rows, "press": "finish"})
        assert (done.status_code, done.headers.get("location")) == (303, url(session, "bridge")), done.text
        with world.house.reading() as db:
            order = db.get(Order, now(world, session).entered["program"]["order"])
        assert order is not None and order.state == "draft"
        assert 'volume = "18 mL"' in order.text and 'residual = "0.5 mL"' in order.text
        assert "[previous.program]" in order.text
    finally:
        close(world.house, world.people["physician"], session.id, now(world, session).revision, "running")


def test_a_restart_never_begins_with_the_dose_of_before(
    world: ClinicWorld, client: TestClient, patient: Patient
) -> None:
    session = to_program(world, patient, Workflow.RESTART, timeline={"gap_s": 360_000})
    try:
        page = client.get(url(session)).text
        assert "Every field is empty." in page
        assert Form(page).data.get("continuous") is None
        data = {**Form(page).data, "base": "continuous", "plan": "1.4 mg", "continuous": "1.4 mg/day"}
        answered = client.post(url(session, "program/answer"), data=data).text
        assert "restart" in answered
    finally:
        close(world.house, world.people["physician"], session.id, now(world, session).revision, "running")
