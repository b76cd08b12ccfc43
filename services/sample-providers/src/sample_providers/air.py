"""What the air is like: the hourly values of the monitoring stations (sthjj)."""

from sample_providers.city import City, chance
from sample_providers.register import Entry, Offers, listed

_STATIONS = ("高新区", "云溪公园", "望江码头", "青溪县城")


def offers(city: City) -> Offers:
    """The interfaces served from this file."""
    return {"sthjj-air-quality": listed(_stations(city))}


def _stations(city: City) -> list[Entry]:
    rng = chance("air")
    example = city.facts("sthjj-air-quality")
    entries = [Entry(city.question("sthjj-air-quality"), {**example, "sensor_state": "校准中"})]
    for n, name in enumerate(_STATIONS, start=2):
        fine = rng.randint(80, 900) / 10
        facts = {
            "station_name": name,
            "aqi": round(fine * 1.8),
            "pm25": fine,
            "pm10": round(fine * 1.6, 1),
            "o3": rng.randint(300, 1600) / 10,
            "observed_at": example["observed_at"],
            "sensor_state": "正常",
        }
        entries.append(Entry({"station": f"YJ{n:03d}"}, facts))
    return entries
