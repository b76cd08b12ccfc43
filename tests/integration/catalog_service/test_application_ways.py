"""Applications that take another way: for what is not shared, for copies, from a county."""

import asyncio

import msgspec
import pytest

from catalog_service.cases import store
from harness.applications import (
    COPY,
    NAMED,
    agreed,
    applied,
    grant_of,
    handed_in,
    in_use,
    offer,
    refused,
)
from harness.cases import (
    ASKING,
    ASKING_HEAD,
    AUTHORITY,
    GIVING,
    GIVING_HEAD,
    OTHER_AUTHORITY,
    WHOLE,
    Cases,
)
from harness.law import Bench

pytestmark = pytest.mark.anyio
MASKED = {"pension": "mid4"}


# --- not shared -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-12")
@pytest.mark.parametrize("profile", ["yunnan", "national", "deqing", "jingdezhen"])
async def test_what_is_not_shared_is_not_applied_for(cases: Cases, profile: str) -> None:
    await cases.enforce(profile)
    await offer(cases, "none")
    answer = await cases.open("application", ASKING, details=WHOLE, **NAMED)
    assert (answer.status_code, answer.json()["code"]) == (409, "resource/not-shared")


@pytest.mark.requirement("APP-12")
@pytest.mark.requirement("YN-29-3")
@pytest.mark.parametrize("profile", ["yunnan", "national", "zibo"])
async def test_what_is_not_shared_may_be_compared_with(cases: Cases, profile: str) -> None:
    await cases.enforce(profile)
    await offer(cases, "compare")
    wrong = await cases.open("application", ASKING, details={**WHOLE, "mode": "query"}, **NAMED)
    assert [error["path"] for error in wrong.json()["errors"]] == ["/body/details/mode"]
    case = await handed_in(cases, mode="compare")
    [clock] = (await cases.shown(case))["clocks"]
    assert (clock["source"], clock["base"], clock["binding"]) == ("platform", 5, "in_principle")
    await agreed(cases, case, mode="compare")
    assert (await in_use(cases, case)).mode == "compare"
    assert (await cases.shown(case))["decision"]["reply"]["mode"] == "compare"


@pytest.mark.requirement("CON-09")
@pytest.mark.requirement("YN-29-3")
async def test_in_yunnan_what_is_not_shared_is_verified_against_whatever_its_entry_offers(cases: Cases) -> None:
    await cases.enforce("yunnan")
    await offer(cases, "none")
    case = await handed_in(cases, mode="verify")
    document = await refused(cases, 422, "request/invalid", case, "agree", GIVING, mode="query")
    assert [error["path"] for error in document["errors"]] == ["/body/mode"]
    await agreed(cases, case)
    grant = await in_use(cases, case)
    assert (grant.mode, grant.fields, grant.masks) == ("verify", ["pension"], {})


@pytest.mark.requirement("CON-09")
@pytest.mark.requirement("YN-29-3-r")
async def test_whoever_does_not_meet_the_condition_may_be_let_verify_or_compare(cases: Cases) -> None:
    await cases.enforce("yunnan")
    asked_less = await agreed(cases, await handed_in(cases, mode="verify"))
    assert (await grant_of(cases, asked_less)).mode == "verify"
    asked_all = await handed_in(cases)
    document = await refused(cases, 422, "request/invalid", asked_all, "agree", GIVING, mode="compare", masks=MASKED)
    assert [error["path"] for error in document["errors"]] == ["/body/masks/pension"]
    told_less = await agreed(cases, asked_all, mode="compare", conditions="不符合共享条件，仅限比对")
    assert (await grant_of(cases, told_less)).mode == "compare"


@pytest.mark.requirement("APP-12")
@pytest.mark.requirement("CD-11-3")
async def test_in_changde_sharing_is_negotiated_and_filed(cases: Cases) -> None:
    await cases.enforce("changde")
    await offer(cases, "none")
    case = await handed_in(cases, "negotiating")
    assert await cases.clocks(case) == {}
    await cases.stepped(case, "agree", GIVING, "reply_sign", conditions="仅限本案")
    await cases.stepped(case, "send_back", GIVING_HEAD, "negotiating", reason="再议")
    case = await agreed(cases, case, "agreed")
    assert case["grant"] == ""
    document = await refused(cases, 422, "request/invalid", case, "file", AUTHORITY)
    assert [error["path"] for error in document["errors"]] == ["/body/filing_no"]
    case = await cases.stepped(case, "file", AUTHORITY, "provisioning", filing_no="常数备〔2026〕7号")
    assert case["decision"]["filing_no"] == "常数备〔2026〕7号"
    await in_use(cases, case)


