"""People of a home: the first one's link, and whoever signed in at this terminal (`tongdao login`)."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from runtime.http import Client, Response, sync_client
from tongdao_cli.governed import Consumer
from tongdao_cli.home import CannotStart, Home, write_private
from tongdao_cli.keys import OPERATOR, Secrets, public
from tongdao_cli.services import Plan
from wire import scopes
from wire.assertions import TYPE, client_assertion

PEOPLE = "/oauth2/people"
CLIENT = "tongdao-cli"
CALLBACK = "/callback"
FIRST = {"login": "security", "name": "安全管理员", "department": "platform", "roles": ["security-administrator"]}
PATIENCE_S = 300
EARLY_S = 20
"""A token is renewed so long before its end."""
DONE = "<!doctype html><meta charset=utf-8><title>Tongdao</title><p>已登录，可关闭本页 · Signed in; close this.</p>"


def first_link(plan: Plan) -> str:
    """The one-time link of the first security administrator, "" once they have come in. Kept in the home, 0600."""
    gateway, file = plan.url("gateway"), plan.home.secrets / "first-security-administrator.json"
    with sync_client(gateway) as client:
        operator = Consumer(client, gateway, plan.secrets, OPERATOR)
        if not file.exists():
            answer = operator.send("POST", PEOPLE, FIRST)
            if answer.status_code == 409:  # another home of this database has the link
                return ""
            write_private(file, _accepted(answer))
        kept = json.loads(file.read_text())
        number = kept["person"]["id"]
        found = operator.send("GET", f"{PEOPLE}/{number}")
        if found.status_code == 404 or (found.is_success and found.json()["standing"] != "invited"):
            return ""
        if kept["until"] < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()):
            kept = _accepted(operator.send("POST", f"{PEOPLE}/{number}/invitation"))
            write_private(file, kept)
        return f"{gateway}{urlsplit(kept['link']).path}"


def _accepted(answer: Response) -> dict[str, Any]:
    if not answer.is_success:
        raise CannotStart(f"identity refused: {answer.status_code} {answer.text[:300]}")
    told: dict[str, Any] = answer.json()
    return told


class Me:
    """Whoever signed in here. Their tokens lie in the home, readable by its owner alone."""

    def __init__(self, home: Home, gateway: str, client: Client) -> None:
        self._home = home
        self._gateway = gateway
        self._client = client
        self._file = home.secrets / "person.json"
        self._secrets = Secrets(home)

    def sign_in(self, show: Callable[[str], None]) -> dict[str, Any]:
        """Have somebody sign in at their browser; `show` gets the address. Answers who it was."""
        self._register()
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        with HTTPServer(("127.0.0.1", 0), _Callback) as server:
            back = f"http://127.0.0.1:{server.server_port}{CALLBACK}"
            show(f"{self._gateway}/login/authorize?{urlencode(self._asked(back, verifier, state))}")
            told = _wait(server)
        if told.get("state") != state or told.get("iss") != self._gateway or "code" not in told:
            raise CannotStart(f"nobody signed in ({told.get('error', 'the answer is not for this request')})")
        self._take(grant_type="authorization_code", code=told["code"], redirect_uri=back, code_verifier=verifier)
        answer = self._client.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {self.token()}"})
        return _accepted(answer)

    def _asked(self, back: str, verifier: str, state: str) -> dict[str, str]:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return {
            "response_type": "code", "client_id": CLIENT, "redirect_uri": back, "state": state,
            "scope": " ".join(("openid", "profile", *scopes.ALL)), "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip

    def _register(self) -> None:
        operator = Consumer(self._client, self._gateway, self._secrets, OPERATOR)
        body = {
            "department": "platform", "scope": " ".join(scopes.ALL), "method": "private_key_jwt",
            "jwks": {"keys": [public(self._secrets.system(CLIENT))]},
            "grants": ["authorization_code", "refresh_token"], "redirect_uris": [f"http://127.0.0.1{CALLBACK}"],
        }  # fmt: skip
        _accepted(operator.send("PUT", f"/oauth2/clients/{CLIENT}", body))

    def token(self) -> str:
        """An access token of theirs, renewed where it is about to end; raises CannotStart if nobody signed in."""
        if not self._file.exists():
            raise CannotStart("nobody signed in here; sign in with `tongdao login`")
        kept = json.loads(self._file.read_text())
        if kept["ends"] < time.time() + EARLY_S:
            kept = self._take(grant_type="refresh_token", refresh_token=kept["refresh_token"])
        return str(kept["access_token"])

    def _take(self, **form: str) -> dict[str, Any]:
        assertion = client_assertion(CLIENT, self._gateway, self._secrets.key_of(CLIENT), time.time())
        proof = {"client_assertion_type": TYPE, "client_assertion": assertion}
        answer = self._client.post("/oauth2/token", data={**form, **proof})
        if answer.status_code == 400:
            self._file.unlink(missing_ok=True)
            raise CannotStart("the session has ended; sign in again with `tongdao login`")
        told = _accepted(answer)
        kept = {name: told[name] for name in ("access_token", "refresh_token", "scope")}
        kept["ends"] = time.time() + told["expires_in"]
        write_private(self._file, kept)
        return kept


class _Callback(BaseHTTPRequestHandler):
    """Takes one answer of the authorization endpoint."""

    timeout = 10

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != CALLBACK:
            self.send_error(404)
            return
        self.server.told = dict(parse_qsl(parts.query))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(DONE.encode())

    def log_message(self, *_: Any) -> None:
        """The address holds a code: nothing of it is printed."""


def _wait(server: HTTPServer) -> dict[str, str]:
    """What came back, {} where nobody came in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not (told := getattr(server, "told", None)) and (left := deadline - time.monotonic()) > 0:
        server.timeout = left
        server.handle_request()
    return told or {}
