"""A system that proves who it is by its TLS certificate (tls_client_auth, RFC 8705): it has no registered key."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from runtime.http import Client, HTTPError
from tongdao_cli.doctor.model import OURS, Finding, Words, as_is, wrong
from tongdao_cli.doctor.platform import told
from tongdao_cli.home import CannotStart

WARN_DAYS = 30
NO_KEYS = Words("以证书证明身份，没有登记的密钥", "it proves itself by certificate and has no registered keys")


def present(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    """Show this certificate on every connection; raises CannotStart for files that are not a pair."""
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or type(error).__name__
        raise CannotStart(f"{certificate} and its key cannot be used ({reason}); see --cert and --cert-key") from None


def check_certificate(file: Path, now: float) -> Finding:
    """Whom it names, in the form of `certificate_name`, and until when. `now` is Unix seconds."""
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    name, until = certificate.subject.rfc4514_string(), certificate.not_valid_after_utc
    days = int((until - datetime.fromtimestamp(now, UTC)).total_seconds() // 86400)
    said = Words(f"证书 {name}，有效期至 {until:%Y-%m-%d}", f"certificate of {name}, good until {until:%Y-%m-%d}")
    if days >= WARN_DAYS:
        return Finding("key", "ok", said)
    remedy = Words("请向签发机构申请新证书，名称不变", "get a new one of the same name from its authority")
    return Finding("key", "warn" if until.timestamp() > now else "wrong", said, remedy)


def check_token(client: Client, system: str) -> tuple[Finding, str]:
    """A token for the system, whose certificate the connection shows."""
    try:
        answer = client.post("/oauth2/token", data={"grant_type": "client_credentials", "client_id": system})
        token = answer.json().get("access_token", "") if answer.is_success else ""
    except HTTPError as error:
        said = Words(f"没有应答（{type(error).__name__}）", f"no answer ({type(error).__name__})")
        return wrong("token", said, OURS), ""
    except (ValueError, AttributeError):
        token = ""
    if token:
        return Finding("token", "ok", Words(f"已为 {system} 取得令牌", f"{system} got a token")), str(token)
    remedy = OURS if answer.status_code >= 500 else NOT_TAKEN
    return wrong("token", as_is(f"{answer.status_code} {told(answer)}"), remedy), ""


NOT_TAKEN = Words(
    "请核对：是否以 tls_client_auth 登记、certificate_name 与证书是否一致、系统是否被暂停、中间的代理是否转交证书；"
    "请联系本部门的数据专员",
    "it is not registered with tls_client_auth, or with another certificate_name, or is suspended, or a proxy on the "
    "way keeps the certificate to itself: ask your department's officer",
)
