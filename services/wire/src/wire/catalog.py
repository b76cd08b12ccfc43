"""What the catalog tells gateways and exchanges: one entry per change, in the order of commit.

`GET /feed?after=N&hold_ms=M` answers a `Feed`, `GET /snapshot` a `Snapshot`. Bodies are whole, not differences: an
entry replaces what was known under (kind, id). An entry without a body takes the thing away.
"""

from typing import Literal

import msgspec

Kind = Literal["department", "system", "interface", "grant"]
Standing = Literal["active", "suspended", "revoked"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Whether something may be used, and if not, since when and by whose word (`since` is RFC 3339)."""

    standing: Standing = "active"
    since: str = ""
    by: str = ""
    reason: str = ""


class Department(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation that takes part."""

    id: str
    name: str
    state: State = State()


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A department's information system (信息系统, JDZ 7); its id is its OAuth client id."""

    id: str
    department: str
    name: str
    state: State = State()


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be asked: `path` follows /x/{interface}/{version}, `target` is the path at the provider.

    Both are templates with the same variables: "/{id_card}" and "/v1/household/{id_card}".
    """

    method: str
    path: str
    target: str


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the answer: dotted name, the mask that applies unless a grant says `plain`, level L1–L4."""

    name: str
    mask: str = ""
    level: str = "L1"


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """One major version of a registered interface.

    networks           CIDRs that the provider's name may lead to
    parameters         JSON Schema of path and query values (all strings), or None
    request, response  JSON Schema of the bodies, or None
    format             `json`: buffered, checked, projected; `binary`: streamed whole
    subject            which path variable, query parameter or member of the body names the person asked about, or ""
    """

    id: str
    version: str
    provider: str
    name: str
    base_url: str
    networks: list[str]
    operations: list[Operation]
    fields: list[Field]
    format: Literal["json", "binary"] = "json"
    parameters: dict[str, object] | None = None
    request: dict[str, object] | None = None
    response: dict[str, object] | None = None
    timeout_s: float = 10.0
    max_in_flight: int = 64
    consent_required: bool = False
    retention: Literal["general", "personal"] = "general"
    operation_word: str = "查询"
    subject: str = ""
    state: State = State()

    @property
    def key(self) -> str:
        return f"{self.id}/{self.version}"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What one system may ask of one interface, and until when. Times are Unix seconds; 0 means open.

    fields        dotted names that may leave; ["*"] releases the answer whole
    masks         field -> mask name, replacing the interface's; "plain" lifts it
    case_pattern  a regular expression the whole case number has to match, "" where none is needed
    hours         "08:00-18:00" in Asia/Shanghai, "" for always
    rate_per_s    calls per second, with a burst of the same size or `burst`
    """

    id: str
    revision: int
    system: str
    department: str
    interface: str
    purpose: str
    fields: list[str]
    masks: dict[str, str] = {}
    basis: str = ""
    case_pattern: str = ""
    networks: list[str] = []
    hours: str = ""
    not_before: int = 0
    not_after: int = 0
    rate_per_s: float = 10.0
    burst: int = 0
    max_in_flight: int = 32
    state: State = State()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `body` is the JSON of the class that `kind` names, or `null` where the thing is gone.

    (A union with None cannot be decoded: msgspec takes Raw on its own only.)
    """

    revision: int
    kind: Kind
    id: str
    body: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def gone(self) -> bool:
        return bytes(self.body) == b"null"


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """Changes after the revision that was asked for; `head` is the newest revision there is."""

    head: int
    entries: list[Entry]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything as of one revision, for a cold start."""

    revision: int
    departments: list[Department]
    systems: list[System]
    interfaces: list[Interface]
    grants: list[Grant]
