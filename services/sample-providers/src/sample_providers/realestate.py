"""What stands on the ground: holdings (zrzyj) and pre-sale permits (zjj)."""

from sample_providers.city import City, chance
from sample_providers.register import Entry, Offers, listed, one


def offers(city: City) -> Offers:
    """The interfaces served from this file."""
    return {
        "zrzyj-realestate-check": one(_holdings(city)),
        "zjj-presale-permit": listed(_permits(city), within={"project": "project_name"}),
    }


def _holdings(city: City) -> list[Entry]:
    rng = chance("holdings")
    named, example = city.question("zrzyj-realestate-check"), city.facts("zrzyj-realestate-check")
    entries = []
    for person in city.people:
        count = example["count"] if person.id_card == named["id_card"] else rng.choice((0, 0, 1, 1, 1, 2, 3))
        facts = {"count": count, "checked_at": example["checked_at"], "locations": [person.address] * min(count, 1)}
        entries.append(Entry({"name": person.name, "id_card": person.id_card}, facts))
    return entries


def _permits(city: City) -> list[Entry]:
    rng = chance("permits")
    example = city.question("zjj-presale-permit")
    facts = {**city.facts("zjj-presale-permit"), "project_name": example["project"], "escrow_account": "0000-0001"}
    entries = [Entry({"permit_no": example["permit_no"]}, facts)]
    builders = [business for business in city.businesses if business.trade == "置业"]
    for n, builder in enumerate(builders, start=2):
        facts = {
            "developer": builder.name,
            "buildings": "、".join(f"{block}栋" for block in range(1, rng.randint(2, 6))),
            "area": rng.randint(800_000, 6_000_000) / 100,
            "issue_date": f"2026-0{rng.randint(1, 9)}-15",
            "project_name": f"云江示例{n}期花园",
            "escrow_account": f"0000-{n:04d}",
        }
        entries.append(Entry({"permit_no": f"云房预字2026{n:03d}号"}, facts))
    return entries
