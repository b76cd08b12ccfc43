"""What is compared: something that answers a question on a port of 127.0.0.1, and the processes that it takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

CALLS = 1_000_000
"""Numbers of calls begin anew here: a case number has six digits."""


@dataclass(frozen=True)
class Contender:
    """One of those that are compared.

    port       on 127.0.0.1
    question   makes the head that a round asks with, since tokens end: see `head`
    parts      name -> processes (their descendants belong to them) that share the measured core
    apart      the same for what works for it elsewhere: PostgreSQL
    """

    name: str
    port: int
    question: Callable[[], str]
    parts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    apart: Mapping[str, Sequence[int]] = field(default_factory=dict)


def head(port: int, path: str, token: str) -> str:
    """What every contender is asked, `path` and `token` apart. Places like %06d get the number of the call.

    No two calls are alike: record, case number and trace differ, as they do in real traffic.
    """
    return (
        f"GET {path}/A%06d HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n"
        "tongdao-case: YJ2026-%06d\r\ntraceparent: 00-%032x-%016x-00\r\naccept: */*\r\n\r\n"
    )


def numbered(question: str, number: int) -> bytes:
    """The question of one call. number  0-based, any"""
    return (question % ((number % CALLS,) * question.count("%"))).encode()
