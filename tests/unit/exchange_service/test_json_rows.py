"""The J-list: odd JSON, each with a written answer, as a consumer's question and as a provider's answer.

`passes` leaves byte by byte, `refused` is 422 to a consumer and 502 about a provider. Rows are J-y (RFC 8259 asks that
they are read), J-n (that they are not), J-i (left open by the RFC: what we do is a decision, and the row says why).
"""

import pytest

from exchange_service.contract.model import Contract, Projection
from exchange_service.contract.release import release
from exchange_service.contract.text import BadText
from exchange_service.contract.validate import check_request
from wire.calls import Obligations
from wire.catalog import Interface

pytestmark = pytest.mark.requirement("PRJ-04")
CONTRACT = Contract(
    Interface(
        id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[], operations=[],
        fields=[],
    )
)  # fmt: skip
GRANTED = Projection(CONTRACT, Obligations(["a"]))
WHOLE = Projection(CONTRACT, Obligations(["*"]))

PASSES = {
    # value of a member, as it leaves
    "J-y-empty-array": b"[]",
    "J-y-empty-object": b"{}",
    "J-y-spaces-within": b"[ 1 ,\t2\r\n]",
    "J-y-null": b"null",
    "J-y-true": b"true",
    "J-y-empty-string": b'""',
    "J-y-all-short-escapes": rb'"\"\\\/\b\f\n\r\t"',
    "J-y-escaped-nul": rb'"\u0000"',
    "J-y-escaped-pair": rb'"\ud83d\ude00"',
    "J-y-last-pair": rb'"\udbff\udfff"',
    "J-y-noncharacter": rb'"\uffff\ufdd0"',
    "J-y-utf-8-of-four-bytes": '"😀𝄞"'.encode(),
    "J-y-line-separators": '"\u2028\u2029"'.encode(),
    "J-y-delete-character": b'"\x7f"',
    "J-y-byte-order-mark-inside": '"\ufeff"'.encode(),
    "J-y-negative-zero": b"-0",
    "J-y-negative-zero-fraction": b"-0.0",
    "J-y-exponents": b"[1E+2,1e-2,0e1,1.5E0]",
    "J-y-long-fraction": b"1.000000000000000005",
    "J-y-unsigned-64": b"18446744073709551616",
    "J-y-members-alike-but-for-case": b'{"b":1,"B":2}',
    "J-y-names-of-two-normal-forms": '{"é":1,"e\u0301":2}'.encode(),
    "J-y-empty-name": b'{"":1}',
    "J-y-proto": b'{"__proto__":{"x":1},"constructor":2}',
    # left open by RFC 8259: read, because what is granted is passed on as it was written
    "J-i-number-of-400-digits-beyond-no-double": b"0." + b"1" * 398,
    "J-i-underflow-to-zero": b"1e-400",
    "J-i-integer-beyond-53-bits": b"9007199254740993",
    "J-i-negative-integer-beyond-64-bits": b"-18446744073709551617",
    "J-i-deep-as-allowed": b"[" * 62 + b"]" * 62,
}
REFUSED = {
    # whole texts
    "J-n-nothing": b"",
    "J-n-spaces-alone": b"  ",
    "J-n-two-values": b'{"a":1}{"a":1}',
    "J-n-bracket-behind": b'{"a":1}]',
    "J-n-comma-behind": b'{"a":1},',
    "J-n-nul-behind": b'{"a":1}\x00',
    "J-n-cut-off": b'{"a":1',
    "J-n-cut-off-in-a-name": b'{"a',
    "J-n-comma-first": b'{,"a":1}',
    "J-n-comma-last": b'{"a":1,}',
    "J-n-comma-twice": b'{"a":[1,,2]}',
    "J-n-comma-missing": b'{"a":1 "b":2}',
    "J-n-colon-twice": b'{"a"::1}',
    "J-n-colon-missing": b'{"a" 1}',
    "J-n-name-alone": b'{"a"}',
    "J-n-name-without-quotes": b"{a:1}",
    "J-n-name-in-single-quotes": b"{'a':1}",
    "J-n-name-a-number": b"{1:1}",
    "J-n-closed-by-the-other-bracket": b'{"a":[1}]',
    "J-n-comment": b'{"a":/* */1}',
    "J-n-line-comment": b'{"a":1}// x\n',
    "J-n-leading-zero": b'{"a":01}',
    "J-n-leading-plus": b'{"a":+1}',
    "J-n-minus-alone": b'{"a":-}',
    "J-n-minus-and-space": b'{"a":- 1}',
    "J-n-minus-twice": b'{"a":--1}',
    "J-n-point-first": b'{"a":.5}',
    "J-n-point-last": b'{"a":1.}',
    "J-n-point-before-exponent": b'{"a":1.e1}',
    "J-n-exponent-empty": b'{"a":1e+}',
    "J-n-hexadecimal": b'{"a":0x1F}',
    "J-n-wide-digit": '{"a":１}'.encode(),
    "J-n-separator-in-a-number": b'{"a":1_000}',
    "J-n-nan": b'{"a":NaN}',
    "J-n-infinity": b'{"a":-Infinity}',
    "J-n-capital-true": b'{"a":True}',
    "J-n-undefined": b'{"a":undefined}',
    "J-n-escape-of-one-byte": rb'{"a":"\x41"}',
    "J-n-escape-too-short": rb'{"a":"\u00A"}',
    "J-n-escape-not-hexadecimal": rb'{"a":"\u00G0"}',
    "J-n-backslash-last": b'{"a":"\\"}',
    "J-n-raw-line-feed": b'{"a":"\n"}',
    "J-n-raw-nul": b'{"a":"\x00"}',
    "J-n-raw-tab-in-a-name": b'{"a\t":1}',
    "J-n-other-space": b'{"a":\x0c1}',
    "J-n-no-break-space": '{"a":\u00a01}'.encode(),
    "J-n-jsonp": b'callback({"a":1})',
    "J-n-guard-against-scripts": b")]}',\n" + b'{"a":1}',
    "J-n-lines-of-json": b'{"a":1}\n{"a":2}',
    # left open by RFC 8259: refused, because two parsers read them differently
    "J-i-member-twice": b'{"a":1,"a":2}',
    "J-i-member-twice-alike": b'{"a":1,"a":1}',
    "J-i-member-twice-by-escape": rb'{"a":1,"\u0061":2}',
    "J-i-member-twice-deep": b'{"a":[{"b":{"c":1,"c":2}}]}',
    "J-i-byte-order-mark": b'\xef\xbb\xbf{"a":1}',
    "J-i-utf-16-with-mark": '{"a":1}'.encode("utf-16"),
    "J-i-utf-16-without-mark": '{"a":1}'.encode("utf-16-le"),
    "J-i-utf-32": '{"a":1}'.encode("utf-32-be"),
    "J-i-gb18030": '{"a":"张"}'.encode("gb18030"),
    "J-i-lone-high-surrogate": rb'{"a":"\ud800"}',
    "J-i-lone-low-surrogate": rb'{"a":"\udc00"}',
    "J-i-surrogates-reversed": rb'{"a":"\udc00\ud800"}',
    "J-i-high-surrogate-and-letter": rb'{"a":"\ud800a"}',
    "J-i-lone-surrogate-in-a-name": rb'{"\ud800":1,"a":1}',
    "J-i-raw-surrogate": b'{"a":"\xed\xa0\x80"}',
    "J-i-overlong": b'{"a":"\xc0\xaf"}',
    "J-i-beyond-unicode": b'{"a":"\xf4\xbf\xbf\xbf"}',
    "J-i-cut-character": b'{"a":"\xe4\xbd"}',
    "J-i-lone-continuation": b'{"a":"\x81"}',
    "J-i-beyond-a-double": b'{"a":1e400}',
    "J-i-beyond-a-double-negative": b'{"a":-1e400}',
    "J-i-exponent-very-large": b'{"a":0.4e00' + b"9" * 60 + b"}",
    "J-i-number-of-401-digits": b'{"a":0.' + b"1" * 399 + b"}",
    "J-i-number-of-5000-digits": b'{"a":' + b"1" * 5000 + b"}",
    "J-i-depth-65": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    "J-i-depth-100000": b"[" * 100_000,
    "J-i-depth-100000-objects": b'{"a":' * 100_000,
    "J-i-1001-members": b"{" + b",".join(b'"%d":1' % n for n in range(1001)) + b"}",
}
SCALARS = {"J-i-scalar-number": b"1", "J-i-scalar-string": b'"a"', "J-i-scalar-null": b"null"}


