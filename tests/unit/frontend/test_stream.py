"""One stream: marks reach it at their time, and it leaves nothing behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from frontend.answers import Answer, Info
from frontend.fanout import Fanout
from frontend.marks import WAITING, MarkBoard, MarkKind
from frontend.stream import events


def answer(n: int) -> Answer:
    return Answer(n=n, sent_at="", latency_ms=1, status=200, info=Info(cluster="west", pod="p"), error=None)


@asynccontextmanager
async def asking() -> AsyncIterator:
    async def ask(n: int) -> Answer:
        return answer(n)

    yield ask


def parsed(chunk: bytes) -> tuple[str, dict]:
    fields = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
    return fields["event"], json.loads(fields["data"])


def started(
    board: MarkBoard, *, taps: Fanout | None = None, source=asking, count: int | None = None, rate_per_s: float = 200
):
    stop = asyncio.Event()
    return events(
        {"schema": "s"}, source(), board, taps or Fanout(WAITING), rate_per_s=rate_per_s, count=count, stop=stop
    )


def test_a_stream_begins_with_recent_marks_and_gets_new_ones():
    async def scenario() -> tuple[dict, dict, dict]:
        board = MarkBoard()
        board.post(text="before", kind=MarkKind.STEP, intended=False)
        stream = started(board)
        _, hello = parsed(await anext(stream))
        assert parsed(await anext(stream))[0] == "answer"
        board.post(text="kill", kind=MarkKind.FAULT, intended=True)
        mark = phases = None
        async for chunk in stream:
            name, data = parsed(chunk)
            if name == "mark":
                mark = data
            if name == "timeline" and len(data["phases"]) == 2:
                phases = data["phases"]
                break
        await stream.aclose()
        return hello, mark, phases

    hello, mark, phases = asyncio.run(asyncio.wait_for(scenario(), 30))

    assert [one["text"] for one in hello["marks"]] == ["before"]
    assert (hello["rate_per_s"], hello["slot_s"]) == (200, 1.0)
    assert (mark["text"], mark["kind"], mark["intended"]) == ("kill", "fault", True)
    assert mark["at"] - hello["began_at"] == pytest.approx(mark["at_s"], abs=0.05)
    assert [(one["name"], one["intended"]) for one in phases] == [("before", False), ("kill", True)]
    assert phases[1]["from_s"] == mark["at_s"]


def test_a_reader_that_leaves_leaves_nothing_behind():
    async def scenario() -> tuple[int, int, set]:
        board = MarkBoard()
        before = asyncio.all_tasks()
        taps: Fanout[Answer] = Fanout(WAITING)
        stream = started(board, taps=taps)
        for _ in range(5):
            await anext(stream)
        await stream.aclose()
        for n in range(3):
            board.post(text=str(n), kind=MarkKind.NOTE, intended=False)
        return board.news.readers, taps.readers, asyncio.all_tasks() - before

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == (0, 0, set())


def test_a_fault_in_asking_ends_the_stream_with_an_error():
    @asynccontextmanager
    async def failing() -> AsyncIterator:
        async def ask(n: int) -> Answer:
            raise KeyError("a bug")

        yield ask

    async def scenario() -> None:
        async for _ in started(MarkBoard(), source=failing):
            pass

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(asyncio.wait_for(scenario(), 30))
    assert caught.group_contains(KeyError)


def test_a_tap_reaches_the_stream_and_no_number_of_it():
    async def scenario() -> tuple[list[dict], list[dict], dict]:
        taps: Fanout[Answer] = Fanout(WAITING)
        stream = started(MarkBoard(), taps=taps, count=3)
        assert parsed(await anext(stream))[0] == "hello"
        found: list[dict] = []
        assert parsed(await anext(stream))[0] == "answer"
        for n in (1, 2):
            taps.send(answer(n))
        answers, last = [], {}
        async for chunk in stream:
            name, data = parsed(chunk)
            found += [data] if name == "tap" else []
            answers += [data] if name == "answer" else []
            last = data if name == "timeline" else last
        return found, answers, last

    found, answers, timeline = asyncio.run(asyncio.wait_for(scenario(), 30))

    assert found == [{**answer(n).as_json(), "tap": True} for n in (1, 2)]
    assert [one["n"] for one in answers] == [2, 3]
    assert [one["sent"] for one in timeline["phases"]] == [3]


def test_a_stream_that_is_not_read_keeps_few_items():
    async def scenario() -> tuple[int, int]:
        fanout: Fanout[int] = Fanout(WAITING)
        with fanout.reading() as reader:
            for n in range(10 * WAITING):
                fanout.send(n)
            return reader.qsize(), reader.get_nowait()

    assert asyncio.run(scenario()) == (WAITING, 0)
