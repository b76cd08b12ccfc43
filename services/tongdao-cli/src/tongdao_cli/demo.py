"""The demo city as messages for the catalog: what `tongdao up` registers at the first start.

`messages` is pure conversion of the YAML that sample-providers ships: it is read as a file, for tools and services are
strangers. `load` sends the messages through the gateway; every one of them may be sent again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import yaml

from runtime.http import Client, HTTPError, Response
from wire.paths import Template

SOURCES = ("demo_catalog.yaml", "additions.yaml")
KINDS = "kinds.yaml"
"""Providers of other kinds, whose messages stand there word for word."""
VERSION = "v1"
NETWORKS = ["127.0.0.0/8"]
PREFIX = "/api/catalog"
SUBJECT = "id_card"
"""What names the person in most of the catalogue (see wire.subjects)."""
SUBJECTS = {
    "mzj-marriage-verify": "id_a",
    "wjw-birth-cert-verify": "cert_no",
    "swj-vat-detail": "uscc",
    "dsjj-cert-verify": "cert_no",
}
"""What names whoever is asked about elsewhere: the first of two, a certificate's holder, a company."""
Body = dict[str, Any]
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One request to the catalog; `path` without the gateway's prefix."""

    method: str
    path: str
    body: Body


@dataclass(frozen=True, slots=True)
class Example:
    """The catalogue's example request, as a consumer sends it to the gateway. `body` is None for GET."""

    method: str
    target: str
    body: Body | None


@dataclass(frozen=True, slots=True)
class DemoCatalog:
    """Everything that is registered, in the order in which it has to be sent."""

    departments: list[Message]
    systems: list[Message]
    resources: list[Message]
    interfaces: list[Message]
    grants: list[Message]
    clients: dict[str, str]
    """System id (which is its OAuth client id) -> department, in the order of `systems`."""
    examples: dict[str, Example]
    """Interface id -> its example request."""

    @property
    def registrations(self) -> list[Message]:
        """All but the grants."""
        return [*self.departments, *self.systems, *self.resources, *self.interfaces]


@dataclass(frozen=True, slots=True)
class Summary:
    """What `load` did.

    grants  ids by (system, "interface/version"), those that were there and new ones
    left    what the catalog keeps as it is because somebody suspended or revoked it, a line each
    """

    registered: int
    grants_made: int
    grants: dict[tuple[str, str], str]
    left: list[str]


class DemoRefused(Exception):
    """The catalog did not take a message; says which one and why."""


def messages(sample_url: str, files_url: str) -> DemoCatalog:
    """The demo city, its interfaces served at `sample_url` (for example http://127.0.0.1:4711).

    files_url  file:// address of the folder with its files
    """
    catalogue, additions = (_read(source) for source in SOURCES)
    kinds = _kinds(sample_url, files_url)
    resources = [*catalogue["resources"], *additions["resources"]]
    systems, by_id = additions["systems"], {entry["interface_id"]: entry for entry in resources}
    return DemoCatalog(
        departments=[_department(entry) for entry in catalogue["departments"]],
        systems=[_system(entry) for entry in systems],
        resources=[*(_resource(entry) for entry in resources), *kinds["resources"]],
        interfaces=[*(_interface(entry, sample_url) for entry in resources), *kinds["interfaces"]],
        grants=[*(_grant(entry, by_id[entry["interface"]]) for entry in additions["grants"]), *kinds["grants"]],
        clients={entry["id"]: entry["department"] for entry in systems},
        examples={entry["interface_id"]: _example(entry) for entry in resources},
    )


def load(client: Client, token: str, catalog: DemoCatalog) -> Summary:
    """Send it all through the gateway that `client` is for; raises DemoRefused.

    It may be sent again and again: a grant that is there, in whatever state, is left alone, and so is everything that
    somebody suspended or revoked. A second start must neither double anything nor bring back what was taken away.
    """
    sending = _Sending(client, {"Authorization": f"Bearer {token}"}, [])
    registered = sum(sending.send(message) is not None for message in catalog.registrations)
    grants: dict[tuple[str, str], str] = {}
    made = 0
    for message in catalog.grants:
        pair = (message.body["system"], message.body["interface"])
        if found := sending.grant_of(*pair):
            grants[pair] = found
        elif (answer := sending.send(message)) is not None:
            grants[pair] = str(answer.json()["id"])
            made += 1
    return Summary(registered, made, grants, sending.left)


