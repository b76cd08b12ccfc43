"""A witness as a process: what others meet at its address, and what is left of it after SIGKILL."""

import hashlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.receipts import ORIGIN, key
from harness.witnessed import START_S, WITNESS, Tree, WitnessProcess, body, witness_process
from runtime.http import Client, HTTPError, Response, sync_client
from tlog import cosignature
from tlog.checkpoint import open_note

TREE = Tree()
DIGEST = hashlib.sha256(ORIGIN.encode()).hexdigest()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WitnessProcess]:
    with witness_process(tmp_path_factory.mktemp("witness")) as process:
        yield process


def post(client: Client, request: bytes) -> Response:
    return client.post("/add-checkpoint", content=request)


@pytest.mark.requirement("WIT-01")
def test_the_protocol_over_http(running: WitnessProcess) -> None:
    with sync_client(running.url) as client:
        public = client.get("/key").text.strip()
        assert cosignature.parse_vkey(public).name == WITNESS
        assert client.get(f"/{DIGEST}/checkpoint").status_code == 404
        for request, status in (
            (TREE.body(0, 5), 200), (TREE.body(5, 9), 200), (b"", 400), (body(9, [], TREE.note(8)), 400),
            (body(9, [], TREE.note(9, key(2))), 403), (TREE.body(9, 9).replace(ORIGIN.encode(), b"other"), 404),
            (body(9, [], TREE.note(10)), 422), (b"x" * 65_537, 413),
        ):  # fmt: skip
            answer = post(client, request)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        conflict = post(client, TREE.body(0, 9))
        assert (conflict.status_code, conflict.content) == (409, b"9\n")
        assert conflict.headers["content-type"] == "text/x.tlog.size"
        cosigned = post(client, TREE.body(9, 9)).text
        shown = client.get(f"/{DIGEST}/checkpoint").text
        assert shown == TREE.note(9) + cosigned
        assert open_note(shown, running.log_vkey).size == 9
        assert abs(cosignature.verify(shown, public) - time.time()) < 60
        overview = client.get("/").json()
        assert (overview["vkeys"], overview["logs"][0]["size"]) == ([public], 9)


def test_other_methods_and_addresses_get_nothing(running: WitnessProcess) -> None:
    with sync_client(running.url) as client:
        assert client.get("/add-checkpoint").status_code == 405
        assert client.post("/add-checkpoint/", content=b"").status_code == 404
        assert client.post("/add-checkpoint?x", content=b"").status_code == 404
        assert client.get("/x/checkpoint").status_code == 404
        assert client.get("/checkpoint").status_code == 404


def test_a_client_that_sends_half_a_request_holds_up_nobody(running: WitnessProcess) -> None:
    half = socket.create_connection(("127.0.0.1", running.port))
    with half, sync_client(running.url) as client:
        half.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nold 0\n")
        assert post(client, b"").status_code == 400


class Submitter(threading.Thread):
    """Posts ever larger checkpoints, as the witness tells it; `answered` is the largest that it got a line for."""

    def __init__(self, url: str, start: int) -> None:
        super().__init__()
        self._url = url
        self.answered = start
        self.is_at_work = threading.Event()

    def run(self) -> None:
        with sync_client(self._url) as client:
            try:
                while self.answered < 290:
                    answer = post(client, TREE.body(self.answered, self.answered + 1))
                    self.answered = self.answered + 1 if answer.status_code == 200 else int(answer.text)
                    self.is_at_work.set()
            except HTTPError:
                return


@pytest.mark.requirement("WIT-02")
def test_killed_under_load_it_never_falls_behind_what_it_answered(tmp_path: Path) -> None:
    chance, answered = random.Random(7), 0
    with witness_process(tmp_path) as process:
        for _ in range(3):
            submitters = [Submitter(process.url, answered) for _ in range(2)]
            for submitter in submitters:
                submitter.start()
            assert submitters[0].is_at_work.wait(START_S)
            time.sleep(chance.uniform(0, 0.1))  # the moment of death, not patience
            process.kill()
            for submitter in submitters:
                submitter.join()
            answered = max(submitter.answered for submitter in submitters)
            process.start()
            with sync_client(process.url) as client:
                held = int(post(client, body(299, [bytes(32)], TREE.note(300))).text)
            assert answered <= held <= answered + 2, "each of two may have lost one answer on the way"
            answered = held
        assert answered > 0
        process.stop()


@pytest.mark.requirement("WIT-02")
def test_it_does_not_start_with_its_key_and_an_empty_folder(tmp_path: Path) -> None:
    with witness_process(tmp_path) as process:
        process.stop()
        (tmp_path / "cosigned").rename(tmp_path / "elsewhere")
        with pytest.raises(AssertionError, match="is its volume mounted"):
            process.start()
        (tmp_path / "cosigned" / "lock").unlink()
        (tmp_path / "cosigned" / "identity").unlink()
        (tmp_path / "cosigned").rmdir()
        (tmp_path / "elsewhere").rename(tmp_path / "cosigned")
        process.start()


@pytest.mark.requirement("WIT-03")
def test_a_second_process_does_not_get_the_folder(running: WitnessProcess) -> None:
    second = WitnessProcess(running.folder)
    with pytest.raises(AssertionError, match="in use by another witness"):
        second.start()
    assert second.process.wait() == 2
    assert running.process.poll() is None
