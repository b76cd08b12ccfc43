"""All routes of our services, read from the applications themselves; nothing of them runs."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

import audit_service.app
import audit_service.settings
import catalog_service.app
import catalog_service.settings
import exchange_service.app
import exchange_service.settings
import gateway.app
import gateway.settings
import identity.app
import identity.settings
from runtime.access import Rule, rules_of
from runtime.env import load
from runtime.http import client
from tongdao_cli.home import Home
from tongdao_cli.keys import Secrets
from tongdao_cli.services import SERVICES, Plan, Service, environment, settings

FRAMEWORK = ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/static-offline-docs")
"""The framework's own pages: everybody may read how to ask."""


@dataclass(frozen=True)
class Route:
    """One method of one address. `rules` all hold together; none of them is a mistake."""

    service: str
    method: str
    path: str
    rules: tuple[Rule, ...]

    @property
    def id(self) -> str:
        return f"{self.service} {self.method} {self.path}"


def routes_of(service: str, app: FastAPI) -> Iterator[Route]:
    """What the service states, without the framework's pages."""
    for route in iter_route_contexts(app.routes):
        path = str(route.path)
        if path.startswith(FRAMEWORK):
            continue
        rules = tuple(rules_of(getattr(route, "dependant", None)))
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield Route(service, method, path, rules)


def applications(folder: Path) -> dict[str, FastAPI]:
    """Every service of a home that has a database, put together as `tongdao up` would, by its name there."""
    home = Home(folder)
    for place in (home.secrets, home.published, home.archive, home.files):
        place.mkdir(parents=True, exist_ok=True)
    secrets = Secrets(home)
    secrets.make()
    ports = {name: 1 + n for n, name in enumerate(("postgres", "sample-providers", *(one.name for one in SERVICES)))}
    plan = Plan(home, secrets, ports, "postgresql://nobody:x@127.0.0.1:1/nothing")
    return {service.name: _application(service, plan) for service in SERVICES}


def _application(service: Service, plan: Plan) -> FastAPI:
    nowhere = client("http://127.0.0.1:1")
    with patch.dict(os.environ, environment(service, settings(plan, service.name))):
        match service.name:
            case "audit-service":
                return audit_service.app.build(load(audit_service.settings.Settings), nowhere, nowhere)[0]
            case "identity":
                return identity.app.create(load(identity.settings.Settings))
            case "catalog-service":
                return catalog_service.app.create(load(catalog_service.settings.Settings), nowhere, nowhere)
            case "exchange-service":
                return exchange_service.app.build(load(exchange_service.settings.Settings))[0]
            case "gateway":
                return gateway.app.build(load(gateway.settings.Settings))[0]
    raise AssertionError(f"nobody knows how {service.name} is put together: say it here")
