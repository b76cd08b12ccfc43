"""What the gateway tells our own services about the request that it passes on: who was at the other end of the line.

Sent as the header `Tongdao-Message`, covered by the signature in `Tongdao-Service` (runtime.service_auth), so that no
client can say it of itself. A request that is signed like this is still the client's: it opens no internal route.
"""

import base64
import hashlib

import msgspec
from starlette.requests import Request

from runtime.errors import NOT_ONE_OF_US, Refusal
from runtime.service_auth import ServiceKey, target_of

HEADER = "tongdao-message"
GATEWAY = "gateway"
"""The one service that passes requests on."""


class Front(msgspec.Struct, frozen=True, omit_defaults=True):
    """The other end of the line.

    address      IP address of the client
    certificate  base64 of the DER of the certificate that it proved to hold, "" for none or where nobody needs it whole
    thumbprint   SHA-256 of that certificate in base64url, where it does not come along whole itself
    bound        thumbprint of the key or certificate that was proved for a bound token, "" for none
    """

    address: str
    certificate: str = ""
    bound: str = ""
    thumbprint: str = ""

    @property
    def x5t(self) -> str:
        """SHA-256 of the certificate in base64url (RFC 8705 section 3.1), "" for none."""
        return x5t_of(base64.b64decode(self.certificate)) if self.certificate else self.thumbprint


def x5t_of(certificate: bytes) -> str:
    """SHA-256 of a certificate's DER in base64url."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def to_message(front: Front) -> bytes:
    """The header's value: never empty, so that no signature over it fits a request without it."""
    return msgspec.json.encode(front)


def from_message(message: bytes) -> Front:
    """What stands in the header; raises msgspec.DecodeError."""
    return msgspec.json.decode(message, type=Front)


async def front_of(request: Request, key: ServiceKey) -> Front:
    """Who is at the other end: `Front("")` where no gateway passed this on; raises Refusal (401) where it is forged.

    The signature ties it to method, target and half a minute; the body is its route's business.
    """
    messages = request.headers.getlist(HEADER)
    if not messages:
        return Front("")
    if len(messages) > 1:
        raise Refusal(NOT_ONE_OF_US)
    message = messages[0].encode("latin-1")
    signature = request.headers.get("tongdao-service", "").encode("latin-1")
    if key.check(signature, request.method.encode(), target_of(request), None, message) != GATEWAY:
        raise Refusal(NOT_ONE_OF_US)
    try:
        front = from_message(message)
        base64.b64decode(front.certificate, validate=True)
    except (msgspec.DecodeError, ValueError):
        raise Refusal(NOT_ONE_OF_US) from None
    return front