@pytest.mark.parametrize("value", PASSES.values(), ids=PASSES)
def test_passes(value: bytes) -> None:
    body = b'{"x":' + value + b',"a":' + value + b"}"
    check_request(CONTRACT, body)
    assert release(CONTRACT, GRANTED, body, b"application/json", True).body == b'{"a":' + value + b"}"
    assert release(CONTRACT, WHOLE, body, b"application/json", True).body == body


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_refused(body: bytes) -> None:
    if body:
        with pytest.raises(BadText):
            check_request(CONTRACT, body)
    for projection in (GRANTED, WHOLE):
        if not body:
            assert release(CONTRACT, projection, body, b"application/json", True).body == b""
            continue
        with pytest.raises(BadText):
            release(CONTRACT, projection, body, b"application/json", True)


@pytest.mark.parametrize("body", SCALARS.values(), ids=SCALARS)
def test_a_lone_scalar_may_be_asked_but_has_no_field_that_could_leave(body: bytes) -> None:
    check_request(CONTRACT, body)
    with pytest.raises(BadText, match="not an object or array"):
        release(CONTRACT, GRANTED, body, b"application/json", True)


@pytest.mark.requirement("PRJ-09")
@pytest.mark.parametrize(
    "content_type",
    [
        b"", b"text/json", b"text/plain", b"text/html", b"application/javascript", b"application/xml",
        b"application/octet-stream", b"application/json; charset=utf-16", b"application/json; charset=gbk",
        b'application/json; charset="utf-8"; charset=utf-16', b"application/json; charset =utf-16", b"json",
        b"application/json, text/html", b"application/jsonp", b"multipart/form-data; boundary=x",
    ],
    ids=[
        "J-kind-missing", "J-kind-text-json", "J-kind-text", "J-kind-html", "J-kind-script", "J-kind-xml",
        "J-kind-bytes", "J-kind-utf-16", "J-kind-gbk", "J-kind-two-charsets", "J-kind-charset-spelled-oddly",
        "J-kind-no-type",
        "J-kind-two-types", "J-kind-jsonp", "J-kind-multipart",
    ],
)  # fmt: skip
def test_an_answer_of_another_kind_does_not_leave(content_type: bytes) -> None:
    for projection in (GRANTED, WHOLE):
        with pytest.raises(BadText):
            release(CONTRACT, projection, b'{"a":1}', content_type, True)
        assert release(CONTRACT, projection, b'{"a":1}', content_type, False).body == b""


@pytest.mark.requirement("PRJ-09")
@pytest.mark.parametrize(
    "content_type",
    [b"application/json", b"Application/JSON;Charset=UTF-8", b'application/problem+json; charset="utf-8"; q=1'],
    ids=["J-kind-json", "J-kind-case", "J-kind-suffix"],
)
def test_an_answer_of_the_right_kind_leaves(content_type: bytes) -> None:
    assert release(CONTRACT, GRANTED, b'{"a":1,"b":2}', content_type, True).body == b'{"a":1}'
    assert release(CONTRACT, GRANTED, b'{"a":1,"b":2}', content_type, False).body == b'{"a":1}'


@pytest.mark.requirement("PRJ-09")
def test_an_array_instead_of_an_object_is_the_schemas_matter_and_projected_element_by_element() -> None:
    assert release(CONTRACT, GRANTED, b'[{"a":1,"b":2},3]', b"application/json", True).body == b'[{"a":1}]'
