"""What a service has the catalog tell a department: `POST /notices`, service-signed, JSON of `Told`; answers 204.

The catalog knows the words (its `notices.words`) and tells each key once, however often it is sent.
"""

import msgspec

PATH = "/notices"
KEY_EXPIRING = "client.key_expiring"
"""A client's key ends soon. Facts: client, kid, ends (RFC 3339), days."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One message to an office of a department.

    key     names the event: the same key reaches nobody twice
    office  such as "office:officer"; "" for everybody in the department
    kind, about  what it is about: "client" and its id
    """

    key: str
    word: str
    department: str
    office: str
    kind: str
    about: str
    facts: dict[str, str]
