"""What moves: vehicles (gaj) and road transport licences (jtj)."""

from sample_providers.city import City, chance
from sample_providers.register import Entry, Offers, listed, one

_TYPES = ("小型轿车", "小型普通客车", "重型半挂牵引车", "轻型厢式货车")


def offers(city: City) -> Offers:
    """The interfaces served from this file."""
    return {"gaj-vehicle-info": one(_vehicles(city)), "jtj-transport-license": listed(_licences(city))}


def _vehicles(city: City) -> list[Entry]:
    rng = chance("vehicles")
    facts = {**city.facts("gaj-vehicle-info"), "owner_phone": "0990-0009002", "engine_no": "DEMO00001"}
    entries = [Entry(city.question("gaj-vehicle-info"), facts)]
    for n, owner in enumerate(city.people):
        facts = {
            "vehicle_type": rng.choice(_TYPES),
            "use_nature": rng.choice(("非营运", "非营运", "货运")),
            "owner_name": owner.name,
            "inspection_until": f"20{rng.randint(26, 29)}-0{rng.randint(1, 9)}-28",
            "status": rng.choice(("正常", "正常", "正常", "逾期未检验")),
            "owner_phone": owner.phone,
            "engine_no": f"DEMO{n:05d}",
        }
        entries.append(Entry({"plate_no": f"云A{20_000 + n}", "plate_type": "02"}, facts))
    return entries


def _licences(city: City) -> list[Entry]:
    example = Entry(
        city.question("jtj-transport-license"), {**city.facts("jtj-transport-license"), "vehicles_owned": 12}
    )
    carriers = [business for business in city.businesses if business.trade in ("运输", "物流")]
    return [example] + [
        Entry(
            {"license_no": f"99010000{n:04d}", "uscc": carrier.uscc},
            {
                "operator": carrier.name,
                "scope": "道路普通货物运输",
                "valid_until": f"20{27 + n % 4}-05-31",
                "vehicles_owned": n,
            },
        )
        for n, carrier in enumerate(carriers, start=2)
    ]
