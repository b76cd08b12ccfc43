"""What `wire.tokens.read` takes for a compact JWS: one spelling, one reading."""

import base64

import pytest

from wire.tokens import InvalidToken, read

HEADER = b'{"alg":"ES256"}'


def token(header: bytes = HEADER, payload: bytes = b'{"a":1}', signature: bytes = b"x") -> str:
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, payload, signature))


def test_a_plain_token_is_read() -> None:
    assert read(token()) == ({"alg": "ES256"}, {"a": 1})


@pytest.mark.parametrize(
    "bad",
    [
        token(payload=b'{"a":1,"a":2}'),
        token(payload=b'{"a" :1,"a" :2}'),
        token(payload=b'{"a":1,"\\u0061":2}'),
        token(payload=b'{"b":{"a":1,"a":2}}'),
        token(header=b'{"alg":"ES256","alg":"none"}'),
        token(header=b'{"alg":"none"}'),
        token(header=b'{"alg":["ES256"]}'),
        token(header=b'{"alg":"ES256","jwk":{}}'),
        token(header=b"[]"),
        token(payload=b"7"),
        token(payload=b"\xef\xbb\xbf{}"),
        token(payload='{"a":1}'.encode("utf-16")),
        token(payload=b'{"a":"\\ud800"}'),
        token(payload=b'{"a":NaN}'),
        token(payload=b"[" * 2500),
        token() + "=",
        token()[:-1] + "B",
        token() + ".e30",
        "a." * 3000,
        "",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(bad: str) -> None:
    with pytest.raises(InvalidToken):
        read(bad)
