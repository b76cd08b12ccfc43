"""How our processes say no.

An expected "no" is a `Refusal` that carries a `Code`; it becomes a problem document (RFC 9457) in one place,
`runtime.problems`. Anything else that is raised is a bug and becomes a bare 500.
The codes themselves stand in `wire.codes`: this package knows no domain word.
"""

from dataclasses import dataclass
from typing import Literal

Fault = Literal["consumer", "exchange", "provider"]


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of refusal: stable name, HTTP status, who is at fault, title and remedy in two languages.

    source  the article or RFC section that the rule comes from, or "" for a rule of ours
    """

    name: str
    status: int
    fault: Fault
    title_en: str
    title_zh: str
    remedy_en: str
    remedy_zh: str
    source: str = ""

    def title(self, language: str) -> str:
        return self.title_zh if language == "zh" else self.title_en

    def remedy(self, language: str) -> str:
        return self.remedy_zh if language == "zh" else self.remedy_en


class Refusal(Exception):
    """An expected no. `detail` is for the caller; keyword facts become members of the problem document.

    headers  further header fields of the answer
    """

    def __init__(self, code: Code, detail: str = "", **facts: object) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.facts = facts
        self.headers: dict[str, str] = {}


# --- the refusals that every process knows ----------------------------------------------------------------------------
INVALID_REQUEST = Code(
    "request/invalid", 422, "consumer", "The request does not have the required form", "请求不符合要求的格式",
    "Correct the members named in `errors` and send it again", "按 errors 列出的位置修改后重新提交",
)  # fmt: skip
UNKNOWN_PATH = Code(
    "request/unknown-path", 404, "consumer", "There is nothing at this address", "该地址不存在",
    "Check the path against the interface documents", "请对照接口文档检查路径",
)  # fmt: skip
METHOD_NOT_SERVED = Code(
    "request/method-not-allowed", 405, "consumer", "This address does not take this method", "该地址不支持此方法",
    "Use a method named in the Allow header", "请使用 Allow 头列出的方法",
)  # fmt: skip
BODY_TOO_LARGE = Code(
    "request/too-large", 413, "consumer", "The body is larger than this address takes", "请求体过大",
    "Send less at a time; `limit_bytes` says how much", "请减小单次请求的数据量，上限见 limit_bytes",
)  # fmt: skip
BROKEN = Code(
    "exchange/internal-error", 500, "exchange", "Something broke on our side", "平台内部错误",
    "Report the time and the record number to the operator", "请将时间和记录号告知平台运维人员",
)  # fmt: skip
NOT_ONE_OF_US = Code(
    "service/unauthenticated", 401, "exchange", "This door is for the platform's own services",
    "此入口仅供平台内部服务使用",
    "Call the gateway instead; services: check the shared secret and the clocks",
    "请经网关访问；内部服务请检查共享密钥与时钟",
)  # fmt: skip
