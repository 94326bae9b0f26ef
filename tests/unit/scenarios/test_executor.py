"""The executor: what each action does. Long-running commands are real child processes."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.base import cancel, wait
from lab.base.cancel import Cancelled
from lab.base.errors import CommandError, CommandTimeout, LabError, WaitTimeout
from lab.base.process import run as real_run
from lab.measure.counting import Request
from lab.measure.load import Running
from lab.measure.recording import Recording
from lab.measure.under_load import UnderLoad
from lab.scenario.actions import Apply, Command, NewPhase, Observe, Pause, Start, Stop, Until, on
from lab.scenario.context import Context
from lab.scenario.executor import Executor, Output, Printed, Typed
from lab.scenario.loads import StepLoad
from lab.scenario.observation import Observation
from tests.unit.scenarios.kit import SEEN, FakeRunner, executor_of, look, looks, run_by, typed


@pytest.fixture
def told() -> list[Output]:
    return []


@pytest.fixture
def executor(context: Context, runner: FakeRunner, told: list[Output]) -> Iterator[Executor]:
    made = executor_of(context, runner, tell=told.append)
    yield made
    made.close()


def texts(told: list[Output]) -> list[str]:
    return [f"$ {item.text}" if isinstance(item, Typed) else item.line for item in told]


def refusal(code: int = 1, stderr: str = "forbidden\n") -> CommandError:
    return CommandError(("kubectl",), returncode=code, stderr=stderr)


# Commands


def test_a_command_of_several_lines_is_typed_line_by_line(
    executor: Executor, runner: FakeRunner, told: list[Output]
) -> None:
    executor.do("demo", [Command("echo 1\n# a comment\necho 2 \\\n  --more")])
    assert runner.lines == ["echo 1", "echo 2 --more"]
    assert texts(told) == ["$ echo 1", "hello", "$ echo 2    --more", "hello"]


def test_a_refused_command_must_end_with_an_error(executor: Executor, runner: FakeRunner) -> None:
    runner.answers["kubectl"] = refusal()
    executor.do("demo", [Command("kubectl auth", refused=True), Command("echo after")])
    assert executor.context.recall("refusal") == "forbidden"
    assert runner.lines == ["kubectl auth", "echo after"]


def test_a_refused_command_that_is_accepted_leaves_an_empty_refusal(executor: Executor) -> None:
    """The step's check then says so: it is the claim that is wrong, not the lab."""
    executor.context.memo["refusal"] = "of an earlier step"
    executor.do("demo", [Command("echo accepted", refused=True)])
    assert executor.context.recall("refusal") == ""


def test_only_the_last_line_may_be_refused(executor: Executor, runner: FakeRunner) -> None:
    runner.answers["kubectl"] = refusal()
    with pytest.raises(CommandError):
        executor.do("demo", [Command("kubectl first\necho second", refused=True)])
    assert "refusal" not in executor.context.memo


def test_a_command_that_does_not_end_in_time_is_no_refusal(executor: Executor, runner: FakeRunner) -> None:
    runner.answers["kubectl"] = CommandTimeout(("kubectl",), timeout_s=1, stderr="waiting")
    with pytest.raises(CommandTimeout):
        executor.do("demo", [Command("kubectl get", refused=True)])


def test_a_program_that_does_not_exist_is_no_refusal(executor: Executor) -> None:
    run_by(executor, real_run)
    with pytest.raises(LabError, match="command not found: no-such-program"):
        executor.do("demo", [Command("no-such-program", refused=True)])


BROKEN = 'Internal error occurred: failed calling webhook "linkerd-policy-validator.linkerd.io": Post "https://x": EOF'


@pytest.mark.parametrize(
    ("line", "stderr", "times"),
    [
        ("kubectl --context=west apply -f a.yaml", BROKEN, 3),
        ("kubectl --context=west delete -f a.yaml", BROKEN, 1),
        ("kubectl --context=west apply -f a.yaml", "failed calling webhook: denied the request", 1),
    ],
)
def test_only_an_apply_with_a_broken_webhook_is_typed_again(
    executor: Executor, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, *, line: str, stderr: str, times: int
) -> None:
    monkeypatch.setattr(wait, "rest", lambda *_: None)
    runner.answers["kubectl"] = refusal(stderr=stderr)
    with pytest.raises(CommandError):
        executor.do("demo", [Command(line)])
    assert runner.lines == [line] * times


