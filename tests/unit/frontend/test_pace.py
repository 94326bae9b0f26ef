import asyncio

import pytest
from frontend import pace
from frontend.answers import Answer, Info
from frontend.pace import Budget, End, steady


def answer(n: int) -> Answer:
    return Answer(n=n, sent_at="", latency_ms=0, status=200, info=Info(), error=None)


def test_a_slow_answer_does_not_slow_the_sending():
    async def scenario() -> list[object]:
        third = asyncio.Event()

        async def ask(n: int) -> Answer:
            if n == 1:
                await third.wait()
            if n == 3:
                third.set()
            return answer(n)

        return [item async for item in steady(ask, rate_per_s=1000, count=3, stop=asyncio.Event())]

    items = asyncio.run(scenario())

    assert items[0] == answer(2), "the first request waits for the third, which is sent all the same"
    assert items[-1] is End.COUNT
    assert len(items) == 4


def test_stopping_ends_the_sending_but_gives_what_is_under_way():
    async def scenario() -> tuple[list[object], int]:
        stop, sent = asyncio.Event(), 0

        async def ask(n: int) -> Answer:
            nonlocal sent
            sent += 1
            stop.set()
            await asyncio.sleep(0)
            return answer(n)

        return [item async for item in steady(ask, rate_per_s=0.1, count=None, stop=stop)], sent

    items, sent = asyncio.run(scenario())

    assert sent == 1
    assert items == [answer(1), End.STOP]


def test_a_reader_that_falls_behind_is_dropped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pace, "MAX_WAITING", 5)

    async def ask(n: int) -> Answer:
        return answer(n)

    async def scenario() -> list[object]:
        items: list[object] = []
        async for item in steady(ask, rate_per_s=100_000, count=None, stop=asyncio.Event()):
            items.append(item)
            await asyncio.sleep(0.002)  # the reader's slowness is what this is about
        return items

    items = asyncio.run(asyncio.wait_for(scenario(), 10))

    assert items[-1] is End.TOO_SLOW
    assert items[:-1] == [answer(n) for n in range(1, len(items))], "what was there is still given, in order"


def test_leaving_a_stream_ends_its_requests():
    async def scenario() -> bool:
        cancelled = asyncio.Event()

        async def ask(n: int) -> Answer:
            if n == 1:
                return answer(n)
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            raise AssertionError

        stream = steady(ask, rate_per_s=1000, count=None, stop=asyncio.Event())
        await anext(stream)
        reader = asyncio.ensure_future(anext(stream))
        await asyncio.wait([reader], timeout=0.05)
        reader.cancel()
        await asyncio.wait([reader])
        await asyncio.wait_for(cancelled.wait(), 5)
        return cancelled.is_set()

    assert asyncio.run(scenario())


def test_a_fault_in_asking_is_raised_not_swallowed():
    async def scenario() -> None:
        async def ask(_: int) -> Answer:
            raise KeyError("a bug")

        async for _ in steady(ask, rate_per_s=1000, count=1, stop=asyncio.Event()):
            pass

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(scenario())
    assert caught.group_contains(KeyError)


def test_a_budget_is_given_back_also_after_an_error():
    budget = Budget(10)

    def failing() -> None:
        with budget.take(4):
            assert budget.free_per_s == 6
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert budget.free_per_s == 10
