"""What the information system brings along: its key, a token for it, its grant, and what is left of its quota."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from runtime.http import Client, HTTPError, Response
from tongdao_cli.doctor.model import OURS, Finding, Words, as_is, left, wrong
from tongdao_cli.doctor.platform import told
from wire.assertions import TokenRefused, fetch_token

WARN_DAYS = 30
NEARLY = 10
"""Less than a tenth of a quota is left."""
MAKE_ONE = Words(
    "请按《使用方指南》生成 P-256 私钥（docs/consumers.md）",
    "make a P-256 key as the consumer guide shows (docs/consumers.md)",
)


def check_key(file: Path, kid: str) -> tuple[Finding, dict[str, Any] | None]:
    """The private key, a JWK or PEM. kid  its name in the register, "" for the JWK's own, or else its thumbprint"""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "not a text"
        return wrong("key", Words(f"无法读取 {file}（{reason}）", f"cannot read {file} ({reason})"), MAKE_ONE), None
    try:
        key = ECKey.import_key(json.loads(text) if text.lstrip().startswith("{") else text)
    except (JoseError, ValueError, TypeError):
        return wrong("key", Words(f"{file} 不是 EC 私钥", f"{file} is no EC key"), MAKE_ONE), None
    if not key.is_private or key.curve_name != "P-256":
        said = Words(f"{file} 不是 P-256 的私钥", f"{file} is not the private half of a P-256 key")
        return wrong("key", said, MAKE_ONE), None
    jwk = {**key.as_dict(private=True), "kid": kid or key.kid or key.thumbprint()}
    said = as_is(f"{file}, kid {jwk['kid']}")
    if file.stat().st_mode & 0o077:
        remedy = Words(
            f"他人可以读取该私钥：请执行 chmod 600 {file}", f"others on this machine may read it: chmod 600 {file}"
        )
        return Finding("key", "warn", said, remedy), jwk
    return Finding("key", "ok", said), jwk


def check_token(client: Client, issuer: str, system: str, key: Mapping[str, Any]) -> tuple[Finding, str]:
    """A token for the system, and what to do where there is none."""
    try:
        token = fetch_token(client, issuer, system, key)
    except HTTPError as error:
        said = Words(f"没有应答（{type(error).__name__}）", f"no answer ({type(error).__name__})")
        return wrong("token", said, OURS), ""
    except TokenRefused as refused:
        return wrong("token", as_is(str(refused)), _remedy(refused, system, str(key["kid"]))), ""
    said = Words(f"已为 {system} 取得令牌", f"{system} got a token")
    return Finding("token", "ok", said), token


def _remedy(refused: TokenRefused, system: str, kid: str) -> Words:
    if refused.status == 429:
        return Words("失败次数过多，请稍后再试", "too many failures; wait, then try again")
    if refused.status >= 500:
        return OURS
    if refused.description.startswith("assertion"):
        return Words(
            "断言中的该项不符合要求：按提示更正；时间不符时请校准时钟",
            "the key was right and this claim is not: put it right as it says; where it is a time, see the clock",
        )
    if refused.description:
        return Words(
            "密钥无误，但按上述原因不予发放令牌：请联系本部门的数据专员",
            "the key was right, and there is no token for the reason above: ask your department's officer",
        )
    return Words(
        f"请核对：{system} 是否已登记且未被暂停；kid 为 {kid} 的公钥是否已登记且未到期，登记的是否为另一把密钥；"
        "以证书登记的系统（tls_client_auth）须用 --cert。请联系本部门的数据专员",
        f"{system} is not registered or is suspended, or no public key {kid} is registered for it, or it is another "
        "key, or that key has ended, or it is registered with a certificate (tls_client_auth) and needs --cert: ask "
        "your department's officer",
    )


