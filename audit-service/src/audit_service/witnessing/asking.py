"""One witness as the log sees it: where it is, what it is asked, and what of its answer is believed.

Nothing is believed that its key has not signed. Source: C2SP tlog-witness, tlog-cosignature.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict

from runtime.http import AsyncClient, HTTPError, client
from tlog import cosignature
from tlog.checkpoint import signature_line, split_note
from tlog.proofs import ProofError

log = structlog.get_logger()
ANSWER_S = 2.0
LARGEST_ANSWER = 64 * 1024
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,19})\n")
_REASONS = {
    403: ": it does not know the key that signs now; give it the log's vkeys",
    404: ": it does not know this log; give it the vkey of the new origin",
}
"""What a refusal means (C2SP tlog-witness), in words for whoever runs the log."""
_SIZE_TYPE = "text/x.tlog.size"


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("the address of a witness is http(s)://host[:port][/path] and nothing more")
    return url


def _witness_key(vkey: str) -> str:
    try:
        cosignature.parse_vkey(vkey)
    except ProofError as error:
        raise ValueError(str(error)) from None
    return vkey


class Witness(BaseModel):
    """A witness in the settings: its address, and its key from a source that is not that address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_address)]
    vkey: Annotated[str, AfterValidator(_witness_key)]

    @property
    def name(self) -> str:
        return cosignature.parse_vkey(self.vkey).name


def each_once(witnesses: list[Witness]) -> list[Witness]:
    """The same list; raises ValueError where two have one name."""
    if len({witness.name for witness in witnesses}) < len(witnesses):
        raise ValueError("two witnesses have the same name; replace the key of the one instead")
    return witnesses


class NoAnswer(Exception):
    """The witness gave no answer of use; the message is for everybody to see."""


class Away(NoAnswer):
    """The witness does not answer at all."""


class Cosigned(NamedTuple):
    """The verified line (newline included) and the witness's time in it."""

    line: str
    at_s: int


class OtherSize(NamedTuple):
    """What the witness says it cosigned last. Said, not proved."""

    size: int


class Contradicted(NamedTuple):
    """The witness says that the checkpoint does not follow from what it cosigned last."""

    reason: str


class WitnessClient:
    """Asks one witness. Each request ends within ANSWER_S; no redirects, no proxies from the environment."""

    def __init__(self, witness: Witness, http: AsyncClient | None = None) -> None:
        self.witness = witness
        self.name = witness.name
        self._http = http or client(witness.url, timeout_s=ANSWER_S)

    async def submit(self, old: int, proof: Sequence[bytes], note: str) -> Cosigned | OtherSize | Contradicted:
        """Offer a checkpoint with the proof from size `old`. Raises NoAnswer."""
        steps = "".join(base64.b64encode(step).decode() + "\n" for step in proof)
        status, kind, body = await self._ask("POST", "/add-checkpoint", f"old {old}\n{steps}\n{note}".encode())
        if status == 200:
            return self._verified(note, body)
        if status == 409 and kind == _SIZE_TYPE:
            size = _SIZE.fullmatch(body)
            if size is None:
                raise NoAnswer("answered with a size that is none")
            return OtherSize(int(size[1]))
        if status in (409, 422):  # 409 without a size: the first edition of the protocol, two roots for one size
            return Contradicted(f"answered {status}")
        raise NoAnswer(f"answered {status}{_REASONS.get(status, '')}")

    async def held(self, origin: str) -> str:
        """The note that the witness shows as cosigned last for a log, *unverified*; "" for none. Raises NoAnswer."""
        digest = hashlib.sha256(origin.encode()).hexdigest()
        status, _, body = await self._ask("GET", f"/{digest}/checkpoint")
        return body.decode(errors="replace") if status == 200 else ""

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        headers = {"Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "text/plain; charset=utf-8"
        received = bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                self._http.stream(method, path, content=body, headers=headers) as answer,
            ):
                async for chunk in answer.aiter_raw():
                    received += chunk
                    if len(received) > LARGEST_ANSWER:
                        raise NoAnswer("answered too much")
                return answer.status_code, answer.headers.get("content-type", ""), bytes(received)
        except TimeoutError:
            raise Away(f"no answer within {ANSWER_S:g} s") from None
        except HTTPError as error:
            log.debug("witness.unreachable", witness=self.name, error=repr(error))
            raise Away("cannot be reached") from None

    def _verified(self, note: str, body: bytes) -> Cosigned:
        """The witness's line among those in the answer; lines of keys that are not known are left out."""
        key = cosignature.parse_vkey(self.witness.vkey)
        try:
            whole = note + body.decode()
            if not body.endswith(b"\n"):
                raise ProofError("the answer does not end with a newline")
            at_s = cosignature.verify(whole, self.witness.vkey)
            raw = max(split_note(whole).by(key))  # the time comes first
        except (ProofError, UnicodeDecodeError) as error:
            log.error("witness.wrong_cosignature", witness=self.name, reason=str(error))
            raise NoAnswer("answered with a cosignature that does not verify") from None
        return Cosigned(signature_line(key.name, key.key_id, raw), at_s)
