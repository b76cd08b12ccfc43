"""The demo city as messages, and how they are sent."""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

import jsonschema_rs
import msgspec
import pytest
import yaml
from httpx2 import MockTransport

from runtime.http import Client, Request, Response
from tongdao_cli import demo
from tongdao_cli.demo import DemoCatalog, DemoRefused, Message
from wire import catalog as wire
from wire.paths import Template

URL = "http://127.0.0.1:4711"
CATALOG = demo.messages(URL, "file:///files")
REGISTERED = {message.path.split("/")[2]: message.body for message in CATALOG.interfaces}
OTHER_KINDS = {"rsj-insured": wire.Soap, "zrzyj-boundaries": wire.Files}
"""Of kinds.yaml, which holds its messages word for word."""
INTERFACES = {name: body for name, body in REGISTERED.items() if name not in OTHER_KINDS}
GRANTS = {
    (message.body["system"], message.body["interface"]): message.body
    for message in CATALOG.grants
    if "basis" in message.body and "rate_per_s" in message.body
}
"""Of the catalogue."""


def source() -> Any:
    """The demo catalogue as it was given."""
    return yaml.safe_load(files("sample_providers").joinpath("demo_catalog.yaml").read_text(encoding="utf-8"))


# --- what is registered -----------------------------------------------------------------------------------------------
@pytest.mark.requirement("DEM-01")
def test_the_whole_catalogue_and_one_more_are_registered() -> None:
    assert len(CATALOG.departments) == 16
    assert len(CATALOG.interfaces) == len(CATALOG.resources) == 21 + 1 + len(OTHER_KINDS)
    assert {entry["interface_id"] for entry in source()["resources"]} | {"mzj-admin-divisions"} == INTERFACES.keys()


def test_everything_rests_on_something_that_is_sent_before() -> None:
    departments = {message.path.split("/")[2] for message in CATALOG.departments}
    resources = {message.path.removeprefix("/resources/"): message.body["provider"] for message in CATALOG.resources}
    granted = {(message.body["system"], message.body["interface"]) for message in CATALOG.grants}

    assert set(CATALOG.clients.values()) <= departments
    assert set(resources.values()) <= departments
    assert all(resources[body["resource"]] == body["provider"] for body in REGISTERED.values())
    assert {system for system, _ in granted} <= CATALOG.clients.keys()
    assert {interface for _, interface in granted} <= {f"{interface}/v1" for interface in REGISTERED}


def test_every_system_that_a_scenario_names_is_registered() -> None:
    registered = {(message.body["department"], message.body["name"]) for message in CATALOG.systems}
    named = {(entry["requester"], entry["system"]) for entry in source()["scenarios"] if "system" in entry}

    assert named <= registered


@pytest.mark.parametrize("interface", INTERFACES)
def test_an_interface_is_what_gateways_will_read(interface: str) -> None:
    members = {name: value for name, value in INTERFACES[interface].items() if name != "resource"}

    read = msgspec.convert({**members, "id": interface, "version": "v1"}, wire.Interface, strict=True)

    assert members.keys() <= set(wire.Interface.__struct_fields__)
    assert read.base_url == f"{URL}/{read.provider}"
    [operation] = read.operations
    assert set(Template(operation.path).variables) == set(Template(operation.target).variables)
    assert (read.parameters is None) is (operation.method == "POST")
    assert (read.request is None) is (operation.method == "GET")


@pytest.mark.requirement("DEM-09")
@pytest.mark.parametrize("interface", OTHER_KINDS)
def test_the_demo_has_providers_of_other_kinds(interface: str) -> None:
    read = msgspec.convert({**REGISTERED[interface], "id": interface, "version": "v1"}, wire.Interface, strict=True)

    assert isinstance(read.adapter, OTHER_KINDS[interface])
    assert read.base_url in (f"{URL}/rsj/soap", "file:///files/boundaries")
    assert not isinstance(read.adapter, wire.Soap) or "QueryInsured" in read.adapter.wsdl


