"""Who may read a notice, what it says, how a webhook is checked, signed and tried again."""

import hashlib
import hmac
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog_service.clocks.states import CLOCK
from catalog_service.feed.model import Actor
from catalog_service.notices.delivering import in_chinese
from catalog_service.notices.model import Address, Notice, Subject, may_read
from catalog_service.notices.webhook import Webhook, message, mistakes_in_webhook
from catalog_service.notices.words import LIMITS, WORDS, rendered
from runtime.webhook import next_try, signature
from statute.model import CLOCK_KEYS
from wire import scopes

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


def actor(department: str = "rsj", *offices: str, client: str = "rsj-1") -> Actor:
    return Actor(client, department, frozenset(offices))


@pytest.mark.requirement("NTC-02")
@pytest.mark.parametrize(
    ("who", "to", "may"),
    [
        (actor("rsj", scopes.OFFICER), Address("rsj", scopes.OFFICER), True),
        (actor("rsj", scopes.OFFICER), Address("rsj", scopes.HEAD), False),
        (actor("rsj", scopes.OFFICER), Address("zjj", scopes.OFFICER), False),
        (actor("rsj", scopes.OFFICER), Address("", scopes.OFFICER), True),
        (actor("dsjj", scopes.AUTHORITY), Address("", scopes.AUTHORITY), True),
        (actor("rsj", scopes.OFFICER, scopes.HEAD), Address("", scopes.AUTHORITY), False),
        (actor("rsj"), Address("rsj", ""), True),
        (actor("zjj"), Address("rsj", ""), False),
        (actor("rsj"), Address("rsj", scopes.OFFICER), False),
        (actor("portal", scopes.SUBJECT, client="li"), Address("portal", scopes.SUBJECT, "li"), True),
        (actor("portal", scopes.SUBJECT, client="wu"), Address("portal", scopes.SUBJECT, "li"), False),
    ],
)
def test_a_notice_is_for_the_office_and_the_person_that_it_names(who: Actor, to: Address, may: bool) -> None:
    assert may_read(who, to) is may


# --- words ------------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("NTC-07")
@pytest.mark.parametrize("word", sorted(WORDS))
def test_both_languages_say_the_same_facts(word: str) -> None:
    zh, en = ({name for _, name, _, _ in string.Formatter().parse(text) if name} for text in WORDS[word])
    assert zh == en - {"event"} != set()  # events have no Chinese names: the state says what came of them


@pytest.mark.requirement("NTC-07")
@pytest.mark.parametrize(
    ("word", "facts", "zh", "en"),
    [
        ("clock.extended", {"key": "demand.reply", "due": "3.5", "before": "3.1", "reason": "量大", "cite": "12"},
         "数据需求的答复 的时限由 3.1 延长至 3.5：量大（12）",
         "The time for reply to a demand is extended from 3.1 to 3.5: 量大 (12)"),
        ("permit.stop", {"number": "A-1", "state": "overdue", "reason": "overdue"},
         "时限 A-1：现为“已超期”（）overdue", "Time limit A-1: stop, now overdue () overdue"),
        ("permit.stop", {}, "时限 ：现为“”（）", "Time limit : stop, now  () "),
        ("policy.expired", {"title": "某办法", "expires": "8.24"}, "某办法 已于 8.24 失效，请启用接续文件",
         "某办法 expired on 8.24; put what follows it in force"),
    ],
)  # fmt: skip
def test_a_notice_is_told_in_words(word: str, facts: dict[str, str], zh: str, en: str) -> None:
    machine = CLOCK if word.startswith("permit") else None
    assert rendered(word, facts, "case", machine) == {"zh": zh, "en": en}


@pytest.mark.parametrize("word", ["nobody.knows", "{number}", ""])
def test_a_word_without_a_text_says_itself(word: str) -> None:
    assert rendered(word, {"number": "A-1"}) == {"zh": word, "en": word}


@pytest.mark.parametrize(
    ("error", "told"),
    [("answered 500", "对方应答 500"), ("not allowed: the address", "地址不允许"), ("TimedOut: 10 s", "无法送达")],
)
def test_a_failure_is_told_in_chinese(error: str, told: str) -> None:
    assert in_chinese(error) == told
    said = rendered("webhook.dead", {"webhook": "w", "error": error, "error_zh": in_chinese(error)})
    assert (f"：{told}；" in said["zh"], error in said["en"], error in said["zh"]) == (True, True, False)


