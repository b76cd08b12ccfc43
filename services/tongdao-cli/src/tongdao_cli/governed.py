"""A governed call as a department's system makes it: token, question, answer, receipt, proof."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.http import Client, HTTPError, Response
from tlog import receipt as receipts
from tongdao_cli.home import CannotStart
from tongdao_cli.key_files import Keyring
from wire.assertions import TokenRefused, fetch_token

RECEIPT_S = 15.0
"""A checkpoint comes every second while there is work; this is patience for a busy machine."""
POLL_S = 0.1


class NoReceipt(Exception):
    """The log gave no receipt; the message says what it answered."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What to ask. `interface` is "id/v1"; `path` is what follows it, "" or with a leading slash.

    mode     `verify` or `compare`: `data` holds claims, and is posted
    sandbox  answered from examples
    """

    interface: str
    method: str = "GET"
    path: str = ""
    query: Sequence[tuple[str, str]] = ()
    data: bytes | None = None
    case: str = ""
    headers: Mapping[str, str] | None = None
    consent: str = ""
    mode: str = ""
    sandbox: bool = False

    @property
    def target(self) -> str:
        """The address at the gateway, without the query."""
        door = "sandbox" if self.sandbox else "x"
        return f"/{door}/{self.interface}{f':{self.mode}' if self.mode else ''}{self.path}"


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it took seen from here."""

    response: Response
    took_ms: float

    @property
    def record(self) -> str:
        """The call's id in the log, "" where nothing was recorded."""
        return str(self.response.headers.get("tongdao-record", ""))


class Consumer:
    """One client at its gateway; `client` stands at the gateway's address, which is also the issuer."""

    def __init__(self, client: Client, issuer: str, keys: Keyring, name: str) -> None:
        self._client = client
        self._issuer = issuer
        self._key = keys.key_of(name)
        self._name = name
        self._tokens: dict[str, str] = {}

    def token(self, scope: str = "") -> str:
        """An access token, fetched once per scope; raises CannotStart if nobody answers or it is refused."""
        if scope not in self._tokens:
            try:
                self._tokens[scope] = fetch_token(self._client, self._issuer, self._name, self._key, scope)
            except HTTPError as error:
                raise CannotStart(f"no token for {self._name} ({error}); does `tongdao up` run?") from None
            except TokenRefused as error:
                raise CannotStart(f"no token for {self._name}: {error}; {_hint(error)}") from None
        return self._tokens[scope]

    def ask(self, question: Question) -> Answer:
        """Make the call, whatever the answer is."""
        headers = {"Authorization": f"Bearer {self.token()}", **(question.headers or {})}
        if question.case:
            headers["Tongdao-Case"] = question.case
        if question.consent:
            headers["Tongdao-Consent"] = question.consent
        if question.data is not None:
            headers.setdefault("Content-Type", "application/json")
        began = time.perf_counter()
        response = self._client.request(
            question.method, question.target, params=list(question.query) or None, content=question.data,
            headers=headers,
        )  # fmt: skip
        return Answer(response, (time.perf_counter() - began) * 1000)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
        """Ask one of the platform's own addresses, such as /api/catalog/cases."""
        return self._client.request(method, path, json=body, headers={"Authorization": f"Bearer {self.token()}"})

    def send_bytes(self, path: str, content: bytes) -> Response:
        """Post a document as it is."""
        headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/octet-stream"}
        return self._client.post(path, content=content, headers=headers)

    def receipt(self, record: str, patience_s: float = RECEIPT_S) -> dict[str, object]:
        """The receipt of a call; waits while no checkpoint covers it yet. Raises NoReceipt."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        deadline = time.monotonic() + patience_s
        while True:
            response = self._client.get(f"/api/audit/records/{record}", headers=headers)
            if response.status_code == 200:
                return receipts.parse(response.content)
            if response.status_code != 202 or time.monotonic() > deadline:
                raise NoReceipt(f"the log answered {response.status_code} for record {record}: {response.text[:200]}")
            time.sleep(POLL_S)


def _hint(refused: TokenRefused) -> str:
    if refused.status >= 500:
        return "identity, or the log behind it, does not answer just now: try again, or look into the platform's logs"
    if refused.status == 429:
        return "too many attempts failed; wait a minute"
    return "that is the reason" if refused.description else "is it registered here, with this key?"


def outcome_of(leaves: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The leaf that says how the call ended; {} if it has not."""
    return next((leaf for leaf in leaves if leaf.get("phase") != "intent"), {})
