"""Administrative division codes (GB/T 2260) of the real country, as python-stdnum ships them (mzj).

The source dates every name, such as "[1983-2019]桥东区,[2020-]襄都区"; only what is in force is answered.
"""

import re
from functools import partial

from stdnum import numdb

from sample_providers.catalogue import Row
from sample_providers.city import City
from sample_providers.refusals import BadInput, NoRecord
from sample_providers.register import Offers

_CODE = re.compile(r"[0-9]{6}")
_DATED = re.compile(r"\[(?P<since>[0-9]*)-(?P<until>[0-9]*)\](?P<name>.+)")


def offers(_city: City) -> Offers:
    """The interface served from this file."""
    return {"mzj-admin-divisions": partial(_division, numdb.get("cn/loc"))}


def _division(source: numdb.NumDB, asked: Row) -> Row:
    code = asked["code"]
    if not _CODE.fullmatch(code):
        raise BadInput("参数 code 须为六位数字")
    name, since = _in_force(source, code)
    if not name:
        raise NoRecord
    province, _ = _in_force(source, f"{code[:2]}0000")
    prefecture, _ = _in_force(source, f"{code[:4]}00") if code[2:4] != "00" else ("", "")
    levels = {"prefecture": prefecture, "county": name if code[4:] != "00" else ""}
    present = {level: value for level, value in levels.items() if value}
    return {"code": code, "name": name, "province": province, **present, "in_force_since": since}


def _in_force(source: numdb.NumDB, code: str) -> tuple[str, str]:
    """Name of a division today and the year since when ("" where the source has none); ("", "") for none."""
    for written in _written(source, code).split(","):
        dated = _DATED.fullmatch(written)
        if dated is None:
            return written, ""
        if not dated["until"]:
            return dated["name"], dated["since"]
    return "", ""


def _written(source: numdb.NumDB, code: str) -> str:
    parts = source.info(code)
    return parts[-1][1].get("county", "") if [len(part) for part, _ in parts] == [2, 4] else ""
