"""What the contenders are asked, how their time is read, and what they are started with; nothing is started here."""

import os
import re
import threading
import time
from pathlib import Path

import yaml

from peers.contender import CALLS, head, numbered
from peers.measure import Foreign, cpu_ns, rss_mb
from peers.ours import forge
from peers.processes import family
from peers.rivals import CONFIGURATIONS, Issuer, filled


def test_no_two_calls_are_alike_and_all_are_well_formed() -> None:
    question = head(8080, "/x/bench/v1", "e30.e30.e30")
    asked = [numbered(question, number) for number in (0, 1, CALLS - 1)]
    assert len(set(asked)) == 3
    for one in asked:
        assert re.search(rb"^GET /x/bench/v1/A\d{6} HTTP/1\.1\r\n", one)
        assert re.search(rb"\r\ntongdao-case: YJ2026-\d{6}\r\n", one)
        assert re.search(rb"\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n", one)
    assert numbered(question, CALLS) == asked[0]


def test_a_forged_token_differs_in_its_signature_alone() -> None:
    token = Issuer().token()
    assert forge(token) != token
    assert forge(token).rpartition(".")[0] == token.rpartition(".")[0]
    assert len(forge(token)) == len(token)


def test_processor_time_grows_with_work_in_any_thread() -> None:
    before, enough = cpu_ns([os.getpid()]), threading.Event()

    def work() -> None:
        while not enough.is_set():
            sum(range(10_000))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while cpu_ns([os.getpid()]) <= before:
            time.sleep(0.001)
    finally:
        enough.set()
        worker.join()
    assert rss_mb([os.getpid()]) > 5
    assert os.getpid() in family([os.getpid()])


def test_the_configurations_have_no_words_left(tmp_path: Path) -> None:
    issuer = Issuer()
    filled("nginx.conf", tmp_path, PORT=1, PROVIDER=2)
    filled(
        "envoy.yaml", tmp_path, PORT=1, PROVIDER=2, ISSUER=issuer.name, AUDIENCE="bench", KEYS=issuer.keys, CACHE="null"
    )
    for path in CONFIGURATIONS.glob("*.[cy]*"):
        assert "Words in __" in path.read_text()
        assert not re.findall("__[A-Z]+__", (tmp_path / path.name).read_text())
    assert yaml.safe_load((tmp_path / "envoy.yaml").read_text())["static_resources"]["listeners"]


def test_what_others_use_of_the_machine_is_not_negative_and_not_more_than_there_is() -> None:
    foreign = Foreign()
    time.sleep(0.05)
    assert 0 <= foreign.cores() <= (os.cpu_count() or 1) + 1  # read in ticks of a hundredth of a second
