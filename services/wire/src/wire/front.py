"""What the gateway tells our own services about the request that it passes on: who was at the other end of the line.

Sent as the header `Tongdao-Message`, covered by the signature in `Tongdao-Service` (runtime.service_auth), so that no
client can say it of itself. A request that is signed like this is still the client's: it opens no internal route.
"""

import msgspec

HEADER = "tongdao-message"


class Front(msgspec.Struct, frozen=True, omit_defaults=True):
    """The other end of the line.

    address      IP address of the client
    certificate  base64 of the DER of the certificate that it proved to hold, "" for none
    bound        thumbprint of the key or certificate that was proved for a bound token, "" for none
    """

    address: str
    certificate: str = ""
    bound: str = ""


def to_message(front: Front) -> bytes:
    """The header's value: never empty, so that no signature over it fits a request without it."""
    return msgspec.json.encode(front)


def from_message(message: bytes) -> Front:
    """What stands in the header; raises msgspec.DecodeError."""
    return msgspec.json.decode(message, type=Front)
