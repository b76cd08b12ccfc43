"""Which bytes of a file are meant, which names are names, and what a signed request to an object store says."""

import datetime
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.credentials.model import Basic
from exchange_service.providers.files.s3 import sign
from exchange_service.providers.files.shelf import Span, span_of, whole_name
from runtime.errors import Refusal
from wire import codes

WHOLE = Span(0, 26)


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("", WHOLE), ("bytes=0-2", Span(0, 3, True)), ("bytes=0-0", Span(0, 1, True)), ("bytes=25-", Span(25, 1, True)),
        ("bytes=20-999", Span(20, 6, True)), ("bytes=-5", Span(21, 5, True)), ("bytes=-999", Span(0, 26, True)),
        ("bytes=0-", Span(0, 26, True)), ("bytes = 1-2", Span(1, 2, True)), ("bytes=2-1", WHOLE), ("bytes=-", WHOLE),
        ("bytes=0-1,3-4", WHOLE), ("items=0-1", WHOLE), ("bytes=a-b", WHOLE), ("bytes=٠-١", WHOLE), ("bytes=1", WHOLE),
        ("bytes=0-99999999999999999999", WHOLE), ("bytes=--1", WHOLE), ("Bytes=0-1", WHOLE),
    ],
)  # fmt: skip
def test_a_range_is_one_range_or_none(header: str, span: Span) -> None:
    assert span_of(header, 26) == span


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize(
    ("header", "size"), [("bytes=26-", 26), ("bytes=26-30", 26), ("bytes=-0", 26), ("bytes=0-0", 0), ("bytes=-1", 0)]
)
def test_a_range_outside_is_told_with_the_size(header: str, size: int) -> None:
    with pytest.raises(Refusal) as refused:
        span_of(header, size)
    assert refused.value.code is codes.RANGE_NOT_SATISFIABLE
    assert refused.value.facts == {"size": size}


@pytest.mark.requirement("ADP-09")
@given(header=st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}", fullmatch=True), size=st.integers(0, 500))
def test_a_range_never_leaves_the_file(header: str, size: int) -> None:
    try:
        span = span_of(header, size)
    except Refusal:
        return
    assert 0 <= span.first <= span.first + span.length <= size
    assert span.length or not size


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", ".hidden", "a\\b", "a\x00b", "a\nb", "a\x7f",
        "x" * 256, "\ud800", "..\\x", "a/.ssh/id",
    ],
)  # fmt: skip
def test_a_name_that_could_lead_elsewhere_is_none(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        whole_name(name)
    assert refused.value.code is codes.NOT_MATCHING_SCHEMA


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize("name", ["a.pdf", "名册 2026.xlsx", "a/b/c.bin", "%2e%2e", "a%2fb", "~", "a b'\"$(x)"])
def test_other_names_are_names(name: str) -> None:
    assert "/".join(whole_name(name)) == name


@pytest.mark.requirement("ADP-09")
@pytest.mark.parametrize("path", ["/city/lent/a.txt", "/city/%E5%90%8D%20x", "/a/b~c-d_e.f"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_signature_is_what_the_vendors_library_makes(method: str, path: str) -> None:
    """botocore is the reference for AWS Signature Version 4."""
    auth, awsrequest, credentials = map(import_module, ("botocore.auth", "botocore.awsrequest", "botocore.credentials"))
    key = Basic(user="AKIDEXAMPLE", password="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    now = datetime.datetime(2026, 11, 22, 7, 8, 9, tzinfo=datetime.UTC)
    ours = sign(method, path, "store.example:9000", "cn-north-1", key, now)
    theirs: Any = awsrequest.AWSRequest(
        method, "http://store.example:9000" + path, headers={"host": "store.example:9000"}
    )
    theirs.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    theirs.headers["X-Amz-Date"] = theirs.context["timestamp"] = "20261122T070809Z"
    signer = auth.S3SigV4Auth(credentials.Credentials(key.user, key.password), "s3", "cn-north-1")
    signature = signer.signature(signer.string_to_sign(theirs, signer.canonical_request(theirs)), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")
    assert f"Credential={signer.scope(theirs)}," in ours["authorization"]
