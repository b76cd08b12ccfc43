"""How our own services know each other on one machine: an HMAC over what is said (design section 12).

Every service of one home holds the same secret (a file, mode 0600). The signature covers request line, date, the
message header and the body's digest, and is good for `WINDOW_S` seconds. In Kubernetes mTLS stands beside it.
"""

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import Request

from runtime.access import Rule, ruled
from runtime.errors import NOT_ONE_OF_US, Refusal

WINDOW_S = 30
STREAMED = b"streamed"  # stands for the digest of a body that is not known when the head is sent


class ServiceKey:
    """The secret that the services of one installation share."""

    def __init__(self, secret: bytes, service: str) -> None:
        if len(secret) < 32:
            raise ValueError("the service secret must have at least 32 bytes")
        self._secret = secret
        self._service = service.encode()

    @classmethod
    def from_file(cls, path: Path, service: str) -> "ServiceKey":
        return cls(path.read_bytes().strip(), service)

    @property
    def service(self) -> str:
        """In whose name we sign."""
        return self._service.decode()

    def sign(self, method: bytes, target: bytes, digest: bytes, message: bytes = b"") -> bytes:
        """The value of the `Tongdao-Service` header: `service;unix-seconds;digest;signature`.

        digest   hex SHA-256 of the body, or STREAMED
        message  value of the `Tongdao-Message` header, b"" where there is none
        """
        date = b"%d" % time.time()
        return b"%b;%b;%b;%b" % (
            self._service,
            date,
            digest,
            self._mac(self._service, date, method, target, digest, message),
        )

    def check(self, header: bytes, method: bytes, target: bytes, body: bytes | None, message: bytes = b"") -> str:
        """Name of the service that signed; raises Refusal. `body` is None where it is checked later, or streams."""
        parts = header.split(b";")
        if len(parts) != 4 or not parts[1].isdigit():
            raise Refusal(NOT_ONE_OF_US)
        service, date, digest, signature = parts
        if not hmac.compare_digest(signature, self._mac(service, date, method, target, digest, message)):
            raise Refusal(NOT_ONE_OF_US)
        if abs(int(date) - time.time()) > WINDOW_S:
            raise Refusal(NOT_ONE_OF_US, "the date is outside the window; check the clocks")
        if body is not None:
            self.check_body(header, body)
        return service.decode()

    def check_body(self, header: bytes, body: bytes | None) -> None:
        """Raise Refusal unless the body is the one that was signed; None stands for a streamed one."""
        self.check_digest(header, STREAMED if body is None else digest_of(body))

    def check_digest(self, header: bytes, digest: bytes) -> None:
        """The same for whoever needs the digest (as in `sign`) himself: what is long is hashed once."""
        if header.split(b";")[2] != digest:
            raise Refusal(NOT_ONE_OF_US, "the body is not the one that was signed")

    def derived(self, purpose: str) -> str:
        """A key for another purpose, 64 hex digits: it can be made again at any time and so is stored nowhere.

        `purpose` is one line, which no message that `sign` covers is.
        """
        return hmac.digest(self._secret, purpose.encode(), "sha256").hex()

    def _mac(self, service: bytes, date: bytes, method: bytes, target: bytes, digest: bytes, message: bytes) -> bytes:
        said = b"\n".join((service, date, method, target, digest, message))
        return hmac.digest(self._secret, said, "sha256").hex().encode()

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """Headers that authenticate a request sent with an ordinary HTTP client."""
        signed = self.sign(method.encode(), target.encode(), digest_of(body))
        return {"Tongdao-Service": signed.decode()}


def digest_of(body: bytes) -> bytes:
    """Hex SHA-256."""
    return hashlib.sha256(body).hexdigest().encode()


def target_of(request: Request) -> bytes:
    """Path and query as they were sent, without the prefix that a gateway in front took off."""
    query = request.scope["query_string"]
    path: bytes = request.scope["raw_path"].removeprefix(request.scope.get("root_path", "").encode())
    return path + b"?" + query if query else path


def only_services(key: ServiceKey) -> Callable[[Request], Awaitable[str]]:
    """A FastAPI dependency: the name of the calling service, or 401."""

    async def caller(request: Request) -> str:
        header = request.headers.get("tongdao-service", "").encode()
        return key.check(header, request.method.encode(), target_of(request), await request.body())

    return ruled(caller, Rule("services"))