@pytest.mark.requirement("SUB-03")
def test_every_interface_that_asks_about_one_person_says_by_what() -> None:
    named = {interface for interface, body in INTERFACES.items() if body["subject"] == "id_card"}
    asking = {
        entry["interface_id"]
        for entry in source()["resources"]
        if any(item["label"] == "公民身份号码" for item in entry["interface"]["params"])
    }
    assert named == asking
    assert {"gaj-identity-verify", "gaj-household-info"} <= named


@pytest.mark.parametrize(
    ("interface", "path", "target"),
    [
        ("gaj-household-info", "/{id_card}", "/v1/household/{id_card}"),
        ("gaj-vehicle-info", "", "/v1/vehicles"),
        ("gaj-identity-verify", "", "/v1/identity/verify"),
    ],
)
def test_consumers_write_the_path_from_its_first_variable_on(interface: str, path: str, target: str) -> None:
    [operation] = INTERFACES[interface]["operations"]

    assert (operation["path"], operation["target"]) == (path, target)


def test_consent_retention_and_word_follow_the_catalogue() -> None:
    for entry in source()["resources"]:
        body = INTERFACES[entry["interface_id"]]
        assert body["consent_required"] is entry["subject_consent_required"]
        assert body["retention"] == ("personal" if entry["contains_personal_info"] else "general")
        assert body["operation_word"] == ("查询" if entry["share"]["mode"] == "query" else "比对")
        masks = {item["name"]: item.get("mask", "") for item in entry["interface"]["response"]}
        assert {field["name"]: field["mask"] for field in body["fields"]} == masks


# --- grants -----------------------------------------------------------------------------------------------------------
def test_grants_need_neither_a_consent_token_nor_more_than_is_registered() -> None:
    for (_, interface), grant in GRANTS.items():
        body = INTERFACES[interface.removesuffix("/v1")]
        assert body["consent_required"] is False
        assert set(grant["fields"]) <= {field["name"] for field in body["fields"]}
        assert grant["masks"].keys() <= set(grant["fields"])
        assert grant["basis"]
        assert "*" not in grant["fields"]


def test_emission_control_sees_four_fields_of_a_vehicle_and_half_a_name() -> None:
    grant = GRANTS["sthjj-emission", "gaj-vehicle-info/v1"]

    assert grant["fields"] == ["vehicle_type", "owner_name", "inspection_until", "status"]
    assert grant["masks"] == {"owner_name": "name_first"}
    assert (grant["purpose"], grant["case_pattern"]) == ("排放监管", "YJ[0-9]{4}-[0-9]{6}")


def test_an_unconditional_grant_releases_every_registered_field_and_no_other() -> None:
    fields = [field["name"] for field in INTERFACES["scjgj-enterprise-base"]["fields"]]

    assert GRANTS["xzspj-one-thing", "scjgj-enterprise-base/v1"]["fields"] == fields


# --- schemas ----------------------------------------------------------------------------------------------------------
def accepts(schema: Any, value: Any) -> bool:
    """Whether a registered schema takes a value."""
    return bool(jsonschema_rs.validator_for(schema).is_valid(value))


@pytest.mark.parametrize("interface", INTERFACES)
def test_the_example_request_matches_the_registered_schema(interface: str) -> None:
    body, example = INTERFACES[interface], CATALOG.examples[interface]
    path, _, query = example.target.partition("?")
    values = {name: value[0] for name, value in parse_qs(query).items()}
    values |= Template(f"/x/{interface}/v1{body['operations'][0]['path']}").match(path) or {}

    assert accepts(body["request"], example.body) if example.body else accepts(body["parameters"], values)


@pytest.mark.parametrize(
    "changed",
    [{"id_card": None}, {"id_card": 1}, {"id_card": "9" * 19}, {"name": "长" * 51}, {"unregistered": "x"}],
)
def test_a_request_of_another_form_does_not_match(changed: dict[str, Any]) -> None:
    example = CATALOG.examples["gaj-identity-verify"].body or {}
    values = {name: value for name, value in {**example, **changed}.items() if value is not None}

    assert not accepts(INTERFACES["gaj-identity-verify"]["request"], values)


@pytest.mark.parametrize("page", ["x", "-1", "", "12345", "1.0", "１"])
def test_numbers_in_a_query_are_written_in_digits(page: str) -> None:
    schema = INTERFACES["wjw-medical-institution"]["parameters"]

    assert accepts(schema, {"page": "12"})
    assert not accepts(schema, {"page": page})


