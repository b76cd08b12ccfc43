"""What applies under each profile: the table of the six profiles, and how it comes about."""

import pytest

from statute.model import CLOCK_KEYS, RANKS, UnknownKey
from statute.profiles import Profiles, bundled, bundled_texts, read, read_profile
from statute.resolve import Law

PROFILES = ("national", "changde", "jingdezhen", "deqing", "yunnan", "zibo")

# base, total and source of each clock under each profile, both parties being government departments
EFFECTIVE = {
    "catalog.update_on_change": "10-15 local|10-15 floor|10-15 floor|10-15 floor|10-15 floor|10-15 floor",
    "catalog.authority_review": "2-2 local|2-2 floor|2-2 floor|2-2 floor|2-2 floor|2-2 floor",
    "share.unconditional.reply": "1-1 local|0-0 local|0-0 local|1-1 floor|1-1 floor|1-1 floor",
    "share.unconditional.provide": "20-20 local|0-0 local|0-0 local|20-20 floor|2-2 local|20-20 floor",
    "share.conditional.reply": "10-20 local|10-10 local|1-1 local|10-20 floor|5-5 local|10-20 floor",
    "share.conditional.provide": "20-20 local|20-20 floor|5-5 local|20-20 floor|5-5 local|20-20 floor",
    "demand.reply": "10-10 platform|10-10 local|10-10 platform|10-10 platform|10-10 platform|10-10 platform",
    "demand.fulfil": "10-10 platform|10-10 local|10-10 platform|10-10 platform|10-10 platform|10-10 platform",
    "correction.by_requester": "10-10 local|5-10 mixed|10-10 floor|10-10 floor|10-10 floor|10-10 floor",
    "correction.by_subject": "5-10 platform|5-10 platform|5-10 platform|5-10 platform|5-10 local|5-10 platform",
    "correction.authority_forward": "2-2 platform|2-2 platform|2-2 platform|2-2 platform|2-2 local|2-2 platform",
    "open.reply": "10-10 platform|10-10 local|10-10 platform|10-10 platform|10-10 platform|10-10 platform",
}
CELLS = [
    (key, profile, cell)
    for key, row in EFFECTIVE.items()
    for profile, cell in zip(PROFILES, row.split("|"), strict=True)
]


def law(profile: str, *, government: bool = True) -> Law:
    return bundled().law(profile, government=government)


def profiles(local: str, floor: str = "") -> Profiles:
    """A local profile over a floor, each given by its sections, above the real platform defaults."""
    head = "schema: dx-policy/1\nid: {0}\nfloor: {1}\n" + (
        "instrument: {{title: {0} rules, rank: 规范性文件, status: in_force, region: here}}\n"
    )
    platform = "_platform_default.yaml"
    return read({
        platform: bundled_texts()[platform],
        "local.yaml": head.format("local", "national") + local,
        "national.yaml": head.format("national", "null") + floor,
    })  # fmt: skip


def test_the_table_has_every_cell() -> None:
    assert tuple(EFFECTIVE) == CLOCK_KEYS
    assert len(CELLS) == 72
    assert set(bundled().ids()) == set(PROFILES)


@pytest.mark.requirement("POL-01")
@pytest.mark.requirement("JDZ-10-2", "YN-22-1", "YN-29-2", "NAT-21", "NAT-22", "NAT-26")
@pytest.mark.parametrize(("key", "profile", "cell"), CELLS)
def test_the_time_that_applies(key: str, profile: str, cell: str) -> None:
    clock = law(profile).clock(key)
    assert clock is not None
    assert f"{clock.base}-{clock.total} {clock.source}" == cell
    assert clock.unit == "WD"


@pytest.mark.requirement("POL-02")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("key", CLOCK_KEYS)
def test_every_time_says_who_says_so_and_who_must_act(profile: str, key: str) -> None:
    for government in (True, False):
        clock = law(profile, government=government).clock(key)
        assert clock is not None
        local, national = bundled().get(profile).title, bundled().get("national").title
        cites = {
            "local": f"{local} art.", "floor": f"{national} art.", "mixed": f"{local} art.", "platform": "platform",
        }  # fmt: skip
        assert clock.cite.startswith(cites[clock.source])
        assert clock.start
        assert clock.actor
        assert bool(clock.approve_by) == (clock.total > clock.base)


