"""How often grants are used, as gateways report it to the catalog: hints for people. The log is what proves a call.

`POST /usage` takes a `Report`. The reports of a gateway follow one another without gap or overlap, and one that was not
acknowledged is sent again as it was: (gateway, since) names it, and the catalog counts it once.
"""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**42)]
"""Unix time, up to the year 2109."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class Use(msgspec.Struct, kw_only=True):
    """What became of the calls under one grant: how many, how many without an answer, and when the last one ended."""

    calls: Count = 0
    errors: Count = 0
    last_ms: Milliseconds = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one gateway saw from `since` until `until`, by id of the grant."""

    gateway: Name
    since: Milliseconds
    until: Milliseconds
    grants: dict[Name, Use]
