from __future__ import annotations

from pathlib import Path

import pytest

from lab.stage.recording.rehearsal import keep, pace, times


def test_times_are_kept_by_stack_and_step(tmp_path: Path) -> None:
    file = tmp_path / "state" / "rehearsal.json"
    keep(file, "istio", {"a/one": 12.345678, "a/two": 3})
    keep(file, "linkerd", {"a/one": 1.0})
    keep(file, "istio", {"a/two": 4.0, "a/bad": float("nan"), "a/worse": -1.0})
    assert times(file, "istio") == {"a/one": 12.35, "a/two": 4.0}
    assert times(file, "linkerd") == {"a/one": 1.0}
    assert times(file, "other") == {}
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"schema": "x", "stacks": {"istio": {"a": 1}}}',
        '{"schema": "eastwest.lab/rehearsal/v1"}',
        '{"schema": "eastwest.lab/rehearsal/v1", "stacks": {"istio": 5}}',
    ],
)
def test_a_damaged_file_counts_as_no_rehearsal_and_is_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rehearsal.json"
    file.write_text(text)
    assert times(file, "istio") == {}
    keep(file, "istio", {"a/one": 1.0})
    assert times(file, "istio") == {"a/one": 1.0}


def test_values_that_are_not_times_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "rehearsal.json"
    file.write_text('{"schema": "eastwest.lab/rehearsal/v1", "stacks": {"istio": {"a": "x", "b": 2, "c": 1e99}}}')
    assert times(file, "istio") == {"b": 2.0}


def test_a_presentation_is_compared_with_the_same_steps_of_its_rehearsal() -> None:
    rehearsed = {"a/one": 10.0, "a/two": 20.0, "a/three": 30.0}
    steps = ["a/one", "a/two", "a/three"]
    found = pace(rehearsed, steps, done=2, elapsed_s=36.0)
    assert found is not None
    assert (found.rehearsed_s, found.left_s, found.ahead_s) == (30.0, 30.0, -6.0)
    assert pace(rehearsed, [*steps, "a/new"], done=2, elapsed_s=36.0) is None
    assert pace(rehearsed, [], done=0, elapsed_s=0.0) is None
