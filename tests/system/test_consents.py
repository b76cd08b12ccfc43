"""A person's consent on the whole platform: given at a counter, used by one call, taken back, and what is on record."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.checks import PERSON, check, check_recorded, ending, providers_asked
from harness.members import Authority, Member, Officer
from harness.platform import Platform
from runtime.http import Response
from wire import scopes

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
V1 = "gaj-household-info/v1"
NUMBER = PERSON["id_card"]
QUESTION = f"{V1}/{NUMBER}?biz_no=YJ2026-000001"
FIELDS = ["name", "household_addr", "hukou_type"]
PURPOSE = "检验"
Give = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def counter(authority: Authority) -> Officer:
    """The office that acts for the persons who stand before it."""
    return authority.officer("xzspj", scopes.SUBJECT, "consents-counter")


@pytest.fixture(scope="module")
def system(authority: Authority) -> Member:
    made = authority.system("consents-system", "xzspj")
    authority.grant(made.name, V1, FIELDS, purpose=PURPOSE)
    deadline = time.monotonic() + 15
    while made.call("GET", QUESTION).json().get("code") != "consent/required":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return made


@pytest.fixture(scope="module")
def give(counter: Officer, system: Member) -> Give:
    def given(**changes: Any) -> dict[str, Any]:
        wish = {
            "subject": NUMBER, "system": system.name, "interface": V1, "purpose": PURPOSE,
            "fields": ["name", "hukou_type"], "minutes": 10, **changes,
        }  # fmt: skip
        return counter.sends("POST", "/consents", wish)

    return given


def call(system: Member, consent: dict[str, Any] | str, question: str = QUESTION) -> Response:
    token = consent if isinstance(consent, str) else consent["token"]
    return system.call("GET", question, {"Tongdao-Consent": token})


@pytest.mark.requirement("GAT-03", "DQ-14-2-r")
def test_a_consent_opens_one_call_and_no_more_than_it_names(
    platform: Platform, counter: Officer, system: Member, give: Give
) -> None:
    consent = give()
    with providers_asked(platform, 1):
        answer = call(system, consent)
        again = call(system, consent)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"name", "hukou_type"}
    check(again, 403, "consent/used")
    check_recorded(platform, again)
    leaf = ending(platform, answer.headers["tongdao-record"])
    assert leaf["consent"] == consent["id"]
    assert leaf["subject"].startswith("p1:")
    assert NUMBER not in str(leaf)
    shown = counter.sends("GET", f"/consents/{consent['id']}")
    assert (shown["state"], shown["call"]) == ("used", answer.headers["tongdao-record"])


@pytest.mark.requirement("GAT-03", "DQ-14-2-r")
def test_without_the_person_nothing_is_told(platform: Platform, system: Member) -> None:
    with providers_asked(platform, 0):
        answer = system.call("GET", QUESTION)
    check(answer, 403, "consent/required")
    check_recorded(platform, answer)


@pytest.mark.requirement("GAT-03")
def test_a_consent_taken_back_opens_nothing(platform: Platform, counter: Officer, system: Member, give: Give) -> None:
    consent = give()
    counter.sends("POST", f"/consents/{consent['id']}/revoke", {})
    with providers_asked(platform, 0):
        answer = call(system, consent)
    check(answer, 403, "consent/revoked")
    assert ending(platform, answer.headers["tongdao-record"])["consent"] == consent["id"]


@pytest.mark.requirement("GAT-03")
def test_a_consent_is_for_its_person_and_stays_good(platform: Platform, system: Member, give: Give) -> None:
    consent = give()
    other = QUESTION.replace(NUMBER, "990101198501010014")
    with providers_asked(platform, 0):
        check(call(system, consent, other), 403, "consent/not-for-this")
    assert call(system, consent).status_code == 200


@pytest.mark.requirement("GAT-03")
def test_a_consent_is_given_back_where_the_provider_was_not_asked(
    platform: Platform, system: Member, give: Give
) -> None:
    """The exchange refuses the question (its schema asks for the case), so that nobody was asked."""
    consent = give()
    with providers_asked(platform, 0):
        check(call(system, consent, QUESTION.partition("?")[0]), 422, "request/schema")
    assert call(system, consent).status_code == 200


@pytest.mark.requirement("GAT-02")
def test_a_changed_token_opens_nothing(platform: Platform, system: Member, give: Give) -> None:
    header, payload, signature = give()["token"].split(".")
    forged = [f"{header}.{payload}.{signature[:-4]}AAAA", f"{header}.{payload}.", "x" * 9000, system.token()]
    with providers_asked(platform, 0):
        for token in forged:
            check(call(system, token), 403, "consent/invalid")


@pytest.mark.requirement("GAT-05")
def test_the_sandbox_asks_nobody_for_consent(platform: Platform, system: Member) -> None:
    with providers_asked(platform, 0):
        answer = system.ask("GET", f"/sandbox/{QUESTION}")
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() <= set(FIELDS)
