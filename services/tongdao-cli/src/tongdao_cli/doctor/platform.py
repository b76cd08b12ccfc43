"""What the gateway says before anybody has shown who they are: whether it is ready, what time it is, its issuer."""

from email.utils import parsedate_to_datetime

from runtime.http import Client, HTTPError, Response
from tongdao_cli.doctor.model import OURS, Finding, Words, as_is, wrong

AHEAD_S = 10.0
"""How far the clock of a client may be ahead before its assertions are refused; behind it may be a little more."""
WARN_S = 3.0
METADATA = "/.well-known/oauth-authorization-server"


def check_gateway(client: Client) -> tuple[Finding, Response | None]:
    """Whether a gateway answers, and whether it would take calls."""
    try:
        answer = client.get("/health/ready")
    except HTTPError as error:
        said = Words(f"没有 HTTP 应答（{type(error).__name__}）", f"no answer over HTTP ({type(error).__name__})")
        remedy = Words(
            "已能连接但无应答：请检查中间的代理，或稍后再试",
            "somebody listens but does not answer: check proxies in between, or try again later",
        )
        return wrong("gateway", said, remedy), None
    if answer.status_code == 200:
        return Finding("gateway", "ok", Words("可以受理调用", "takes calls")), answer
    if answer.status_code == 503:
        said = Words(f"网关尚未就绪（{answer.text[:100]}）", f"not ready ({answer.text[:100]})")
        return wrong("gateway", said, OURS), answer
    said = Words(
        f"该地址应答 {answer.status_code}，不像是网关", f"{answer.status_code}: this does not look like a gateway"
    )
    remedy = Words("请核对网关地址，或检查中间的代理", "check the address, and proxies in between")
    return wrong("gateway", said, remedy), answer


def check_clock(answer: Response, now: float) -> Finding:
    """Our clock against the gateway's; `now` is Unix seconds when the answer came."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except ValueError:
        said = Words("应答中没有时间，无法比对", "the answer does not say what time it is")
        return Finding(
            "clock", "warn", said, Words("请另行核对本机时间", "compare this machine's clock by other means")
        )
    ahead = now - (theirs + 0.5)  # the header has whole seconds
    shown = f"{abs(ahead):.1f}"
    said = (
        Words(f"本机比网关快 {shown} 秒", f"this machine is {shown} s ahead of the gateway")
        if ahead > 0
        else Words(f"本机比网关慢 {shown} 秒", f"this machine is {shown} s behind the gateway")
    )
    if abs(ahead) <= WARN_S:
        return Finding("clock", "ok", said)
    remedy = Words(
        "请启用 NTP 校时（如 chronyc tracking）；断言的时间最多可快 10 秒",
        "synchronise the clock (see `chronyc tracking`); assertions may be 10 s ahead at most",
    )
    return Finding("clock", "warn" if abs(ahead) <= AHEAD_S else "wrong", said, remedy)


def check_issuer(client: Client, gateway: str) -> tuple[Finding, str]:
    """Who issues tokens here: the one audience that an assertion may have."""
    try:
        answer = client.get(METADATA)
        issuer = str(answer.json()["issuer"]) if answer.status_code == 200 else ""
    except HTTPError as error:
        said = Words(f"没有应答（{type(error).__name__}）", f"no answer ({type(error).__name__})")
        return wrong("issuer", said, OURS), ""
    except (ValueError, KeyError, TypeError):
        said = Words("签发者的元数据无法读取", "the issuer's metadata cannot be read")
        return wrong("issuer", said, OURS), ""
    if not issuer:
        said = as_is(f"{answer.status_code} {told(answer)}")
        return wrong("issuer", Words("签发服务未应答：", "the issuer does not answer: ") + said, OURS), ""
    if issuer != gateway:
        said = Words(f"签发者是 {issuer}，不是 {gateway}", f"the issuer is {issuer}, not {gateway}")
        remedy = Words(
            f"请将断言的 aud 设为 {issuer}，并以该地址访问网关",
            f"let assertions have the `aud` {issuer}, and call it there",
        )
        return wrong("issuer", said, remedy), issuer
    return Finding("issuer", "ok", as_is(issuer)), issuer


def told(answer: Response) -> str:
    """Title and detail of a refusal, "" where it is none."""
    try:
        document = answer.json()
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    words = (document.get("title"), document.get("detail"), document.get("error"), document.get("error_description"))
    return ": ".join(str(word) for word in words if word)
