"""The running departments against what the demo registers about them."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from runtime.http import Client, Response
from sample_providers import catalogue
from tongdao_cli import demo

EXAMPLES = catalogue.load()
REGISTERED = {
    message.path.split("/")[2]: message.body
    for message in demo.messages("http://127.0.0.1:1", "file:///files").interfaces
    if message.path.split("/")[2] in EXAMPLES
}
UNKNOWN: dict[str, dict[str, str]] = {
    "gaj-household-info": {"id_card": "110101190001011009"},
    "gaj-vehicle-info": {"plate_no": "云Z99999"},
    "scjgj-enterprise-base": {"uscc": "91350100M000100Y43"},
    "scjgj-food-license": {"license_no": "JY0"},
    "rsj-social-insurance": {"name": "王五测试"},
    "mzj-subsistence": {"id_card": "110101190001011009"},
    "wjw-medical-institution": {"keyword": "月球"},
    "zjj-presale-permit": {"project": "月球花园"},
    "swj-tax-credit": {"year": "1999"},
    "swj-vat-detail": {"uscc": "91350100M000100Y43"},
    "jtj-transport-license": {"license_no": "0"},
    "sthjj-air-quality": {"station": "X"},
    "dsjj-cert-verify": {"cert_no": "0"},
    "mzj-admin-divisions": {"code": "990101"},
}


@pytest.fixture(scope="module")
def client(departments: Any) -> Iterator[Client]:
    with departments.client() as opened:
        yield opened


def ask(client: Client, interface: str, **changed: Any) -> Response:
    """Ask a department directly, as the exchange will: the example question with some values changed."""
    registered = REGISTERED[interface]
    [operation] = registered["operations"]
    values = {**EXAMPLES[interface].question, **changed}
    path = f"/{registered['provider']}{operation['target'].format(**values)}"
    if operation["method"] == "POST":
        return client.post(path, json=values)
    query = {name: value for name, value in values.items() if f"{{{name}}}" not in operation["target"]}
    return client.get(path, params=query)


def rows(response: Response) -> list[dict[str, Any]]:
    """The objects of an answer, be it one or a list."""
    answer = response.json()
    return answer if isinstance(answer, list) else [answer]


@pytest.mark.requirement("DEM-02")
@pytest.mark.parametrize("interface", REGISTERED)
def test_the_example_question_gets_the_example_answer(client: Client, interface: str) -> None:
    response = ask(client, interface)

    assert response.status_code == 200, response.text
    expected = EXAMPLES[interface].facts
    assert {name: rows(response)[0][name] for name in expected} == expected


@pytest.mark.requirement("DEM-02")
@pytest.mark.parametrize("interface", REGISTERED)
def test_every_department_says_more_than_it_registered(client: Client, interface: str) -> None:
    registered = {field["name"] for field in REGISTERED[interface]["fields"]}

    assert set(rows(ask(client, interface))[0]) - registered


@pytest.mark.requirement("DEM-03")
@pytest.mark.parametrize("interface", REGISTERED)
def test_answers_match_the_registered_schema(client: Client, interface: str) -> None:
    schema = jsonschema_rs.validator_for(REGISTERED[interface]["response"])

    schema.validate(ask(client, interface).json())


@pytest.mark.requirement("DEM-03")
@pytest.mark.parametrize(
    "interface", [name for name, body in REGISTERED.items() if body["response"]["type"] == "array"]
)
def test_whole_lists_match_the_registered_schema(client: Client, interface: str) -> None:
    registered = REGISTERED[interface]
    response = client.get(f"/{registered['provider']}{registered['operations'][0]['target']}")

    jsonschema_rs.validator_for(registered["response"]).validate(response.json())
    assert len(response.json()) > 1


@pytest.mark.parametrize("interface", UNKNOWN)
def test_an_unknown_key_has_no_record(client: Client, interface: str) -> None:
    response = ask(client, interface, **UNKNOWN[interface])

    assert (response.status_code, response.json()) == (404, {"message": "无记录"})


@pytest.mark.requirement("DEM-08")
@pytest.mark.parametrize(
    ("interface", "changed", "said"),
    [
        ("gaj-identity-verify", {"name": "李四光测试"}, "不一致"),
        ("gaj-identity-verify", {"id_card": "110101190001011009"}, "无记录"),
        ("mzj-marriage-verify", {"name_b": "李四光测试"}, "不一致"),
        ("mzj-marriage-verify", {"id_a": "110101190001011009"}, "无记录"),
        ("wjw-birth-cert-verify", {"birth_date": "2015-06-05"}, "不一致"),
        ("wjw-birth-cert-verify", {"cert_no": "B990000001"}, "无记录"),
    ],
)
def test_checks_say_whether_and_nothing_else(
    client: Client, interface: str, changed: dict[str, str], said: str
) -> None:
    response = ask(client, interface, **changed)

    assert (response.status_code, response.json()["result_text"]) == (200, said)


def test_a_couple_may_be_named_either_way_round(client: Client) -> None:
    asked = EXAMPLES["mzj-marriage-verify"].question
    turned = {"name_a": asked["name_b"], "id_a": asked["id_b"], "name_b": asked["name_a"], "id_b": asked["id_a"]}

    assert ask(client, "mzj-marriage-verify", **turned).json()["result_text"] == "一致"


def test_a_threshold_that_is_not_reached(client: Client) -> None:
    assert ask(client, "swj-vat-detail", threshold=10_000_001).json()["reached"] is False


def test_a_certificate_needs_its_holders_code(client: Client) -> None:
    assert ask(client, "dsjj-cert-verify", auth_code="AUTH-OTHER").status_code == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"[" * 60_000, b"{}" + b" " * 70_000])
def test_a_body_that_is_no_question_is_bad_input(client: Client, body: bytes) -> None:
    response = client.post("/gaj/v1/identity/verify", content=body)

    assert response.status_code == 400
    assert set(response.json()) == {"message"}


def test_a_missing_parameter_is_bad_input(client: Client) -> None:
    response = client.get("/gaj/v1/vehicles", params={"plate_no": "云A12345"})

    assert (response.status_code, response.json()) == (400, {"message": "缺少参数 plate_type（号牌种类）"})


def test_an_interface_stands_below_its_own_department_only(client: Client) -> None:
    assert client.get("/mzj/v1/vehicles", params={"plate_no": "云A12345", "plate_type": "02"}).status_code == 404
