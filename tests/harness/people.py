"""People at their browsers: they open pages, fill in forms, read codes from their authenticators."""

import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pyotp
from fastapi import FastAPI

PASSWORD = "Korrekt-Pferd-7"
WRONG = "Falsches-Pferd-7"
BACK = "https://portal.example/callback"


class Browser:
    """One browser at one address; it keeps cookies, does not follow redirects, and fills in the form it saw last."""

    def __init__(self, app: FastAPI | None, origin: str, address: str = "203.0.113.7") -> None:
        """`app` None: the origin is a real address, and so is ours."""
        transport = None if app is None else httpx2.ASGITransport(app, client=(address, 40_000))
        headers = {"Accept-Language": "en", "User-Agent": "Chrome/90 (test)"}
        self.http = httpx2.AsyncClient(transport=transport, base_url=origin, headers=headers)
        self.page: httpx2.Response

    async def open(self, address: str) -> httpx2.Response:
        self.page = await self.http.get(address)
        return self.page

    def hidden(self) -> dict[str, str]:
        """The hidden fields of the last form of the page."""
        form = self.page.text.rpartition("<form")[2]
        found = re.findall(r'<input type="hidden" name="([^"]+)"[^>]* value="([^"]*)"', form)
        return {name: html.unescape(value) for name, value in found}

    async def send(self, address: str, **fields: str) -> httpx2.Response:
        """Post the form with what the page had in it and what the person typed."""
        answer = await self.http.post(address, data={**self.hidden(), **fields})
        if answer.status_code != 303:
            self.page = answer
        return answer

    async def follow(self, answer: httpx2.Response) -> httpx2.Response:
        """Go where an answer leads, as long as that is a page of ours."""
        while answer.status_code == 303 and answer.headers["location"].startswith("/"):
            answer = await self.open(answer.headers["location"])
        return answer

    def cookie(self, name: str) -> str:
        """The value of our cookie `tongdao-NAME`."""
        return next((c.value or "" for c in self.http.cookies.jar if c.name.endswith(f"tongdao-{name}")), "")


@dataclass
class Person:
    """Somebody who was invited. `secret` is what their authenticator keeps."""

    id: str
    login: str
    link: str
    password: str = PASSWORD
    secret: str = ""
    recovery: list[str] = field(default_factory=list)

    def code(self, at: datetime, steps: int = 1) -> str:
        """What the authenticator shows `steps` of 30 s later; by default the next one, into which slow tests run."""
        return pyotp.TOTP(self.secret).generate_otp(int(at.timestamp()) // 30 + steps)

    async def enrol(self, browser: Browser, at: datetime) -> httpx2.Response:
        """Open the link and choose a password, with the present code; the next one stays unused."""
        path = urlsplit(self.link).path
        page = await browser.open(path)
        self.secret = re.findall(r'class="key">([A-Z2-7]+)<', page.text)[0]
        answer = await browser.send(path, password=self.password, again=self.password, code=self.code(at, 0))
        self.recovery = re.findall(r"<li>([A-Z2-7-]+)</li>", answer.text)
        return answer

    async def sign_in(self, browser: Browser, at: datetime, page: str = "/login/sign-in") -> httpx2.Response:
        """Password and code; the last answer."""
        await browser.open(page)
        answer = await browser.send("/login/sign-in", login=self.login, password=self.password)
        if answer.status_code != 303:
            return answer
        await browser.follow(answer)
        return await browser.send("/login/code", code=self.code(at))


class Request:
    """An authorization request of a client, with everything that belongs into it."""

    def __init__(self, client: str, **over: str | None) -> None:
        self.verifier = secrets.token_urlsafe(32)
        self.state, self.nonce = secrets.token_urlsafe(8), secrets.token_urlsafe(8)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        wanted: dict[str, str | None] = {
            "response_type": "code", "client_id": client, "redirect_uri": BACK, "state": self.state,
            "scope": "openid profile office:officer", "nonce": self.nonce, "code_challenge": challenge,
            "code_challenge_method": "S256", **over,
        }  # fmt: skip
        self.parameters = {name: value for name, value in wanted.items() if value is not None}

    @property
    def address(self) -> str:
        return f"/login/authorize?{urlencode(self.parameters)}"


def said(answer: httpx2.Response) -> dict[str, Any]:
    """What an answer sends back to the client in its address; {} where it is no redirect to it."""
    address = answer.headers.get("location", "")
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
