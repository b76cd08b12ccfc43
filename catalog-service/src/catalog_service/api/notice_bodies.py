"""What departments send about their notices, checked for form."""

from typing import Annotated, Literal

from pydantic import Field

from catalog_service.api.bodies import Body, Name


class WebhookBody(Body):
    url: Name
    networks: Annotated[list[Name], Field(max_length=100)]
    words: Annotated[list[Name], Field(max_length=100)] = []
    office: Literal["", "office:authority", "office:upper-authority", "office:government"] = ""
