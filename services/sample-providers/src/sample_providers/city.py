"""The people and businesses of the fictional city: the same in every process, because they come from a fixed seed.

Identity numbers and credit codes carry valid check digits on regions that do not exist (9901xx), and every name ends
in 测试 or holds 示例: nobody real can be meant.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from stdnum.cn import ric, uscc

from sample_providers.catalogue import Interface, Row

SEED = 990100
PEOPLE = 300
BUSINESSES = 120
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜"
_GIVEN = "安宁明远清和思齐若水知行望舒承泽怀瑾书宁听澜映雪嘉禾启明念安长川"
_PLACES = ("云溪", "青石", "望江", "白鹭", "松林", "临渡", "双桥", "东湖")
_TRADES = ("科技", "餐饮", "运输", "置业", "建材", "农业", "商贸", "物流")
_ROADS = ("健康路", "滨江路", "学府街", "青溪大道", "示例路")


@dataclass(frozen=True, slots=True)
class Person:
    """A resident. `phone` is on file with departments and registered with no interface."""

    id_card: str
    name: str
    address: str
    phone: str


@dataclass(frozen=True, slots=True)
class Business:
    """A registered business."""

    uscc: str
    name: str
    trade: str
    legal_rep: str
    address: str


@dataclass(frozen=True, slots=True)
class City:
    """What all departments have in common, and the catalogue's examples by interface."""

    people: Sequence[Person]
    businesses: Sequence[Business]
    catalogue: Mapping[str, Interface]

    def question(self, interface: str) -> Row:
        """The example request of an interface."""
        return self.catalogue[interface].question

    def facts(self, interface: str) -> Row:
        """The example answer of an interface."""
        return self.catalogue[interface].facts


def chance(name: str) -> random.Random:
    """A stream of pseudo-random numbers of its own for each register, so that they do not disturb each other."""
    return random.Random(f"{SEED}/{name}")  # noqa: S311  # synthetic data, nothing to protect


def found(catalogue: Mapping[str, Interface]) -> City:
    """The city: those whom the catalogue's examples name, and generated neighbours."""
    people = {person.id_card: person for person in _named(catalogue.values())}
    rng = chance("people")
    while len(people) < PEOPLE:
        born = date(1940, 1, 1) + timedelta(days=rng.randrange(30_000))
        number = identity_number(f"99010{rng.randint(1, 4)}", born, rng.randrange(1, 1000))
        people.setdefault(number, _resident(number, _name(rng), rng))
    residents = list(people.values())
    return City(residents, _businesses(residents), catalogue)


def identity_number(region: str, born: date, order: int) -> str:
    """18 characters with a valid check digit (GB 11643)."""
    body = f"{region}{born:%Y%m%d}{order:03d}"
    return body + ric.calc_check_digit(body + "0")


def credit_code(order: int) -> str:
    """A unified social credit code with a valid check digit (GB 32100)."""
    body = f"91990100{order:08d}X"
    return body + uscc.calc_check_digit(body)


def _named(interfaces: Iterable[Interface]) -> Iterable[Person]:
    rng = chance("named")
    for interface in interfaces:
        asked = interface.question
        for number, name in (("id_card", "name"), ("id_a", "name_a"), ("id_b", "name_b")):
            if number in asked and name in asked:
                yield _resident(asked[number], asked[name], rng)


def _resident(number: str, name: str, rng: random.Random) -> Person:
    return Person(number, name, _address(rng), f"0990-00{rng.randrange(100_000):05d}")


def _name(rng: random.Random) -> str:
    return rng.choice(_SURNAMES) + "".join(rng.sample(_GIVEN, rng.randint(1, 2))) + "测试"


def _address(rng: random.Random) -> str:
    return f"云江市{rng.choice(_PLACES)}区{rng.choice(_ROADS)}{rng.randint(1, 200)}号"


def _businesses(people: Sequence[Person]) -> Sequence[Business]:
    rng = chance("businesses")
    return [
        Business(
            uscc=credit_code(70_020_000 + order),
            name=f"云江示例{rng.choice(_PLACES)}{order}号{(trade := rng.choice(_TRADES))}有限公司",
            trade=trade,
            legal_rep=rng.choice(people).name,
            address=_address(rng),
        )
        for order in range(BUSINESSES)
    ]
