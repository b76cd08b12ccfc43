"""Both ends prove that they hold the secret, each time anew, and with clocks that agree."""

from typing import Any

import msgspec
import pytest

from relay.hop.greeting import MAX_BYTES, BadGreeting, Hello, Proof, Welcome, accept, hello, packed, taken, welcome
from runtime.service_auth import WINDOW_S, ServiceKey

pytestmark = pytest.mark.requirement("REL-13")
SECRET = b"the secret of all the services here"
GATEWAY, EXCHANGE = ServiceKey(SECRET, "gateway"), ServiceKey(SECRET, "exchange")
STRANGER = ServiceKey(b"another secret, just as long as ours", "gateway")
NOON = 1_800_000_000.0


def test_both_come_to_the_same_keys_one_for_each_direction() -> None:
    asker = hello(GATEWAY, NOON)
    said, at_answerer = welcome(EXCHANGE, asker, NOON)
    proof, at_asker = accept(GATEWAY, asker, said, NOON)
    at_answerer.check("asker", proof.proof)
    for end in ("asker", "answerer"):
        assert at_asker.key_of(end) == at_answerer.key_of(end)
        assert len(at_asker.key_of(end)) == 32
    assert at_asker.key_of("asker") != at_asker.key_of("answerer")


def test_every_greeting_has_keys_of_its_own() -> None:
    asker = hello(GATEWAY, NOON)
    keys = {welcome(EXCHANGE, asker, NOON)[1].key_of("asker") for _ in range(9)}
    assert len(keys) == 9


def test_an_answering_end_without_the_secret_is_found_out() -> None:
    asker = hello(GATEWAY, NOON)
    said, _ = welcome(STRANGER, asker, NOON)
    with pytest.raises(BadGreeting, match="secret"):
        accept(GATEWAY, asker, said, NOON)


def test_an_asking_end_without_the_secret_is_found_out() -> None:
    asker = hello(STRANGER, NOON)
    said, at_answerer = welcome(EXCHANGE, asker, NOON)
    with pytest.raises(BadGreeting, match="secret"):
        accept(STRANGER, asker, said, NOON)
    for proof in ("", "é", "0" * 64, said.proof):  # its own proof sent back is not the other's
        with pytest.raises(BadGreeting, match="secret"):
            at_answerer.check("asker", proof)


def test_what_was_said_once_cannot_be_said_again() -> None:
    asker = hello(GATEWAY, NOON)
    said, _ = welcome(EXCHANGE, asker, NOON)
    proof, _ = accept(GATEWAY, asker, said, NOON)
    _, second = welcome(EXCHANGE, asker, NOON)
    with pytest.raises(BadGreeting):
        second.check("asker", proof.proof)
    with pytest.raises(BadGreeting):
        accept(GATEWAY, hello(GATEWAY, NOON), said, NOON)


@pytest.mark.parametrize("off_s", [-WINDOW_S - 1, WINDOW_S + 1])
def test_clocks_that_differ_are_named(off_s: int) -> None:
    with pytest.raises(BadGreeting, match="clocks"):
        welcome(EXCHANGE, hello(GATEWAY, NOON + off_s), NOON)
    asker = hello(GATEWAY, NOON)
    said, _ = welcome(EXCHANGE, asker, NOON)
    with pytest.raises(BadGreeting, match="clocks"):
        accept(GATEWAY, asker, said, NOON + off_s)


@pytest.mark.parametrize("name", ["", "Gateway", "a b", "a\nb", "x" * 41, "1"])
def test_a_name_is_a_name(name: str) -> None:
    with pytest.raises(BadGreeting, match="name"):
        welcome(EXCHANGE, Hello(name, int(NOON), bytes(32)), NOON)


def test_a_part_is_taken_when_it_is_whole() -> None:
    part = packed(hello(GATEWAY, NOON))
    heard = bytearray()
    for byte in part[:-1]:
        heard.append(byte)
        assert taken(heard, Hello) is None
    heard += part[-1:] + b"behind"
    assert taken(heard, Hello) is not None
    assert heard == b"behind"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Hello("gateway", 1, b"short"), Hello),
        (Hello("gateway", 1, bytes(33)), Hello),
        (Proof("x"), Hello),
        (Proof("x"), Welcome),
        (Hello("gateway", 1, bytes(32)), Proof),
        (Proof("x" * MAX_BYTES), Proof),
    ],
)
def test_anything_else_ends_the_greeting(said: msgspec.Struct, kind: Any) -> None:
    with pytest.raises(BadGreeting, match="something else"):
        taken(bytearray(packed(said)), kind)
