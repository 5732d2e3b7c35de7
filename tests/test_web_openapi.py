"""The clinic's description of its own addresses, and that every address answers as it says, whatever it is sent.

Schemathesis draws requests from the description and sends them within this process. Many are drawn near what the clinic
holds: numbers of rows that there are, and entries that forms take. The pumps are away, as on a bad day.
"""

from __future__ import annotations

import asyncio
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.python.asgi import get_client
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import select
from tests.clinic_world import ORIGIN, nobody_answers
from tests.desk_world import give_booking
from tests.session_world import begun, programmed, session_clinic, to_review
from tests.test_web_doors import doors, routes, sample
from tests.test_web_pharmacy import ORDER

from thecal.clinic.desk.tasks import raise_task
from thecal.clinic.people.permissions import permissions
from thecal.clinic.pumps import Pumps
from thecal.clinic.record.tables import Feed, FieldNotice, Session
from thecal.clinic.refilling import hands
from thecal.clinic.who import StaffRole
from thecal.clinic.workflow import Workflow
from thecal.web.app import make_app
from thecal.web.door import COOKIE
from thecal.web.security import Readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from fastapi.testclient import TestClient
    from schemathesis import Case
    from schemathesis.python.asgi import ASGIClient
    from tests.clinic_world import ClinicWorld

    from thecal.clinic.record.tables import Patient

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

FEW = 3
MANY = int(os.environ.get("THECAL_OPENAPI_EXAMPLES", "25"))
"""Requests of each kind to one address: in every run, and in the long one."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = sorted(
    (
        route.path,
        method,
        tuple(sorted(r.value for r in permissions()[doors(route)[0].action].roles)) if doors(route) else ("",),
    )
    for route in routes()
    for method in (route.methods or set()) - {"HEAD"}
)
"""Every address with its method, and who may ask for it; "" for nobody."""
WORDS = [
    *("", " ", "1", "2", "3", "0", "-1", "1e9", "99999999999999999999", "٣", "1/0", "yes", "no", "none", "other"),
    *("morphine", "hydromorphone", "bupivacaine", "baclofen", "4 mg/mL", "20 mL", "1 mg/d", "0.05 mg/h", "2 mL", "T10"),
    *("2026-09-21", "2026-10-05", "9999-12-31", "0001-01-01", "2026-09-21T14:00", "14:00", "23:59", "24:00", "B-1"),
    *("physician", "nurse", "desk", "1001", "bench-20", "refill", "called", "reached", "a reason for this", "Straße ✓"),
    *(
        "\x1b[2J",
        "\u202eevil",
        "'; DROP TABLE patient;--",
        "<script>",
        "{{ 7 * 7 }}",
        "../../etc/passwd",
        "😀",
        "a" * 500,
    ),
    *("continuous", "[patient]", "name = 'x'\n[run]", "50 %", "1.0.0", "Europe/Berlin", "+1 312 555 0100", "UTC"),
]
"""What people enter, what they mistype, and what strangers try."""
NASTY = [
    ("urlencoded", b"note=a%00b&name=a%00b&revision=1&drugs=%00&text=%00&reason=%00"),
    ("urlencoded", b"note=%ff%fe&name=%c3%28&revision=%ed%a0%80&find=%80&text=%ff&reason=%ff"),
    ("urlencoded", b"note=\xff\xfe&name=\x00\x01"),
    ("urlencoded", b"&".join(b"note=1" for _ in range(1001))),
    ("urlencoded", b"revision=" + b"9" * 5000 + b"&seen=" + b"9" * 5000),
    ("json", b'{"note": "\\ud800", "revision": 1e400}'),
    ("json", b"\xff"),
    ("multipart", b"no part"),
    ("multipart", b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\n\x00\xff\r\n--b--\r\n'),
    ("multipart", b'--b\r\nContent-Disposition: form-data; name="note"; filename="a"\r\n\r\nx\r\n--b--\r\n'),
    ("other", b"x"),
]
UNREADABLE = 3
"""So many of these are forms that no record could keep."""
KINDS = {
    "urlencoded": "application/x-www-form-urlencoded",
    "json": "application/json",
    "multipart": "multipart/form-data; boundary=b",
    "other": "image/png",
}
ROWS = ["1", "2", "3", "4", "B-1", "B-2", "morphine"]
"""Places of addresses where there is something."""
ANSWERS = {"303", "400", "401", "403", "413", "422", "500", "503"}
"""How every address may answer."""
PLACES = [
    "0",
    "-1",
    "9223372036854775808",
    "9" * 400,
    "x",
    "%00",
    "%FF",
    "%ED%A0%80",
    "%F0%9F%98%80",
    "a" * 3000,
    "%0A",
]
ASKED = ["%00", "%FF", "-1", "9" * 400, "9223372036854775808", "%ED%A0%80", "x" * 5000, "%0A", "", "[]"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicWorld]:
    """A clinic in which two sessions are open, a syringe is ordered, somebody is booked; then its pumps go away."""
    for made in session_clinic(tmp_path_factory.mktemp("openapi"), "B-1", "B-2"):
        _at_work(made)
        _pumps_away(made)
        yield made


def _at_work(world: ClinicWorld) -> None:
    first, second = world.patient("1001", "B-1"), world.patient("1002", "B-2", given="Bo")
    programmed(world, first)
    programmed(world, second)
    begun(world, first, Workflow.REFILL_SAME, "nurse")
    to_review(world, second)
    today = datetime.fromtimestamp(world.house.now_s(), UTC).date()
    days = {"needed_by": f"{today + timedelta(14)}", "refill_by": f"{today + timedelta(70)}"}
    ordered = world.client("physician").post("/pharmacy/order", data={**ORDER, **days, "patient": str(first.id)})
    assert ordered.status_code == 303, ordered.text
    give_away(world, first, today)


def give_away(world: ClinicWorld, patient: Patient, today: date) -> None:
    """A booking, a task, a notice and a feed."""
    with world.writing() as record:
        give_booking(record, patient, record.now_s + 86_400)
        raise_task(record, "a test", patient.id, kind="call", text="Call", due_utc_s=record.now_s, for_role="desk")
        record.keep(FieldNotice(title="A notice", source="A maker", published_on=today, action="Look", softwares=[]))
        record.keep(Feed(name="The clinic", token_digest="0" * 64))


def _pumps_away(world: ClinicWorld) -> None:
    stopped_s = world.house.now_s()
    world.house.now_s = lambda: stopped_s
    assert world.link is not None
    assert world.rig is not None
    world.link.end()
    world.rig.leave()
    world.link = world.rig = None
    world.house.pumps = Pumps(nobody_answers)


@pytest.fixture(scope="module")
def application(world: ClinicWorld) -> Any:
    return make_app(world.house)


@pytest.fixture(scope="module")
def description(application: Any) -> Any:
    return schemathesis.openapi.from_dict(application.openapi())


@pytest.fixture(scope="module")
def client(application: Any) -> Iterator[ASGIClient]:
    with get_client(application) as made:
        made.headers["origin"] = ORIGIN
        yield made


@st.composite
def requests(draw: st.DrawFn, operation: Any) -> Case[Any]:
    """Requests as described and as not described, many of them near what there is."""
    modes = [GenerationMode.POSITIVE]
    if operation.body or operation.query or operation.path_parameters:
        modes.append(GenerationMode.NEGATIVE)
    case: Case[Any] = draw(operation.as_strategy(draw(st.sampled_from(modes))))
    if draw(st.booleans()):
        for name in case.path_parameters or {}:
            case.path_parameters[name] = draw(st.sampled_from(ROWS))
        case.body = {name: draw(entries(of)) for name, of in fields(operation).items()} or case.body
    return case


def entries(of: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What somebody may enter in a field: one word, or several where it takes several."""
    words = st.sampled_from(WORDS)
    return st.lists(words, max_size=6) if of.get("type") == "array" else words