@pytest.mark.requirement("APP-12")
@pytest.mark.requirement("CD-11-3")
@pytest.mark.parametrize(("event", "state"), [("settle", "provisioning"), ("dismiss", "not_shared")])
async def test_in_changde_the_authority_coordinates_what_was_not_agreed(cases: Cases, event: str, state: str) -> None:
    await cases.enforce("changde")
    await offer(cases, "none")
    case = await handed_in(cases, "negotiating")
    await cases.stepped(case, "fail", GIVING, "coordination", reason="无法协商一致")
    case = await cases.stepped(case, event, AUTHORITY, state, reason="履职必需")
    assert bool(case["grant"]) is (state == "provisioning")


@pytest.mark.requirement("APP-12")
@pytest.mark.requirement("JDZ-09", "DQ-14-2")
@pytest.mark.parametrize("profile", ["jingdezhen", "deqing"])
async def test_what_is_not_shared_is_given_masked_with_the_authoritys_event(cases: Cases, profile: str) -> None:
    await cases.enforce(profile)
    await offer(cases, "none")
    case = await handed_in(cases, desensitised=True)
    document = await refused(cases, 422, "request/invalid", case, "agree", GIVING)
    assert [error["path"] for error in document["errors"]] == ["/body/masks/pension"]
    case = await agreed(cases, case, "authority_review", masks={"pension": "mid4"})
    document = await refused(cases, 422, "request/invalid", case, "approve", AUTHORITY)
    assert [error["path"] for error in document["errors"]] == ["/body/filing_no"]
    lifted = {"filing_no": "EV-2026-3", "masks": {"pension": "plain"}}
    await refused(cases, 422, "request/invalid", case, "approve", AUTHORITY, **lifted)
    case = await cases.stepped(case, "approve", AUTHORITY, "provisioning", filing_no="EV-2026-3")
    assert (await in_use(cases, case)).masks == {"pension": "mid4"}


@pytest.mark.requirement("APP-12")
async def test_an_entry_that_is_no_longer_shared_stops_every_application_for_it(cases: Cases) -> None:
    drafted, signed, decided = await applied(cases), await applied(cases), await handed_in(cases)
    await cases.stepped(signed, "submit", ASKING, "internal_sign")
    await cases.stepped(decided, "agree", GIVING, "reply_sign")
    await offer(cases, "none")
    for case, event, by in (
        (drafted, "submit", ASKING), (signed, "sign", ASKING_HEAD), (decided, "confirm", GIVING_HEAD),
    ):  # fmt: skip
        await refused(cases, 409, "resource/not-shared", case, event, by)


# --- other ways than calling ----------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-11")
@pytest.mark.requirement("CD-10", "DQ-11-15")
@pytest.mark.parametrize("profile", ["changde", "deqing"])
async def test_copying_needs_the_authoritys_consent(cases: Cases, profile: str) -> None:
    await cases.enforce(profile)
    case = await handed_in(cases, method="file")
    document = await refused(cases, 409, "case/copy-needs-consent", case, "agree", GIVING)
    assert document["article"]
    wrong = await cases.open("copy_consent", ASKING, parent=case["id"], details={**COPY, "method": "batch"})
    assert [error["path"] for error in wrong.json()["errors"]] == ["/body/details/method"]
    consent = await cases.opened("copy_consent", ASKING, parent=case["id"], details=COPY)
    await refused(cases, 403, "case/not-your-step", consent, "consent", GIVING)
    await cases.stepped(consent, "consent", AUTHORITY, "consented")
    case = await cases.stepped(case, "agree", GIVING, "reply_sign")
    assert case["decision"]["copy_consent"] == {"case": consent["number"], "method": "file"}


