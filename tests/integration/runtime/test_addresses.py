"""An address with a slash too many is unknown, in every service: nobody is led elsewhere."""

from pathlib import Path

import httpx2
import pytest

from harness.routes import applications


@pytest.mark.anyio
@pytest.mark.requirement("FRO-05")
async def test_no_service_redirects_to_what_a_client_named_as_its_host(tmp_path: Path) -> None:
    for name, app in applications(tmp_path).items():
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://evil.example") as line:
            answer = await line.get("/health/live/")
        assert "location" not in answer.headers, name
        assert answer.status_code in (403, 404), name
        assert not app.router.redirect_slashes
