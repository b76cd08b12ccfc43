"""An application as its table's functions see it: what was asked for, of which entry and interface, by whom."""

from typing import Any

import msgspec

from catalog_service.cases.model import Situation
from catalog_service.directory.entry import Basis, Resource, Share
from catalog_service.directory.model import Department, Interface
from harness.machines import CASE, situation
from wire.catalog import Field, Operation

FORM: dict[str, Any] = {
    "purpose": "公租房资格审核", "fields": ["pension"], "basis": [{"law": "社会救助暂行办法", "article": "第五十八条"}],
    "scene": "受理", "scope": "住房保障科", "duty": "住房保障", "term_months": 6,
    "materials": [{"name": "需求申请表", "sha256": "0" * 64}],
}  # fmt: skip
RESOURCE = Resource(
    code="2039900100003/000001", name="社会保险参保状态查询", provider="rsj", summary="…",
    share=Share(type="conditional", condition="限住房保障"),
)  # fmt: skip
INTERFACE = Interface(
    id="rsj-social-insurance", version="v1", provider="rsj", resource=RESOURCE.code, name="…", base_url="http://rsj",
    networks=["10.0.0.0/8"], operations=[Operation(method="GET", path="", target="/")],
    fields=[Field(name="name", mask="name_first"), Field(name="pension"), Field(name="employer")],
)  # fmt: skip
CITY, COUNTY = Department(id="zjj", name="住建局", level="city"), Department(id="zjj", name="县局", level="county")
STATES = {
    "conditional": RESOURCE.share, "unconditional": Share(type="unconditional"),
    "none": Share(type="none", reason="…", legal_basis=[Basis(law="…")]),
    "compared": Share(type="none", mode="compare", reason="…", legal_basis=[Basis(law="…")]),
}  # fmt: skip


def applied(profile: str = "national", share: str = "conditional", **members: Any) -> Situation:
    """An application for RESOURCE, shared in one of the ways of STATES."""
    known: dict[str, Any] = {
        "resource": msgspec.structs.replace(RESOURCE, share=STATES[share]), "interface": INTERFACE, "requester": CITY,
        "provider": Department(id="rsj", name="人社局", level="city"), "details": FORM, "state": "submitted",
        "case": msgspec.structs.replace(CASE, kind="application", system="zjj-housing", interface=INTERFACE.key),
    }  # fmt: skip
    return situation(profile, **{**known, **members})


# --- the table ------------------------------------------------------------------------------------------------------
