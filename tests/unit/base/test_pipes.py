"""Bytes are streamed out of and into commands; a command that fails, hangs or ends early is an error."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from lab.base import cancel, pipes
from lab.base.cancel import Cancelled
from lab.base.errors import CommandError, CommandTimeout


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_the_output_comes_in_chunks() -> None:
    program = "import sys; sys.stdout.buffer.write(bytes(5_000_000)); print('noise' * 50_000, file=sys.stderr)"
    chunks = list(pipes.output_of(python(program), idle_s=60))
    assert sum(map(len, chunks)) == 5_000_000
    assert len(chunks) > 1


def test_a_failure_after_some_output_is_an_error_with_its_message() -> None:
    program = "import sys; print('some', end='', flush=True); sys.exit('no such image')"
    chunks: list[bytes] = []
    with pytest.raises(CommandError, match="no such image"):
        chunks.extend(pipes.output_of(python(program), idle_s=60))
    assert chunks == [b"some"]


def test_the_input_arrives_and_the_answer_is_returned() -> None:
    program = "import sys; print('e' * 200_000, file=sys.stderr); print(len(sys.stdin.buffer.read()))"
    assert pipes.feed(python(program), (bytes(300_000) for _ in range(10)), idle_s=60) == "3000000\n"


def test_a_command_that_stops_reading_explains_itself() -> None:
    program = "import sys; sys.stdin.buffer.read(10); sys.exit('no space left on device')"
    with pytest.raises(CommandError, match="no space left on device"):
        pipes.feed(python(program), (bytes(1_000_000) for _ in range(10)), idle_s=60)


@pytest.mark.parametrize("before", ["", "import sys; sys.stdin.read(); "])
def test_a_command_without_progress_is_stopped(before: str) -> None:
    chunks = (bytes(1_000_000) for _ in range(10))
    with pytest.raises(CommandTimeout):
        pipes.feed(python(f"{before}import time; time.sleep(600)"), chunks, idle_s=0.5)


def test_a_silent_command_is_stopped() -> None:
    with pytest.raises(CommandTimeout):
        list(pipes.output_of(python("import time; time.sleep(600)"), idle_s=0.5))


def test_a_cancelled_run_stops_the_command(token: cancel.Token) -> None:
    program = "import time; print('some', end='', flush=True); time.sleep(600)"
    chunks = pipes.output_of(python(program), idle_s=60)
    assert next(chunks) == b"some"
    token.cancel()
    with pytest.raises(Cancelled):
        next(chunks)


def test_an_error_of_the_source_stops_the_command() -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        pipes.feed(python("import sys; sys.stdin.read(); import time; time.sleep(600)"), broken(), idle_s=60)
