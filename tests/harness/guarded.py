"""Providers that look at who asks: an origin with a guard at its door, and an authorization server (Authlib)."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator

from harness.origin import Line, Origin, origin


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: bytes
    fields: Mapping[bytes, bytes]
    body: bytes
    certificate: Mapping[str, Any]


Guard = Callable[[Asked], bool]


class Guarded:
    """A provider that answers those whom `guard` lets in, and 401 to everybody else."""

    def __init__(self, guard: Guard, answer: bytes = b'{"name":"Zhang San"}') -> None:
        self.guard = guard
        self.answer = answer
        self.status = b"200 OK"
        self.asked: list[Asked] = []
        self.refused = 0
        self.it: Origin

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.it.port}"

    async def script(self, line: Line) -> None:
        """Requests of one connection, one after the other."""
        while True:
            asked = _asked(line, *await line.request())
            self.asked.append(asked)
            lets_in = self.guard(asked)
            self.refused += not lets_in
            status, body = (self.status, self.answer) if lets_in else (b"401 Unauthorized", b"")
            head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            await line.say(head % (status, len(body)) + body)


def _asked(line: Line, head: bytes, body: bytes) -> Asked:
    first, *rest = head.rstrip(b"\r\n").split(b"\r\n")
    method, target, _ = first.split(b" ")
    fields = {name.lower(): value for name, value in (field.split(b": ", 1) for field in rest)}
    shown = line.writer.get_extra_info("peercert") or {}
    return Asked(method.decode(), target, fields, body, shown)


@asynccontextmanager
async def guarded(guard: Guard, **more: Any) -> AsyncIterator[Guarded]:
    """It runs until the end of the block. `tls` is a server's context."""
    one = Guarded(guard)
    async with origin(one.script, **more) as one.it:
        yield one


# --- an authorization server ----------------------------------------------------------------------------------------
class _Client(ClientMixin):  # type: ignore[misc]  # Authlib publishes no types
    def __init__(self, client_id: str, secrets: tuple[str, ...], method: str) -> None:
        self.client_id = client_id
        self.secrets = secrets
        self.method = method

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret in self.secrets

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""


class _Request(OAuth2Request):  # type: ignore[misc]  # Authlib publishes no types
    def __init__(self, form: Mapping[str, str], fields: Mapping[str, str]) -> None:
        super().__init__("POST", "http://localhost/oauth2/token", headers=fields)
        self.payload = BasicOAuth2Payload(form)
        self._form = form

    @property
    def form(self) -> Mapping[str, str]:
        return self._form


class _Grant(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib publishes no types
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class _Server(AuthorizationServer):  # type: ignore[misc]  # Authlib publishes no types
    def __init__(self, clients: Mapping[str, _Client], life_s: int) -> None:
        super().__init__()
        self.clients = clients
        self.good: set[str] = set()
        self.register_grant(_Grant)
        made = BearerTokenGenerator(lambda **_: uuid4().hex, expires_generator=lambda *_: life_s)
        self.register_token_generator("default", made)

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def query_client(self, client_id: str) -> _Client | None:
        return self.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        self.good.add(token["access_token"])

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any]:
        return status, body

    def send_signal(self, *args: object, **kwargs: object) -> None:
        """Nobody listens."""


class TokenServer(Guarded):
    """Gives tokens, and knows which of them are good."""

    def __init__(self, client_id: str, *secrets: str, sends: str = "basic", life_s: int = 300) -> None:
        super().__init__(lambda _: True)
        method = "client_secret_basic" if sends == "basic" else "client_secret_post"
        self._server = _Server({client_id: _Client(client_id, secrets, method)}, life_s)
        self.spoiled: bytes = b""
        """Said instead of an answer."""

    @property
    def token_url(self) -> str:
        return f"{self.url}/oauth2/token"

    def lets_in(self, asked: Asked) -> bool:
        """The guard of a provider that takes its tokens."""
        return asked.fields.get(b"authorization", b"").decode().removeprefix("Bearer ") in self._server.good

    def take_secrets(self, client_id: str, *secrets: str) -> None:
        """From now on these are the client's."""
        self._server.clients[client_id].secrets = secrets

    def end_tokens(self) -> None:
        """From now on no token is good that was given before."""
        self._server.good.clear()

    async def script(self, line: Line) -> None:
        while True:
            asked = _asked(line, *await line.request())
            self.asked.append(asked)
            await line.say(self.spoiled or self._answer(asked))

    def _answer(self, asked: Asked) -> bytes:
        fields = {name.decode().title(): value.decode() for name, value in asked.fields.items()}
        form = dict(parse_qsl(asked.body.decode(), keep_blank_values=True))
        status, said = self._server.create_token_response(_Request(form, fields))
        body = json.dumps(said).encode()
        head = b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        return head % (status, len(body)) + body


@asynccontextmanager
async def token_server(
    client_id: str, *secrets: str, sends: str = "basic", life_s: int = 300
) -> AsyncIterator[TokenServer]:
    """It runs until the end of the block."""
    one = TokenServer(client_id, *secrets, sends=sends, life_s=life_s)
    async with origin(one.script) as one.it:
        yield one
