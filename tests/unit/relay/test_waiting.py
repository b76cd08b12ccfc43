"""Promises, and coroutines that are driven by hand."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from relay.waiting import Promise, drive

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("REL-11")]


class Watched:
    """A driven coroutine and how it ended."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.crashes = 0
        self.returns = 0
        self.values: list[Any] = []
        drive(self._run(coroutine), self._crashed, self._returned)

    async def _run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.values.append(await coroutine)

    def _crashed(self) -> None:
        self.crashes += 1

    def _returned(self) -> None:
        self.returns += 1

    async def ended(self) -> "Watched":
        async with asyncio.timeout(5):
            while not (self.crashes or self.returns):
                await asyncio.sleep(0)
        return self


async def waiting_for(promise: Promise[Any]) -> Any:
    return await promise


async def test_a_coroutine_runs_at_once_and_goes_on_inside_resolve() -> None:
    promise: Promise[int] = Promise()
    watched = Watched(waiting_for(promise))
    assert not watched.returns
    promise.resolve(7)
    assert (watched.values, watched.returns, watched.crashes) == ([7], 1, 0)


async def test_a_promise_that_was_kept_before_is_not_waited_for() -> None:
    promise: Promise[int] = Promise()
    promise.resolve(7)
    assert Watched(waiting_for(promise)).values == [7]


async def test_a_failed_promise_raises_in_the_coroutine() -> None:
    async def careful(promise: Promise[int]) -> str:
        try:
            await promise
        except ValueError as error:
            return str(error)
        return "nothing"

    early: Promise[int] = Promise()
    early.fail(ValueError("early"))
    assert Watched(careful(early)).values == ["early"]
    late: Promise[int] = Promise()
    watched = Watched(careful(late))
    late.fail(ValueError("late"))
    assert watched.values == ["late"]


async def test_the_first_word_counts() -> None:
    promise: Promise[int] = Promise()
    promise.resolve(1)
    promise.resolve(2)
    promise.fail(ValueError())
    assert not promise.cancel()
    assert await promise == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug"), asyncio.CancelledError()])
async def test_a_crash_is_told_once_and_goes_no_further(error: BaseException) -> None:
    promise: Promise[int] = Promise()
    watched = Watched(waiting_for(promise))
    promise.fail(error)
    assert (watched.crashes, watched.returns) == (1, 0)


async def test_a_crash_before_the_first_wait_is_told_too() -> None:
    async def broken() -> None:
        raise RuntimeError("a bug")

    assert Watched(broken()).crashes == 1


async def test_asyncio_futures_tasks_and_sleeps_may_be_awaited() -> None:
    async def work() -> list[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        loop.call_soon(future.set_result, 1)
        first = await future
        second = await asyncio.ensure_future(asyncio.sleep(0.001, 2))
        third = await loop.run_in_executor(None, lambda: 3)
        await asyncio.sleep(0)
        return [first, second, third, await future]

    assert (await Watched(work()).ended()).values == [[1, 2, 3, 1]]


async def test_what_needs_a_task_runs_in_ensure_future() -> None:
    async def slow() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)

    async def work() -> str:
        try:
            await asyncio.ensure_future(slow())
        except TimeoutError:
            return "in time"
        return "late"

    assert (await Watched(work()).ended()).values == ["in time"]


async def test_a_task_that_is_cancelled_under_the_coroutine_is_a_crash() -> None:
    task = asyncio.ensure_future(asyncio.sleep(10))

    async def work() -> None:
        await task

    watched = Watched(work())
    task.cancel()
    assert (await watched.ended()).crashes == 1


async def test_asynchronous_generators_may_be_used() -> None:
    async def numbers(promise: Promise[int]) -> AsyncIterator[int]:
        yield 1
        yield await promise

    async def work(promise: Promise[int]) -> list[int]:
        return [number async for number in numbers(promise)]

    promise: Promise[int] = Promise()
    watched = Watched(work(promise))
    promise.resolve(2)
    assert watched.values == [[1, 2]]


async def test_a_chain_of_coroutines_goes_on_in_one_turn() -> None:
    """Nobody waits for the loop: that is what driving by hand is for."""
    promises: list[Promise[int]] = [Promise() for _ in range(50)]

    async def link(number: int) -> None:
        await promises[number]
        if number + 1 < len(promises):
            promises[number + 1].resolve(number)

    chain = [Watched(link(number)) for number in range(50)]
    promises[0].resolve(0)
    assert all(watched.returns == 1 for watched in chain)


# --- promises in tasks
async def test_a_task_may_await_a_promise() -> None:
    promise: Promise[int] = Promise()
    task = asyncio.ensure_future(waiting_for(promise))
    await asyncio.sleep(0)
    promise.resolve(7)
    assert await task == 7


async def test_a_promise_kept_inside_a_task_wakes_another_one() -> None:
    """A task cannot be stepped inside another: the loop does it."""
    promises: list[Promise[int]] = [Promise() for _ in range(3)]
    tasks = [asyncio.ensure_future(waiting_for(promise)) for promise in promises]
    await asyncio.sleep(0)
    promises[0].resolve(1)
    promises[1].fail(ValueError("no"))
    promises[2].resolve(3)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [results[0], str(results[1]), results[2]] == [1, "no", 3]


async def test_a_task_that_awaits_a_promise_can_be_cancelled() -> None:
    promise: Promise[int] = Promise()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await promise
    assert promise.done
    promise.resolve(1)


class Large:
    """Something that a frame holds."""


async def test_what_a_failed_wait_held_is_let_go_without_the_garbage_collector() -> None:
    held: list[weakref.ref[Large]] = []

    async def asking(promise: Promise[None]) -> None:
        large = Large()
        held.append(weakref.ref(large))
        with suppress(ValueError):
            await promise

    gc.disable()
    try:
        for _ in range(10):
            promise: Promise[None] = Promise()
            watched = Watched(asking(promise))
            promise.fail(ValueError("no"))
            assert watched.returns == 1
            del promise, watched
        assert [large for large in held if large() is not None] == []
    finally:
        gc.enable()
