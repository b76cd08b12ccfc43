"""Registering every kind of provider over HTTP: what is refused by which rule, who sees what, and maintenance."""

import json
import time
from typing import Any

import pytest
from httpx2 import Response
from msgspec.structs import replace

from catalog_service.directory.maintenance import FARTHEST_S, LONGEST_S
from catalog_service.directory.model import Interface
from harness.catalog import Catalog
from harness.entries import (
    BODY,
    INTERFACE,
    OFFICER,
    STRANGER,
    TEXT,
    V1,
    events,
    furnish,
    notices,
    refused,
    subscribe,
    taken,
)
from harness.registrations import FILES, IMPORTING, REST, SOAP, TABLE, body_of
from wire.catalog import Example, MaskRule, Soap

pytestmark = pytest.mark.anyio
NEW = "/interfaces/rsj-insured/versions/v1"
KINDS = [pytest.param(one, id=f"REG-{name}") for name, one in (
    ("rest", REST), ("soap", SOAP), ("table", TABLE), ("files", FILES),
)]  # fmt: skip


@pytest.mark.requirement("REG-05")
@pytest.mark.parametrize("interface", KINDS)
async def test_each_kind_is_registered_published_and_shown_without_its_inside(
    catalog: Catalog, interface: Interface
) -> None:
    await catalog.furnish()
    whole = replace(
        interface, credential="main", masks=[MaskRule(name="x-ends", head=1, tail=1, shortest=6)], examples=[Example()]
    )
    assert (await catalog.put(NEW, body_of(whole))).status_code == 201
    head = await catalog.head()
    assert (await catalog.put(NEW, body_of(whole))).status_code == 200
    assert await catalog.head() == head, "the same again is no news"
    [published] = [one for one in (await catalog.snapshot()).interfaces if one.id == "rsj-insured"]
    assert (published.adapter, published.credential) == (interface.adapter, "main")
    assert published.parameters is not None if interface is TABLE else published.parameters == interface.parameters

    own = (await catalog.ask("GET", NEW, by="rsj")).json()
    assert own["adapter"]["kind"] == (await catalog.ask("GET", NEW, by="zjj")).json()["adapter"]["kind"]
    grant = await catalog.give(interface="rsj-insured/v1", fields=["*"] if interface is FILES else ["paid"])
    for answer in (
        await catalog.ask("GET", NEW, by="zjj"), await catalog.ask("GET", "/interfaces", by="zjj"),
        await catalog.ask("GET", "/directory/json", by="zjj"), await catalog.internal(f"/dossiers/{grant}"),
    ):  # fmt: skip
        for secret in ("rsj.example", "v_insured", "sfzh", "definitions", '"main"', "/boundaries", "10.1.0.0"):
            assert secret not in answer.text.replace('"main":', "")
    document = (await catalog.ask("GET", "/directory/json")).json()
    again = (await catalog.ask("POST", "/directory/json", document)).json()
    assert (again["created"], again["changed"]) == ([], [])


async def sent(catalog: Catalog, method: str, path: str, body: Any) -> Response:
    """In ASCII, so that halves of characters can be sent."""
    headers = {"Authorization": f"Bearer {catalog.token()}", "Content-Type": "application/json"}
    return await catalog.client.request(method, path, content=json.dumps(body), headers=headers)


HOSTILE: dict[str, tuple[dict[str, Any], str, str]] = {
    "REG-http-address": ({"base_url": "http://169.254.169.254/"}, "base_url", "address/forbidden"),
    "REG-http-scheme": ({"base_url": "ftp://rsj.example"}, "base_url", "url/scheme"),
    "REG-http-user": ({"base_url": "http://user:secret@rsj.example"}, "base_url", "url/userinfo"),
    "REG-http-host": ({"base_url": "http://0x7f.1/"}, "base_url", "host/number"),
    "REG-http-network": ({"networks": ["0.0.0.0/0"]}, "networks/0", "network/too-wide"),
    "S-23-http-ref": ({"response": {"$ref": "http://evil.example/"}}, "response/$ref", "schema/remote-ref"),
    "S-23-http-ref-half-a-character": (
        {"response": {"\ud800": {"$ref": "x"}}}, "response/?/$ref", "schema/remote-ref"),
    "S-24-http-import": (
        body_of(replace(SOAP, adapter=Soap(wsdl=IMPORTING))), "adapter/wsdl", "wsdl/remote-import"),
}  # fmt: skip


