"""Access tokens of providers' authorization servers (RFC 6749 section 4.4), fetched by the egress rules and kept.

Everybody who needs the same token waits for the same fetch: some servers end an old token when they give a new one.
"""

import asyncio
import base64
import re
import time
from collections.abc import Sequence
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
import structlog

from exchange_service.credentials.model import OAuthClient
from relay.call import BodyTooLarge
from relay.egress import Egress, EgressDenied
from relay.heads import request_head
from relay.pinned import pinned
from relay.upstream import Answer, TimedOut, Unreachable, UpstreamFault
from runtime.errors import Refusal
from wire import codes

log = structlog.get_logger()
FETCH_S = 10.0
"""A fetch has this long, whoever waits for it: each waits only as long as it can."""
MARGIN_S = 30.0
"""A token is not used in its last seconds, nor in the last tenth of a short life."""
LIFE_S = 300.0
"""Of a token whose server does not tell it (RFC 6749 section 5.1 only recommends to)."""
LONGEST_LIFE_S = 86_400.0
DROP_PAUSE_S = 1.0
"""A provider that refuses every token does not make us ask for one more often than this."""
LARGEST_ANSWER = 64 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")  # RFC 6750 section 2.1
_ERROR = re.compile(r"[a-z_]{1,40}")


class _Reply(msgspec.Struct):
    """RFC 6749 section 5."""

    access_token: str = ""
    token_type: str = ""
    expires_in: float | str | None = None
    error: str = ""


class Tokens:
    """The tokens of all clients, each fetched once for all who need it."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._kept: dict[OAuthClient, tuple[str, float]] = {}  # until when, on the monotonic clock
        self._running: dict[OAuthClient, asyncio.Task[str]] = {}
        self._dropped: dict[OAuthClient, float] = {}

    async def get(self, client: OAuthClient, networks: Sequence[str], timeout_s: float) -> str:
        """A token that is good now; raises Refusal.

        networks  the only ones that `token_url` may lead to
        """
        token, until = self._kept.get(client, ("", 0.0))
        if time.monotonic() < until:
            return token
        running = self._running.get(client)
        if running is None:
            running = self._running[client] = asyncio.create_task(self._fetch(client, networks))
            running.add_done_callback(lambda task: self._ended(client, task))
        try:
            return await asyncio.wait_for(asyncio.shield(running), timeout_s)
        except TimeoutError:
            raise Refusal(codes.PROVIDER_TIMEOUT, "the provider's authorization server is slow") from None

    def drop(self, client: OAuthClient, token: str) -> bool:
        """The provider did not take the token. Whether it is worth trying again: not where the one before it was
        refused a moment ago.
        """
        if self._kept.get(client, ("", 0.0))[0] != token:
            return True  # another has been fetched meanwhile, or is about to be
        now = time.monotonic()
        if now < self._dropped.get(client, float("-inf")) + DROP_PAUSE_S:
            return False
        self._dropped[client] = now
        del self._kept[client]
        return True

    def _ended(self, client: OAuthClient, task: asyncio.Task[str]) -> None:
        del self._running[client]
        if not task.cancelled() and (error := task.exception()) is not None:  # also where nobody waits any longer
            log.warning("token.not_fetched", reason=error.detail if isinstance(error, Refusal) else repr(error))

    async def _fetch(self, client: OAuthClient, networks: Sequence[str]) -> str:
        self._forget_past()
        asked = time.monotonic()
        reply = await _ask(self._egress, client, networks)
        life_s = _life_s(reply)
        self._kept[client] = (reply.access_token, asked + life_s - min(MARGIN_S, life_s / 10))
        return reply.access_token

    def _forget_past(self) -> None:
        now = time.monotonic()
        for client in [client for client, (_, until) in self._kept.items() if until <= now]:
            del self._kept[client]
        self._dropped = {client: at for client, at in self._dropped.items() if now < at + DROP_PAUSE_S}


def _life_s(reply: _Reply) -> float:
    try:
        life_s = float(LIFE_S if reply.expires_in is None else reply.expires_in)
    except ValueError:
        return LIFE_S
    return min(life_s, LONGEST_LIFE_S) if life_s > 0 else 0.0  # and nothing for NaN


async def _ask(egress: Egress, client: OAuthClient, networks: Sequence[str]) -> _Reply:
    url = urlsplit(client.token_url)
    upstream = pinned(egress, url, networks)
    lines, form = _question(client)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    head = request_head(b"POST", target.encode("ascii"), url.netloc.encode("ascii"), lines, len(form))
    try:
        answer = await upstream.send(head, form, timeout_s=FETCH_S)
        return _reply_of(answer.status, await _whole(answer))
    except EgressDenied as denied:
        raise Refusal(codes.PROVIDER_FORBIDDEN_ADDRESS, f"authorization server: {denied}") from None
    except (TimedOut, TimeoutError):
        raise Refusal(codes.PROVIDER_TIMEOUT, "the provider's authorization server is slow") from None
    except Unreachable as fault:
        raise Refusal(codes.PROVIDER_UNREACHABLE, f"authorization server: {fault}") from None
    except (UpstreamFault, BodyTooLarge):
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "of the provider's authorization server") from None
    except (OSError, UnicodeError) as error:
        detail = f"authorization server: name not resolved: {type(error).__name__}"
        raise Refusal(codes.PROVIDER_UNREACHABLE, detail) from None
    finally:
        upstream.close()


async def _whole(answer: Answer) -> bytes:
    async with asyncio.timeout(FETCH_S):
        return await answer.body.read(LARGEST_ANSWER)


def _question(client: OAuthClient) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Header fields and form of the request for a token."""
    form = {"grant_type": "client_credentials"}
    if client.scope:
        form["scope"] = client.scope
    lines = [
        (b"accept", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"user-agent", b"tongdao"),
    ]
    if client.sends == "form":
        form |= {"client_id": client.client_id, "client_secret": client.client_secret}
    else:
        pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
        lines.append((b"authorization", b"Basic " + base64.b64encode(pair.encode())))
    return lines, urlencode(form).encode()


def _reply_of(status: int, body: bytes) -> _Reply:
    """What the server said; raises Refusal. Of its words only an error that is one passes into ours."""
    try:
        reply = msgspec.json.decode(body, type=_Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the last: brackets without end
        reply = _Reply()
    if status in (400, 401, 403):
        said = f", {reply.error}" if _ERROR.fullmatch(reply.error) else ""
        raise Refusal(codes.CREDENTIAL_REFUSED, f"the provider's authorization server answered {status}{said}")
    if status != 200 or not _TOKEN.fullmatch(reply.access_token) or reply.token_type.lower() not in ("bearer", ""):
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, f"the authorization server answered {status} and no bearer token")
    return reply
