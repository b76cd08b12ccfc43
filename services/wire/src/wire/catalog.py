"""What the catalog tells gateways and exchanges: one entry per change, in the order of commit.

`GET /feed?after=N&hold_ms=M` answers a `Feed`, `GET /snapshot` a `Snapshot`. Bodies are whole, not differences: an
entry replaces what was known under (kind, id). An entry without a body takes the thing away.
"""

from typing import Annotated, Literal

import msgspec

Kind = Literal["department", "system", "interface", "grant", "revocation"]
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

    Both are templates with the same variables: "/{id_card}" and "/v1/household/{id_card}". For SOAP `target` is the
    name of the operation in the WSDL, for a table it is empty.

    repeatable  may be asked a second time although its method does not say so: a POST that only reads
    """

    method: str
    path: str
    target: str
    repeatable: bool = False


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the answer: dotted name, the mask that applies unless a grant says `plain`, level L1–L4."""

    name: str
    mask: str = ""
    level: str = "L1"


# --- how a provider is spoken to ------------------------------------------------------------------------------------
class Rest(msgspec.Struct, frozen=True, kw_only=True, tag="rest", tag_field="kind"):
    """HTTP: operations with their methods and targets below `base_url`, which is http or https.

    request_format  what a body of the question is: application/json, application/xml,
                    application/x-www-form-urlencoded (checked as an object of strings), or bytes that pass through
    """

    request_format: Literal["json", "xml", "form", "binary"] = "json"


class Soap(msgspec.Struct, frozen=True, kw_only=True, tag="soap", tag_field="kind"):
    """SOAP 1.1 or 1.2, document/literal: each operation is POST, its `target` an operation of the WSDL's binding.

    wsdl           the document itself; what it imports from elsewhere is refused
    service, port  which of the WSDL's; "" for the first. The address is `base_url`, whatever the WSDL says
    """

    wsdl: str
    service: str = ""
    port: str = ""


Engine = Literal["postgresql", "mysql", "oracle", "dameng", "kingbase", "gaussdb"]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a table's question: which column it is held against, and how.

    op  `eq`, `ge`, `le`, `prefix`    kind  of the column, as which the parameter is read
    """

    parameter: str
    column: str
    op: Literal["eq", "ge", "le", "prefix"] = "eq"
    kind: Literal["text", "integer", "decimal", "date", "timestamp", "boolean"] = "text"
    required: bool = True


class Table(msgspec.Struct, frozen=True, kw_only=True, tag="table", tag_field="kind"):
    """A table or view (库表): one operation, GET "", answers a JSON array of objects.

    `base_url` is engine://host[:port]/database; its scheme is the engine. Interface.fields are the columns that may be
    asked for at all; a name that differs from the column stands in `columns` (field -> column).
    order      columns by which rows are sorted, so that pages do not overlap
    most_rows  more than so many are refused, unless the question pages itself with `limit` and `offset`
    """

    engine: Engine
    relation: str
    filters: list[Filter] = []
    columns: dict[str, str] = {}
    order: list[str] = []
    most_rows: int = 1000


class Files(msgspec.Struct, frozen=True, kw_only=True, tag="files", tag_field="kind"):
    """Files: GET "/{name}" streams one, in ranges if asked; HEAD tells its size. `Interface.format` is `binary`.

    `base_url` says where: file:///below/a/root/of/the/exchange, s3://bucket/prefix with `endpoint`, sftp://host/folder.
    digests  a file beside each, its name with ".sha256" behind, holds the hex digest that a whole download must have
    """

    endpoint: str = ""
    region: str = ""
    digests: bool = False


Adapter = Rest | Soap | Table | Files


class MaskRule(msgspec.Struct, frozen=True, kw_only=True):
    """A mask of the provider's own, as data. Its name begins with `x-`.

    Shows `head` first and `tail` last characters of values of at least `shortest` characters, nothing of shorter ones;
    with `until`, the part before the first of these characters, whatever head and tail say.
    """

    name: str
    head: int = 0
    tail: int = 0
    shortest: int = 1
    until: str = ""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A maintenance window that the provider announced: Unix seconds, `until` not included."""

    begins: int
    until: int
    reason: str = ""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer, invented, for the sandbox. An empty question answers all that no other does.

    values  path variables and query parameters together      request, response  JSON values, None where there is none
    """

    values: dict[str, str] = {}
    request: object = None
    response: object = None
    status: int = 200


Mode = Literal["query", "verify", "compare"]
"""What is told: facts; only yes, no or no record; field by field whether it is so (云南 29)."""


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """One major version of a registered interface.

    networks           CIDRs that the provider's name may lead to
    parameters         JSON Schema of path and query values (all strings), or None
    request, response  JSON Schema of the bodies, or None; of SOAP bodies in their JSON form
    format             of answers. `json`, `xml`: buffered, checked, projected; `binary`: streamed whole
    subject            which path variable, query parameter or member of the body names the person asked about, or ""
    adapter            how the provider is spoken to
    credential         name of the provider's credential at the exchange, "" for none
    mode               `verify` or `compare` where the provider itself tells only that
    masks              the provider's own, which its fields and grants may name
    maintenance        announced windows, in order
    """

    id: str
    version: str
    provider: str
    name: str
    base_url: str
    networks: list[str]
    operations: list[Operation]
    fields: list[Field]
    format: Literal["json", "xml", "binary"] = "json"
    parameters: dict[str, object] | None = None
    request: dict[str, object] | None = None
    response: dict[str, object] | None = None
    timeout_s: float = 10.0
    max_in_flight: int = 64
    consent_required: bool = False
    retention: Literal["general", "personal"] = "general"
    operation_word: str = "查询"
    subject: str = ""
    adapter: Adapter = Rest()
    credential: str = ""
    mode: Mode = "query"
    masks: list[MaskRule] = []
    maintenance: list[Window] = []
    examples: list[Example] = []
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
    quota_day     calls per calendar day in Asia/Shanghai, 0 for no limit; quota_month: per calendar month
    mode          `verify` or `compare`: of an interface that tells facts, only what these tell (fields: what may be
                  claimed; each verification claims all of them, a comparison some)
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
    quota_day: int = 0
    quota_month: int = 0
    mode: Mode = "query"
    state: State = State()


_Moment = Annotated[int, msgspec.Meta(ge=0, le=2**42)]


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that count no longer although they have not run out. Forgotten once `until` has passed.

    what    `token`: the one whose `jti` is `name`; `client`, `person`: those issued to it (`client_id`, `sub`) at
            `before` or earlier; `key`: all that the signing key with this `kid` signed
    until   Unix seconds after which no such token could be good anyway
    before  Unix seconds; 0 for `token` and `key`
    """

    what: Literal["token", "client", "person", "key"]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]
    until: _Moment
    before: _Moment = 0

    @property
    def id(self) -> str:
        return f"{self.what}/{self.name}"


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
    """Everything as of one revision, for a cold start; or a piece of it.

    `GET /snapshot?pieces=true` answers pieces of the same revision, one a line: together they are everything.

    more  further pieces follow: without this, what is cut between two lines would pass for the whole
    """

    revision: int
    more: bool = False
    departments: list[Department] = []
    systems: list[System] = []
    interfaces: list[Interface] = []
    grants: list[Grant] = []
    revocations: list[Revocation] = []