@pytest.mark.requirement("REG-01")
@pytest.mark.parametrize("case", HOSTILE, ids=str)
async def test_what_leads_elsewhere_is_refused_with_400_and_its_rule(catalog: Catalog, case: str) -> None:
    changes, path, rule = HOSTILE[case]
    head = await catalog.head()
    document = refused(await sent(catalog, "PUT", NEW, {**body_of(REST), **changes}), 400, "registration/forbidden")
    assert [(one["path"], one["rule"]) for one in document["errors"]] == [(f"/body/{path}", rule)]
    assert document["errors"][0]["error"]
    assert "secret" not in str(document)
    imported = {
        "format": "tongdao-directory/1",
        "interfaces": [{**body_of(REST), **changes, "id": "a", "version": "v1"}],
    }
    document = refused(await sent(catalog, "POST", "/directory/json", imported), 400, "registration/forbidden")
    assert document["errors"][0]["path"] == f"/body/interfaces/0/{path}"
    assert await catalog.head() == head


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "REG-form-kind": ({"adapter": {"kind": "ftp"}}, "adapter"),
    "REG-form-no-kind": ({"adapter": {}}, "adapter"),
    "REG-form-stray": ({"adapter": {"kind": "files", "password": "x"}}, "adapter/files/password"),
    "REG-form-wsdl": ({"adapter": {"kind": "soap", "wsdl": "<a>\ud800</a>"}}, "adapter/soap/wsdl"),
    "REG-form-wsdl-long": ({"adapter": {"kind": "soap", "wsdl": "x" * 600_000}}, "adapter/soap/wsdl"),
    "REG-form-rows": ({"adapter": {"kind": "table", "engine": "postgresql", "relation": "a", "most_rows": "9"}},
                      "adapter/table/most_rows"),
    "REG-form-engine": ({"adapter": {"kind": "table", "engine": "sqlite", "relation": "a"}}, "adapter/table/engine"),
    "REG-form-mode": ({"mode": "everything"}, "mode"),
    "REG-form-maintenance": ({"maintenance": []}, "maintenance"),
    "REG-form-example": ({"examples": [{"response": {"a": 10**40}}]}, "examples/0/response"),
    "REG-form-example-status": ({"examples": [{"status": 99}]}, "examples/0/status"),
    "REG-form-mask": ({"masks": [{"name": "x-a", "head": -1}]}, "masks/0/head"),
    "REG-form-credential": ({"credential": "A B"}, "credential"),
    "REG-form-consent": ({"consent_required": True}, "subject"),
    "REG-form-example-misfit": ({"examples": [{"values": {"nobody": "x"}}]}, "examples/0/values"),
}  # fmt: skip


@pytest.mark.requirement("REG-02", "REG-03")
@pytest.mark.parametrize("case", MALFORMED, ids=str)
async def test_what_cannot_work_is_refused_with_422_and_its_place(catalog: Catalog, case: str) -> None:
    changes, path = MALFORMED[case]
    document = refused(await sent(catalog, "PUT", NEW, {**body_of(REST), **changes}), 422, "request/invalid")
    assert document["errors"][0]["path"] == f"/body/{path}"


@pytest.mark.requirement("REG-04")
async def test_users_of_a_version_go_on_understanding_it(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    await catalog.put(V1, {**INTERFACE, "mode": "compare"})
    document = refused(await OFFICER.does(catalog, "PUT", V1, INTERFACE), 409, "request/conflict")
    assert document["breaks"] == ["more is told: query instead of compare"]
    for stricter in ({"mode": "verify"}, {"mode": "compare", "adapter": {"kind": "rest", "request_format": "form"}}):
        refused(await OFFICER.does(catalog, "PUT", V1, {**INTERFACE, **stricter}), 409, "interface/breaking-change")


# --- maintenance ----------------------------------------------------------------------------------------------------
def window(begins: int, until: int, reason: str = "") -> dict[str, Any]:
    return {"begins": begins, "until": until, "reason": reason}


@pytest.mark.requirement("REG-06")
async def test_maintenance_is_announced_to_users_and_gateways(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    await subscribe(catalog)
    head, now = await catalog.head(), int(time.time())
    over, soon, later = (
        window(now - 900, now - 60),
        window(now + 60, now + 3600, "升级"),
        window(now + 9000, now + 9900),
    )
    for person, status in ((STRANGER, 403), (OFFICER, 200), (OFFICER, 200)):
        answer = await person.does(catalog, "PUT", f"{V1}/maintenance", {"windows": [later, soon, over]})
        assert answer.status_code == status, answer.text
    assert answer.json() == {"windows": [soon, later]}
    [entry] = (await catalog.feed(head)).entries
    assert (entry.kind, entry.id) == ("interface", "gaj-household/v1")
    assert [one.begins for one in (await catalog.snapshot()).interfaces[0].maintenance] == [now + 60, now + 9000]

    [told] = await notices(catalog, STRANGER)
    assert (told["word"], "升级" in told["text"]["zh"]) == ("interface.maintenance", True)
    taken(await OFFICER.does(catalog, "PUT", V1, {**INTERFACE, "timeout_s": 3}))
    assert len((await OFFICER.does(catalog, "GET", V1)).json()["maintenance"]) == 2, (
        "registering again changes nothing of it"
    )
    taken(await OFFICER.does(catalog, "PUT", f"{V1}/maintenance", {"windows": []}))
    assert [one["word"] for one in await notices(catalog, STRANGER)][-1] == "interface.maintenance_cancelled"
    assert await events(catalog, "interface.maintenance") == ["interface.maintenance"] * 2


WINDOWS = {
    "REG-window-backwards": ([window(9, 8)], "windows/0/until"),
    "REG-window-empty": ([window(8, 8)], "windows/0/until"),
    "REG-window-long": ([window(0, LONGEST_S + 1)], "windows/0/until"),
    "REG-window-far": ([window(FARTHEST_S + 10, FARTHEST_S + 20)], "windows/0/until"),
    "REG-window-overlap": ([window(0, 60), window(59, 90)], "windows"),
    "REG-window-many": ([window(n, n + 1) for n in range(51)], "windows"),
    "REG-window-negative": ([window(-(10**12), 5)], "windows/0/begins"),
}


@pytest.mark.requirement("REG-06")
@pytest.mark.parametrize("case", WINDOWS, ids=str)
async def test_a_window_is_short_ahead_and_by_itself(catalog: Catalog, case: str) -> None:
    windows, path = WINDOWS[case]
    await catalog.furnish()
    now = 0 if case == "REG-window-negative" else int(time.time())
    shifted = [{**one, "begins": one["begins"] + now, "until": one["until"] + now} for one in windows]
    where = "/interfaces/rsj-social-insurance/versions/v1/maintenance"
    document = refused(await catalog.ask("PUT", where, {"windows": shifted}), 422, "request/invalid")
    assert document["errors"][0]["path"] == f"/body/{path}"
    refused(await catalog.ask("PUT", where.replace("v1", "v9"), {"windows": []}), 404, "interface/unknown")
