"""What an answer that says no may look like, and what must never stand in one (security.md E-1)."""

import re

from runtime.http import Response

MEMBERS = {"type", "code", "status", "title", "remedy", "fault"}
CANARY = re.compile(
    r"Traceback|site-packages|asyncpg|sqlalchemy|psycopg|postgresql://|tongdao_(?:catalog|audit|identity|exchange)\b"
    r"|/secrets/|\.py\b|SELECT |INSERT |UPDATE |<object |0x[0-9a-f]{8,}|RuntimeError|KeyError|TypeError"
)
"""Traces, statements, drivers, files and roles of ours."""
OAUTH = {"error"}


def check_hygiene(answer: Response) -> None:
    """Raise AssertionError unless an answer of 400 and more is a problem document, or what OAuth has for one."""
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return
    kind = answer.headers.get("content-type", "")
    assert not (found := CANARY.search(answer.text)), f"{answer.request.url}: {found}"
    if kind.startswith(("text/html", "text/plain")):
        return  # a page for people, or the connection itself
    told = answer.json()
    if kind == "application/problem+json":
        assert told.keys() >= MEMBERS, f"{answer.request.url}: {told}"
        assert told["status"] == answer.status_code
        assert told["type"] == f"urn:tongdao:code:{told['code']}"
        assert all((told["title"], told["remedy"], told["fault"] in ("consumer", "exchange", "provider")))
        assert answer.headers["cache-control"] == "no-store"
    else:
        assert told.keys() >= OAUTH, f"{answer.request.url}: {kind} {told}"
