from __future__ import annotations

from lab.watch.sse import ServerEvent, parse


def test_events_are_read_as_the_standard_says() -> None:
    lines = [
        ": hi",
        "retry: 1000",
        "event: hello",
        "data: {}",
        "",
        "id: 7",
        "event:answer",
        "data:a",
        "data: b",
        "",
        "",
    ]
    assert list(parse([*lines, "event: empty", "", "data", ""])) == [
        ServerEvent(name="hello", data="{}"),
        ServerEvent(name="answer", data="a\nb", id="7"),
        ServerEvent(name="message", data=""),
    ]


def test_lines_may_end_as_on_windows_and_a_cut_event_is_left_out() -> None:
    assert [event.data for event in parse(["data: 1\r\n", "\r\n", "data: 2\r\n"])] == ["1"]
