"""Requests that a strict server has to refuse, and a few that it has to take.

Each is (name, expected, bytes): R no 2xx; A 200; C no 2xx, or exactly one answer. `GET /smug` is what is smuggled: no
handler may ever see it.
"""

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smug HTTP/1.1\r\nHost: a\r\n\r\n"
END = b"0\r\n\r\n"

VECTORS: list[tuple[str, str, bytes]] = [
    ("ok-get", "A", GET + b"\r\n"),
    ("ok-cl", "A", POST + b"Content-Length: 5\r\n\r\nhello"),
    ("ok-chunked", "A", CHUNKED + b"5\r\nhello\r\n" + END),
    ("ok-chunk-ext", "A", CHUNKED + b"5;a=b\r\nhello\r\n" + END),
    ("ok-empty-hdr", "A", GET + b"X-E:\r\n\r\n"),
    ("te+cl", "C", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 35\r\n\r\n" + END + SMUGGLED),
    ("cl+te", "C", POST + b"Content-Length: 35\r\nTransfer-Encoding: chunked\r\n\r\n" + END + SMUGGLED),
    ("cl-dup-diff", "R", POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
    ("cl-list", "R", POST + b"Content-Length: 5, 5\r\n\r\nhello"),
    ("cl-plus", "R", POST + b"Content-Length: +5\r\n\r\nhello"),
    ("cl-underscore", "R", POST + b"Content-Length: 1_0\r\n\r\n0123456789"),
    ("cl-neg", "R", POST + b"Content-Length: -5\r\n\r\nhello"),
    ("cl-empty", "R", POST + b"Content-Length:\r\n\r\n"),
    ("cl-huge", "R", POST + b"Content-Length: 99999999999999999999999\r\n\r\n"),
    ("cl-trail", "R", POST + b"Content-Length: 5 x\r\n\r\nhello"),
    ("cl-sup-digit", "R", POST + b"Content-Length: \xc2\xb25\r\n\r\nhello"),
    ("te-identity", "R", POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"),
    ("te-chunked-first", "R", POST + b"Transfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n" + END),
    ("te-comma-chunked", "R", POST + b"Transfer-Encoding: ,chunked\r\n\r\n5\r\nhello\r\n" + END),
    ("te-dup", "R", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + END),
    ("te-xchunked", "R", POST + b"Transfer-Encoding: xchunked\r\n\r\n" + END),
    ("te-sp-colon", "R", POST + b"Transfer-Encoding : chunked\r\n\r\n" + END),
    ("te-xa0", "R", POST + b"Transfer-Encoding: \xa0chunked\r\n\r\n" + END),
    ("te-quoted", "R", POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + END),
    ("te-obsfold", "R", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + END),
    (
        "te-http-1.0",
        "C",
        b"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + END + SMUGGLED,
    ),
    ("obsfold", "R", GET + b"X-A: b\r\n c\r\n\r\n"),
    ("ck-0x", "R", CHUNKED + b"0x5\r\nhello\r\n" + END),
    ("ck-plus", "R", CHUNKED + b"+5\r\nhello\r\n" + END),
    ("ck-empty", "R", CHUNKED + b"\r\nhello\r\n" + END),
    ("ck-lead-sp", "R", CHUNKED + b" 5\r\nhello\r\n" + END),
    ("ck-bad-term", "R", CHUNKED + b"5\r\nhelloXX" + END),
    ("ck-end-bare-lf", "R", CHUNKED + b"5\r\nhello\n" + END),
    ("ck-size-bare-lf", "R", CHUNKED + b"5\nhello\r\n" + END),
    ("ck-ext-bare-lf", "R", CHUNKED + b"5;a\nb\r\nhello\r\n" + END),
    ("ck-ext-cr", "R", CHUNKED + b"5\r\r;A\r\nhello\r\n" + END),
    ("ck-overflow", "R", CHUNKED + b"fffffffffffffffff\r\nhello\r\n" + END),
    ("ck-ext-flood", "R", CHUNKED + b"1;" + b"a" * 600_000 + b"\r\nh\r\n" + END),
    ("trailer-flood", "R", CHUNKED + b"1\r\nh\r\n0\r\nX: " + b"a" * 600_000),
    ("hdr-bare-lf", "R", GET + b"X-A: b\nX-B: c\r\n\r\n"),
    ("line-bare-lf", "R", b"GET / HTTP/1.1\nHost: a\n\n"),
    ("hdr-cr", "R", GET + b"X-A: b\rX-B: c\r\n\r\n"),
    ("hdr-ctl", "R", GET + b"X-A: b\x07c\r\n\r\n"),
    ("hdr-nul", "R", GET + b"X-A: b\x00c\r\n\r\n"),
    ("hdr-name-sp", "R", GET + b"X A: b\r\n\r\n"),
    ("hdr-name-8bit", "R", GET + b"X\xe9: b\r\n\r\n"),
    ("hdr-name-brackets", "R", GET + b"X-I[]: b\r\n\r\n"),
    ("hdr-no-colon", "R", GET + b"XA\r\n\r\n"),
    ("hdr-no-name", "R", GET + b": b\r\n\r\n"),
    ("hdr-first-sp", "R", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("host-missing", "R", b"GET / HTTP/1.1\r\n\r\n"),
    ("host-twice", "R", GET + b"Host: b\r\n\r\n"),
    ("host-invalid", "R", b"GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n"),
    ("host-sp", "R", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("ver-9.9", "R", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n"),
    ("ver-2.0", "R", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("ver-1.10", "R", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    ("ver-lower", "R", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("ver-none", "R", b"GET /\r\nHost: a\r\n\r\n"),
    ("method-bad", "R", b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("H-94-method-lower", "R", b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("uri-8bit", "R", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("uri-nul", "R", b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("uri-frag", "C", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("uri-no-slash", "R", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("uri-absolute", "R", b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("tab-reqline", "R", b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    ("crlf-cr", "R", GET + b"\rX: y\r\n\r\n"),
    ("hdr-100k", "R", GET + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n"),
    ("hdr-5000", "R", GET + b"X-A: b\r\n" * 5000 + b"\r\n"),
    ("uri-70k", "R", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "H-86-trailer-cl",
        "C",
        POST + b"Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n"
        b"0\r\nContent-Length: 99\r\nAuthorization: Bearer x\r\n\r\n",
    ),
    ("get-body", "C", GET + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED),
    ("trace", "R", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("connect", "R", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("options-star", "R", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "H-84-upgrade-h2c",
        "R",
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    ),
    ("H-84-upgrade-ws", "R", GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"),
    ("h2-preface", "R", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("tls-hello", "R", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("close+smug", "C", GET + b"Connection: close\r\n\r\n" + SMUGGLED),
]


def on_the_fast_lane(request: bytes) -> bytes:
    """The same request below the call prefix."""
    return request.replace(b" /", b" /x/", 1).replace(b"\t/", b"\t/x/", 1).replace(b" http://a/", b" http://a/x/", 1)
