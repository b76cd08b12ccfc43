"""The demo's twelve scenarios through the public API, each under two rules, down to what the gateway says to a call.

Changde (in force: unconditional data open at once, ten working days, county bodies go through their authority) and
Yunnan (a draft: everything is answered by the provider, not-shared data may be compared with). Both on the decree's
floor, as all parties are government departments.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness.checks import check
from harness.city import BASIS, City
from harness.members import Authority, Member, Officer
from harness.platform import Platform
from runtime.http import Client, Response

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
PROFILES = ("changde", "yunnan")
SIGNED = ["draft", "internal_sign", "submitted", "provider_review", "reply_sign", "provisioning", "granted"]


@pytest.fixture(scope="session")
def made(platform: Platform, client: Client, authority: Authority) -> City:
    return City(platform, client, authority)


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest, made: City) -> Iterator[str]:
    made.puts_in_force(request.param)
    yield request.param
    made.puts_in_force("national")


@pytest.fixture
def city(made: City, profile: str) -> City:
    """The city under the profile of this run."""
    return made


def system(city: City, profile: str, scenario: str, department: str) -> Member:
    return city.operator.system(f"{scenario}-{profile}", department)


def refused(answer: Response, code: str) -> None:
    check(answer, 403, code)


def due_days(case: dict[str, Any], key: str) -> tuple[int, int]:
    """Base and longest days of a clock of the case."""
    clock = next(clock for clock in case["clocks"] if clock["key"] == key)
    return clock["base"], clock["total"]


def told(officer: Officer, about: dict[str, Any], word: str) -> bool:
    """Whether a notice about the case stands in the officer's inbox, or comes there within seconds."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        items = officer.sends("GET", "/inbox?limit=1000")["items"]
        if any(item["word"] == word and item["about"]["id"] == about["id"] for item in items):
            return True
        time.sleep(0.2)
    return False


@pytest.mark.requirement("SCN-01")
@pytest.mark.requirement("CD-11-1", "YN-29-1")
def test_unconditional_data(city: City, profile: str) -> None:
    """S1: in Changde the platform opens it at once; in Yunnan the provider answers first."""
    asking = system(city, profile, "s1", "xzspj")
    refused(city.calls(asking, "scjgj-enterprise-base"), "grant/none")
    case = city.applies(asking, "xzspj", "scjgj-enterprise-base", purpose="企业开办核对登记信息")
    states = city.decides(case)
    assert states == (["granted"] if profile == "changde" else SIGNED)
    assert wait_for(city, asking, "scjgj-enterprise-base").status_code == 200


def wait_for(city: City, asking: Member, interface: str, case: str = "") -> Response:
    """What the gateway says once it knows of the grant; where it was granted at once that takes a moment."""
    deadline = time.monotonic() + 15
    while True:
        answer = city.calls(asking, interface, case)
        unknown = answer.status_code == 403 and answer.json()["code"] == "grant/none"
        if not unknown or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


@pytest.mark.requirement("SCN-02")
@pytest.mark.requirement("CD-11-2", "YN-25", "YN-29-2")
def test_conditional_data_agreed_to(city: City, profile: str) -> None:
    """S2: both heads sign; when the case says granted, every gateway lets the call through, with the fields replied."""
    asking = system(city, profile, "s2", "zjj")
    case = city.applies(asking, "zjj", "mzj-subsistence", purpose="公租房资格审核", fields=["is_recipient", "category"])
    assert city.decides(case) == SIGNED
    answer = city.calls(asking, "mzj-subsistence")
    assert (answer.status_code, sorted(answer.json())) == (200, ["category", "is_recipient"])
    done = city.authority.sees(case)
    assert due_days(done, "share.conditional.reply") == ((10, 10) if profile == "changde" else (5, 5))
    assert {clock["state"] for clock in done["clocks"]} == {"met"}


@pytest.mark.requirement("SCN-02")
@pytest.mark.requirement("DQ-14-2")
def test_data_that_need_the_consent_of_the_person(city: City, profile: str) -> None:
    """S2 as the demo has it: the grant is live, and the call still asks for the person's consent (德清 14)."""
    asking = system(city, profile, "s2-consent", "zjj")
    case = city.applies(asking, "zjj", "rsj-social-insurance", fields=["pension", "employer"])
    assert city.decides(case)[-1] == "granted"
    refused(city.calls(asking, "rsj-social-insurance"), "consent/required")