@pytest.mark.requirement("POL-03")
def test_base_and_total_are_compared_apart() -> None:
    """Changde art.14 has 5 and 15 more, national art.26 has 10 in all: five, and an extension only up to ten."""
    clock = law("changde").clock("correction.by_requester")
    assert clock is not None
    assert (clock.base, clock.total, clock.source) == (5, 10, "mixed")
    assert clock.cite == "常德市公共数据管理办法 art.14; 政务数据共享条例 art.26 para 2"
    assert (clock.approve_by, clock.notify) == ("提供部门负责人", ("requester",))
    assert (clock.start, clock.actor) == ("feedback_received", "provider")


def rule(text: str, approver: str) -> str:
    """A section with one clock: `8 add 2` are eight days that `approver` may make two longer."""
    days, mode, more = [*text.split(), "", ""][:3]
    extend = f"extend: {{mode: {mode}, max: {more}, approve_by: {approver}}}," if mode else ""
    return f"demand: {{reply: {{days: {days}, unit: WD, {extend} cite: art.1}}}}"


@pytest.mark.requirement("POL-03")
@pytest.mark.parametrize(
    ("local", "floor", "applies"),
    [
        ("8 add 2", "5 total 20", "5-10 mixed floor"),
        ("5 add 15", "10 total 12", "5-12 mixed floor"),
        ("5 add 15", "10", "5-10 mixed local"),
        ("5 total 9", "5 add 4", "5-9 local local"),
        ("5", "5 add 4", "5-5 local "),
        ("9 add 0", "8", "8-8 floor "),
        ("0", "1", "0-0 local "),
        ("1", "0", "0-0 floor "),
        ("null", "4", "4-4 floor "),
        ("4", "null", "4-4 local "),
        ("null", "null", "10-10 platform "),
    ],
)
def test_the_stricter_of_two(local: str, floor: str, applies: str) -> None:
    found = profiles(rule(local, "local"), rule(floor, "floor")).law("local", government=True)
    clock = found.clock("demand.reply")
    assert clock is not None
    assert f"{clock.base}-{clock.total} {clock.source} {clock.approve_by}" == applies


@pytest.mark.requirement("POL-04")
@pytest.mark.requirement("NAT-02-03")
def test_the_floor_does_not_bind_those_who_are_no_government_department() -> None:
    """A hospital or a water company: local law or the platform, never the national regulation (its art.2)."""
    for profile in sorted(set(PROFILES) - {"national"}):
        for key in CLOCK_KEYS:
            clock = law(profile, government=False).clock(key)
            assert clock is not None
            assert clock.source in ("local", "platform")
    yunnan = law("yunnan", government=False).clock("catalog.update_on_change")
    assert yunnan is not None
    assert (yunnan.base, yunnan.total, yunnan.source) == (15, 15, "local")
    assert law("changde", government=False).ranks("catalog.basis_required.none") == {"法律", "行政法规", "地方性法规"}
    assert law("changde", government=False).value("share.incomplete").value is None


@pytest.mark.requirement("POL-05")
def test_in_principle_survives() -> None:
    clock = law("jingdezhen").clock("share.conditional.reply")
    assert clock is not None
    assert (clock.base, clock.binding) == (1, "in_principle")
    national = law("national").clock("share.conditional.reply")
    assert national is not None
    assert national.binding == "must"


@pytest.mark.requirement("POL-05")
def test_a_word_without_a_number_falls_through_and_stays_visible() -> None:
    assert law("jingdezhen").qualifier("catalog.update_on_change") == "timely"
    clock = law("jingdezhen").clock("catalog.update_on_change")
    assert clock is not None
    assert clock.source == "floor"
    assert law("changde").qualifier("open.reply") == "immediate_if_possible"
    assert law("changde").qualifier("demand.reply") == ""
    assert law("yunnan").qualifier("correction.authority_ordered") == "deadline_set_by_authority"
    assert law("yunnan").clock("correction.authority_ordered") is None
    for profile in ("zibo", "jingdezhen"):  # the whole section is unread, or not covered
        assert law(profile).qualifier("open.reply") == ""
    floor = profiles(rule("2", ""), "demand: {reply: {qual: timely, cite: art.2}}")
    assert floor.law("local", government=True).qualifier("demand.reply") == "timely"
    assert floor.law("local", government=False).qualifier("demand.reply") == ""


