"""Pages as answers: HTML without script that loads nothing from elsewhere, and the headers that hold it to that."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from identity.pages.words import words
from runtime.errors import Refusal

HERE = Path(__file__).parent
ZONE = ZoneInfo("Asia/Shanghai")
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # addresses of invitations tell them
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Pages:
    """The templates, read once."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters["moment"] = moment
        self.style = (HERE / "style.css").read_bytes()

    def page(
        self,
        template: str,
        language: str,
        *,
        refusal: Refusal | None = None,
        onward_to: Sequence[str] = (),
        **values: Any,
    ) -> HTMLResponse:
        """One page; `refusal` is said at its top and gives the status. `onward_to`: origins where its form may end."""
        text = self._templates.get_template(f"{template}.html").render(
            w=words(language), language=language, refused=_told(refusal, language), **values
        )
        status = refusal.code.status if refusal else 200
        headers = {**HEADERS, "Content-Security-Policy": policy(onward_to)}
        if refusal and "retry_after" in refusal.facts:
            headers["Retry-After"] = str(refusal.facts["retry_after"])
        return HTMLResponse(text, status, headers)


def policy(onward_to: Sequence[str] = ()) -> str:
    """No script, no frame, no other origin. Browsers hold redirects after a form to `form-action` as well."""
    targets = " ".join(["'self'", *onward_to])
    return f"default-src 'none'; style-src 'self'; form-action {targets}; frame-ancestors 'none'; base-uri 'none'"


def square(text: str) -> Markup:
    """A QR code as SVG, part of the page: nothing is fetched for it."""
    return Markup(segno.make(text, error="m").svg_inline(scale=4, omitsize=False))  # noqa: S704  # made of squares alone


def moment(at: datetime) -> str:
    return at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


def _told(refusal: Refusal | None, language: str) -> tuple[str, str]:
    """What is wrong and what helps; a page knows it better than the code where the refusal has `why`."""
    if refusal is None:
        return "", ""
    why = words(language).get(str(refusal.facts.get("why")), "")
    return (why, "") if why else (refusal.code.title(language), refusal.code.remedy(language))