def test_secrets_are_not_shown(executor: Executor, runner: FakeRunner, told: list[Output]) -> None:
    runner.answers = {"echo": "Authorization: Bearer abcdefghijkl\n", "kubectl": refusal(stderr="Bearer abcdefghijkl")}
    executor.do("demo", [Command("echo 1"), Command("kubectl x", refused=True)])
    assert "abcdefghijkl" not in repr(told)
    assert "abcdefghijkl" not in executor.context.recall("refusal")


@pytest.mark.parametrize("raw", [Apply("a.yaml", to="west"), on(istio=Command("echo"))])
def test_an_action_that_is_not_rendered_is_a_defect(executor: Executor, raw: Any) -> None:
    with pytest.raises(TypeError, match="not rendered"):
        executor.do("demo", [raw])


def test_the_output_of_a_command_streams_line_by_line(executor: Executor, tmp_path: Path) -> None:
    """The second line is written only after the first one was told."""
    go_on = tmp_path / "go"
    code = f"import os, time; print('one', flush=True)\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.01)\n"
    lines: list[str] = []

    def tell(item: Output) -> None:
        if isinstance(item, Printed):
            lines.append(item.line)
            go_on.touch()

    executor.tell = tell
    run_by(executor, real_run)
    script = tmp_path / "print.py"
    script.write_text(code + "print('two')\n")
    executor.do("demo", [Command(shlex.join([sys.executable, str(script)]), timeout_s=20)])
    assert lines == ["one", "two"]


# Waits and observations


def test_an_until_waits_for_its_observation_and_is_measured(executor: Executor) -> None:
    wanted = Until("x", looks(False, True), timeout_s=20, interval_s=0.001, measured="took")
    executor.do("demo", [wanted, Until("y", look(), timeout_s=1, measured="took")])
    took = executor.context.recall("took")
    assert len(took) == 2
    assert all(seconds >= 0 for seconds in took)


def test_an_until_that_times_out_is_an_error_with_its_last_observation(executor: Executor, runner: FakeRunner) -> None:
    never = Until("both clusters", look(holds=False, seen="west only"), timeout_s=0.01, interval_s=0.001, measured="m")
    with pytest.raises(WaitTimeout, match=r"both clusters \(last seen: west only"):
        executor.do("demo", [never, Command("echo after")])
    assert runner.ran == []


def test_an_until_that_is_not_required_is_told_and_measured_and_the_step_continues(
    executor: Executor, runner: FakeRunner, told: list[Output]
) -> None:
    never = Until("it", look(holds=False, seen="no"), timeout_s=0.01, interval_s=0.001, measured="took", required=False)
    executor.do("demo", [never, Command("echo after")])
    assert "timed out" in texts(told)[0]
    assert executor.context.recall("took")[0] >= 0.01
    assert runner.lines == ["echo after"]


def test_an_until_with_successes_needs_them_in_a_row(executor: Executor) -> None:
    results = iter([True, False, True, True])
    seen = Until(
        "x",
        lambda _: Observation(holds=next(results), seen="", evidence=(SEEN,)),
        timeout_s=20,
        interval_s=0.001,
        successes=2,
    )
    executor.do("demo", [seen])
    assert next(results, None) is None


def test_observe_stores_an_observation_and_pauses_and_marks_need_no_load(executor: Executor) -> None:
    executor.do("demo", [Observe("pods", lambda _: ["a"]), Pause(0, "nothing"), NewPhase("now")])
    assert executor.context.recall("pods") == ["a"]


# Undo