@pytest.mark.requirement("SCN-03")
def test_an_incomplete_application(city: City, profile: str) -> None:
    """S3: what is missing is said once, and is no ground of refusal."""
    asking = system(city, profile, "s3", "jyj")
    case = city.applies(asking, "jyj", "zrzyj-realestate-check", basis=None, term_months=None)
    case = city.officer("jyj").does(case, "submit")
    case = city.head("jyj").does(case, "sign")
    provider = city.officer("zrzyj")
    case = provider.does(case, "return", missing=["使用时限", "法定依据"])
    assert case["state"] == "returned_for_completion"
    refused(city.calls(asking, "zrzyj-realestate-check"), "grant/none")
    case = city.officer("jyj").does(case, "complete", details={"term_months": 6, "basis": [BASIS]})
    again = provider.ask("POST", f"/api/catalog/cases/{case['id']}/return", {"missing": ["更多"]})
    assert again.status_code == 409
    assert city.decides(case)[-1] == "granted"
    refused(city.calls(asking, "zrzyj-realestate-check"), "consent/required")


@pytest.mark.requirement("SCN-04")
def test_a_refusal_names_its_ground(city: City, profile: str) -> None:
    """S4: no refusal without a reason and a law of the rank that the rule in force asks for."""
    asking = system(city, profile, "s4", "jtj")
    case = city.applies(asking, "jtj", "mzj-marriage-verify", purpose="客户画像")
    case = city.officer("jtj").does(case, "submit")
    case = city.head("jtj").does(case, "sign")
    provider, path = city.officer("mzj"), f"/api/catalog/cases/{case['id']}/refuse"
    assert provider.ask("POST", path, {}).status_code == 422
    policy = {"law": "某市内部通知", "rank": "政策"}
    assert provider.ask("POST", path, {"reason": "不便", "legal_basis": [policy]}).status_code == 422
    case = provider.does(case, "refuse", reason="与履行法定职责无关", legal_basis=[BASIS])
    case = city.head("mzj").does(case, "confirm")
    assert case["state"] == "refused"
    refused(city.calls(asking, "mzj-marriage-verify"), "grant/none")


@pytest.mark.requirement("SCN-05")
@pytest.mark.requirement("YN-03-07")
def test_a_reply_that_is_late(city: City, profile: str) -> None:
    """S5: nothing is granted by silence; superiors are told (督办), both sides see it."""
    asking = system(city, profile, "s5", "mzj")
    case = city.applies(asking, "mzj", "ybj-insured-status", purpose="救助对象核对")
    case = city.officer("mzj").does(case, "submit")
    case = city.head("mzj").does(case, "sign")
    city.lets_time_pass(case)
    assert told(city.authority, case, "clock.overdue")
    assert told(city.head("ybj"), case, "clock.overdue")
    seen = city.officer("mzj").sees(case)
    assert (seen["state"], seen["clocks"][0]["state"], seen["clocks"][0]["violation"]) == ("submitted", "overdue", True)
    refused(city.calls(asking, "ybj-insured-status"), "grant/none")


@pytest.mark.requirement("SCN-06")
@pytest.mark.requirement("YN-29-3")
def test_not_shared_data_are_compared_with(city: City, profile: str) -> None:
    """S6: in Changde by negotiation and filing, in Yunnan by 核实、比对; never as data."""
    asking = system(city, profile, "s6", "xzspj")
    case = city.applies(asking, "xzspj", "swj-vat-detail", purpose="奖补门槛比对", fields=["reached", "period"])
    states = city.decides(case)
    assert ("negotiating" in states, "agreed" in states) == ((True, True) if profile == "changde" else (False, False))
    refused(city.calls(asking, "swj-vat-detail"), "consent/required")


