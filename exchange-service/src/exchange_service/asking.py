"""Asking a provider: breaker and bulkhead, what is left of the deadline, and once more where that does no harm."""

import time
from typing import Final

import msgspec

from exchange_service.health import now_ms
from exchange_service.providers.provider import Answer, Question
from exchange_service.registry import Served
from runtime.errors import Refusal
from wire import codes

REPEATABLE: Final = ("GET", "HEAD", "PUT", "DELETE")
"""Methods that may be sent a second time (RFC 9110 section 9.2.2)."""
ASK_AGAIN_AFTER: Final = (codes.PROVIDER_UNREACHABLE, codes.PROVIDER_CUT)
"""Never after a time-out: the provider has enough to do, and the consumer has waited long enough."""
ASK_AGAIN_AT: Final = (502, 503, 504)
LEAST_LEFT_S: Final = 0.1
"""With less left of the deadline nobody is asked again, nor with less than the first attempt took."""
NEVER_ASKED: Final = (codes.PROVIDER_UNREACHABLE, codes.PROVIDER_FORBIDDEN_ADDRESS, codes.CREDENTIAL_MISSING)
"""Refusals that say that no question left."""
COUNTED_AS_FAILURE: Final = (
    codes.PROVIDER_UNREACHABLE, codes.PROVIDER_TIMEOUT, codes.PROVIDER_BROKEN_ANSWER, codes.PROVIDER_CUT,
    codes.CREDENTIAL_REFUSED,
)  # fmt: skip


class Visit:
    """One call at its provider, from `enter` until `leave`; the breaker hears once how it went."""

    __slots__ = ("_admitted", "_here", "asked_ms", "is_probe", "served")

    def __init__(self, served: Served, admitted: int, *, is_probe: bool) -> None:
        """admitted  the breaker's round      is_probe  it is the one call that the breaker lets through"""
        self.served = served
        self.asked_ms = 0
        """When the question left first, Unix milliseconds; 0 as long as it did not."""
        self.is_probe = is_probe
        self._admitted = admitted
        self._here = True

    def answered(self, status: int) -> None:
        """The provider spoke, and what it said could be used; a 5xx is an answer, but not a sign of health."""
        now = time.monotonic()
        if status >= 500:
            self.served.breaker.failed(now, self._admitted)
        else:
            self.served.breaker.succeeded(now, self._admitted)
        self.served.pulse.count(self.asked_ms, now_ms(), now, failed=status >= 500)

    def failed(self, error: BaseException) -> None:
        """The call brought no answer that could be used."""
        now = time.monotonic()
        if isinstance(error, Refusal) and error.code is codes.CREDENTIAL_REFUSED:
            self.served.credential_refused()
        if isinstance(error, Refusal) and error.code in COUNTED_AS_FAILURE:
            self.served.breaker.failed(now, self._admitted)
        else:
            self.served.breaker.abandoned(now, self._admitted)
        if isinstance(error, Refusal) and error.code.fault != "exchange":  # a consumer's fault: the provider is well
            ended_ms = now_ms()
            failed = error.code.fault == "provider"
            self.served.pulse.count(self.asked_ms or ended_ms, ended_ms, now, failed=failed)

    def leave(self) -> None:
        """The call has ended; a second time changes nothing."""
        if self._here:
            self._here = False
            self.served.leave()


def enter(served: Served, now: float) -> Visit:
    """Breaker and bulkhead: a provider that fails gets a pause, a slow one holds up nobody else. Raises Refusal."""
    if why_not := served.enter():
        raise Refusal(codes.PROVIDER_BUSY, why_not, retry_after=1)
    served.show_anew()
    is_probe = served.breaker.opened
    admitted = served.breaker.admit(now)
    if not admitted:
        served.leave()
        raise Refusal(codes.PROVIDER_RESTING, retry_after=max(1, round(served.breaker.retry_after(now) + 0.5)))
    return Visit(served, admitted, is_probe=is_probe)


async def ask(visit: Visit, question: Question, deadline_ms: int) -> Answer:
    """The provider's answer once its head is here, after a second attempt where that does no harm; raises Refusal."""
    began = time.monotonic()
    try:
        answer = await attempt(visit, question, deadline_ms)
    except Refusal as refused:
        if refused.code not in ASK_AGAIN_AFTER or not may_ask_again(visit, question, deadline_ms, began):
            raise
    else:
        if answer.status not in ASK_AGAIN_AT or not may_ask_again(visit, question, deadline_ms, began):
            return answer
        answer.discard()
    return await attempt(visit, msgspec.structs.replace(question, again=True), deadline_ms)


def may_ask_again(visit: Visit, question: Question, deadline_ms: int, began: float) -> bool:
    """Whether a second question does no harm, and still can bring something. The breaker's one probe stays one."""
    operation = question.operation
    if visit.is_probe or not (operation.method in REPEATABLE or operation.repeatable):
        return False
    left_s = deadline_ms / 1000 - time.time()
    return isinstance(question.body, bytes) and left_s >= max(LEAST_LEFT_S, time.monotonic() - began)


async def attempt(visit: Visit, question: Question, deadline_ms: int) -> Answer:
    """One question within what is left of the deadline; raises Refusal."""
    left_s = deadline_ms / 1000 - time.time()
    if left_s <= 0:
        raise Refusal(codes.PROVIDER_TIMEOUT, "nothing was left of the deadline")
    before_ms = visit.asked_ms
    visit.asked_ms = before_ms or now_ms()
    try:
        return await visit.served.provider.ask(question, min(left_s, visit.served.interface.timeout_s))
    except Refusal as refused:
        if refused.code in NEVER_ASKED:
            visit.asked_ms = before_ms
        raise
