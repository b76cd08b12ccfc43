"""Applications led through a running catalog: how an entry is shared, who signs what, what gateways come to know."""

from typing import Any

import asyncpg

from harness.cases import ASKING, ASKING_HEAD, GIVING, GIVING_HEAD, LAWFUL, WHOLE, Cases
from harness.catalog import RESOURCE, RESOURCE_CODE
from runtime.db import plain
from wire.catalog import Grant

INTERFACE_ID = "rsj-social-insurance/v1"
NAMED = {"interface": INTERFACE_ID, "system": "zjj-housing"}
REFUSAL = {"reason": "与履行法定职责无关", "legal_basis": [LAWFUL]}
SHARES = {
    "conditional": RESOURCE["share"],
    "unconditional": {"type": "unconditional"},
    "none": {"type": "none", "reason": "涉及个人隐私", "legal_basis": [{"law": "个人信息保护法", "rank": "法律"}]},
    "compare": {
        "type": "none", "mode": "compare", "reason": "涉税", "legal_basis": [{"law": "税收征收管理法", "rank": "法律"}],
    },
}  # fmt: skip
PUBLIC_SERVICE = {"kind": "public_service_operator"}
COPY = {"method": "file", "why": "断网环境使用"}


async def offer(cases: Cases, share: str) -> None:
    """The entry is shared in one of the ways of SHARES."""
    await cases.catalog.put(f"/resources/{RESOURCE_CODE}", {**RESOURCE, "share": SHARES[share]})


async def applied(cases: Cases, **details: Any) -> dict[str, Any]:
    return await cases.opened("application", ASKING, details={**WHOLE, **details}, **NAMED)


async def handed_in(cases: Cases, to: str = "submitted", **details: Any) -> dict[str, Any]:
    """An application that both officer and head of the requester have let go (国务院令第809号 20)."""
    case = await applied(cases, **details)
    await cases.stepped(case, "submit", ASKING, "internal_sign")
    return await cases.stepped(case, "sign", ASKING_HEAD, to)


async def agreed(cases: Cases, case: dict[str, Any], to: str = "provisioning", **reply: Any) -> dict[str, Any]:
    """The reply is yes, drafted by the provider's officer and signed by its head (国务院令第809号 20)."""
    await cases.stepped(case, "agree", GIVING, "reply_sign", **reply)
    return await cases.stepped(case, "confirm", GIVING_HEAD, to)


async def in_use(cases: Cases, case: dict[str, Any]) -> Grant:
    """The grant as gateways know it, once every one of them acts on it."""
    await cases.poll()
    await cases.until(case, "granted")
    return await grant_of(cases, case)


async def grant_of(cases: Cases, case: dict[str, Any]) -> Grant:
    shown = await cases.shown(case)
    [grant] = [grant for grant in (await cases.catalog.snapshot()).grants if grant.id == shown["grant"]]
    return grant


async def refused(cases: Cases, status: int, code: str, *step: Any, **evidence: Any) -> dict[str, Any]:
    answer = await cases.step(*step, **evidence)
    document = dict(answer.json())
    assert (answer.status_code, document["code"]) == (status, code), answer.text
    return document


async def rows(cases: Cases, table: str) -> int:
    """How many rows a table of the catalog has."""
    connection = await asyncpg.connect(plain(cases.catalog.database.url))
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM catalog.{table}"))
    finally:
        await connection.close()