def test_an_extension_may_need_a_reason() -> None:
    for profile, key, reason in (
        ("national", "share.conditional.reply", True), ("national", "catalog.update_on_change", False),
        ("national", "demand.reply", False), ("changde", "correction.by_requester", False),
    ):  # fmt: skip
        clock = law(profile).clock(key)
        assert clock is not None
        assert clock.reason is reason


@pytest.mark.requirement("POL-06")
@pytest.mark.requirement("ZB-15")
def test_what_could_not_be_read_falls_through_and_is_said() -> None:
    for key in ("share.conditional.reply", "share.refusal", "open.reply", "share.refusal.legal_basis"):
        assert law("zibo").unread(key)
        assert not law("changde").unread(key)
    assert not law("zibo").unread("catalog.authority_review")  # read, and silent
    assert not law("zibo").unread("upper_level")
    assert law("zibo").value("share.unconditional.mode").source == "floor"


CHANGDE, JINGDEZHEN, NATIONAL = "常德市公共数据管理办法", "景德镇市政务数据共享管理暂行办法", "政务数据共享条例"
DEQING, YUNNAN = "德清县公共数据管理办法（修订）（意见征求稿）", "云南省公共数据管理办法（征求意见稿）"


@pytest.mark.requirement("POL-02")
@pytest.mark.parametrize(
    ("asked", "value", "source", "cite"),
    [
        ("changde share.unconditional.mode", "auto_grant", "local", f"{CHANGDE} art.11 para 1 应当无条件开通"),
        ("deqing share.unconditional.mode", "authority_grant", "local", f"{DEQING} art.14 para 1"),
        ("zibo share.unconditional.mode", "provider_reply", "floor", f"{NATIONAL} art.21 para 1"),
        ("changde catalog.no_basis_effect", "treat_as_unconditional", "local", f"{CHANGDE} art.9 para 5"),
        ("yunnan catalog.no_basis_effect", None, "platform", ""),
        ("changde share.incomplete", "one_time_notice_no_reject", "floor", f"{NATIONAL} art.21 para 2"),
        ("changde share.grant_term_months", 12, "platform", "platform"),
        ("changde share.grant_term_months.remind_days_before", [30, 7, 1], "platform", "platform"),
        ("changde share.pause_on_incomplete", False, "platform", "platform; 政务数据共享条例 art.21"),
        ("yunnan share.verify_compare.days", 5, "platform", "platform"),
        ("yunnan share.verify_compare.clock", "timely", "local", f"{YUNNAN} art.29 para 3"),
        ("deqing share.conditional.approver", "authority_with_provider", "local", f"{DEQING} art.14 para 1"),
        ("deqing channel.default_mode.binding", "in_principle", "local", f"{DEQING} art.15 para 2"),
        ("changde complaint.resolve_days", 15, "platform", "platform"),
        ("changde reminders.warn_at_fraction", [0.5, 0.8], "platform", "platform"),
        ("changde qualitative.timely.days", 3, "platform", "platform"),
        ("changde demand.reply.form", "written", "local", f"{CHANGDE} art.12"),
        ("jingdezhen audit.call_log_months", 6, "local", f"{JINGDEZHEN} art.16 para 3"),
        ("jingdezhen staff.roles.首席数据官", 1, "local", f"{JINGDEZHEN} art.7, 19"),
        ("yunnan audit.usage_record_years", 3, "floor", f"{NATIONAL} art.29 para 2"),
        ("jingdezhen open.agreement", None, "platform", ""),
        ("zibo open.agreement.required", None, "platform", ""),
    ],
)
def test_values_come_with_source_and_article(asked: str, value: object, source: str, cite: str) -> None:
    profile, key = asked.split()
    answer = law(profile).value(key)
    assert (answer.key, answer.value, answer.source) == (key, value, source)
    assert answer.cite.startswith(cite)
    assert bool(answer.cite) == bool(cite)