AIR = {
    "station_name": "市政府",
    "aqi": 58,
    "pm25": 31.0,
    "pm10": 52.0,
    "o3": 88,
    "observed_at": "2026-11-20T09:00:00",
}


@pytest.mark.parametrize(
    "changed",
    [{"aqi": "58"}, {"aqi": 58.5}, {"pm25": "31"}, {"observed_at": "2026-11-20"}, {"station_name": "长" * 51}],
)
def test_an_answer_of_another_form_does_not_match(changed: dict[str, Any]) -> None:
    schema = INTERFACES["sthjj-air-quality"]["response"]

    assert accepts(schema, [AIR, {**AIR, "unregistered": 1}])
    assert not accepts(schema, [AIR, {**AIR, **changed}])
    assert not accepts(schema, AIR)


# --- sending ----------------------------------------------------------------------------------------------------------
Answers = Callable[[Request], Response | None]


class Gateway:
    """What the catalog does with messages, as far as sending them depends on it."""

    def __init__(self, refuse: Answers = lambda _request: None) -> None:
        self.puts: dict[str, Any] = {}
        self.grants: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self._refuse = refuse

    def client(self) -> Client:
        return Client(base_url="http://gateway", transport=MockTransport(self._answer))

    def _answer(self, request: Request) -> Response:
        self.tokens.add(request.headers["authorization"])
        path = request.url.path.removeprefix("/api/catalog")
        if refused := self._refuse(request):
            return refused
        if request.method == "PUT":
            self.puts[path] = json.loads(request.content)
            return Response(200, json=self.puts[path])
        if request.method == "POST":
            return self._grant(json.loads(request.content))
        found = [grant for grant in self.grants if request.url.params.items() <= grant.items()]
        return Response(200, json={"items": found, "next": None})

    def _grant(self, body: Any) -> Response:
        self.grants.append({**body, "id": f"g{len(self.grants)}"})
        return Response(201, json=self.grants[-1])


def send(gateway: Gateway) -> demo.Summary:
    with gateway.client() as client:
        return demo.load(client, "t0ken", CATALOG)


@pytest.mark.requirement("DEM-06")
def test_a_second_load_makes_no_second_grant() -> None:
    gateway = Gateway()
    first, second = send(gateway), send(gateway)

    assert (first.grants_made, second.grants_made) == (len(CATALOG.grants), 0)
    assert first.grants == second.grants
    assert len(gateway.grants) == len(CATALOG.grants)
    assert len(gateway.puts) == first.registered == second.registered == len(CATALOG.registrations)
    assert gateway.tokens == {"Bearer t0ken"}


@pytest.mark.requirement("DEM-06")
def test_what_was_revoked_is_left_and_said() -> None:
    def refuse(request: Request) -> Response | None:
        is_it = request.method == "PUT" and request.url.path.endswith("/systems/jtj-transport")
        return Response(409, json={"code": "request/conflict", "standing": "revoked"}) if is_it else None

    summary = send(Gateway(refuse))

    assert summary.left == ["PUT /systems/jtj-transport: revoked"]
    assert summary.registered == len(CATALOG.registrations) - 1


@pytest.mark.parametrize("answer", [Response(403, text="token/insufficient-scope"), Response(409, json={"code": "x"})])
def test_any_other_refusal_says_which_message_it_was(answer: Response) -> None:
    gateway = Gateway(lambda request: answer if "/interfaces/gaj-vehicle-info" in request.url.path else None)

    with pytest.raises(DemoRefused, match=rf"PUT /interfaces/gaj-vehicle-info/versions/v1: {answer.status_code} "):
        send(gateway)
    assert not gateway.grants


def test_a_gateway_that_is_not_there_is_said_so() -> None:
    nobody = DemoCatalog([Message("PUT", "/departments/x", {})], [], [], [], [], {}, {})

    with (
        Client(base_url="http://127.0.0.1:1", trust_env=False) as client,
        pytest.raises(DemoRefused, match="no answer"),
    ):
        demo.load(client, "t", nobody)