def test_facts_are_never_taken_for_a_pattern() -> None:
    assert "{0.__class__}" in rendered("case.refused", {"number": "{0.__class__}"})["en"]


@pytest.mark.requirement("NTC-07")
def test_every_time_limit_has_a_name() -> None:
    assert set(CLOCK_KEYS) <= LIMITS.keys()


# --- webhooks ---------------------------------------------------------------------------------------------------------
def webhook(**changes: Any) -> Webhook:
    stated: dict[str, Any] = {
        "id": "rsj-oa", "department": "rsj", "office": "", "url": "https://oa.rsj.example/tongdao", "words": [],
        "networks": ["10.1.0.0/16"], "generation": 1, "active": True, "registered_by": "rsj-1", "at": NOON,
    }  # fmt: skip
    return Webhook(**{**stated, **changes})


@pytest.mark.parametrize(
    "url",
    [
        "https://oa.rsj.example",
        "http://10.1.2.3:8080/in?from=tongdao",
        "https://[fd12::1]:8443/in",
        "http://oa.example/a;b=c(d)!$'*+,:@~",
    ],
)
def test_a_webhook_may_be_at_any_plain_address(url: str) -> None:
    assert list(mistakes_in_webhook(webhook(url=url))) == []


@pytest.mark.requirement("NTC-05")
@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"url": "ftp://oa.example/"}, ["url"]),
        ({"url": "https://user:secret@oa.example/"}, ["url"]),
        ({"url": "https://oa.example/#part"}, ["url"]),
        ({"url": "https://oa.example:99999/"}, ["url"]),
        ({"url": "https://oa.example:0/"}, ["url"]),
        ({"url": "https:///in"}, ["url"]),
        ({"url": "https://oa.example/a b"}, ["url"]),
        ({"url": "https://oa.example/\r\nhost: x"}, ["url"]),
        ({"url": "https://数据.example/"}, ["url"]),
        ({"url": "https://[::1"}, ["url"]),
        ({"url": "https://[::]:x/"}, ["url"]),
        ({"url": ""}, ["url"]),
        ({"networks": []}, ["networks"]),
        ({"networks": ["10.0.0.0/8", "10.0.0.1/8", "everywhere"]}, ["networks/1", "networks/2"]),
    ],
)
def test_an_address_that_says_more_or_less_than_where_is_refused(changes: dict[str, Any], paths: list[str]) -> None:
    assert [path for path, _ in mistakes_in_webhook(webhook(**changes))] == paths


@pytest.mark.parametrize(
    ("words", "word", "wanted"),
    [
        ([], "case.refused", True),
        (["case.*"], "case.refused", True),
        (["case.*"], "clock.overdue", False),
        (["case.*", "clock.overdue"], "clock.overdue", True),
        (["clock.overdue"], "clock.overdue2", False),
        ([], "webhook.dead", False),
        (["webhook.*"], "webhook.dead", False),
    ],
)
def test_a_webhook_gets_the_words_that_it_asks_for(words: list[str], word: str, wanted: bool) -> None:
    assert webhook(words=words).wants(word) is wanted


@pytest.mark.requirement("NTC-03")
def test_a_message_is_signed_with_time_and_body() -> None:
    """As a receiver checks it, with the standard library alone."""
    one = Notice(id="n1", to=Address("rsj", ""), word="w", about=Subject("case", "c1"), facts={"a": "甲"}, at=NOON)
    body = message(one)
    assert body == (
        '{"id":"n1","word":"w","at":"2026-03-02T04:00:00Z","about":{"kind":"case","id":"c1"},"facts":{"a":"甲"}}'.encode()
    )
    mac = hmac.new(b"0011", b"1772424000." + body, hashlib.sha256).hexdigest()
    assert signature("0011", 1772424000, body) == f"t=1772424000,v1={mac}"


@pytest.mark.requirement("NTC-04")
def test_six_attempts_with_growing_pauses() -> None:
    pauses = [later - NOON if (later := next_try(attempts, NOON)) else None for attempts in range(1, 8)]
    assert pauses == [*(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720)), None, None]
