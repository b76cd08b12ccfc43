"""What an exchange tells the catalog about the interfaces it asks: `POST /health`, every few seconds, signed.

Counts are those of the span of the report and nothing else, so that spans add up and a lost report loses one span.
All times are Unix milliseconds.
"""

from typing import Annotated, Literal

import msgspec

from wire.usage import Count, Milliseconds, Name

MOST_INTERFACES = 5000
MOST_DRIFT = 100
"""Places of one interface; an exchange that knows more leaves out those that it saw last."""
Key = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9._-]{1,64}/v[0-9]{1,4}$")]
Path = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x20\x7f]+$")]
Breaker = Literal["closed", "open", "half-open"]
DriftKind = Literal["new", "missing", "type"]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One place where answers differ from the registered contract.

    path  dotted name of the field; "*" stands for names that are not plain identifiers
    kind  `new`: answered and not registered, `missing`: registered and not answered, `type`: of another JSON type
    seen  answers that showed it since the exchange learnt this registration    first_ms  when it was seen first
    """

    path: Path
    kind: DriftKind
    seen: Count
    first_ms: Milliseconds


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """One interface as one exchange saw it.

    calls            asked of the provider within the span, probes not counted
    failures         of these, the ones that were the provider's fault
    last_success_ms  of an answer, 0 if there was none since the exchange began
    p50_ms, p95_ms   of the span's calls, 0 without calls
    breaker          at the end of the span
    reachable        what the last active probe said, None if there was none in the span
    """

    calls: Count = 0
    failures: Count = 0
    last_success_ms: Milliseconds = 0
    p50_ms: Count = 0
    p95_ms: Count = 0
    breaker: Breaker = "closed"
    reachable: bool | None = None
    drift: Annotated[list[Drift], msgspec.Meta(max_length=MOST_DRIFT)] = []


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """Of one exchange (a replica's own name): the interfaces that were asked or probed within the span, by key "id/v1".

    An exchange's spans do not overlap: what ends before the last one that is known says nothing new.
    """

    exchange: Name
    since: Milliseconds
    until: Milliseconds
    interfaces: Annotated[dict[Key, Health], msgspec.Meta(max_length=MOST_INTERFACES)] = {}
