"""What businesses are and may do: registration and food (scjgj), clinics (wjw), certificates (dsjj)."""

from sample_providers.catalogue import Row
from sample_providers.city import Business, City, chance
from sample_providers.refusals import NotAuthorised
from sample_providers.register import Answer, Entry, Offers, listed, one

_GRADES = ("三级甲等", "二级甲等", "一级")
_CERTIFICATE = "11100000MB0X"


def offers(city: City) -> Offers:
    """The interfaces served from this file."""
    return {
        "scjgj-enterprise-base": one(_enterprises(city)),
        "scjgj-food-license": listed(_food_licences(city)),
        "wjw-medical-institution": listed(_institutions(city), within={"keyword": "name"}),
        "dsjj-cert-verify": _certificates(city),
    }


def _enterprises(city: City) -> list[Entry]:
    rng = chance("enterprises")
    known = Entry(
        city.question("scjgj-enterprise-base"),
        {**city.facts("scjgj-enterprise-base"), "contact_phone": "0990-0009001"},
    )
    return [known] + [
        Entry(
            {"uscc": business.uscc},
            {
                "ent_name": business.name,
                "ent_type": "有限责任公司",
                "legal_rep": business.legal_rep,
                "address": business.address,
                "estab_date": f"{rng.randint(2001, 2025)}-0{rng.randint(1, 9)}-2{rng.randint(0, 8)}",
                "reg_status": rng.choice(("存续", "存续", "存续", "注销")),
                "scope": business.trade,
                "contact_phone": f"0990-000{rng.randint(1000, 9999)}",
            },
        )
        for business in city.businesses
    ]


def _food_licences(city: City) -> list[Entry]:
    known = Entry(
        city.question("scjgj-food-license"), {**city.facts("scjgj-food-license"), "inspector_note": "上次检查合格"}
    )
    shops = [business for business in city.businesses if business.trade == "餐饮"]
    return [known] + [_food_licence(shop, number) for shop in shops for number in (1, 2)]


def _food_licence(shop: Business, number: int) -> Entry:
    """A business holds one licence for each of its kitchens."""
    return Entry(
        {"license_no": f"JY2990100{shop.uscc[10:16]}{number}", "uscc": shop.uscc},
        {
            "operator": shop.name,
            "items": "热食类食品制售、冷食类食品制售",
            "valid_until": f"20{28 + number}-06-30",
            "status": "有效",
            "inspector_note": f"{number}号厨房",
        },
    )


def _institutions(city: City) -> list[Entry]:
    rng = chance("institutions")
    example = city.question("wjw-medical-institution")
    known = Entry({"reg_no": example["reg_no"]}, {**city.facts("wjw-medical-institution"), "beds_planned": 800})
    return [known] + [
        Entry(
            {"reg_no": f"PDY99010000001{n:03d}"},
            {
                "name": f"云江市示例第{n}人民医院" if n % 3 == 0 else f"云江市示例{n}号门诊部",
                "grade": rng.choice(_GRADES),
                "subjects": "内科;外科;儿科" if n % 3 == 0 else "全科医疗科",
                "address": f"云江市健康路{n + 10}号",
                "valid_until": f"20{rng.randint(27, 35)}-12-31",
                "beds_planned": rng.randint(0, 400),
            },
        )
        for n in range(1, 70)
    ]


def _certificates(city: City) -> Answer:
    """Only who shows the holder's code learns about the certificate."""
    example = city.question("dsjj-cert-verify")
    codes = {example["cert_no"]: example["auth_code"]}
    entries = [Entry(_names(example), {**city.facts("dsjj-cert-verify"), "issuer_serial": "DZ-0001"})]
    for n, business in enumerate(city.businesses, start=2):
        number = f"990100-{n:04d}"
        codes[number] = f"AUTH-DEMO-{n:04d}"
        facts = {
            "valid": n % 9 != 0,
            "holder": business.name,
            "valid_until": "2031-05-01",
            "issuer_serial": f"DZ-{n:04d}",
        }
        entries.append(Entry({"cert_type": _CERTIFICATE, "cert_no": number}, facts))
    find = one(entries)

    def answer(asked: Row) -> Row:
        found: Row = find(asked)
        if codes[asked["cert_no"]] != asked["auth_code"]:
            raise NotAuthorised("授权码无效或已过期")
        return found

    return answer


def _names(asked: Row) -> Row:
    return {name: asked[name] for name in ("cert_type", "cert_no")}
