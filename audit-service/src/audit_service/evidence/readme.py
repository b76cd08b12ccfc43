"""README.txt of an evidence package, in Chinese and English: what it is, how to check it, what is no longer there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple

from audit_service.evidence.packing import moment

_ZH = {
    "call": "调用",
    "case": "办件编号",
    "grant": "授权",
    "since": "起",
    "before": "止",
    "party": "仅限参与部门",
    "mode": "方式",
}
_DECISION = """\
application.json   授权、申请、办理过程与决定，来自目录服务；日志中相应事件的回执在 receipts/ 中
                   grant, application, steps and decision, from the catalog; the log's own records of them, each with
                   a digest of what was decided, are among the receipts
"""
_DELETED = """

已依法销毁 / LAWFULLY DELETED

下列日期段可能含有相关记录，已按期限依法销毁；其散列仍在日志中，销毁记载的回执在 receipts/ 中。
These segments may have held records of this matter. They were lawfully deleted after their time: the hashes are still
in the log, and receipts/ has the entries that tell of it.

"""

_LEFT_OUT = """

未收入的被拒调用 / REFUSED CALLS LEFT OUT

另有{many_zh}次被拒绝的调用因篇幅所限未收入；已完成的调用全部收入。按 since、before 或 department 缩小范围即可取得。
{many_en} refused calls had no room here; every call that was let through is here. To get them, narrow the question with
since, before or department.
"""


class Deleted(NamedTuple):
    """A segment of the log that was lawfully deleted; `leaf` is where the log tells of it, None if not known."""

    segment: str
    leaf: int | None
    by: str


class Facts(NamedTuple):
    """What the text tells.

    grants_direct   grants that were given directly, without an application
    grants_unknown  grants of which the catalog knows nothing
    left_out        how many refused calls had no room, "0" for none
    apart           receipts that are checked one by one
    """

    about: Mapping[str, str]
    at: datetime
    logs: Sequence[str]
    calls: int
    records: int
    complete_to: int
    grants_direct: Sequence[str]
    grants_unknown: Sequence[str]
    deleted: Sequence[Deleted]
    apart: int
    has_decision: bool
    left_out: str


def file_name(at: datetime) -> str:
    """What a package made at a moment is called."""
    return f"evidence-{moment(at).replace('-', '').replace(':', '')}.zip"


def readme(facts: Facts) -> bytes:
    """The text, UTF-8."""
    template = (files("audit_service") / "evidence" / "readme.txt").read_text(encoding="utf-8")
    text = template.format(
        about_zh="，".join(f"{_ZH[name]} {value}" for name, value in facts.about.items()),
        about_en=", ".join(f"{name} {value}" for name, value in facts.about.items()),
        made_at=moment(facts.at), logs=", ".join(facts.logs), calls=facts.calls, records=facts.records,
        complete_to=facts.complete_to, more_files=_more_files(facts), file_name=file_name(facts.at),
        sections=_left_out(facts.left_out) + _grants(facts) + _deleted(facts.deleted),
    )  # fmt: skip
    return text.rstrip("\n").encode() + b"\n"


def _more_files(facts: Facts) -> str:
    many = facts.apart
    apart = f"apart/             须单独核验的回执 {many} 份 / {many} receipts that are checked one by one\n"
    return (_DECISION if facts.has_decision else "") + (apart if many else "")


def _left_out(many: str) -> str:
    return "" if many == "0" else _LEFT_OUT.format(many_zh=many.replace("more than", "超过"), many_en=many)


def _grants(facts: Facts) -> str:
    lines = [f"授权 {one} 系直接设定，没有申请 / grant {one} was given directly, without an application"
             for one in facts.grants_direct]  # fmt: skip
    lines += [f"授权 {one}：目录服务没有记载 / the catalog knows no grant {one}" for one in facts.grants_unknown]
    return "\n\n授权 / GRANTS\n\n" + "\n".join(lines) + "\n" if lines else ""


def _deleted(deleted: Sequence[Deleted]) -> str:
    lines = [f"{one.segment}  日志第 {one.leaf} 条 / leaf {one.leaf}  {one.by}".rstrip() for one in deleted]
    return _DELETED + "\n".join(lines) + "\n" if lines else ""
