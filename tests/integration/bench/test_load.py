"""The loads of the bench ask a real process on loopback, count what it answers and what it does not."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from peers.contender import head
from peers.load import closed, opened
from peers.processes import DidNotStart, listening, running
from peers.provider import provider
from tongdao_cli.postgres import free_port


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """The port of something that says `reply` to every connection once, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_the_open_loop_asks_as_often_as_it_should() -> None:
    with provider() as (_, port):
        answers = opened(port, head(port, "/x", "none"), 100, 0.2)
    assert (answers.calls, answers.failed) == (20, 0)
    assert 0 < answers.p50_ms <= answers.p99_ms


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"])
def test_a_call_that_is_not_answered_with_200_has_failed(reply: bytes) -> None:
    with answering(reply) as port:
        answers = opened(port, head(port, "/x", "none"), 1, 1)
    assert (answers.calls, answers.failed) == (0, 1)


def test_the_closed_loop_without_wrk_counts_answers_alone() -> None:
    with provider() as (_, port):
        answers = closed(None, port, head(port, "/x", "none"), 3, 0.2)
    assert answers.calls > 3
    assert answers.failed == 0


def test_what_ends_before_it_listens_did_not_start() -> None:
    with running(["false"]) as process:
        process.wait()
        with pytest.raises(DidNotStart, match="false"):
            listening(process, free_port())
