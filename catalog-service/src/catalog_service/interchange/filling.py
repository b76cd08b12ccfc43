"""The filling rules that come with the 1272 guide: each finds a mistake that people make in sheets. Pure.

Source: 发改高技〔2017〕1272号; the filling guidance that cities give with it (requirements C.2).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping

from catalog_service.directory.classification import GUIDE
from catalog_service.interchange.cells import plain
from catalog_service.interchange.sheet import CODE, FIELD, LABEL, NAME, Sheet, Stated
from catalog_service.interchange.table import CLASS, DETAIL, GROUP, OPEN, PART, PROVIDER, PROVIDER_CODE

SUMMARY, FORMAT, FORMAT_KIND = "信息资源摘要", "信息资源格式分类", "信息资源格式类型"
SHARE, CONDITION, METHODS = "共享类型", "共享条件", "共享方式类型"
OPEN_CONDITION, OPENING = "开放条件", "开放类型"
FILES, DATABASE, ANY = (1, 2, 4, 5), 3, frozenset({"batch"})
"""Formats that are files; and what goes with every format: batches are not in the guide's list."""

KINDS: Mapping[int, frozenset[str]] = {
    1: frozenset({"ofd", "wps", "xml", "txt", "doc", "docx", "html", "pdf", "ppt", "pptx"}),
    2: frozenset({"et", "xls", "xlsx", "csv"}),
    3: frozenset({"access", "dbf", "dbase", "sybase", "oracle", "sqlserver", "db2", "mysql", "postgresql", "kingbase",
                  "dameng", "达梦", "人大金仓"}),
    4: frozenset({"jpg", "jpeg", "gif", "bmp", "png", "tif", "tiff"}),
    5: frozenset({"swf", "rm", "mpg", "mp4", "avi"}),
}  # fmt: skip
"""Kinds that the guide names, and their like. The lists are open: what stands in none of them may be of any format."""

_NUMBERED = re.compile(r"(.*[^0-9])([0-9]{1,3})")


def check(sheet: Sheet) -> None:
    """Add what is wrong with each entry, and with all of them together."""
    for stated in sheet.entries:
        for rule in (_class_and_code, _format, _methods, _condition, _opening, _items, _not_a_system):
            rule(sheet, stated)
    _one_provider(sheet)
    _codes(sheet)
    _drag_fill(sheet, NAME)
    _drag_fill(sheet, SUMMARY)
    _names_in_file(sheet)


# --- one entry ------------------------------------------------------------------------------------------------------
def _class_and_code(sheet: Sheet, stated: Stated) -> None:
    """类, 项, 目, 细目 say what the code says, in digits or by name."""
    code = stated.code.partition("/")[0]
    if not code:
        return
    kind = GUIDE.get(code[:1])
    named = {PART: kind.items.get(code[1:3], "") if kind else ""}
    for title, digits in ((CLASS, code[:1]), (PART, code[1:3]), (GROUP, code[3:6]), (DETAIL, code[6:])):
        said = plain(str(stated.value(title) or ""))
        name = plain(named.get(title, ""))
        if said and said not in {plain(digits), name, plain(digits) + name}:
            _wrong(sheet, stated, title, "code", f"与信息资源代码不一致，应为 {digits}", f"the code says {digits}")


def _format(sheet: Sheet, stated: Stated) -> None:
    category, kinds = stated.value(FORMAT), re.split(r"[、，,;；/\s]+", stated.text(FORMAT_KIND))
    for kind in map(plain, kinds):
        of = [number for number, known in KINDS.items() if kind in known]
        if category and of and category not in of:
            _wrong(
                sheet, stated, FORMAT_KIND, "format-kind", f"{kind} 不属于该格式分类", f"{kind} is of another category"
            )


def _methods(sheet: Sheet, stated: Stated) -> None:
    """Files are shared as files, databases as tables or by interface."""
    category, methods = stated.value(FORMAT), frozenset(stated.value(METHODS) or ()) - ANY
    if category in FILES and not methods <= {"file"}:
        _wrong(
            sheet, stated, METHODS, "format-share", "文件类资源的共享方式须为文件下载", "files are shared by download"
        )
    if category == DATABASE and not methods <= {"db_table", "service_api"}:
        zh, en = "数据库类资源的共享方式须为数据库或服务接口", "databases are shared as tables or by interface"
        _wrong(sheet, stated, METHODS, "format-share", zh, en)


def _condition(sheet: Sheet, stated: Stated) -> None:
    share, condition = stated.value(SHARE), stated.text(CONDITION)
    if share == "conditional" and not condition:
        _wrong(sheet, stated, CONDITION, "share-condition", "有条件共享须填写共享条件", "conditional sharing states it")
    if share in ("unconditional", "none") and condition:
        _wrong(sheet, stated, CONDITION, "share-condition", "仅有条件共享填写", "for conditional sharing only")


