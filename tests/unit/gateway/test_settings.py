"""Settings of the gateway that would be misunderstood otherwise."""

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.settings import Settings

URL: TypeAdapter[str] = TypeAdapter(Settings.__annotations__["public_url"])
WRONG = [
    "tongdao.example", "https://", "ftp://tongdao.example", "https://tongdao.example/", "https://tongdao.example/a",
    "https://tongdao.example?a", "https://tongdao.example#a", "https://a@tongdao.example", "HTTPS://tongdao.example",
    "https://Tongdao.example",
]  # fmt: skip


@pytest.mark.requirement("FRO-03")
@pytest.mark.parametrize("url", WRONG)
def test_the_public_address_has_no_path_and_one_spelling(url: str) -> None:
    with pytest.raises(ValidationError, match="expected https://host"):
        URL.validate_python(url)


@pytest.mark.requirement("FRO-03")
@pytest.mark.parametrize(
    "url", ["https://tongdao.example", "https://tongdao.example:8443", "http://127.0.0.1:18810", "http://[::1]:1"]
)
def test_a_public_address_is_scheme_and_host(url: str) -> None:
    assert URL.validate_python(url) == url