@pytest.mark.requirement("SCN-07")
@pytest.mark.requirement("YN-28")
def test_a_demand_for_data_that_are_not_there_yet(city: City, profile: str, platform: Platform) -> None:
    """S7: demanded, catalogued, mounted, applied for, called."""
    wanting, source = city.officer("wjw"), city.officer("jtj")
    details = {"title": "公交IC卡老年优惠卡发放名单", "purpose": "老年人健康体检邀约"}
    case = wanting.opens("demand", provider="jtj" if profile == "changde" else "", details=details)
    assert case["state"] == ("dispatched" if profile == "changde" else "submitted")
    if case["state"] == "submitted":
        case = city.authority.does(case, "dispatch", department="jtj")
    case = source.does(case, "can_meet", note="十个工作日内编目")
    assert due_days(source.sees(case), "demand.fulfil") == (10, 10)
    code, interface = catalogued(city, profile, platform)
    assert source.does(case, "fulfil", resource=code)["state"] == "fulfilled"
    asking = system(city, profile, "s7", "wjw")
    city.decides(city.applies(asking, "wjw", interface))
    deadline = time.monotonic() + 15
    path = f"{interface}/v1?{city.examples['jtj-transport-license'].target.partition('?')[2]}"
    while (answer := asking.call("GET", path)).status_code in (403, 404) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text


def catalogued(city: City, profile: str, platform: Platform) -> tuple[str, str]:
    """Code and interface of a new unconditional entry of jtj, filed, approved, mounted and online."""
    source, head = city.officer("jtj"), city.head("jtj")
    model = source.sends("GET", "/interfaces/jtj-transport-license/versions/v1")
    entry = source.sends("GET", f"/resources/{model['resource']}")
    code, interface = f"3079900100011/9{PROFILES.index(profile):05}", f"jtj-senior-cards-{profile}"
    text = {
        **{name: value for name, value in entry.items() if name not in ("code", "state", "last_data_at", "stale")},
        "name": f"老年优惠卡（{profile}）",
        "secrecy_assessment": "密评〔2026〕1号", "classification": "一般", "use_requirements": "限履职",
        "data_form": "结构化", "data_subject": "自然人", "collect_department": "jtj", "approve_department": "jtj",
        "share": {**entry["share"], "content": "发放名单", "scope": "政务部门", "purpose": "体检邀约"},
    }  # fmt: skip
    source.sends("PUT", f"/filings/{code}", text)
    source.sends("POST", f"/filings/{code}/send_up", {"duplicates_seen": True})
    head.sends("POST", f"/filings/{code}/agree", {})
    city.second.sends("POST", f"/filings/{code}/take_up", {})
    filing = city.authority.sends("POST", f"/filings/{code}/pass", {"result": "同意发布"})
    assert filing["state"] == "published"
    kept = ("provider", "name", "base_url", "networks", "operations", "fields", "parameters", "response")
    served = {**{name: model[name] for name in kept}, "resource": code, "name": "老年优惠卡"}
    path = f"/interfaces/{interface}/versions/v1"
    source.sends("PUT", path, served)
    question = city.examples["jtj-transport-license"].target.partition("?")[2]
    with platform.client() as client:
        sample = client.get(f"{model['base_url']}{model['operations'][0]['target']}?{question}").json()
    for event, evidence in (("test", {"sample": sample}), ("mount", {}), ("open", {})):
        source.sends("POST", f"{path}/steps/{event}", evidence)
    return code, interface


@pytest.mark.requirement("SCN-08")
def test_a_correction_asked_for_by_a_user(city: City, profile: str) -> None:
    """S8: checked within the days of the stricter rule, found wrong, told; calls go on."""
    details = {"item": "employer", "claim": "单位名称与营业执照不符", "record_key": "末四位 0X21"}
    code = city.officer("zjj").sends("GET", "/interfaces/rsj-social-insurance/versions/v1")["resource"]
    case = city.officer("zjj").opens("correction", resource=code, details=details)
    assert due_days(city.officer("zjj").sees(case), "correction.by_requester") == (
        (5, 10) if profile == "changde" else (10, 10)
    )
    extension = {"days": 5, "reason": "须向用人单位核实"}
    answer = city.head("rsj").ask("POST", f"/api/catalog/cases/{case['id']}/extend", extension)
    assert answer.status_code == (200 if profile == "changde" else 409)
    provider = city.officer("rsj")
    provider.does(case, "confirm_corrected", before_digest="a" * 64, after_digest="b" * 64)
    assert told(city.officer("zjj"), case, "correction.confirm_corrected")
    assert city.officer("zjj").does(case, "close")["state"] == "closed"
    asking = system(city, profile, "s8", "zjj")
    refused(city.calls(asking, "rsj-social-insurance"), "grant/none")  # a correction opens nothing


