"""Every route of every service against everybody who may come: what a route states of itself is what it does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter, Depends, FastAPI

from harness.errors import check_hygiene
from harness.proving import ROLES, Ground, Role
from harness.routes import Route, applications, routes_of
from runtime.access import PUBLIC, Rule, ruled
from runtime.http import Response
from tongdao_cli.services import SERVICES

pytestmark = [pytest.mark.requirement("ROU-02")]
NAMES = [service.name for service in SERVICES]
SAMPLES = {
    "version": "v1", "n": "1", "year": "2026", "region": "CN", "act": "suspend", "event": "submit", "key": "share.x",
    "classification": "2039900100003", "number": "000001", "code": "2039900100003/000001", "path": "0/0",
    "segment": "20260101-general", "case_id": "0", "grant_id": "0", "consent_id": "0", "rest": "nothing",
}  # fmt: skip
QUERIES = {"/entries": "?from=0&to=1"}
"""Of routes that look at scopes themselves, after the form."""
UUIDS = ("call", "alert", "disposal", "hold", "subscription", "person")
REFUSED = ("token/insufficient-scope", "case/not-your-step", "request/not-yours")
UUID = "019b0000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Route]]:
    apps = applications(tmp_path_factory.mktemp("applications"))
    found = {name: list(routes_of(name, app)) for name, app in apps.items()}
    found["gateway"] = [one for one in found["gateway"] if one.method == "GET" or not _is_passed_on(one)]
    return found


def _is_passed_on(route: Route) -> bool:
    """Whether the gateway takes it to another service as it is, whatever the method: once is enough."""
    return route.rules == (Rule("public"),)


@pytest.mark.requirement("ROU-01")
def test_every_route_states_who_may_ask(routes: dict[str, list[Route]]) -> None:
    assert [route.id for one in routes.values() for route in one if not route.rules] == []
    assert all(len(routes[name]) > 2 for name in NAMES)


@pytest.mark.requirement("ROU-01")
def test_a_route_that_states_nothing_is_found() -> None:
    app, inner = FastAPI(), APIRouter()
    inner.add_api_route("/forgotten", lambda: None)
    inner.add_api_route("/open", lambda: None, dependencies=[PUBLIC])
    inner.add_api_route("/some", lambda: None, dependencies=[Depends(ruled(lambda: None, Rule("services")))])
    app.include_router(inner, prefix="/in")
    assert [route.path for route in routes_of("x", app) if not route.rules] == ["/in/forgotten"]


@pytest.mark.xdist_group("ground")
@pytest.mark.parametrize("role", ROLES, ids=[role.name for role in ROLES])
@pytest.mark.parametrize("service", NAMES)
def test_who_may_ask_what(ground: Ground, routes: dict[str, list[Route]], service: str, role: Role) -> None:
    """Refused at the door where one rule says no: 401 without a token, 403 without the scope. Else something else is
    the answer, and never a failure of ours. A refused request is refused whatever else is wrong with it."""
    assert [wrong for route in routes[service] for wrong in _wrong(route, role, _asked(ground, route, role))] == []


def _asked(ground: Ground, route: Route, role: Role) -> Response:
    path = re.sub(r"\{(\w+)(?::path)?\}", lambda found: _sample(found[1]), route.path)
    return ground.ask(route.service, route.method, path + QUERIES.get(route.path, ""), role.name)


def _sample(name: str) -> str:
    return SAMPLES.get(name, UUID if name in UUIDS else "gaj")


def _wrong(route: Route, role: Role, answer: Response) -> Iterator[str]:
    """What is not as the route states it."""
    told = f"{role.name}: {route.id}: {answer.status_code} {answer.text[:200]}"
    check_hygiene(answer)
    if answer.status_code >= 500 and not (route.path.startswith("/health") and answer.status_code == 503):
        yield told
    refusing = [rule for rule in route.rules if not rule.admits(role.allowed)]
    if not refusing:
        if answer.status_code == 401 and all(rule.kind == "token" for rule in route.rules):
            yield f"let in by its rule, but: {told}"
    elif role.allowed is None or any(rule.kind == "services" for rule in refusing):
        if answer.status_code != 401:
            yield f"nobody known to us, but: {told}"
    elif answer.status_code != 403 or answer.json()["code"] not in REFUSED:
        yield f"no scope for it, but: {told}"


def test_samples_are_names_of_path_parameters(routes: dict[str, list[Route]], tmp_path: Path) -> None:
    used = {name for one in routes.values() for route in one for name in re.findall(r"\{(\w+)", route.path)}
    assert set(SAMPLES) | set(UUIDS) <= used
