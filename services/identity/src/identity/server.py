"""The bridge to Authlib: its synchronous authorization server inside our asynchronous transaction.

`AsyncConnection.run_sync` runs Authlib's code in a greenlet; every statement it sends through the synchronous
`Connection` of the request is awaited on asyncpg. No threads, no second driver, one transaction.
Whatever Authlib has to say to a client passes `handle_error_response`, which tells details only to those who proved
who they are. Source: RFC 6749 sections 3.2, 5.1 and 5.2.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from authlib.oauth2 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from sqlalchemy.engine import Connection
from starlette.responses import Response

from identity.store import Client

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was signed but not yet answered."""

    token_id: str
    scope: str


class TokenRequest(OAuth2Request):  # type: ignore[misc]  # Authlib publishes no types
    """One request at the token endpoint, and what became of it.

    authorization  the Authorization header, "" where there was none
    address        the public address of the token endpoint: Authlib wants https of everything but this machine
    proved         whether the client's key or secret was right, so that it may be told what else is wrong
    suspect        a known client that somebody failed to be, and why in one word
    issued         the token, once there is one
    """

    def __init__(
        self, form: Mapping[str, str], authorization: str, *, address: str, transaction: Connection, at: datetime
    ) -> None:
        super().__init__("POST", address, headers={"Authorization": authorization} if authorization else {})
        self.payload = BasicOAuth2Payload(form)
        self.authorization = authorization
        self.transaction = transaction
        self.at = at
        self.proved = False
        self.suspect: tuple[Client, str] | None = None
        self.issued: Issued | None = None
        self._form = form

    @property
    def form(self) -> Mapping[str, str]:
        return self._form


AuthMethod = Callable[[Any, TokenRequest], Client | None]


class ClientRefused(OAuth2Error):  # type: ignore[misc]  # Authlib publishes no types
    """The client did not prove who it is (RFC 6749 section 5.2). Authlib's own answers 400 to this."""

    error = "invalid_client"
    status_code = 401


class Server(AuthorizationServer):  # type: ignore[misc]  # Authlib publishes no types
    """Authlib's server with our client authentication, one grant and our tokens."""

    def __init__(self, methods: Mapping[str, AuthMethod], grant: type, tokens: Callable[..., dict[str, Any]]) -> None:
        super().__init__()
        self._methods = list(methods)
        for name, method in methods.items():
            self.register_client_auth_method(name, method)
        self.register_grant(grant)
        self.register_token_generator("default", tokens)

    def answer(self, request: TokenRequest) -> Response:
        """The answer to a token request; nothing is committed yet."""
        response: Response = self.create_token_response(request)
        return response

    def authenticate_client(self, request: TokenRequest, methods: object = None, endpoint: str = "token") -> Client:
        """The client; raises ClientRefused, or InvalidRequestError for two ways at once (RFC 6749 section 2.3)."""
        ways = [bool(request.authorization), "client_assertion" in request.form, "client_secret" in request.form]
        if sum(ways) > 1:
            raise InvalidRequestError
        try:
            client: Client = super().authenticate_client(request, self._methods, endpoint)
        except InvalidClientError:  # its description lists what we can do, which is nobody's business yet
            raise ClientRefused from None
        return client

    def save_token(self, token: dict[str, Any], request: TokenRequest) -> None:
        """Tokens are not kept; that one was issued is."""
        request.issued = Issued(token.pop("jti"), token["scope"])

    def handle_response(self, status: int, body: dict[str, Any], _headers: Headers) -> Response:
        return Response(msgspec.json.encode(body), status, NO_STORE, "application/json")

    def handle_error_response(self, request: TokenRequest, error: OAuth2Error) -> Response:
        """Code for everybody, description for those who proved who they are."""
        description = error.description if request.proved else ""
        return error_answer(error.error, error.status_code, description, basic=is_basic(request.authorization))

    # --- parts of Authlib that we do not use ---
    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        return request

    def query_client(self, _client_id: str) -> None:
        """Our ways of authentication look the client up themselves, in the transaction of the request."""

    def send_signal(self, *_arguments: object, **_more: object) -> None:
        """Nobody listens."""


def is_basic(authorization: str) -> bool:
    """Whether an Authorization header says Basic."""
    return authorization.partition(" ")[0].lower() == "basic"


def error_answer(error: str, status: int = 400, description: str = "", *, basic: bool = False) -> Response:
    """An error of RFC 6749 section 5.2. Who came with Basic is told so in WWW-Authenticate."""
    body = {"error": error}
    if description:
        body["error_description"] = description
    headers = dict(NO_STORE)
    if status == 401 and basic:
        headers["WWW-Authenticate"] = 'Basic realm="tongdao", charset="UTF-8"'
    return Response(msgspec.json.encode(body), status, headers, "application/json")
