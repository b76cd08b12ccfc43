"""The guard of `make bench-guard` and the counting of `make profile`, without a load."""

from flames import counted, function_of, table
from guard import dearer, middle


def test_one_bad_round_changes_no_median() -> None:
    rounds = [{"gateway": 2.0}, {"gateway": 9.0}, {"gateway": 2.2}]
    assert middle(rounds) == {"gateway": 2.2}


def test_what_grew_by_a_third_is_named_and_what_is_new_is_not() -> None:
    then = {"gateway": 3.0, "audit-service": 2.0}
    assert dearer({"gateway": 3.8, "audit-service": 1.0, "exchange-service": 9.0}, then) == []
    assert dearer({"gateway": 4.0, "audit-service": 2.5}, then) == ["gateway takes 1.33 times of what it took"]


def test_a_function_that_calls_itself_is_counted_once() -> None:
    samples, own, everywhere = counted(["a (x.py:1);b (x.py:2);b (x.py:3) 4", "a (x.py:9) 6"])
    assert samples == 10
    assert own == {"b (x.py)": 4, "a (x.py)": 6}
    assert everywhere == {"b (x.py)": 4, "a (x.py)": 10}


def test_a_frame_without_a_line_stays_as_it_is() -> None:
    assert function_of("write (libc.so.6)") == "write (libc.so.6)"
    assert function_of("answer (gateway/answer.py:12)") == "answer (gateway/answer.py)"
    assert table([]).splitlines() == ["   own  with calls"]
