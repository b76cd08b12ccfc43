"""Standing: the matrix of transitions, and what survives a new statement."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from catalog_service.directory import model
from catalog_service.directory.model import Act
from catalog_service.directory.permissions import check_may_move, check_responsible
from catalog_service.feed.model import Actor, kind_and_id, stamped
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant, Standing, State, System

NOON = datetime(2026, 10, 1, 12, 0, 0, tzinfo=UTC)
EXPECTED: dict[str, dict[str, Standing | None]] = {
    "active": {"suspend": "suspended", "resume": None, "revoke": "revoked"},
    "suspended": {"suspend": None, "resume": "active", "revoke": "revoked"},
    "revoked": {"suspend": None, "resume": None, "revoke": None},
}


def system(state: State) -> System:
    return System(id="zjj-housing", department="zjj", name="住房保障管理系统", state=state)


@pytest.mark.requirement("CAT-05")
@pytest.mark.parametrize("standing", get_args(Standing))
@pytest.mark.parametrize("act", get_args(Act))
def test_every_standing_meets_every_act(standing: Standing, act: Act) -> None:
    before = system(State(standing=standing, since="2026-09-01T00:00:00Z", by="gaj", reason="test"))
    after = EXPECTED[standing][act]
    if after is None:
        with pytest.raises(Refusal) as refused:
            model.move(before, act, "dsjj", "because", NOON)
        assert refused.value.code is codes.CONFLICT
        assert refused.value.facts["standing"] == standing
        assert refused.value.facts["by"] == "gaj"
    elif after == "active":
        assert model.move(before, act, "dsjj", "because", NOON).state == State()
    else:
        said = State(standing=after, since="2026-10-01T12:00:00Z", by="dsjj", reason="because")
        assert model.move(before, act, "dsjj", "because", NOON).state == said


@pytest.mark.requirement("CAT-05")
def test_a_new_statement_keeps_the_standing_and_never_brings_back_what_was_revoked() -> None:
    suspended = State(standing="suspended", since="2026-09-01T00:00:00Z", by="dsjj", reason="misuse")
    assert model.carry_over(system(suspended), system(State())).state == suspended
    assert model.carry_over(None, system(State())).state == State()
    with pytest.raises(Refusal) as refused:
        model.carry_over(system(State(standing="revoked", by="dsjj")), system(State()))
    assert refused.value.code is codes.CONFLICT


@pytest.mark.requirement("CAT-10")
@pytest.mark.parametrize(
    ("actor", "by", "may"),
    [("gaj", "gaj", True), ("gaj", "platform", False), ("platform", "gaj", True), ("swj", "swj", False)],
)
def test_only_who_suspended_or_the_platform_resumes(actor: str, by: str, may: bool) -> None:
    state = State(standing="suspended", by=by)
    if may:
        check_may_move(Actor("client", actor), "gaj", state, "resume")
        return
    with pytest.raises(Refusal) as refused:
        check_may_move(Actor("client", actor), "gaj", state, "resume")
    assert refused.value.code is codes.NOT_RESPONSIBLE


@pytest.mark.requirement("CAT-10")
def test_another_department_is_told_who_is_responsible() -> None:
    with pytest.raises(Refusal) as refused:
        check_responsible(Actor("client", "swj"), "gaj")
    assert refused.value.facts == {"responsible": "gaj"}


def test_a_grant_carries_the_revision_of_its_last_change() -> None:
    grant = Grant(
        id="g", revision=1, system="s", department="d", interface="i/v1", purpose="p", fields=["*"], not_after=5
    )
    published = stamped(grant, 7)
    assert isinstance(published, Grant)
    assert (published.revision, published.not_after) == (7, 5)
    assert stamped(system(State()), 7) == system(State())
    assert kind_and_id(published) == ("grant", "g")
