"""What each program is told, and what it is not."""

import json
from pathlib import Path

import pytest

from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import SCHEMAS, Secrets
from tongdao_cli.services import SAMPLE, SERVICES, Plan, environment, settings, with_login


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    home = Home(tmp_path)
    home.make()
    secrets = Secrets(home)
    secrets.make()
    names = [SAMPLE.name, "gateway", *(service.name for service in SERVICES)]
    ports = {name: 4000 + number for number, name in enumerate(names)}
    return Plan(home, secrets, ports, "postgresql://owner:owners-word@127.0.0.1:5/city")


@pytest.mark.parametrize(
    ("url", "changed"),
    [
        ("postgresql://a:b@h:5432/d?sslmode=require", "postgresql://u:p@h:5432/d?sslmode=require"),
        ("postgresql://h/d", "postgresql://u:p@h/d"),
        ("postgresql://a:p%40q@[::1]:1/d", "postgresql://u:p@[::1]:1/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql://u:p@/d?host=/run/postgresql"),
    ],
)
def test_the_login_of_an_address_is_replaced_and_nothing_else(url: str, changed: str) -> None:
    assert with_login(url, "u", "p") == changed


@pytest.mark.requirement("CLI-05")
def test_no_service_is_told_the_owners_password_or_another_services_login(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", plan.database_url)
    for service in (SAMPLE, *SERVICES):
        told = " ".join(environment(service, settings(plan, service.name)).values())
        assert "owners-word" not in told
        known = [schema for schema in SCHEMAS if plan.secrets.password(schema) in told]
        assert known == [s for s in SCHEMAS if service.name in (s, f"{s}-service")], service.name


def test_a_persons_own_setting_reaches_its_service_alone_and_never_replaces_the_plan(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGDAO_GATEWAY_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("TONGDAO_CATALOG_PROFILE", "changde")
    told = {service.name: environment(service, settings(plan, service.name)) for service in SERVICES}
    gateway, identity, catalog = told["gateway"], told["identity"], told["catalog-service"]
    assert gateway["TONGDAO_GATEWAY_LOG_LEVEL"] == "DEBUG"
    assert catalog["TONGDAO_CATALOG_PROFILE"] == "changde"
    assert gateway["TONGDAO_GATEWAY_PORT"] == str(plan.ports["gateway"])
    for name, instead in (("TONGDAO_GATEWAY_PORT", "--port"), ("TONGDAO_AUDIT_ORIGIN", "up --origin")):
        monkeypatch.setenv(name, "1")
        with pytest.raises(CannotStart, match=instead):
            [environment(service, settings(plan, service.name)) for service in SERVICES]
        monkeypatch.delenv(name)
    assert not [name for name in identity if name.startswith("TONGDAO_GATEWAY_")]


@pytest.mark.requirement("CLI-06")
def test_only_what_sends_for_departments_may_reach_loopback_and_no_service_of_ours(plan: Plan) -> None:
    told = {service.name: settings(plan, service.name) for service in SERVICES}
    reaching = [own for own in told.values() if "allow_loopback" in own]
    assert [name for name, own in told.items() if own in reaching] == [
        "audit-service", "catalog-service", "exchange-service",
    ]  # fmt: skip
    ours = sorted(port for name, port in plan.ports.items() if name != SAMPLE.name)
    assert [json.loads(str(own["forbidden_ports"])) for own in reaching] == [ours] * 3


def test_everything_listens_on_loopback(plan: Plan) -> None:
    assert {settings(plan, service.name)["host"] for service in (SAMPLE, *SERVICES)} == {"127.0.0.1"}
