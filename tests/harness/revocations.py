"""Ways to take away what a system may do, and who asks on while it happens."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from harness.members import Authority, Member
from harness.platform import Platform
from runtime.http import Client, sync_client
from wire.assertions import TYPE, TokenRefused, client_assertion

INTERFACE = "sthjj-air-quality/v1"
FIELDS = ["aqi"]
DEPARTMENT = "of-revocations"
"""Of its own: to suspend it disturbs nobody else."""
REFUSED = (401, 403)
KNOWN_S = 15.0


@dataclass(frozen=True)
class Way:
    """One thing that can be taken away. `take` is given the token in use; `code` is what the gateway says then."""

    name: str
    take: Callable[[str], object]
    give_back: Callable[[], object]
    code: str


def asker(authority: Authority, name: str) -> Member:
    """A system with a grant, of the department that may be suspended."""
    authority.send("PUT", f"/api/catalog/departments/{DEPARTMENT}", {"name": "撤销检验"})
    member = authority.system(name, DEPARTMENT)
    authority.grant(member.name, INTERFACE, FIELDS)
    return member


def ways(platform: Platform, authority: Authority, client: Client, member: Member) -> list[Way]:
    """Token, client, system and department of this member."""
    reason = {"reason": "检验"}

    def revoke_token(token: str) -> None:
        assertion = client_assertion(member.name, platform.gateway, member.key, time.time())
        form = {"token": token, "client_assertion_type": TYPE, "client_assertion": assertion}
        answer = client.post("/oauth2/revoke", data=form)
        assert answer.status_code == 200, answer.text

    def of_client(standing: str) -> Any:
        path = f"/oauth2/clients/{member.name}/standing"
        return authority.send("POST", path, {"standing": standing, **reason})

    def of_catalog(thing: str, act: str) -> Any:
        return authority.send("POST", f"/api/catalog/{thing}/{act}", reason)

    system, department = f"systems/{member.name}", f"departments/{DEPARTMENT}"
    return [
        Way("token", revoke_token, lambda: None, "token/invalid"),
        Way("client", lambda _: of_client("suspended"), lambda: of_client("active"), "token/invalid"),
        Way(
            "system", lambda _: of_catalog(system, "suspend"), lambda: of_catalog(system, "resume"), "system/suspended"
        ),
        Way(
            "department", lambda _: of_catalog(department, "suspend"), lambda: of_catalog(department, "resume"),
            "department/suspended",
        ),
    ]  # fmt: skip


def ask(client: Client, token: str) -> Any:
    """One call with this token."""
    return client.get(f"/x/{INTERFACE}", headers={"Authorization": f"Bearer {token}"})


def wait_for(client: Client, token: str, code: str) -> None:
    """Until the gateway says this code, "" for yes; from then on it never says another."""
    deadline = time.monotonic() + KNOWN_S
    while (said := _code(ask(client, token))) != code:
        assert time.monotonic() < deadline, f"{client.base_url} says {said or 'yes'}, not {code or 'yes'}"
        time.sleep(0.02)


def _code(answer: Any) -> str:
    return "" if answer.status_code == 200 else str(answer.json()["code"])


def admitted(gateways: list[str], member: Member) -> str:
    """A token of this member that every gateway takes; one of the same second as a revocation is not taken."""
    deadline = time.monotonic() + KNOWN_S
    while not _all_take(gateways, token := _token(member)):
        assert time.monotonic() < deadline, f"{member.name} is not admitted everywhere"
        time.sleep(0.1)
    return token


def _token(member: Member) -> str:
    """ "" while identity has not heard that what was taken away was given back."""
    try:
        return member.token()
    except TokenRefused:
        return ""


def _all_take(gateways: list[str], token: str) -> bool:
    if not token:
        return False
    with ExitStack() as clients:
        return all(ask(clients.enter_context(sync_client(one)), token).status_code == 200 for one in gateways)


class Watch:
    """Asks one gateway on and on with one token, until it was refused so often in a row."""

    IN_A_ROW, PAUSE_S, PATIENCE_S = 10, 0.01, 60.0

    def __init__(self, gateway: str, token: str) -> None:
        self._gateway = gateway
        self._token = token
        self.last_allowed = float("-inf")
        """When the last call that was allowed began, monotonic seconds."""
        self.statuses: dict[int, int] = {}
        self._seen = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        assert self._seen.wait(KNOWN_S), f"{self._gateway} allows nothing"
        return self

    def __exit__(self, *_raised: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        refusals, deadline = 0, time.monotonic() + self.PATIENCE_S
        with sync_client(self._gateway, timeout_s=30) as client:
            while refusals < self.IN_A_ROW and time.monotonic() < deadline:
                began = time.monotonic()
                status = ask(client, self._token).status_code
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status == 200:
                    self.last_allowed, refusals = began, 0
                    self._seen.set()
                else:
                    refusals += 1
                time.sleep(self.PAUSE_S)
