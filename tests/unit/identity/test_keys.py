"""Our signing keys: which files are taken, which key signs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from identity.keys import SigningKeys, expiry, public_keys, signer_among


def private(curve: str = "P-256", **more: Any) -> dict[str, Any]:
    return {**ECKey.generate_key(curve).as_dict(private=True), **more}


@pytest.mark.requirement("IDN-01")
def test_the_first_key_signs_and_all_are_published() -> None:
    first, second = private(kid="new"), private(kid="old")
    keys = SigningKeys({"keys": [first, second]})
    token = keys.sign({"sub": "a"})
    assert jws.deserialize_compact(token, ECKey.import_key(first), algorithms=["ES256"]).headers()["kid"] == "new"
    assert [key["kid"] for key in keys.public()["keys"]] == ["new", "old"]
    assert all("d" not in key for key in keys.public()["keys"])


def test_a_key_without_a_name_is_named_after_its_thumbprint() -> None:
    key = private()
    (published,) = SigningKeys({"keys": [key]}).public()["keys"]
    assert published["kid"] == ECKey.import_key(key).thumbprint()


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [private("P-384")],
        [private(kid="a"), private(kid="a")],
        [dict(ECKey.generate_key("P-256").as_dict(private=False))],
    ],
)
def test_keys_that_cannot_sign_stop_the_start(keys: list[Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        SigningKeys({"keys": keys})


@pytest.mark.requirement("IDN-11")
@pytest.mark.parametrize("jwks", [{}, {"keys": {}}, {"keys": [], "more": 1}, {"keys": [None]}])
def test_sets_that_are_no_key_sets(jwks: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="key"):
        public_keys(jwks)


def test_keys_that_cannot_sign_leave_those_that_can() -> None:
    keys = SigningKeys({"keys": [private(kid="good")]})
    with pytest.raises(ValueError, match="key"):
        keys.take({"keys": [private("P-384", kid="bad")]})
    assert [key["kid"] for key in keys.public()["keys"]] == ["good"]
    assert keys.sign({"sub": "a"})


@pytest.mark.requirement("IDK-05")
@pytest.mark.parametrize("until", [0, -1, True, "1", 1.5, None, 2**50])
def test_an_end_of_a_key_is_whole_unix_seconds(until: Any) -> None:
    key = dict(ECKey.generate_key("P-256", {"kid": "a"}).as_dict(private=False))
    with pytest.raises(ValueError, match="until"):
        public_keys({"keys": [{**key, "until": until}]})
    (kept,) = public_keys({"keys": [{**key, "until": 1}]})
    assert kept["until"] == 1


@pytest.mark.requirement("IDK-05")
@pytest.mark.parametrize(("until", "is_over"), [(None, False), (1_000_001, False), (1_000_000, True), (1, True)])
def test_a_key_counts_until_its_end_and_not_at_it(until: int | None, is_over: bool) -> None:
    key = {"kid": "a"} if until is None else {"kid": "a", "until": until}
    said = expiry(key, datetime.fromtimestamp(1_000_000, UTC))
    assert bool(said) is is_over
    assert not is_over or (said.startswith("expired at 1970-01-") and said.endswith("now 1970-01-12T13:46:40Z"))


def test_the_key_that_signed_is_found_among_others() -> None:
    keys = [ECKey.generate_key("P-256", {"kid": name}) for name in "ab"]
    public = [{**key.as_dict(private=False), "until": 5} for key in keys]
    signed = jws.serialize_compact({"alg": "ES256"}, b"{}", keys[1])
    assert (signer_among(signed, public) or {})["kid"] == "b"
    assert signer_among(signed, public[:1]) is None
