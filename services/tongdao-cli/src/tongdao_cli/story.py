"""What a new platform is given to do: the demo city is registered, then one governed call is made and proved."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from runtime.http import Client, HTTPError, sync_client
from tlog import receipt as receipts
from tlog.proofs import ProofError
from tongdao_cli.demo import DemoCatalog, Example, load, messages
from tongdao_cli.governed import Answer, Consumer, NoReceipt, Question, outcome_of
from tongdao_cli.home import CannotStart
from tongdao_cli.keys import OPERATOR, Secrets, public
from tongdao_cli.services import SAMPLE, Plan
from wire.scopes import CALL

SHOWN_SYSTEM, SHOWN_INTERFACE = "sthjj-emission", "gaj-vehicle-info"
"""Emission control asks for a vehicle: a conditional interface, a case number, one masked field."""
SHOWN_CASE = "YJ2026-000001"
KNOWN_S = 10.0
"""A gateway learns of a grant within a second; this is patience for a busy machine."""
NOT_YET = (403, 404, 503)
FILES = "boundaries"
"""Folder of files that comes with the sample departments."""


@dataclass(frozen=True)
class Shown:
    """One call and what came of it. `flaw` says why the receipt does not hold, "" if it does."""

    question: Question
    answer: Answer
    outcome: Mapping[str, Any]
    receipt: Mapping[str, object]
    flaw: str

    @property
    def is_good(self) -> bool:
        return self.answer.response.status_code == 200 and not self.flaw

    def as_line(self, ready_s: float) -> str:
        """One JSON object, for programs."""
        return json.dumps({
            "status": self.answer.response.status_code,
            "record": self.answer.record,
            "receipt": self.flaw or "verified",
            "fields_returned": self.outcome.get("fields_returned", 0),
            "fields_masked": self.outcome.get("fields_masked", 0),
            "ready_s": round(ready_s, 2),
            "call_ms": round(self.answer.took_ms, 2),
        })  # fmt: skip


def register(plan: Plan) -> bool:
    """Register the demo city and the keys of its systems; answers False if this very catalogue was there already."""
    catalog = _catalog(plan)
    _lay_out_files(plan)
    digest = hashlib.sha256(f"{catalog!r} {os.environ.get('DATABASE_URL', '')}".encode()).hexdigest()
    if plan.home.state().get("registered") == digest:
        return False
    gateway = plan.url("gateway")
    with sync_client(gateway) as client:
        token = Consumer(client, gateway, plan.secrets, OPERATOR).token()
        load(client, token, catalog)
        _register_keys(client, token, catalog, plan.secrets)
    plan.home.remember(registered=digest, systems=_system_of(catalog))
    return True


def _catalog(plan: Plan) -> DemoCatalog:
    return messages(plan.url(SAMPLE.name), plan.home.files.as_uri())


def _lay_out_files(plan: Plan) -> None:
    """The files that the demo's departments offer, into the home, where the exchange may read them."""
    into = plan.home.files / FILES
    into.mkdir(exist_ok=True)
    for file in files("sample_providers").joinpath(FILES).iterdir():
        (into / file.name).write_bytes(file.read_bytes())


def _register_keys(client: Client, token: str, catalog: DemoCatalog, secrets: Secrets) -> None:
    for system, department in catalog.clients.items():
        client_body = {
            "department": department,
            "scope": CALL,
            "method": "private_key_jwt",
            "jwks": {"keys": [public(secrets.system(system))]},
        }
        response = client.put(
            f"/oauth2/clients/{system}", json=client_body, headers={"Authorization": f"Bearer {token}"}
        )
        if response.status_code >= 300:
            raise CannotStart(f"identity refused the key of {system}: {response.status_code} {response.text[:500]}")


def _system_of(catalog: DemoCatalog) -> dict[str, str]:
    """Interface, with its mode if that is another than to query -> a system that holds such a grant."""
    held = ((grant.body, grant.body.get("mode", "")) for grant in reversed(catalog.grants))
    return {f"{body['interface']}{f':{mode}' if mode else ''}": body["system"] for body, mode in held}


def show(plan: Plan) -> Shown:
    """Make the call that is shown, fetch its receipt and check it against this home's own key."""
    example = _catalog(plan).examples[SHOWN_INTERFACE]
    gateway = plan.url("gateway")
    with sync_client(gateway) as client:
        consumer = Consumer(client, gateway, plan.secrets, SHOWN_SYSTEM)
        consumer.token()  # so that the call's time is the call's
        question = question_of(example)
        answer = _ask_until_known(consumer, question)
        return _proved(consumer, question, answer, plan.secrets.vkey())


def question_of(example: Example) -> Question:
    """The question behind one of the catalogue's examples; its target is already encoded."""
    data = None if example.body is None else json.dumps(example.body, ensure_ascii=False).encode()
    return Question(interface=example.target.removeprefix("/x/"), method=example.method, data=data, case=SHOWN_CASE)


def _ask_until_known(consumer: Consumer, question: Question) -> Answer:
    deadline = time.monotonic() + KNOWN_S
    while (answer := consumer.ask(question)).response.status_code in NOT_YET and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def _proved(consumer: Consumer, question: Question, answer: Answer, vkey: str) -> Shown:
    try:
        receipt = consumer.receipt(answer.record)
        outcome = outcome_of(receipts.verify(receipt, vkey))
    except (NoReceipt, ProofError, HTTPError) as error:
        return Shown(question, answer, {}, {}, str(error))
    flaw = "" if outcome.get("status") == answer.response.status_code else "the log tells of another status"
    return Shown(question, answer, outcome, receipt, flaw)
