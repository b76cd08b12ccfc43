"""What people are entitled to: insurance and employment (rsj), subsistence (mzj), rental (zjj), medical (ybj)."""

import random
from collections.abc import Callable

from sample_providers.catalogue import Row
from sample_providers.city import City, Person, chance
from sample_providers.register import Answer, Entry, Offers, one


def offers(city: City) -> Offers:
    """The interfaces served from this file."""
    return {
        "rsj-social-insurance": _about_people(city, "rsj-social-insurance", _insured(city)),
        "rsj-employment": _about_people(city, "rsj-employment", _employment),
        "mzj-subsistence": _about_people(city, "mzj-subsistence", _subsistence),
        "zjj-public-rental": _about_people(city, "zjj-public-rental", _rental),
        "ybj-insured-status": _about_people(city, "ybj-insured-status", _medical),
    }


Facts = Callable[[random.Random], Row]


def _about_people(city: City, interface: str, facts: Facts) -> Answer:
    """A register with one entry a resident, found by name and number; the catalogue's example person as it says."""
    rng, named, example = chance(interface), city.question(interface), city.facts(interface)

    def entry(person: Person) -> Entry:
        drawn = facts(rng)
        known = example if person.id_card == named["id_card"] else drawn
        key = {"name": person.name, "id_card": person.id_card}
        return Entry(key, {**known, "contact_phone": person.phone, "internal_note": "经办系统内部备注"})

    return one([entry(person) for person in city.people])


def _insured(city: City) -> Facts:
    def facts(rng: random.Random) -> Row:
        if rng.random() < 0.3:
            return {"pension": "未参保", "unemployment": "未参保", "injury": "未参保"}
        state = rng.choice(("正常参保", "正常参保", "暂停参保"))
        employer = rng.choice(city.businesses).name
        return {
            "pension": state,
            "unemployment": state,
            "injury": state,
            "employer": employer,
            "months_paid": rng.randint(1, 420),
        }

    return facts


def _employment(rng: random.Random) -> Row:
    kind = rng.choice(("就业登记", "就业登记", "失业登记"))
    day = f"2026-0{rng.randint(1, 9)}-0{rng.randint(1, 9)}"
    return {"reg_type": kind, "reg_date": day, "difficulty": kind == "失业登记" and rng.random() < 0.4}


def _subsistence(rng: random.Random) -> Row:
    if rng.random() < 0.9:
        return {"is_recipient": False}
    category = rng.choice(("城市低保", "农村低保"))
    return {"is_recipient": True, "category": category, "from_month": "2025-07", "to_month": "2027-06"}


def _rental(rng: random.Random) -> Row:
    if rng.random() < 0.85:
        return {"in_guarantee": False}
    return {"in_guarantee": True, "mode": rng.choice(("实物配租", "租赁补贴")), "until": "2028-12-31"}


def _medical(rng: random.Random) -> Row:
    kind = rng.choice(("职工基本医疗保险", "城乡居民基本医疗保险"))
    return {"insurance_type": kind, "status": rng.choice(("正常", "正常", "暂停")), "benefit_until": "2026-12-31"}