@pytest.mark.requirement("APP-11")
@pytest.mark.requirement("CD-10")
async def test_unconditional_data_to_be_copied_wait_for_the_consent_alone(cases: Cases) -> None:
    await cases.enforce("changde")
    await offer(cases, "unconditional")
    case = await applied(cases, method="file")
    assert (case["state"], case["grant"]) == ("consent_pending", "")
    consent = await cases.opened("copy_consent", ASKING, parent=case["id"], details=COPY)
    await cases.stepped(consent, "consent", AUTHORITY, "consented")
    shown = await cases.shown(case)
    assert shown["state"] == "granted"
    assert (await grant_of(cases, case)).fields == ["pension"]
    assert [(one["event"], one["role"], one["client"]) for one in shown["history"]] == [
        ("apply", "requester", ASKING.client), ("consented", "worker", AUTHORITY.client),
    ]  # fmt: skip


@pytest.mark.requirement("APP-11")
@pytest.mark.requirement("CD-10")
async def test_without_consent_the_interface_remains(cases: Cases) -> None:
    await cases.enforce("changde")
    await offer(cases, "unconditional")
    case = await applied(cases, method="file")
    consent = await cases.opened("copy_consent", ASKING, parent=case["id"], details=COPY)
    await refused(cases, 422, "request/invalid", consent, "refuse", AUTHORITY)
    await cases.stepped(consent, "refuse", AUTHORITY, "refused", reason="接口可以满足")
    assert (await cases.shown(case))["state"] == "draft"
    await cases.stepped(case, "submit", ASKING, "consent_pending")
    await cases.stepped(case, "edit", ASKING, "draft", details={"method": "service_api"})
    await cases.stepped(case, "submit", ASKING, "granted")
    late = await cases.open("copy_consent", ASKING, parent=case["id"], details=COPY)
    assert late.status_code == 422


@pytest.mark.requirement("APP-11")
async def test_a_consent_that_comes_too_late_changes_nothing(cases: Cases) -> None:
    await cases.enforce("changde")
    case = await handed_in(cases, method="file")
    consent = await cases.opened("copy_consent", ASKING, parent=case["id"], details=COPY)
    await cases.stepped(case, "withdraw", ASKING, "withdrawn")
    await refused(cases, 409, "request/conflict", consent, "consent", AUTHORITY)
    assert (await cases.shown(case))["state"] == "withdrawn"


@pytest.mark.requirement("APP-11")
async def test_a_consent_waits_for_the_application_to_be_settled(cases: Cases, bench: Bench) -> None:
    await cases.enforce("changde")
    case = await handed_in(cases, method="file")
    consent = await cases.opened("copy_consent", ASKING, parent=case["id"], details=COPY)
    async with bench.database.begin() as tx:
        held = await store.find_case(tx, case["id"], for_change=True)
        assert held is not None
        waiting = asyncio.create_task(cases.step(consent, "consent", AUTHORITY))
        async with asyncio.timeout(60):
            await bench.until_somebody_waits()
        await store.keep_case(tx, msgspec.structs.replace(held, state="withdrawn"), final=True)
    assert (await waiting).status_code == 409
    assert (await cases.shown(consent))["state"] == "requested"


@pytest.mark.requirement("APP-11")
async def test_elsewhere_no_consent_to_copying_is_asked(cases: Cases) -> None:
    await cases.enforce("jingdezhen")
    case = await handed_in(cases, method="file")
    needless = await cases.open("copy_consent", ASKING, parent=case["id"], details=COPY)
    assert (needless.status_code, needless.json()["code"]) == (409, "request/conflict")
    await agreed(cases, case)


# --- from a county --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-04")
@pytest.mark.requirement("CD-13")
async def test_a_county_asks_through_its_authority_and_the_citys(cases: Cases) -> None:
    await cases.enforce("changde")
    await cases.catalog.put("/departments/rsj", {"name": "人社局", "level": "city"})
    await cases.catalog.put("/departments/zjj", {"name": "县住建局", "level": "county"})
    case = await handed_in(cases, "upper_hop")
    assert await cases.clocks(case) == {}
    await cases.stepped(case, "forward", AUTHORITY, "upper_hop")
    await refused(cases, 403, "case/four-eyes", case, "forward", AUTHORITY)
    await cases.stepped(case, "send_back", OTHER_AUTHORITY, "draft", reason="先查县级目录")
    await cases.stepped(case, "submit", ASKING, "internal_sign")
    await cases.stepped(case, "sign", ASKING_HEAD, "upper_hop")
    await cases.stepped(case, "forward", AUTHORITY, "upper_hop")
    case = await cases.stepped(case, "forward", OTHER_AUTHORITY, "submitted")
    assert await cases.clocks(case) == {"share.conditional.reply": "running"}
    await agreed(cases, case)
