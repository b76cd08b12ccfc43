"""What businesses paid: grade-A taxpayers, and revenue that is compared but never shown (swj)."""

from sample_providers.catalogue import Row
from sample_providers.city import City, chance
from sample_providers.refusals import NoRecord
from sample_providers.register import Answer, Entry, Offers, one

_YEARS = ("2023", "2024", "2025")


def offers(city: City) -> Offers:
    """The interfaces served from this file."""
    return {"swj-tax-credit": one(_credit(city)), "swj-vat-detail": _compared(city)}


def _credit(city: City) -> list[Entry]:
    rng = chance("tax-credit")
    known = Entry(city.question("swj-tax-credit"), {**city.facts("swj-tax-credit"), "score": 95})
    entries = [known]
    for business in city.businesses:
        for year in _YEARS:
            score = rng.randint(40, 100)
            facts = {"is_grade_a": score >= 90, "ent_name": business.name, "score": score}
            entries.append(Entry({"uscc": business.uscc, "year": year}, facts))
    return entries


def _compared(city: City) -> Answer:
    """Whether declared revenue reaches a threshold; the revenue itself never leaves (税收征收管理法 8)."""
    rng = chance("revenue")
    example, period = city.question("swj-vat-detail"), city.facts("swj-vat-detail")["period"]
    revenue = {business.uscc: rng.randrange(100_000, 20_000_000) for business in city.businesses}
    revenue[example["uscc"]] = example["threshold"] * 2

    def answer(asked: Row) -> Row:
        if asked["uscc"] not in revenue:
            raise NoRecord
        reached = revenue[asked["uscc"]] >= asked["threshold"]
        return {"reached": reached, "period": period, "handled_by": "征管科内网任务"}

    return answer
