"""The one module that imports an HTTP client: calls between our own services that are not on the fast lane.

httpx2 is the maintained continuation of httpx (same interface).
"""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext

from httpx2 import AsyncClient, Client, HTTPError, Limits, Request, Response, Timeout

__all__ = ["AsyncClient", "Client", "HTTPError", "Limits", "Request", "Response", "client", "sync_client"]


def client(base_url: str, *, timeout_s: float = 5.0, headers: dict[str, str] | None = None) -> AsyncClient:
    """A client for one of our services: no redirects, no proxies from the environment, no cookies kept.

    One client serves many people: what it kept of an answer to one of them it would send with another's request.
    """
    return AsyncClient(
        base_url=base_url, timeout=Timeout(timeout_s), headers=headers or {}, cookies=_no_cookies(),
        follow_redirects=False, trust_env=False,
    )  # fmt: skip


def sync_client(base_url: str, *, timeout_s: float = 10.0, tls: SSLContext | None = None) -> Client:
    """The same for tools that do one thing after another. tls  whom to believe, the machine's authorities for None"""
    return Client(
        base_url=base_url, timeout=Timeout(timeout_s), cookies=_no_cookies(), follow_redirects=False, trust_env=False,
        verify=tls or True,
    )  # fmt: skip


def _no_cookies() -> CookieJar:
    """A jar that takes none of anybody."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