# --- sending ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Sending:
    """One load under way."""

    client: Client
    bearer: dict[str, str]
    left: list[str]

    def send(self, message: Message) -> Response | None:
        """What the catalog answers; None where it keeps what somebody suspended or revoked."""
        what = f"{message.method} {message.path}"
        response = self._ask(message.method, message.path, what, message.body)
        if response.status_code == 409 and (standing := response.json().get("standing")):
            self.left.append(f"{what}: {standing}")
            return None
        return _accepted(response, what)

    def grant_of(self, system: str, interface: str) -> str:
        """Id of the grant that is there already, or ""."""
        path = "/grants?" + urlencode({"system": system, "interface": interface})
        found = _accepted(self._ask("GET", path, f"GET {path}"), f"GET {path}").json()["items"]
        return str(found[0]["id"]) if found else ""

    def _ask(self, method: str, path: str, what: str, body: Body | None = None) -> Response:
        try:
            return self.client.request(method, PREFIX + path, json=body, headers=self.bearer)
        except HTTPError as error:
            raise DemoRefused(f"{what}: no answer ({error})") from error


def _accepted(response: Response, what: str) -> Response:
    if response.status_code >= 300:
        raise DemoRefused(f"{what}: {response.status_code} {response.text[:2000]}")
    return response


# --- converting -------------------------------------------------------------------------------------------------------
def _read(source: str) -> Any:
    return yaml.safe_load(_text(source))


def _text(name: str) -> str:
    return files("sample_providers").joinpath(name).read_text(encoding="utf-8")


def _kinds(sample_url: str, files_url: str) -> dict[str, list[Message]]:
    """What stands in KINDS, with its addresses filled in and its WSDL documents read."""
    said = _read(KINDS)
    for interface in said["interfaces"]:
        body = interface["body"]
        body["base_url"] = body["base_url"].format(sample=sample_url, files=files_url)
        if wsdl := body["adapter"].get("wsdl"):
            body["adapter"]["wsdl"] = _text(wsdl)
    return {
        "resources": [Message("PUT", f"/resources/{entry['code']}", entry["body"]) for entry in said["resources"]],
        "interfaces": [
            Message("PUT", f"/interfaces/{entry['id']}/versions/{VERSION}", entry["body"])
            for entry in said["interfaces"]
        ],
        "grants": [Message("POST", "/grants", entry) for entry in said["grants"]],
    }


def _department(entry: Entry) -> Message:
    names = ("name", "uscc", "level", "region", "chief_data_officer", "data_officer", "officer_phone", "note")
    return Message("PUT", f"/departments/{entry['id']}", {**_stated(entry, names), "kind": entry["party_kind"]})


def _stated(entry: Entry, names: Iterable[str]) -> Body:
    """The members that say something: the catalogue writes null where there is nothing to say."""
    return {name: entry[name] for name in names if entry.get(name) is not None}


def _system(entry: Entry) -> Message:
    return Message("PUT", f"/systems/{entry['id']}", {"department": entry["department"], "name": entry["name"]})


def _resource(entry: Entry) -> Message:
    body = {
        **_stated(entry, _RESOURCE),
        "topic": entry["classification"]["topic"],
        "data_class": entry["classification"]["data_class"],
        "format": entry["format"]["category"],
        "format_note": entry["format"]["info"],
        "share": _stated(entry["share"], ("type", "mode", "condition", "scope", "reason", "legal_basis")),
        "open": entry["open"]["type"],
        "open_condition": entry["open"]["condition"] or "",
        "items": [_stated(item, _ITEM) for item in entry["interface"]["response"]],
    }
    return Message("PUT", f"/resources/{entry['resource_code']}", body)


_RESOURCE = (
    "name", "name_en", "provider", "summary", "update_cycle", "security_level", "contains_personal_info",
    "subject_consent_required", "collect_department", "approve_department", "published",
)  # fmt: skip
_ITEM = ("name", "label", "type", "length", "required", "sensitivity", "level", "mask")