REFUSAL, NONE, CONDITIONAL = "share.refusal", "catalog.basis_required.none", "catalog.basis_required.conditional"


@pytest.mark.requirement("POL-07")
@pytest.mark.parametrize(
    ("profile", "key", "ranks"),
    [
        ("changde", REFUSAL, "法律 行政法规 地方性法规"),
        ("jingdezhen", REFUSAL, "法律 政策"),
        ("deqing", REFUSAL, "法律 行政法规 地方性法规 部门规章 地方政府规章"),
        ("national", REFUSAL, ""),
        ("zibo", REFUSAL, ""),
        ("changde", NONE, "法律 行政法规"),
        ("jingdezhen", NONE, "法律 行政法规"),
        ("yunnan", NONE, "法律 行政法规"),
        ("national", NONE, "法律 行政法规 国务院决定"),
        ("zibo", NONE, "法律 行政法规 国务院决定"),
        ("changde", CONDITIONAL, "法律 行政法规 地方性法规"),
        ("yunnan", CONDITIONAL, ""),
        ("zibo", "catalog.basis_required.not_aggregated", "法律 行政法规 地方性法规"),
    ],
)
def test_ranks_of_a_legal_basis(profile: str, key: str, ranks: str) -> None:
    assert law(profile).ranks(key) == set(ranks.split())
    assert set(RANKS) >= set(ranks.split())


@pytest.mark.requirement("POL-07")
def test_where_local_and_higher_ranks_share_none_the_higher_law_stands() -> None:
    rule = "catalog: {{basis_required: {{v: {{none: [理由, {}]}}, cite: art.1}}}}"
    found = profiles(rule.format("政策"), rule.format("法律")).law("local", government=True)
    assert found.ranks(NONE) == {"法律"}
    assert found.value(NONE).value == ["理由", "法律"]


@pytest.mark.requirement("POL-08")
def test_demands_of_local_and_national_law_add_up() -> None:
    """National art.13, 16, 20 bind a department whose city asks for less."""
    fields = law("changde").value("catalog.fields_required")
    assert fields.value == law("national").value("catalog.fields_required").value
    assert (fields.source, fields.cite) == ("floor", "政务数据共享条例 art.13 para 2")
    application = law("changde").value("share.application_fields")
    assert application.value == ["履职需要", "使用依据", "使用场景", "使用范围", "共享方式", "使用时限"]
    assert application.source == "mixed"
    assert application.cite == "常德市公共数据管理办法 art.11; 政务数据共享条例 art.20 para 2"
    assert law("changde", government=False).value("share.application_fields").value == ["履职需要"]
    chain = law("yunnan").value("catalog.approval_chain").value
    assert chain == ["institution", "department_head", "same_level_authority", "upper_authority"]
    assert law("zibo", government=False).value("catalog.approval_chain").value == [
        "institution",
        "same_level_authority",
    ]


@pytest.mark.requirement("POL-08")
@pytest.mark.parametrize(("local", "floor", "applies"), [(2, 3, "3 floor"), (5, 3, "5 local"), (3, 3, "3 local")])
def test_the_longer_retention_holds(local: int, floor: int, applies: str) -> None:
    rule = "audit: {{usage_record_years: {{v: {}, cite: art.1}}}}"
    answer = profiles(rule.format(local), rule.format(floor)).law("local", government=True).value(
        "audit.usage_record_years"
    )  # fmt: skip
    assert f"{answer.value} {answer.source}" == applies


@pytest.mark.requirement("POL-08")
def test_a_whole_mapping_is_answered_by_its_members() -> None:
    basis = law("changde").value("catalog.basis_required")
    assert basis.value == {
        "conditional": ["理由", "共享范围", "使用用途", "使用条件", "法律", "行政法规", "地方性法规"],
        "none": ["理由", "法律", "行政法规"],
    }
    assert (basis.source, basis.cite) == ("mixed", "常德市公共数据管理办法 art.9 para 5; 政务数据共享条例 art.14, 15")
    refusal = law("jingdezhen").value("share.refusal")
    assert refusal.value == {"reason": True, "legal_basis": ["法律", "政策"], "report_to_authority": True}
    assert refusal.source == "local"
    assert law("zibo").value("share.refusal").source == "floor"
    assert law("zibo", government=False).value("share.refusal").value is None