def _opening(sheet: Sheet, stated: Stated) -> None:
    """是否向社会开放 with 开放条件 say how it is open; 开放类型, where it is filled in, says the same."""
    is_open, condition, stated_type = stated.value(OPEN), stated.text(OPEN_CONDITION), stated.value(OPENING)
    if is_open is False and condition:
        _wrong(sheet, stated, OPEN_CONDITION, "open-condition", "不开放的资源不填写", "not where it is not open")
    if stated_type is None:
        stated.open = "none" if not is_open else "conditional" if condition else "unconditional"
        return
    stated.open = stated_type
    if is_open is not None and is_open == (stated_type == "none"):
        _wrong(sheet, stated, OPENING, "open-type", f"与“{OPEN}”不一致", "does not agree with whether it is open")
    if stated_type == "unconditional" and condition:
        _wrong(sheet, stated, OPEN_CONDITION, "open-condition", "仅有条件开放填写", "for conditional opening only")


def _items(sheet: Sheet, stated: Stated) -> None:
    """No two items of an entry have the same name."""
    rows = [(line.row, line.texts.get(FIELD) or line.texts.get(LABEL, "")) for line in stated.items]
    for (row, text), first in _repeated([(row, text) for row, text in rows if text], str):
        sheet.wrong(row, LABEL, "item-name", f"与第 {first} 行重名", f"the same name as in row {first}", text)


def _not_a_system(sheet: Sheet, stated: Stated) -> None:
    """A resource is not called as the system that keeps it."""
    name = plain(stated.text(NAME))
    if name and (name.endswith("系统") or name == plain(stated.text("保管系统"))):
        _wrong(
            sheet, stated, NAME, "name-is-system", "资源名称不得为系统名称", "the name of a system, not of a resource"
        )


# --- all of them ----------------------------------------------------------------------------------------------------
def _one_provider(sheet: Sheet) -> None:
    for title in (PROVIDER_CODE, PROVIDER):
        first = next((stated for stated in sheet.entries if stated.text(title)), None)
        for stated in sheet.entries:
            if first and stated.text(title) and plain(stated.text(title)) != plain(first.text(title)):
                zh, en = f"同一文件只能有一个提供方（第 {first.row} 行）", f"one provider a file (row {first.row})"
                _wrong(sheet, stated, title, "one-provider", zh, en)


def _codes(sheet: Sheet) -> None:
    """A code that went on under another entry's rows is met once; what is left are codes that mean the same."""
    for (row, text), first in _repeated([(stated.row, stated.code) for stated in sheet.entries if stated.code], str):
        sheet.wrong(row, CODE, "code", f"与第 {first} 行代码相同", f"the same code as in row {first}", text)


def _drag_fill(sheet: Sheet, title: str) -> None:
    """Numbers that grew at the end of a text when its cell was dragged down; years are meant."""
    stems: dict[str, int] = {}
    for stated in sheet.entries:
        text = unicodedata.normalize("NFKC", stated.text(title))
        found = _NUMBERED.fullmatch(text)
        stem = found[1] if found else text
        if stem and stem in stems and found:
            first = stems[stem]
            zh, en = f"疑为拖动填充产生的尾号（第 {first} 行）", f"a trailing number as from dragging (row {first})"
            _wrong(sheet, stated, title, "trailing-number", zh, en)
        stems.setdefault(stem, stated.row)


def _names_in_file(sheet: Sheet) -> None:
    rows = [(stated.row, stated.text(NAME)) for stated in sheet.entries if stated.text(NAME)]
    for (row, text), first in _repeated(rows):
        zh, en = f"与第 {first} 行重名（忽略标点与空格）", f"called as in row {first}, but for spaces and punctuation"
        sheet.wrong(row, NAME, "name-duplicate", zh, en, text)


def check_against(sheet: Sheet, *, live: Mapping[str, str], systems: Iterable[str]) -> None:
    """Add what is wrong in view of the provider's entries (code -> name) and of the systems that are registered."""
    known = {bare(name): code for code, name in live.items()}
    called = {bare(name) for name in systems}
    for stated in sheet.entries:
        name = bare(stated.text(NAME))
        code = known.get(name, stated.code)
        if code != stated.code:
            zh, en = f"与目录中 {code} 重名（忽略标点与空格）", f"called as {code}, but for spaces and punctuation"
            _wrong(sheet, stated, NAME, "name-duplicate", zh, en)
        if name in called:
            zh, en = "资源名称不得为系统名称", "the name of a system that is registered"
            _wrong(sheet, stated, NAME, "name-is-system", zh, en)


def bare(text: str) -> str:
    """A name without spaces and punctuation."""
    return re.sub(r"[\W_]+", "", plain(text)) or plain(text)


def _repeated(
    rows: Iterable[tuple[int, str]], key: Callable[[str], str] = bare
) -> Iterator[tuple[tuple[int, str], int]]:
    """Those that say what an earlier row said, with that row."""
    seen: dict[str, int] = {}
    for row, text in rows:
        first = seen.setdefault(key(text), row)
        if first != row:
            yield (row, text), first


def _wrong(sheet: Sheet, stated: Stated, title: str, rule: str, zh: str, en: str) -> None:
    sheet.wrong(stated.row, title, rule, zh, en, stated.text(title))
