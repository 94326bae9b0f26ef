"""The live view: frames are drawn in one thread while events come in from others."""

import sys
import threading
from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from lab.base.events import Event, Sink, StepEnded, StepProgress, StepStarted
from lab.base.step import CHANGED, Step
from lab.cli.progress import showing

STEPS = [Step(name=f"west/{n}", title=f"do {n}", run=lambda: CHANGED, cluster="west") for n in range(60)]


def events() -> Iterator[Event]:
    yield from (StepStarted(step=step, at_s=0.0) for step in STEPS)
    yield from (StepProgress(step=step, at_s=0.0, text="half", fraction=0.5) for step in STEPS)
    yield from (StepEnded(step=step, at_s=1.0, result=CHANGED) for step in STEPS)


@pytest.fixture
def eager() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager")
def test_events_that_come_in_while_a_frame_is_drawn_do_not_break_it() -> None:
    console = Console(force_terminal=True, width=100, height=200, file=StringIO())
    drawn = threading.Event()
    told = 0

    def tell(sink: Sink) -> None:
        nonlocal told
        while not drawn.is_set():
            for event in events():
                sink(event)
                told += 1

    with showing(STEPS, console) as sink:
        telling = threading.Thread(target=tell, args=(sink,))
        telling.start()
        for _ in range(30):
            console.print("a line above the view")  # draws a frame in this thread
        drawn.set()
        telling.join()
    assert told >= len(list(events()))


def test_an_interrupted_view_ends_without_running_steps() -> None:
    out = StringIO()
    console = Console(force_terminal=True, width=100, height=40, file=out)

    def interrupted() -> None:
        with showing(STEPS[:2], console) as sink:
            sink(StepStarted(step=STEPS[0], at_s=0.0))
            out.truncate(0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "0 of 2 steps" in out.getvalue()
    assert "do 0" not in out.getvalue()