def test_a_reason_that_higher_law_demands_cannot_be_waived() -> None:
    rule = "share: {{refusal: {{v: {{reason: {}}}, cite: art.1}}}}"
    assert profiles(rule.format("false"), rule.format("true")).law("local", government=True).value(
        "share.refusal.reason"
    ).value is True  # fmt: skip


@pytest.mark.requirement("POL-09")
@pytest.mark.requirement("DQ-13")
@pytest.mark.parametrize(
    ("profile", "path", "words"),
    [
        ("deqing", "share.conditional", "受限共享类"),
        ("changde", "share.conditional", "有条件共享类"),
        ("national", "share.none", "不予共享"),
        ("national", "open.none", "不予开放"),
        ("jingdezhen", "coordination", "市政务数据共享协调小组"),
        ("deqing", "operator", "平台运行单位"),
        ("national", "platform", "共享平台"),
    ],
)
def test_things_are_called_as_the_profile_calls_them(profile: str, path: str, words: str) -> None:
    assert law(profile).term(path) == words


def test_wording_falls_back_to_that_of_the_nation() -> None:
    found = profiles("terms: {data: 数据}", "terms: {data: 政务, provider: 提供者}").law("local", government=False)
    assert (found.term("data"), found.term("provider"), found.term("requester")) == ("数据", "提供者", "数据需求部门")
    with pytest.raises(UnknownKey, match=r"no wording for share\.free; there is: .*share\.conditional"):
        found.term("share.free")


UNKNOWN = (
    "", "share", "share.conditional", "share.refusal.why", "share.conditional.reply.days", "demand.reply.unit",
    "channel.v", "share.verify_compare.v", "share.free_of_charge.yes", "qualitative.timely.minutes", "terms.data",
)  # fmt: skip


@pytest.mark.parametrize("key", UNKNOWN)
def test_a_key_that_no_profile_can_state_is_refused(key: str) -> None:
    for ask in (law("changde").value, law("changde").clock, law("changde").qualifier, law("changde").unread):
        with pytest.raises(UnknownKey):
            ask(key)


def test_clocks_and_values_are_asked_for_differently() -> None:
    with pytest.raises(UnknownKey, match="is a time limit"):
        law("changde").value("demand.reply")
    with pytest.raises(UnknownKey, match="is no time limit"):
        law("changde").clock("share.refusal")
    with pytest.raises(UnknownKey, match="is no time limit"):
        law("changde").clock("demand.reply.form")


def test_each_layer_can_be_heard_by_itself() -> None:
    told = list(law("changde").alone("correction.by_requester"))
    assert [(one.source, getattr(one, "base", None), getattr(one, "total", None)) for one in told] == [
        ("local", 5, 20), ("floor", 10, 10), ("platform", 5, 5),
    ]  # fmt: skip
    silent = list(law("zibo", government=False).alone("open.reply"))
    assert [(one.source, one.cite) for one in silent] == [
        ("local", "淄博市公共数据管理办法 unread"), ("platform", "platform"),
    ]  # fmt: skip
    assert [one.cite for one in law("yunnan").alone("share.incomplete")] == [
        "", "政务数据共享条例 art.21 para 2 一次性告知", "",
    ]  # fmt: skip
    values = list(law("yunnan").alone("share.verify_compare.days"))
    assert [getattr(one, "value", 0) for one in values] == [None, None, 5]


def test_a_profile_takes_the_place_of_its_namesake() -> None:
    text = bundled_texts()["changde.yaml"].replace("days: 10, unit: WD, from: demand_submitted", "days: 3, unit: WD")
    changed = bundled().with_profile(read_profile("changde.yaml", text))
    clock = changed.law("changde", government=True).clock("demand.reply")
    assert clock is not None
    assert clock.base == 3
    assert changed.ids() == bundled().ids()
    assert changed.get("changde").version != bundled().get("changde").version
