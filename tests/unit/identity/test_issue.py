"""Issuing without a database, and counting refusals."""

from typing import Any, cast

import pytest

from identity.issue import Issuing
from identity.presented import Presented
from identity.refusals import Refusals
from identity.store import Client
from identity.throttle import Throttle
from runtime.clock import SystemClock
from runtime.db import engine
from runtime.errors import Refusal
from wire import codes

CLIENT = Client("a", "gaj", frozenset({"call"}), "private_key_jwt", [])


@pytest.mark.anyio
@pytest.mark.requirement("IDN-02")
async def test_without_a_database_there_is_no_token() -> None:
    database = engine("postgresql://nobody:x@127.0.0.1:1/none")
    issuing = Issuing(
        database, cast(Any, None), cast(Any, None), Presented(cast(Any, None), SystemClock()), Throttle(), Refusals(),
        token_endpoint="https://a.example/oauth2/token", clock=SystemClock(),
    )  # fmt: skip
    with pytest.raises(Refusal) as refused:
        await issuing.answer({"grant_type": "client_credentials"}, "")
    assert refused.value.code is codes.AUDIT_UNAVAILABLE


@pytest.mark.requirement("IDN-09")
def test_counts_that_could_not_be_written_are_not_lost() -> None:
    refusals = Refusals()
    for reason in ("signature", "aud"):
        refusals.note(CLIENT, reason)
    taken = refusals.take()
    assert refusals.take() == {}
    refusals.note(CLIENT, "replay")
    refusals.put_back(taken)
    (count,) = refusals.take().values()
    assert (count.times, count.reason, count.department) == (3, "replay", "gaj")
