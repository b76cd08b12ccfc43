"""Resource codes (信息资源代码): 类 and 项 as the 1272 guide numbers them, and what is numbered here besides. Pure.

目 and 细目 are the place's own (a region, a department); only their form is checked, where codes are taken in.
Source: 发改高技〔2017〕1272号.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Class:
    """One 类 with its 项: number -> name."""

    name: str
    items: Mapping[str, str]


GUIDE: Mapping[str, Class] = {
    "1": Class("基础", {"01": "人口", "02": "法人", "03": "自然资源和空间地理", "04": "社会信用", "05": "电子证照"}),
    "2": Class("主题", {
        "01": "公共服务", "02": "健康保障", "03": "社会保障", "04": "食品药品安全", "05": "安全生产", "06": "价格监管",
        "07": "能源安全", "08": "信用体系", "09": "城乡建设", "10": "社区治理", "11": "生态环保", "12": "应急维稳",
    }),
    "3": Class("部门", {
        "01": "党中央", "02": "全国人大常委会", "03": "国务院", "04": "全国政协", "05": "最高人民法院",
        "06": "最高人民检察院", "07": "省（自治区、直辖市）及以下", "08": "计划单列市及以下",
    }),
}  # fmt: skip
BESIDES: Mapping[tuple[str, str], str] = {("2", "13"): "交通出行"}
"""(类, 项) that this platform numbers besides: the guide leaves more themes to those who need them."""


def theme_of(code: str) -> str:
    """The name of the code's 项, "" where there is none of that number."""
    kind, item = code[:1], code[1:3]
    known = GUIDE.get(kind)
    return (known.items.get(item) if known else None) or BESIDES.get((kind, item), "")


def mistakes_in_code(code: str) -> Iterator[tuple[str, str]]:
    """Whether 类 and 项 are numbers of the guide, or this platform's."""
    kind = GUIDE.get(code[:1])
    if kind is None:
        yield "code", f"类 is one of {', '.join(f'{number} {one.name}' for number, one in GUIDE.items())}"
    elif not theme_of(code):
        there = {**kind.items, **{item: name for (of, item), name in BESIDES.items() if of == code[:1]}}
        yield "code", f"项 of 类 {code[:1]} is one of {', '.join(f'{n} {name}' for n, name in there.items())}"
