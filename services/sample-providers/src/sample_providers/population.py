"""Who people are: identity and household (gaj), marriage (mzj), birth certificates (wjw), pupils (jyj)."""

from datetime import date

from sample_providers.city import City, Person, chance
from sample_providers.register import Entry, Offers, one, verdict

_SCHOOLS = ("云江市第一小学", "云江市第二小学", "云江市示例中学")
_GRADES = "一二三四五六七八九"
_TODAY = date(2026, 11, 20)
"""The day of the registers' last update; fixed, so that every start answers the same."""


def offers(city: City) -> Offers:
    """The interfaces served from this file."""
    checked = {"checked_by": "人口库夜间副本"}
    return {
        "gaj-identity-verify": verdict([Entry({"id_card": p.id_card}, {"name": p.name}) for p in city.people], checked),
        "gaj-household-info": one(_households(city)),
        "mzj-marriage-verify": verdict(_marriages(city), {"archive_room": "3号库"}),
        "wjw-birth-cert-verify": verdict(_births(city), {"hospital_note": "电子底单"}),
        "jyj-student-status": one(_pupils(city)),
    }


def _households(city: City) -> list[Entry]:
    rng = chance("households")
    named, example = city.question("gaj-household-info"), city.facts("gaj-household-info")
    entries = []
    for person in city.people:
        facts = {
            "name": person.name,
            "household_addr": person.address,
            "relation": rng.choice(("户主", "配偶", "子女", "父母")),
            "hukou_type": rng.choice(("家庭户", "家庭户", "集体户")),
            "register_date": f"{rng.randint(1995, 2024)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}",
        }
        if person.id_card == named["id_card"]:
            facts = example
        entries.append(Entry({"id_card": person.id_card}, {**facts, "phone": person.phone}))
    return entries


def _marriages(city: City) -> list[Entry]:
    """Each couple twice, so that either may be named first."""
    couple = city.question("mzj-marriage-verify")
    pairs = [(Person(couple["id_a"], couple["name_a"], "", ""), Person(couple["id_b"], couple["name_b"], "", ""))]
    others = [p for p in city.people if p.id_card not in couple.values() and _age(p) >= 25]
    pairs += list(zip(others[0:80:2], others[1:80:2], strict=True))
    return [
        Entry({"id_a": a.id_card}, {"name_a": a.name, "id_b": b.id_card, "name_b": b.name})
        for pair in pairs
        for a, b in (pair, pair[::-1])
    ]


def _births(city: City) -> list[Entry]:
    example = city.question("wjw-birth-cert-verify")
    known = Entry({"cert_no": example["cert_no"]}, {k: example[k] for k in ("birth_date", "mother_name")})
    mothers = [p for p in city.people if _age(p) >= 40 and int(p.id_card[16]) % 2 == 0][:40]
    return [known] + [
        Entry({"cert_no": f"A99000{1000 + n}"}, {"birth_date": f"2016-03-{n % 28 + 1:02d}", "mother_name": p.name})
        for n, p in enumerate(mothers)
    ]


def _pupils(city: City) -> list[Entry]:
    rng = chance("pupils")
    named, example = city.question("jyj-student-status"), city.facts("jyj-student-status")
    entries = []
    for person in city.people:
        facts: dict[str, object] = {"enrolled": False}
        if 6 <= _age(person) < 15:
            facts = {"enrolled": True, "school": rng.choice(_SCHOOLS), "grade": f"{_GRADES[_age(person) - 6]}年级"}
        if person.id_card == named["id_card"]:
            facts = example
        key = {"name": person.name, "id_card": person.id_card}
        entries.append(Entry(key, {**facts, "guardian_phone": person.phone}))
    return entries


def _age(person: Person) -> int:
    return (_TODAY - date.fromisoformat(person.id_card[6:14])).days * 4 // 1461