def check_keys(client: Client, token: str, system: str, kid: str, now: float, language: str) -> Finding:
    """Which keys the register has for this system, and when ours ends. `now` is Unix seconds, `kid` names ours."""
    answer = _asked(client, f"/oauth2/clients/{system}/keys", token, {}, language)
    if isinstance(answer, Finding):
        return replace(answer, step="keys")
    try:
        jwks = [key["jwk"] for key in answer.json()["keys"]]
        ends = {str(jwk["kid"]): int(jwk.get("until") or 0) for jwk in jwks}
    except (ValueError, KeyError, TypeError):
        return wrong("keys", Words("登记的密钥无法读取", "the registered keys cannot be read"), OURS)
    shown = ", ".join(f"{name} ({_day(until)})" if until else name for name, until in ends.items())
    until = ends.get(kid, 0)
    if not until or until - now > WARN_DAYS * 86400:
        return Finding("keys", "ok", as_is(shown or "-"))
    remedy = Words(
        f"密钥 {kid} 即将到期：请生成并登记新密钥，再停用旧密钥（tongdao keys）",
        f"{kid} ends soon: make a new key, register it, then let the old one end (tongdao keys)",
    )
    return Finding("keys", "warn", as_is(shown), remedy)


def _day(until: int) -> str:
    return f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d}"


def check_grant(client: Client, token: str, question: Mapping[str, str], language: str) -> Finding:
    """Whether the gateway would let this call pass, and the first condition that stands against it."""
    answer = _asked(client, "/api/explain", token, question, language)
    if isinstance(answer, Finding):
        return replace(answer, step="grant")
    document = answer.json()
    if document["decision"] == "allow":
        said = Words(f"可以调用 {question['interface']}", f"{question['interface']} may be called")
        return Finding("grant", "ok", said)
    step = next(step for step in document["steps"] if not step["holds"])
    words = as_is(": ".join(str(step[name]) for name in ("code", "title", "detail") if step.get(name)))
    if step["code"] in CASES and step.get("pattern"):
        words += Words(f"（应符合 {step['pattern']}）", f" (wanted: {step['pattern']})")
    return wrong("grant", words, as_is(str(step["remedy"])) + CASES.get(str(step["code"]), as_is("")))


CASES = {
    "case/missing": Words("；诊断时用 --case 指明", "; tell the doctor of one with --case"),
    "case/malformed": Words("；并更正 --case", "; and put --case right"),
}


def check_quota(client: Client, token: str, system: str, interface: str, language: str) -> Finding:
    """What is left of the system's grants for this interface; used up is wrong, nearly used up is worth a word."""
    answer = _asked(client, "/api/quotas", token, {"interface": interface}, language)
    if isinstance(answer, Finding):
        return replace(answer, step="quota")
    quotas = [quota for grant in answer.json()["items"] if grant["system"] == system for quota in grant["quotas"]]
    if not quotas:
        return Finding("quota", "ok", Words("没有次数限额", "without a limit by day or month"))
    shown = as_is(", ".join(f"{quota['title']} {quota['used']}/{quota['limit']}" for quota in quotas))
    least = min(quotas, key=lambda quota: float(quota["left"]) / float(quota["limit"]))
    if least["left"] * NEARLY > least["limit"]:
        return Finding("quota", "ok", shown)
    when = str(least["resets"])
    remedy = Words(f"{when} 恢复；如需更多，请申请提高额度", f"anew at {when}; for more, apply for a larger quota")
    return Finding("quota", "warn" if least["left"] else "wrong", shown, remedy)


def _asked(client: Client, path: str, token: str, query: Mapping[str, str], language: str) -> Response | Finding:
    """The answer where it is one, else a finding whose step the caller names."""
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
    try:
        answer = client.get(path, params=dict(query), headers=headers)
    except HTTPError as error:
        return wrong("gateway", as_is(type(error).__name__), OURS)
    if answer.is_success:
        return answer
    if answer.status_code == 404:
        return left("gateway", Words("该平台不提供此项", "this platform does not tell"))
    remedy = OURS if answer.status_code >= 500 else as_is(str(_member(answer, "remedy")))
    return wrong("gateway", as_is(f"{answer.status_code} {told(answer)}"), remedy)


def _member(answer: Response, name: str) -> object:
    try:
        return answer.json().get(name, "")
    except (ValueError, AttributeError):
        return ""
