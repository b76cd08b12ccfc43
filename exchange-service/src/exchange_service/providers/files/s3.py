"""Files in an object store that speaks S3: signed requests over our own kept, pinned connections.

No client library: theirs resolve names themselves, follow redirects and listen to the environment, and all that is
needed here is HEAD and GET of one object. Tested against moto and against botocore's own signatures.
"""

import asyncio
import datetime
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, urlsplit

from exchange_service.contract.model import BadContract
from exchange_service.credentials.model import Basic, Credential
from exchange_service.providers.files.shelf import Found
from exchange_service.providers.provider import Answer
from relay.egress import Egress
from relay.heads import request_head
from relay.pinned import pinned
from relay.upstream import Broken
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Files, Interface

UNSIGNED = "UNSIGNED-PAYLOAD"
BODY_S = 30.0
_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,100}"', re.ASCII)


class S3Shelf:
    """One prefix of one bucket."""

    def __init__(
        self, interface: Interface, adapter: Files, egress: Egress, credential: Callable[[], Credential | None]
    ) -> None:
        """Raises BadContract."""
        place, endpoint = urlsplit(interface.base_url), urlsplit(adapter.endpoint)
        try:
            endpoint.port  # noqa: B018  # reading it is the check
        except ValueError:
            raise BadContract("adapter.endpoint: not a valid address") from None
        host, bucket = endpoint.hostname or "", place.netloc
        if (
            endpoint.scheme not in ("http", "https")
            or not host
            or "@" in endpoint.netloc
            or not endpoint.netloc.isascii()
        ):
            raise BadContract("adapter.endpoint: http(s)://host[:port] of the object store")
        if endpoint.path.strip("/") or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,62}", bucket):
            raise BadContract("base_url: s3://bucket/prefix")
        prefix = [part for part in unquote(place.path).split("/") if part]
        self._prefix = prefix if host.startswith(bucket + ".") else [bucket, *prefix]
        self._host, self._region = endpoint.netloc, adapter.region or "us-east-1"
        self._credential = credential
        self._upstream = pinned(egress, endpoint, interface.networks, connections=interface.max_in_flight)

    async def find(self, name: list[str], left_s: float) -> Found | None:
        path = "/" + "/".join(quote(part, safe="") for part in [*self._prefix, *name])
        answer = await self._send("HEAD", path, left_s)
        answer.discard()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise _refusal_of(answer.status)
        size, told = answer.headers.get(b"content-length", b""), answer.headers.get(b"last-modified", b"")
        etag = answer.headers.get(b"etag", b"").decode("latin-1")
        if not re.fullmatch(rb"[0-9]{1,18}", size):
            raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "the object store does not tell the size")
        return Found(int(size), _seconds(told), etag if _ETAG.fullmatch(etag) else "", path)

    async def parts(self, found: Found, first: int, length: int) -> AsyncIterator[bytes]:
        """The very version that was found: another one breaks off."""
        if not length:
            return
        lines = [(b"range", b"bytes=%d-%d" % (first, first + length - 1))]
        if found.etag:
            lines.append((b"if-match", found.etag.encode("ascii")))
        answer = await self._send("GET", found.handle, BODY_S, lines)
        found.close = answer.discard
        if answer.status != 206 or answer.body.announced not in (None, length):
            raise Broken(f"status {answer.status}, or another size", sent=True)
        if answer.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Broken("a content coding that was not asked for", sent=True)
        while chunk := await answer.body.chunk():
            yield chunk

    async def probe(self, left_s: float) -> None:
        await self._upstream.probe(left_s)

    def close(self) -> None:
        self._upstream.close()

    async def _send(
        self, method: str, path: str, left_s: float, further: list[tuple[bytes, bytes]] | None = None
    ) -> Answer:
        credential = self._credential()
        if credential is not None and not isinstance(credential, Basic):
            raise Refusal(codes.CREDENTIAL_REFUSED, "an object store takes an access key and its secret, as `basic`")
        now = datetime.datetime.now(datetime.UTC)
        signed = sign(method, path, self._host, self._region, credential, now) if credential else {}
        lines = [(b"accept-encoding", b"identity"), (b"user-agent", b"tongdao"), *(further or [])]
        lines += [(name.encode("ascii"), value.encode("latin-1")) for name, value in signed.items()]
        head = request_head(method.encode(), path.encode("ascii"), self._host.encode("ascii"), lines, 0)
        sent = self._upstream.send(head, timeout_s=left_s, repeatable=True, is_head=method == "HEAD")
        return await asyncio.ensure_future(sent)


def sign(method: str, path: str, host: str, region: str, credential: Basic, now: datetime.datetime) -> dict[str, str]:
    """Header fields of a request without query and body, percent-encoded path (AWS Signature Version 4)."""
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    fields = {"host": host, "x-amz-content-sha256": UNSIGNED, "x-amz-date": moment}
    names = ";".join(fields)
    lines = "".join(f"{name}:{value}\n" for name, value in fields.items())
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{UNSIGNED}"
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("AWS4" + credential.password).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return {
        "x-amz-content-sha256": UNSIGNED,
        "x-amz-date": moment,
        "authorization": (
            f"AWS4-HMAC-SHA256 Credential={credential.user}/{scope}, SignedHeaders={names}, Signature={signature}"
        ),
    }


def _refusal_of(status: int) -> Refusal:
    if status in (401, 403):
        return Refusal(codes.CREDENTIAL_REFUSED, f"the object store answered {status}")
    return Refusal(codes.PROVIDER_BROKEN_ANSWER, f"the object store answered {status}")


def _seconds(told: bytes) -> float:
    try:
        return parsedate_to_datetime(told.decode("latin-1")).timestamp()
    except (ValueError, OverflowError):
        return 0.0