def fields(operation: Any) -> dict[str, Any]:
    """The fields of an address's form, empty where it has none."""
    found: dict[str, Any] = operation.schema.raw_schema["components"]["schemas"]
    for kind in operation.definition.raw.get("requestBody", {}).get("content", {}).values():
        properties: dict[str, Any] = found[kind["schema"]["$ref"].rsplit("/", 1)[1]]["properties"]
        return properties
    return {}


def walk(world: ClinicWorld, client: ASGIClient, description: Any, at: tuple[str, str], role: str, most: int) -> None:
    """So many drawn requests to one address by somebody of a role, each answered as described."""
    token = world.token(role) if role else ""

    @settings(
        max_examples=most, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=requests(description[at[0]][at[1].lower()]))
    def each(case: Case[Any]) -> None:
        nonlocal token
        client.cookies.clear()
        found = case.call(base_url=ORIGIN, session=client, cookies={COOKIE: token} if role else {})
        case.validate_response(found, checks=CHECKS)
        if role and (found.status_code == 401 or "/sign-in" in "".join(found.headers.get("location", ()))):
            token = world.token(role)

    each()


@pytest.mark.parametrize(("path", "method", "roles"), OPERATIONS)
def test_every_address_answers_as_it_is_described(
    world: ClinicWorld, client: ASGIClient, description: Any, path: str, method: str, roles: tuple[str, ...]
) -> None:
    walk(world, client, description, (path, method), roles[0], FEW)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("role", [*(r.value for r in StaffRole), ""])
@pytest.mark.parametrize(("path", "method"), [(path, method) for path, method, _ in OPERATIONS])
def test_every_address_answers_everybody_as_it_is_described(
    world: ClinicWorld, client: ASGIClient, description: Any, path: str, method: str, role: str
) -> None:
    walk(world, client, description, (path, method), role, MANY)


@pytest.fixture(scope="module")
def browsers(world: ClinicWorld) -> dict[str, TestClient]:
    return {role: world.client(role or None) for role in (*(r.value for r in StaffRole), "")}


FORMS = [o for o in OPERATIONS if o[1] == "POST" and o[0] not in {"/sign-out"}]


