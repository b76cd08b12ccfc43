"""What the doctor finds: one value for each step, in the two languages of the platform."""

from dataclasses import dataclass
from typing import Literal

Step = Literal[
    "address", "dns", "tcp", "tls", "gateway", "clock", "issuer", "key", "token", "keys", "grant", "quota"
]  # fmt: skip
State = Literal["ok", "warn", "wrong", "left"]
"""In order; works, but not for long; wrong; not looked at, because something before it is wrong or was not named."""


@dataclass(frozen=True)
class Words:
    """One sentence in both languages."""

    zh: str
    en: str

    def __add__(self, more: "Words") -> "Words":
        return Words(self.zh + more.zh, self.en + more.en)


@dataclass(frozen=True)
class Finding:
    """What was found at one step. `remedy` says what to do where it is not in order."""

    step: Step
    state: State
    said: Words
    remedy: Words | None = None


def as_is(text: str) -> Words:
    """What a server said, in whatever language it was asked for."""
    return Words(text, text)


def wrong(step: Step, said: Words, remedy: Words) -> Finding:
    return Finding(step, "wrong", said, remedy)


def left(step: Step, why: Words) -> Finding:
    return Finding(step, "left", why)


AFTER = Words("因前面的问题未检查", "not looked at, because of what is wrong above")
OURS = Words(
    "问题在平台一侧，无需更改本系统；请联系平台运维并提供以上时间",
    "this is the platform's fault and nothing to change here; tell its operators, with the time",
)
STEPS: dict[Step, Words] = {
    "address": Words("地址", "address"),
    "dns": Words("域名", "dns"),
    "tcp": Words("连接", "tcp"),
    "tls": Words("加密", "tls"),
    "gateway": Words("网关", "gateway"),
    "clock": Words("时钟", "clock"),
    "issuer": Words("签发者", "issuer"),
    "key": Words("密钥", "key"),
    "token": Words("令牌", "token"),
    "keys": Words("登记的密钥", "keys"),
    "grant": Words("授权", "grant"),
    "quota": Words("额度", "quota"),
}
STATES: dict[State, Words] = {
    "ok": Words("正常", "ok"),
    "warn": Words("注意", "soon"),
    "wrong": Words("错误", "wrong"),
    "left": Words("未查", "-"),
}
