"""People of a home: the first one's link, and whoever signed in at this terminal (`tongdao login`)."""

import base64
import fcntl
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
SECURITY = "security-administrator"
FIRST = {"login": "security", "name": "安全管理员", "department": "platform", "roles": [SECURITY]}
NAMES = 100
"""More than so many were not invited one after another."""
CONFLICT, GONE = 409, 404
KEYS_AT_MOST = 4
PATIENCE_S = 300
EARLY_S = 20
"""A token is renewed so long before its end."""
DONE = "<!doctype html><meta charset=utf-8><title>Tongdao</title><p>已登录，可关闭本页 · Signed in; close this.</p>"


def first_link(plan: Plan) -> str:
    """A one-time link for a security administrator where none is active, "" where one is. Kept in the home, 0600.

    So it is at the first start, and again when the only one was suspended or lost the role: somebody new is invited.
    """
    gateway, file = plan.url("gateway"), plan.home.secrets / "first-security-administrator.json"
    with sync_client(gateway) as client:
        operator = Consumer(client, gateway, plan.secrets, OPERATOR)
        administrators = [one for one in _everybody(operator) if SECURITY in one["roles"]]
        if any(one["standing"] == "active" for one in administrators):
            return ""
        kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"person": {"id": ""}}
        invited = [one["id"] for one in administrators if one["standing"] == "invited"]
        if not invited:
            kept = _invite_first(operator)
        elif kept["person"]["id"] not in invited:  # another home of this database has their link
            return ""
        elif kept["until"] < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()):
            kept = _accepted(operator.send("POST", f"{PEOPLE}/{kept['person']['id']}/invitation"))
        elif client.get(urlsplit(kept["link"]).path).status_code == GONE:  # somebody was given a newer one
            return ""
        write_private(file, kept)
        return f"{gateway}{urlsplit(str(kept['link'])).path}"


def _everybody(operator: Consumer) -> Iterator[dict[str, Any]]:
    page: list[dict[str, Any]] = [{"login": ""}]
    while page:
        page = _accepted(operator.send("GET", f"{PEOPLE}?after={page[-1]['login']}"))["people"]
        yield from page


def _invite_first(operator: Consumer) -> dict[str, Any]:
    """Somebody new with the role, under the first name that nobody had before."""
    for number in range(1, NAMES):
        login = FIRST["login"] if number == 1 else f"{FIRST['login']}-{number}"
        answer = operator.send("POST", PEOPLE, {**FIRST, "login": login})
        if answer.status_code != CONFLICT:
            break
    return _accepted(answer)


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
        self._lock = home.secrets / "person.lock"
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
        with self._alone():
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
        """Make this home's key good for the client of terminals, beside those of other homes. Takes the operator's."""
        operator = Consumer(self._client, self._gateway, self._secrets, OPERATOR)
        known = operator.send("GET", f"/oauth2/clients/{CLIENT}")
        registered = _accepted(known)["jwks"]["keys"] if known.is_success else []
        keys = with_key(registered, public(self._secrets.system(CLIENT)), time.time())
        if keys is None:
            return
        body = {
            "department": "platform", "scope": " ".join(scopes.ALL), "method": "private_key_jwt",
            "jwks": {"keys": keys},
            "grants": ["authorization_code", "refresh_token"], "redirect_uris": [f"http://127.0.0.1{CALLBACK}"],
        }  # fmt: skip
        _accepted(operator.send("PUT", f"/oauth2/clients/{CLIENT}", body))

    def token(self) -> str:
        """An access token of theirs, renewed where it is about to end; raises CannotStart if nobody signed in."""
        with self._alone():
            if not self._file.exists():
                raise CannotStart("nobody signed in here; sign in with `tongdao login`")
            kept = json.loads(self._file.read_text())
            if kept["ends"] < time.time() + EARLY_S:
                kept = self._take(grant_type="refresh_token", refresh_token=kept["refresh_token"])
            return str(kept["access_token"])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time: a refresh token that is used twice ends the session."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

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


def with_key(registered: list[dict[str, Any]], own: dict[str, Any], now: float) -> list[dict[str, Any]] | None:
    """The keys to register so that our own counts too, None where it does already. `now` is Unix seconds."""
    good = [key for key in registered if key.get("until", now + 1) > now]
    if any((key["x"], key["y"], key["kid"]) == (own["x"], own["y"], own["kid"]) for key in good):
        return None
    others = [key for key in good if key["kid"] != own["kid"]]
    return [*others[1 - KEYS_AT_MOST :], own]


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