@pytest.mark.requirement("SCN-09")
@pytest.mark.requirement("YN-22-2")
def test_a_correction_that_the_person_asks_the_authority_for(city: City, profile: str) -> None:
    """S9: the authority forwards it within two working days; the person is told."""
    code = city.officer("gaj").sends("GET", "/interfaces/gaj-household-info/versions/v1")["resource"]
    details = {
        "item": "household_addr", "claim": "户籍地址未更新", "record_key": "末四位 0218",
        "identity": "核验〔2026〕0001",
    }  # fmt: skip
    case = city.subject.opens("correction", event="receive", resource=code, details=details)
    assert due_days(city.authority.sees(case), "correction.authority_forward") == (2, 2)
    case = city.authority.does(case, "forward")
    assert due_days(city.authority.sees(case), "correction.by_subject") == (5, 10)
    case = city.officer("gaj").does(case, "confirm_correct", note="与登记一致")
    assert told(city.subject, case, "correction.confirm_correct")
    asking = system(city, profile, "s9", "zjj")
    refused(city.calls(asking, "gaj-household-info"), "grant/none")


@pytest.mark.requirement("SCN-10")
def test_an_objection_to_a_share_attribute(city: City, profile: str) -> None:
    """S10: negotiated first; in Changde the authority decides, in Yunnan the government."""
    code = city.officer("mzj").sends("GET", "/interfaces/mzj-subsistence/versions/v1")["resource"]
    objector, holder = city.officer("zjj"), city.officer("mzj")
    details = {"wanted": "unconditional", "reason": "多部门常用"}
    case = objector.opens("objection", resource=code, details=details)
    case = holder.does(case, "answer", reason="涉及低收入家庭信息", legal_basis=[BASIS])
    assert case["state"] == "negotiating"
    case = objector.does(case, "escalate", reason="协商未果")
    assert case["state"] == "authority_mediation"
    if profile == "changde":
        wrong = city.authority.ask("POST", f"/api/catalog/cases/{case['id']}/refer", {"reason": "提请"})
        assert wrong.status_code == 409
    else:
        assert city.authority.does(case, "refer", reason="提请本级政府决定")["state"] == "government_decision"
    asking = system(city, profile, "s10", "zjj")
    refused(city.calls(asking, "mzj-subsistence"), "grant/none")


@pytest.mark.requirement("SCN-11")
@pytest.mark.requirement("YN-30", "NAT-25")
def test_use_beyond_the_purpose(city: City, profile: str) -> None:
    """S11: shut at once, to be put right, and open again when another officer finds it mended."""
    asking = system(city, profile, "s11", "jtj")
    city.decides(city.applies(asking, "jtj", "gaj-vehicle-info", fields=["status"]))
    assert city.calls(asking, "gaj-vehicle-info").status_code == 200
    grant = city.officer("jtj").sends("GET", f"/grants?system={asking.name}")["items"][0]["id"]
    details = {"trigger": "over_purpose", "finding": "同一办件编号批量调用 3,000 次"}
    case = city.authority.opens("suspension", grant=grant, interface="gaj-vehicle-info/v1", details=details)
    deadline = time.monotonic() + 15
    while (answer := city.calls(asking, "gaj-vehicle-info")).status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    refused(answer, "grant/suspended")
    case = city.authority.does(case, "order", reason="限期整改", until="2099-12-31")
    case = city.officer("jtj").does(
        case, "report", result="已设办件核验", documents=[{"name": "整改报告", "sha256": "c" * 64}]
    )
    alone = city.authority.ask("POST", f"/api/catalog/cases/{case['id']}/restore", {"note": "属实"})
    check(alone, 403, "case/four-eyes")
    assert city.second.does(case, "restore", note="属实")["state"] == "restored"
    while (answer := city.calls(asking, "gaj-vehicle-info")).status_code == 403 and time.monotonic() < deadline + 15:
        time.sleep(0.05)
    assert answer.status_code == 200


@pytest.mark.requirement("SCN-12")
def test_a_county_asks_the_city(city: City, profile: str) -> None:
    """S12: in Changde through its own authority and the city's; elsewhere at once to the provider."""
    asking = system(city, profile, "s12", "qx_dsj")
    case = city.applies(asking, "qx_dsj", "rsj-employment", purpose="就业援助")
    states = city.decides(case)
    assert ("upper_hop" in states) == (profile == "changde")
    refused(city.calls(asking, "rsj-employment"), "consent/required")
