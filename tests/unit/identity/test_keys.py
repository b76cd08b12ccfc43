"""Our signing keys: which files are taken, which key signs."""

from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from identity.keys import SigningKeys, public_keys


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