@pytest.mark.parametrize(("path", "method", "roles"), FORMS)
def test_a_body_that_no_browser_sends_is_refused(
    browsers: dict[str, TestClient], path: str, method: str, roles: tuple[str, ...]
) -> None:
    for at, (kind, body) in enumerate(NASTY):
        found = browsers[roles[0]].request(method, sample(path), content=body, headers={"content-type": KINDS[kind]})
        assert found.status_code < 500, f"{kind} {body[:40]!r}: {found.status_code}"
        assert (found.status_code == 400) or at >= UNREADABLE, f"{kind} {body[:40]!r}: {found.status_code}"


@pytest.mark.parametrize(("path", "method", "roles"), OPERATIONS)
def test_an_address_that_no_page_has_is_refused(
    browsers: dict[str, TestClient], path: str, method: str, roles: tuple[str, ...]
) -> None:
    for place in PLACES if "{" in path else ():
        found = browsers[roles[0]].request(method, re.sub(r"\{[^}]+\}", place, path))
        assert found.status_code < 500, f"{place[:40]}: {found.status_code}"
    names = [p.alias for route in routes() if route.path == path for p in route.dependant.query_params]
    for name, text in ((n, a) for n in names for a in ASKED):
        found = browsers[roles[0]].request(method, f"{sample(path)}?{name}={text}")
        assert found.status_code < 500, f"{name}={text[:40]}: {found.status_code}"


def test_a_virtual_world_that_is_away_is_said_and_nothing_is_moved(
    world: ClinicWorld, browsers: dict[str, TestClient]
) -> None:
    with world.house.reading() as db:
        session = db.scalars(select(Session).where(Session.workflow == Workflow.REFILL_SAME)).one()
    answer = browsers["nurse"].post(f"/sessions/{session.id}/checklist/aspirate")
    assert answer.status_code == 409
    assert "the virtual world does not say what was moved" in answer.text
    with world.house.reading() as db:
        assert not hands.under_way(db, session.id, hands.DRAW)


@pytest.mark.parametrize(
    ("sent", "found"),
    [("a%00b", "U+0000"), ("a%1Bb", "U+001B"), ("a%7Fb", "U+007F"), ("%FF", "no text"), ("%ED%A0%80", "no text")],
)
def test_text_that_no_record_keeps_is_refused_with_its_reason(
    browsers: dict[str, TestClient], sent: str, found: str
) -> None:
    form = {"content-type": KINDS["urlencoded"]}
    answers = [
        browsers["nurse"].post("/patients/new", content=f"family={sent}", headers=form),
        browsers["nurse"].get(f"/patients?find={sent}"),
        browsers["nurse"].get(f"/pumps/{sent}"),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert found in answer.text
        assert answer.headers["content-security-policy"]


def test_tabs_ends_of_lines_and_any_script_are_text(browsers: dict[str, TestClient]) -> None:
    for said in ("a\tb\r\nc", "Łódź", "日本", "😀", "100 %", "50%25"):
        answer = browsers["nurse"].post("/patients/new", data={"family": said})
        assert answer.status_code == 422, said
        assert browsers["nurse"].get("/patients", params={"find": said}).status_code == 200


def test_a_body_that_ends_early_is_taken_for_no_form() -> None:
    """The browser went away in the middle: nothing is done with the half that came, and nothing is answered."""
    came = iter([{"type": "http.request", "body": b"family=A", "more_body": True}, {"type": "http.disconnect"}])
    said: list[str] = []

    async def receive() -> Any:
        return next(came)

    async def send(message: Any) -> None:
        said.append(message["type"])

    async def never(*_: Any) -> None:
        raise AssertionError("half a form was handed on")

    scope = {
        "type": "http", "method": "POST", "raw_path": b"/", "query_string": b"",
        "headers": [(b"content-type", KINDS["urlencoded"].encode())],
    }  # fmt: skip
    asyncio.run(Readable(never, page=str)(scope, receive, send))
    assert not said


def test_a_form_that_is_too_large_is_refused_as_that(browsers: dict[str, TestClient]) -> None:
    parts = (b"family=" + b"a" * 600_000 for _ in range(3))  # without a length
    answer = browsers["nurse"].post("/patients/new", content=parts, headers={"content-type": KINDS["urlencoded"]})
    assert answer.status_code == 413


def test_the_description_is_complete(application: Any) -> None:
    """Every address has a summary, a description and a tag, and says how it answers; every form says what it is."""
    described = application.openapi()
    lacking = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            needed = ["summary", "description", "tags"]
            lacking += [f"{method} {path}: no {name}" for name in needed if not operation.get(name)]
            answers = ANSWERS | ({"404"} if "{" in path else set())
            lacking += [f"{method} {path}: no {code}" for code in answers - set(operation["responses"])]
            said = [a.get("description") for a in operation["responses"].values()]
            lacking += [f"{method} {path}: an answer without a description"] * (not all(said))
            bare = [c for c, a in operation["responses"].items() if c not in {"303", "304"} and not a.get("content")]
            lacking += [f"{method} {path}: {code} without content" for code in bare]
    models = described["components"]["schemas"]
    lacking += [f"{name}: no description" for name, model in models.items() if not model.get("description")]
    assert len(described["paths"]) > 100
    assert not lacking, "\n".join(lacking)
