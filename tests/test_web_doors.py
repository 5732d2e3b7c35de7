"""Every address of the clinic, as every role and as nobody: what is allowed opens, what is not never does.

The walk takes its routes from the application, so that a page that is added tomorrow is walked too.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount
from tests.clinic_world import ClinicWorld, clinic_world
from tests.record_engines import record_in

from thecal.clinic.people.permissions import permissions
from thecal.clinic.who import StaffRole
from thecal.web.app import make_app
from thecal.web.door import Door
from thecal.web.pages import ROUTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

# Its lines are counted by the tests of the domain and of the pages; counting them here as well doubles its time.
pytestmark = pytest.mark.no_cover

OPEN = {
    "/sign-in": "whoever comes here is not signed in",
    "/sign-in/password": "looks itself for a sign-in that is half done",
    "/sign-in/second": "as above",
    "/sign-in/enroll": "as above",
    "/sign-in/passkey": "whoever comes here is not signed in",
    "/sign-in/passkey/options": "as above",
    "/sign-in/provider": "whoever comes here is not signed in; there is nothing where no provider is set",
    "/sign-in/provider/back": "looks itself for the mark of the browser that was sent away",
    "/sign-in/send": "shows a form what it holds already",
    "/unlock": "looks itself for a locked sign-in",
    "/sign-out": "ends the sign-in that the browser holds, in any state",
    "/calendar/{secret}.ics": "calendar programs cannot sign in: the secret in the address opens it",
}
"""Routes without a door, each with its reason."""
OURS = {"/openapi.json": "describes the addresses and holds nothing of the clinic"}
"""What the framework itself serves."""
ROLES: list[str | None] = [*(role.value for role in StaffRole), None]


def routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def doors(route: APIRoute) -> list[Door]:
    found, ahead = [], [route.dependant]
    while ahead:
        one = ahead.pop()
        found += [one.call] if isinstance(one.call, Door) else []
        ahead += one.dependencies
    return found


def sample(path: str) -> str:
    """An address of a route, with 1 for every number and x for every word."""
    return re.sub(r"\{([^}:]+)(:[^}]+)?\}", lambda m: "1" if "id" in m[1] or m[2] == ":int" else "x", path)


def asked() -> list[tuple[str, str, str]]:
    """Every method and address with the action of its door."""
    return sorted(
        (method, route.path, doors(route)[0].action)
        for route in routes()
        if doors(route)
        for method in (route.methods or set()) - {"HEAD"}
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, record_engine: str) -> Iterator[ClinicWorld]:
    made = clinic_world(record_in(tmp_path_factory.mktemp("doors"), record_engine))
    made.patient()
    yield made
    made.end()


@pytest.fixture(scope="module")
def client(world: ClinicWorld) -> TestClient:
    return world.client(None)


def answer(world: ClinicWorld, client: TestClient, role: str | None, method: str, path: str) -> Any:
    """One request by a sign-in of its own, since some pages end it."""
    cookies = {} if role is None else {"cookie": f"thecal={world.token(role)}"}
    return client.request(method, sample(path), headers=cookies)


def test_every_route_has_exactly_one_door_or_is_open_by_name() -> None:
    for route in routes():
        found = doors(route)
        if route.path in OPEN:
            assert not found, f"{route.path} has a door and is on the list of open routes"
        else:
            assert len(found) == 1, f"{route.methods} {route.path} has {len(found)} doors"
            assert found[0].action in permissions()


def test_the_list_of_open_routes_names_no_route_that_is_gone() -> None:
    assert set(OPEN) <= {route.path for route in routes()}


def test_the_application_serves_nothing_besides(world: ClinicWorld) -> None:
    known = {route.path for route in routes()} | set(OURS)
    for served in walked(make_app(world.house).routes):
        assert served in known, f"{served} is served and stands on no list"


def walked(found: Any) -> Iterator[str]:
    """Every address that the application itself has, whatever way the framework holds it."""
    for route in found:
        if isinstance(route, Mount):
            assert route.path == "/static"
        elif getattr(route, "path", None):
            yield route.path
        else:
            yield from walked(getattr(getattr(route, "original_router", route), "routes", ()))


@pytest.mark.requirement("OP-8.1.1")
@pytest.mark.parametrize("role", ROLES)
def test_the_walk(world: ClinicWorld, client: TestClient, role: str | None) -> None:
    """Every method of every address, as one role: 401, 403 or the way to sign in where it is forbidden, never else."""
    wrong = []
    for method, path, action in asked():
        found = answer(world, client, role, method, path)
        allowed = role is not None and StaffRole(role) in permissions()[action].roles
        to_sign_in = found.status_code == 303 and found.headers["location"].startswith("/sign-in?")
        closed = found.status_code in {401, 403} or to_sign_in
        if closed == allowed or found.status_code >= 500:
            wrong.append(f"{method} {path} ({action}): {found.status_code}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.both_engines
def test_whatever_a_page_is_asked_it_answers(world: ClinicWorld) -> None:
    """Every page that can be looked at, with every question that it takes, by somebody who may: no engine stumbles."""
    browsers = {role.value: world.client(role.value) for role in StaffRole}
    for route in (route for route in routes() if "GET" in (route.methods or set()) and doors(route)):
        role = min(permissions()[doors(route)[0].action].roles).value
        taken = {p.alias: str(p.field_info.annotation) for p in route.dependant.query_params}
        questions = {name: "1" if "int" in kind else "a%b_'" for name, kind in taken.items()}
        found = browsers[role].get(sample(route.path), params=questions)
        assert found.status_code < 500, f"{route.path} {questions}: {found.status_code}"


def test_nobody_is_told_apart_by_an_address_that_there_is_not(client: TestClient) -> None:
    for path in ("/patients/1", "/patients/999999"):
        assert client.get(path).headers["location"].startswith("/sign-in?next=/patients/")


def test_a_method_that_a_route_does_not_have_opens_nothing(world: ClinicWorld, client: TestClient) -> None:
    for path, method in itertools.product(sorted({path for _, path, _ in asked()}), ("PUT", "PATCH", "DELETE")):
        assert client.request(method, sample(path)).status_code in {404, 405}, f"{method} {path}"


def test_a_forged_or_half_done_secret_opens_nothing(world: ClinicWorld, client: TestClient) -> None:
    for secret in ("x", "", "0" * 43, world.token("nurse")[:-1]):
        assert client.get("/account", headers={"cookie": f"thecal={secret}"}).status_code == 303
