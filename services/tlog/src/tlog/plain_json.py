"""JSON that every reader reads alike: the only kind that is looked at here."""

import json
from typing import NoReturn

from tlog.proofs import ProofError


def json_object(data: bytes, what: str) -> dict[str, object]:
    """JSON in UTF-8, without what two readers could read differently: double members, fractions, half characters.

    Raises ProofError unless it is one object; `what` is how the message calls it.
    """
    refuse = _not_a_whole_number
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_float=refuse, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # fails on an escaped half of a surrogate pair
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProofError(f"{what} is not a plain JSON object")
    return value


def _object(members: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(members)
    if len(result) != len(members):
        raise ValueError("a member stands twice")
    return result


def _not_a_whole_number(text: str) -> NoReturn:
    raise ValueError("not a whole number")