def _interface(entry: Entry, sample_url: str) -> Message:
    served, asks_by_path = entry["interface"], entry["interface"]["method"] == "GET"
    body = {
        "resource": entry["resource_code"],
        "provider": entry["provider"],
        "name": entry["name"],
        "base_url": f"{sample_url}/{entry['provider']}",
        "networks": NETWORKS,
        "operations": [{"method": served["method"], "path": _consumer_path(served), "target": served["path"]}],
        "fields": [_field(item) for item in served["response"]],
        "format": "json",
        "parameters": _object(served["params"], _PARAMETERS, closed=True) if asks_by_path else None,
        "request": None if asks_by_path else _object(served["params"], _VALUES, closed=True),
        "response": _answer(served),
        "timeout_s": float(served["timeout_s"]),
        "consent_required": entry["subject_consent_required"],
        "retention": "personal" if entry["contains_personal_info"] else "general",
        "operation_word": "查询" if entry["share"]["mode"] == "query" else "比对",
        "subject": _subject(entry["interface_id"], served),
        "mode": entry["share"]["mode"],
    }
    return Message("PUT", f"/interfaces/{entry['interface_id']}/versions/{VERSION}", body)


def _subject(interface: str, served: Entry) -> str:
    names = (item["name"] for item in served["params"])
    return SUBJECTS.get(interface) or (SUBJECT if SUBJECT in names else "")


def _consumer_path(served: Entry) -> str:
    """What a consumer writes after /x/{interface}/{version}: the provider's path from its first variable on."""
    _, brace, rest = served["path"].partition("{")
    return f"/{brace}{rest}" if brace else ""


def _field(item: Entry) -> Body:
    return {"name": item["name"], "mask": item.get("mask", ""), "level": item["level"]}


def _grant(entry: Entry, resource: Entry) -> Message:
    body = {
        "system": entry["system"],
        "interface": f"{entry['interface']}/{VERSION}",
        "purpose": entry["purpose"],
        "fields": entry["fields"],
        "masks": entry.get("masks", {}),
        "basis": entry["basis"],
        "case_pattern": entry.get("case_pattern", ""),
        "rate_per_s": float(resource["interface"]["rate_limit_qps"]),
        "quota_day": entry.get("quota_day", 0),
        "quota_month": entry.get("quota_month", 0),
    }
    return Message("POST", "/grants", body)


def _example(entry: Entry) -> Example:
    served = entry["interface"]
    values = {item["name"]: item["example"] for item in served["params"]}
    template = Template(_consumer_path(served))
    path = f"/x/{entry['interface_id']}/{VERSION}{template.fill(values)}"
    if served["method"] != "GET":
        return Example(served["method"], path, values)
    query = urlencode({name: value for name, value in values.items() if name not in template.variables})
    return Example("GET", f"{path}?{query}" if query else path, None)


# --- schemas ----------------------------------------------------------------------------------------------------------
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_VALUES: Mapping[str, Body] = {
    "C": {"type": "string"},
    "M": {"type": "string"},
    "I": {"type": "integer"},
    "N": {"type": "number"},
    "F": {"type": "number"},
    "L": {"type": "boolean"},
    "D": {"type": "string", "pattern": f"^{_DAY}$"},
    "T": {"type": "string", "pattern": f"^{_DAY}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}$"},
}
"""The catalogue's type letters in a JSON body."""
_PARAMETERS: Mapping[str, Body] = {
    "C": _VALUES["C"],
    "D": _VALUES["D"],
    "I": {"type": "string", "pattern": "^[0-9]+$"},
}
"""The same in a path or a query, where everything is text."""
_LIMITED = ("C", "M")
"""Types whose `length` is a number of characters."""


def _answer(served: Entry) -> Body:
    """Schema of the answer: a list where every parameter is a filter that may be left out, otherwise one object."""
    one = _object(served["response"], _VALUES, closed=False)
    return one if any(item["required"] for item in served["params"]) else {"type": "array", "items": one}


def _object(items: Sequence[Entry], types: Mapping[str, Body], *, closed: bool) -> Body:
    return {
        "type": "object",
        "properties": dict(_properties(items, types)),
        "required": [item["name"] for item in items if item["required"]],
        "additionalProperties": not closed,
    }


def _properties(items: Iterable[Entry], types: Mapping[str, Body]) -> Iterable[tuple[str, Body]]:
    for item in items:
        schema = {"title": item["label"], **types[item["type"]]}
        is_limited = item["type"] in _LIMITED or types is _PARAMETERS
        yield item["name"], {**schema, "maxLength": item["length"]} if is_limited else schema
