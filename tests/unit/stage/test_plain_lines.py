"""What a program printed on a terminal, as lines."""

from __future__ import annotations

import pytest

from lab.stage.plain_lines import MOST_LETTERS, LineReader


def lines(*reads: bytes) -> list[str]:
    reader = LineReader()
    found = [line for read in reads for line in reader.feed(read)]
    return [*found, reader.rest()]


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        (b"one\r\ntwo\r\n", ["one", "two", ""]),
        (b"no line break", ["no line break"]),
        (b"\x1b[1;31mred\x1b[0m \x1b(Bplain\x1b[m\r\n", ["red plain", ""]),
        (b"\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["textlink"]),
        (b"10 %\r50 %\r100 %\r\n", ["100 %", ""]),
        (b"long text\rab\x1b[K\r\n", ["ab", ""]),
        (b"long text\r\x1b[2Kab", ["ab"]),
        (b"abc\b\bX\r\n", ["aXc", ""]),
        (b"a\x1b[3Cb\x1b[1Gc", ["c   b"]),
        (b"a\x1b[99999999999Cb", ["a" + " " * 9998]),
        (b"b" + b" " * 80 + b"\r\r", ["b"]),  # zsh, before its next prompt
        ("Grüße\r\n".encode(), ["Grüße", ""]),
        (b"\xff\xfe", ["\ufffd\ufffd"]),
        (b"\x1bPq1;2\x1b\\sixel", ["sixel"]),
        (b"a\tb\x07\x00\x7f", ["a\tb"]),
        (b"x" * (MOST_LETTERS + 5), ["x" * MOST_LETTERS]),
    ],
)
def test_lines_are_what_a_person_reads(printed: bytes, read: list[str]) -> None:
    if b"99999" in printed:
        assert len(lines(printed)[0]) <= MOST_LETTERS
        return
    assert lines(printed) == read


def test_a_read_may_end_anywhere() -> None:
    printed = "\x1b[1mé\x1b[0m\r\n50 %\r\x1b[2K100 %\r\n\x1b]0;t\x07end".encode()
    assert lines(*(printed[at : at + 1] for at in range(len(printed)))) == ["é", "100 %", "end"]
