"""The demo city's people in system tests: officers and heads of departments, authority, government, a person concerned.

Everything goes through the gateway's public address, each with a key of their own.
"""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import asyncpg

from harness.members import Authority, Member, Officer
from harness.platform import Platform
from runtime.http import Client, Response
from tongdao_cli.demo import messages
from tongdao_cli.story import question_of
from wire import scopes

AUTHORITY_DEPARTMENT = "dsjj"
PATIENCE_S = 90.0
"""A step that nobody decides comes within a second or two; a gateway that was stopped is waited for half a minute."""
Case = dict[str, Any]
BASIS = {"law": "个人信息保护法", "article": "第三十四条", "rank": "法律"}


class City:
    """People made when first asked for."""

    def __init__(self, platform: Platform, client: Client, operator: Authority) -> None:
        self.operator = operator
        self._platform = platform
        self._client = client
        self._people: dict[tuple[str, str], Officer] = {}
        self.examples = messages(platform.url("sample-providers"), platform.home.files.as_uri()).examples

    def officer(self, department: str) -> Officer:
        return self._person(department, scopes.OFFICER)

    def head(self, department: str) -> Officer:
        return self._person(department, scopes.HEAD)

    @cached_property
    def authority(self) -> Officer:
        return self._person(AUTHORITY_DEPARTMENT, scopes.AUTHORITY)

    @cached_property
    def second(self) -> Officer:
        """Another officer of the authority, for what one may not approve alone."""
        return self.operator.officer(AUTHORITY_DEPARTMENT, scopes.AUTHORITY, "dsjj-second")

    @cached_property
    def subject(self) -> Officer:
        return self.operator.officer("persons", scopes.SUBJECT, "person-one")

    def _person(self, department: str, office: str) -> Officer:
        key = (department, office)
        if key not in self._people:
            self._people[key] = self.operator.officer(department, office)
        return self._people[key]

    def puts_in_force(self, profile: str) -> None:
        """Drafts need the override, and get it here."""
        body = {"profile": profile, "reason": "情景检验", "override": True}
        self.authority.sends("POST", "/policy/profile", body)

    def calls(self, system: Member, interface: str, case: str = "") -> Response:
        """The catalogue's example question, asked by `system`."""
        question = question_of(self.examples[interface])
        headers = {"Tongdao-Case": case} if case else {}
        if question.data is not None:
            headers["Content-Type"] = "application/json"
        return system.call(question.method, question.interface, headers, content=question.data)

    def applies(self, system: Member, department: str, interface: str, **details: Any) -> Case:
        """A complete application, as far as `details` do not say otherwise."""
        form = {
            "purpose": "检验", "duty": "依法履职", "scene": "窗口办理", "scope": "本部门", "term_months": 12,
            "basis": [BASIS], "fields": self._fields(interface), **details,
        }  # fmt: skip
        form = {name: value for name, value in form.items() if value is not None}
        return self.officer(department).opens(
            "application", system=system.name, interface=f"{interface}/v1", details=form
        )

    def _fields(self, interface: str) -> list[str]:
        shown = self.officer("jyj").sends("GET", f"/interfaces/{interface}/versions/v1")
        return [field["name"] for field in shown["fields"]]

    def decides(self, case: Case, until: str = "granted") -> list[str]:
        """The states that an application goes through when everybody says yes; ends in `until`."""
        states = [case["state"]]
        deadline = time.monotonic() + PATIENCE_S
        while case["state"] != until:
            assert time.monotonic() < deadline, case
            case = self._agreed_to(case)
            if case["state"] != states[-1]:
                states.append(case["state"])
        return states

    def _agreed_to(self, case: Case) -> Case:
        asking, holding = case["requester"], case["provider"]
        match case["state"]:
            case "draft":
                return self.officer(asking).does(case, "submit")
            case "internal_sign":
                return self.head(asking).does(case, "sign")
            case "upper_hop":
                hops = case["decision"].get("hops", 0)
                return (self.second if hops else self.authority).does(case, "forward")
            case "submitted":
                return self.officer(holding).does(case, "accept")
            case "provider_review" | "negotiating":
                return self.officer(holding).does(case, "agree")
            case "reply_sign":
                return self.head(holding).does(case, "confirm")
            case "agreed":
                return self.authority.does(case, "file", filing_no="备〔2026〕1号")
            case "authority_review":
                return self.authority.does(case, "approve")
            case _:
                time.sleep(0.1)
                return self.authority.sees(case)

    def lets_time_pass(self, case: Case) -> None:
        """As if the case's limits had just run out: the past is written into the database, the worker does the rest."""
        asyncio.run(_backdate(self._platform.database_url, case["id"]))


async def _backdate(database_url: str, case_id: str) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("SELECT id, entry FROM catalog.clock WHERE subject_id = $1", case_id)
        for row in rows:
            entry = {**json.loads(row["entry"]), "due_at": past.isoformat(), "latest_due_at": past.isoformat()}
            await connection.execute(
                "UPDATE catalog.clock SET entry = $2, due_at = $3, next_look_at = $3 WHERE id = $1",
                row["id"], json.dumps(entry).encode(), past,
            )  # fmt: skip
    finally:
        await connection.close()
