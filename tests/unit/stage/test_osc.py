"""Marks and questions in the output of a shell, however the output is cut into reads."""

from __future__ import annotations

import pytest

from lab.stage.osc import (
    EndMark,
    OutputParser,
    OutputPart,
    PromptMark,
    Question,
    Shown,
    StartMark,
    without_answers,
)


def parsed(*reads: bytes) -> list[OutputPart]:
    """Parse reads, with adjacent texts as one."""
    parser = OutputParser("id")
    parts: list[OutputPart] = []
    for read in reads:
        for part in parser.feed(read):
            if isinstance(part, Shown) and parts and isinstance(parts[-1], Shown):
                parts[-1] = Shown(data=parts[-1].data + part.data)
            else:
                parts.append(part)
    return parts


A, C = b"\x1b]133;A;aid=id;c=1;cwd=/a;b=c/\xc3\xa9\x07", b"\x1b]133;C;aid=id\x07"
WHOLE = (
    b"\x1b]133;D;0;aid=id\x07"
    + A
    + b"(west) $ ls\r\n"
    + C
    + b"\x1b[1mf\xc3\xa9\x1b[0m\r\n\x1b[6n\x1b[c\x1b]0;title\x07"
    + b"\x1b]133;D;130;aid=id\x1b\\"
    + b"\x1b]133;A;aid=id\x07$ "
)
PARTS = [
    EndMark(status=0),
    PromptMark(has_starts=True, cwd="/a;b=c/é"),
    Shown(data=b"(west) $ ls\r\n"),
    StartMark(),
    Shown(data=b"\x1b[1mf\xc3\xa9\x1b[0m\r\n"),
    Question(data=b"\x1b[6n", answer=None),
    Question(data=b"\x1b[c", answer=b"\x1b[?62;22c"),
    Shown(data=b"\x1b]0;title\x07"),
    EndMark(status=130),
    PromptMark(has_starts=False),
    Shown(data=b"$ "),
]


def test_marks_and_questions_are_found_in_order() -> None:
    assert parsed(WHOLE) == PARTS


def test_every_split_gives_the_same() -> None:
    for at in range(len(WHOLE)):
        assert parsed(WHOLE[:at], WHOLE[at:]) == PARTS, at
    assert parsed(*(WHOLE[at : at + 1] for at in range(len(WHOLE)))) == PARTS


@pytest.mark.parametrize(
    "other",
    [
        b"\x1b]133;D;0\x07",  # of another shell's own integration
        b"\x1b]133;D;0;aid=other\x07",
        b"\x1b]133;D;0;aid=\x07",
        b"\x1b]133;D;0;aid=id2\x07",
        b"\x1b]133;Z;aid=id\x07",
        b"\x1b]1337;x\x07",
        b"\x1b]133;" + b"x" * 1300 + b"\x07",
        b"\x1b[31m",
        b"\x1b",
    ],
)
def test_other_sequences_are_shown_as_they_are(other: bytes) -> None:
    assert parsed(b"a" + other + b"b") == [Shown(data=b"a" + other + b"b")]


def test_a_status_that_is_not_a_number_is_a_failure() -> None:
    assert parsed(b"\x1b]133;D;x;aid=id\x07") == [EndMark(status=1)]
    assert parsed(b"\x1b]133;D;aid=id\x07") == [EndMark(status=1)]


@pytest.mark.parametrize(
    "question",
    [
        b"\x1b[0c",
        b"\x1b[>c",
        b"\x1b[>0c",
        b"\x1b[=c",
        b"\x1b[5n",
        b"\x1b[>q",
        b"\x1b[?u",
        b"\x1b[?2026$p",
        b"\x1b[14t",
        b"\x1b]11;?\x07",
        b"\x1b]10;?\x1b\\",
        b"\x1b]4;1;?\x07",
        b"\x1bP+q544e\x1b\\",
        b"\x1bP$qm\x1b\\",
    ],
)
def test_no_question_reaches_a_browser(question: bytes) -> None:
    (part,) = parsed(question)
    assert isinstance(part, Question)
    assert part.answer is not None


def test_a_sequence_without_an_end_is_shown_when_it_cannot_be_a_mark_any_more() -> None:
    parser = OutputParser("id")
    assert list(parser.feed(b"\x1b]133;A" + b"x" * 100)) == []
    (part,) = parser.feed(b"x" * 1200)
    assert part == Shown(data=b"\x1b]133;A" + b"x" * 1300)
    assert list(parser.feed(b"\x1b[")) == []
    assert parser.rest() == b"\x1b["


def test_the_answers_of_a_browsers_terminal_are_not_what_a_person_typed() -> None:
    assert without_answers("l\x1b[12;40Rs\x1b[A") == "ls\x1b[A"
