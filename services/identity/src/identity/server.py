"""The bridge to Authlib: its synchronous authorization server inside our asynchronous transaction.

`AsyncConnection.run_sync` runs Authlib's code in a greenlet; every statement it sends through the synchronous
`Connection` of the request is awaited on asyncpg. No threads, no second driver, one transaction.
Whatever Authlib has to say to a client passes `handle_error_response`, which tells details only to those who proved
who they are. Source: RFC 6749 sections 3.2, 5.1 and 5.2.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from authlib.oauth2 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from identity.store import Client
from identity.tokens import Holder, described
from wire.front import Front
from wire.tokens import AccessToken

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
NOWHERE = Front("")
Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was signed but not yet answered.

    exchanged  id of the token that was given for it (RFC 8693), "" where none was
    """

    token_id: str
    scope: str
    holder: Holder
    exchanged: str


class TokenRequest(OAuth2Request):  # type: ignore[misc]  # Authlib publishes no types
    """One request at the token endpoint, and what became of it.

    authorization  the Authorization header, "" where there was none
    address        the public address of the token endpoint: Authlib wants https of everything but this machine
    front          the other end of the line, as the gateway tells
    proofs         the DPoP headers
    subject_token  what the client gives in exchange (RFC 8693), once it is verified; None for none, or none that counts
    proved         whether the client's key or secret was right, so that it may be told what else is wrong
    suspect        a known client that somebody failed to be, and why in one word
    bound          what its token will be bound to, as in `cnf`; {} for nothing
    issued         the token, once there is one
    also           what else has to be done before the transaction ends, by code that waits
    undo           what has to be done where the token was made and could not be recorded, so that nobody saw it
    """

    def __init__(
        self, form: Mapping[str, str], authorization: str, *, address: str, transaction: Connection, at: datetime,
        front: Front = NOWHERE, proofs: Sequence[str] = (), subject_token: AccessToken | None = None,
    ) -> None:  # fmt: skip
        super().__init__("POST", address, headers={"Authorization": authorization} if authorization else {})
        self.payload = BasicOAuth2Payload(form)
        self.authorization = authorization
        self.transaction = transaction
        self.at = at
        self.front = front
        self.proofs = proofs
        self.subject_token = subject_token
        self.proved = False
        self.bound: dict[str, str] = {}
        self.suspect: tuple[Client, str] | None = None
        self.issued: Issued | None = None
        self.also: list[Callable[[AsyncConnection], Awaitable[object]]] = []
        self.undo: list[Callable[[AsyncConnection], Awaitable[object]]] = []
        self._form = form

    @property
    def form(self) -> Mapping[str, str]:
        return self._form


AuthMethod = Callable[[Any, TokenRequest], Client | None]
Bind = Callable[[TokenRequest, Client], dict[str, str]]
TOKEN = "token"  # noqa: S105  # the name of an endpoint


class ClientRefused(OAuth2Error):  # type: ignore[misc]  # Authlib publishes no types
    """The client did not prove who it is (RFC 6749 section 5.2). Authlib's own answers 400 to this."""

    error = "invalid_client"
    status_code = 401


class Server(AuthorizationServer):  # type: ignore[misc]  # Authlib publishes no types
    """Authlib's server with our client authentication and grants that make our tokens.

    bind    says what the token of a client is bound to; raises OAuth2Error
    barred  why a client that proved itself gets nothing all the same, "" for one that does
    """

    def __init__(
        self, methods: Mapping[str, AuthMethod], grants: Iterable[type], bind: Bind, barred: Callable[[Client], str]
    ) -> None:
        super().__init__()
        self._bind = bind
        self._barred = barred
        self._methods = list(methods)
        for name, method in methods.items():
            self.register_client_auth_method(name, method)
        for grant in grants:
            self.register_grant(grant)

    def answer(self, request: TokenRequest) -> Response:
        """The answer to a token request; nothing is committed yet."""
        response: Response = self.create_token_response(request)
        return response

    def authenticate_client(self, request: TokenRequest, methods: object = None, endpoint: str = TOKEN) -> Client:
        """The client; raises ClientRefused, or InvalidRequestError for two ways at once (RFC 6749 section 2.3).

        A certificate that came along is no second way: connections have them for other reasons too.
        """
        ways = [bool(request.authorization), "client_assertion" in request.form, "client_secret" in request.form]
        if sum(ways) > 1:
            raise InvalidRequestError
        try:
            client: Client = super().authenticate_client(request, self._methods, endpoint)
        except InvalidClientError:  # its description lists what we can do, which is nobody's business yet
            raise ClientRefused from None
        if why := self._barred(client):
            request.suspect = (client, "barred")
            raise ClientRefused(described(f"client {client.id}: {why}"))
        if endpoint == TOKEN:
            request.bound = self._bind(request, client)
        return client

    def client_of(self, request: TokenRequest, endpoint: str) -> Client | Response:
        """The client that asks at another endpoint, or the answer to whoever did not prove to be one."""
        try:
            return self.authenticate_client(request, endpoint=endpoint)
        except OAuth2Error as error:
            return self.handle_error_response(request, error)

    def save_token(self, token: dict[str, Any], request: TokenRequest) -> None:
        """Tokens are not kept; that one was issued is. Takes out what is not for the client."""
        request.issued = Issued(
            token.pop("jti"), token["scope"], token.pop("holder"), exchanged=token.pop("exchanged", "")
        )

    def handle_response(self, status: int, body: dict[str, Any], _headers: Headers) -> Response:
        return Response(msgspec.json.encode(body), status, NO_STORE, "application/json")

    def handle_error_response(self, request: TokenRequest, error: OAuth2Error) -> Response:
        """Code for everybody, description for those who proved who they are."""
        description = error.description if request.proved else ""
        answer = error_answer(error.error, error.status_code, description, basic=is_basic(request.authorization))
        if nonce := getattr(error, "nonce", ""):
            answer.headers["DPoP-Nonce"] = nonce
        return answer

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


def error_answer(
    error: str, status: int = 400, description: str = "", *, basic: bool = False, retry_after_s: int = 0
) -> Response:
    """An error of RFC 6749 section 5.2. Who came with Basic is told so in WWW-Authenticate."""
    body = {"error": error}
    if description:
        body["error_description"] = description
    headers = dict(NO_STORE)
    if retry_after_s:
        headers["Retry-After"] = str(retry_after_s)
    if status == 401 and basic:
        headers["WWW-Authenticate"] = 'Basic realm="tongdao", charset="UTF-8"'
    return Response(msgspec.json.encode(body), status, headers, "application/json")