def test_an_undo_does_all_its_actions_and_returns_the_problems(executor: Executor, runner: FakeRunner) -> None:
    def broken(_: Context) -> Any:
        raise KeyError("pods")

    runner.answers = {"undo 1": refusal(stderr="token: Bearer abcdefghijkl"), **runner.answers}
    problems = executor.undo("demo", [*typed("undo 1"), Observe("x", broken), Stop("nothing"), *typed("undo 2")])

    assert runner.lines == ["undo 1", "undo 2"]
    assert len(problems) == 2
    assert "exited with 1" in problems[0]
    assert "abcdefghijkl" not in problems[0]
    assert problems[1] == "KeyError: 'pods'"


def test_ctrl_c_ends_an_undo(executor: Executor, runner: FakeRunner) -> None:
    runner.answers = {"undo 1": KeyboardInterrupt(), **runner.answers}
    with pytest.raises(KeyboardInterrupt):
        executor.undo("demo", typed("undo 1", "undo 2"))
    assert runner.lines == ["undo 1"]


def test_a_cancelled_token_ends_the_command_that_runs(executor: Executor, token: cancel.Token, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = tmp_path / "long.py"
    script.write_text(f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)\n")
    run_by(executor, real_run)

    def cut() -> None:
        wait.until("the child", lambda: ready.exists() or wait.NotYet("not yet"), timeout_s=20, interval_s=0.01)
        token.cancel()

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(Cancelled):
        executor.do("demo", typed(shlex.join([sys.executable, str(script)]), "echo after"))
    thread.join()


# Commands that run beside the step

LISTENS = """
import signal, sys
def end(*_):
    print("interrupted", flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, end)
print("ready", flush=True)
print("a warning", file=sys.stderr, flush=True)
signal.pause()
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    def write(code: str) -> str:
        file = tmp_path / "program.py"
        file.write_text(code)
        return shlex.join([sys.executable, str(file)])

    return write


def printed(told: list[Output], line: str) -> Callable[[Context], Observation]:
    return lambda _: Observation(holds=line in texts(told), seen="; ".join(texts(told)), evidence=())


def test_a_started_command_runs_until_its_stop_which_is_a_ctrl_c(
    executor: Executor, told: list[Output], program: Callable[[str], str]
) -> None:
    text = program(LISTENS)
    executor.do("demo", [Start(text, ready=printed(told, "ready"), timeout_s=20)])
    assert texts(told)[0] == f"$ {text}"
    (started,) = executor._running.values()
    assert started.child.poll() is None

    executor.do("demo", [Stop(text)])
    assert started.child.returncode == 0
    assert texts(told)[-2:] == [f"^C {text}", "interrupted"]
    assert "a warning" in texts(told)
    before = len(told)
    executor.do("demo", [Stop(text)])
    assert len(told) == before


def test_a_command_that_is_started_again_ends_first(
    executor: Executor, told: list[Output], program: Callable[[str], str]
) -> None:
    start = Start(program(LISTENS), ready=printed(told, "ready"), timeout_s=20)
    executor.do("demo", [start])
    (first,) = executor._running.values()
    executor.do("demo", [start])
    assert first.child.returncode == 0
    assert len(executor._running) == 1


def test_a_started_command_must_also_have_said_that_it_has_begun(
    executor: Executor, told: list[Output], program: Callable[[str], str]
) -> None:
    executor.do("demo", [Start(program(LISTENS), ready=look(), says="ready", timeout_s=20)])
    assert "ready" in texts(told)
    silent = Start(program(LISTENS), ready=look(seen="it answers"), says="never", timeout_s=0.2)
    with pytest.raises(WaitTimeout, match=r"it has not printed 'never'; it answers"):
        executor.do("demo", [silent])


def test_a_started_command_that_dies_is_reported_with_its_exit_code_and_its_last_lines(
    executor: Executor, told: list[Output], program: Callable[[str], str]
) -> None:
    text = program("import sys; print('no such folder', file=sys.stderr); sys.exit(7)")
    with pytest.raises(LabError, match="ended with exit code 7"):
        executor.do("demo", [Start(text, ready=look(holds=False), timeout_s=20)])
    assert texts(told) == [f"$ {text}", "no such folder"]
    assert executor._running == {}


def test_a_started_command_that_is_not_ready_in_time_still_ends_with_the_undo(
    executor: Executor, told: list[Output], program: Callable[[str], str]
) -> None:
    text = program(LISTENS)
    with pytest.raises(WaitTimeout):
        executor.do("demo", [Start(text, ready=look(holds=False, seen="no answer"), timeout_s=0.01)])
    (started,) = executor._running.values()
    assert executor.undo("demo", [Stop(text)]) == []
    assert started.child.returncode is not None


def test_close_ends_what_still_runs(executor: Executor, told: list[Output], program: Callable[[str], str]) -> None:
    executor.do("demo", [Start(program(LISTENS), ready=printed(told, "ready"), timeout_s=20)])
    (started,) = executor._running.values()
    executor.close()
    assert started.child.returncode == 0


def test_no_command_is_left_behind_when_the_time_for_the_undo_is_over(
    executor: Executor, told: list[Output], token: cancel.Token, program: Callable[[str], str]
) -> None:
    deaf = LISTENS.replace("signal.signal(signal.SIGINT, end)", "signal.signal(signal.SIGINT, signal.SIG_IGN)")
    text = program(deaf)
    executor.do("demo", [Start(text, ready=printed(told, "ready"), timeout_s=20)])
    (started,) = executor._running.values()
    token.cancel()
    with pytest.raises(Cancelled):
        executor.do("demo", [Stop(text)])
    assert started.child.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(started.child.pid, 0)
    assert executor._running == {}


def test_close_ends_each_command_when_the_time_is_over(
    executor: Executor, told: list[Output], token: cancel.Token, program: Callable[[str], str]
) -> None:
    text = program(LISTENS)
    for more in ("1", "2"):
        executor.do("demo", [Start(f"{text} {more}", ready=printed(told, "ready"), timeout_s=20)])
    children = [started.child for started in executor._running.values()]
    token.cancel()
    with pytest.raises(Cancelled):
        executor.close()
    assert [child.returncode is None for child in children] == [False, False]


# Loads


class FakeLoad(Running):
    """A load that sends nothing and keeps its marks."""

    def __init__(self) -> None:
        super().__init__("through West's ingress", 50)
        self.stopped = False

    def start(self) -> None:
        pass

    def stop(self) -> Recording:
        self.stopped = True
        return self.so_far

    @property
    def so_far(self) -> Recording:
        return self._recording([Request(at_s=0.1, latency_ms=5, answered_by="west")])

    @property
    def marks(self) -> list[str]:
        return [mark.text for mark in self.so_far.marks]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> FakeLoad:
    made = FakeLoad()
    monkeypatch.setattr(StepLoad, "start", lambda *_: UnderLoad(loads=[made]))
    return made


SHIFT = StepLoad(name="shift", service="podinfo")


def test_actions_run_under_the_load_and_marks_begin_its_phases(
    executor: Executor, runner: FakeRunner, load: FakeLoad, told: list[Output]
) -> None:
    stopped: list[bool] = []
    runner.answers = {"echo": lambda: stopped.append(load.stopped) or "hello\n"}  # type: ignore[func-returns-value]
    executor.under_load("demo", [NewPhase("to East"), Command("echo 1"), NewPhase("back"), Command("echo 2")], SHIFT)

    assert stopped == [False, False]
    assert load.stopped
    assert load.marks == ["to East", "back"]
    (data,) = executor.context.recall(SHIFT.key)
    assert [mark.text for mark in Recording.of_json(data).marks] == ["to East", "back"]
    assert "through West's ingress, 50 requests/s" in texts(told)


def test_a_command_that_breaks_under_load_leaves_no_recording(
    executor: Executor, runner: FakeRunner, load: FakeLoad
) -> None:
    runner.answers["breaks"] = LabError("no")
    with pytest.raises(LabError, match="no"):
        executor.under_load("demo", [Command("breaks")], SHIFT)
    assert SHIFT.key not in executor.context.memo
