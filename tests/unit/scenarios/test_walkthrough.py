from __future__ import annotations

from pathlib import Path

import pytest

from lab.base.paths import PROJECT
from lab.report import walkthrough
from lab.scenario.context import Context
from lab.scenario.model import Scenario
from lab.scenario.registry import registry
from lab.scenario.rendering import documented
from tests.unit.scenarios.kit import SCENARIOS, FakeRunner, check, look, runner_of, scenario, step, typed
from tests.unit.scenarios.test_report import made


def demo(narration: str = "Look around.") -> Scenario:
    return scenario(
        step(
            "one",
            narration=narration,
            do=typed("echo 1"),
            checks=(check(look=look(seen="3 of 3")),),
            undo=typed("undo 1"),
        )
    )


def ran(context: Context, runner: FakeRunner) -> walkthrough.Outputs:
    report = made(scenarios=(runner_of(context, runner).run(demo()),))
    return walkthrough.outputs_of_run(report)["demo"]


def test_a_page_holds_what_the_run_printed_and_saw(context: Context, runner: FakeRunner) -> None:
    page = walkthrough.render(demo(), ran(context, runner))

    assert "```sh\necho 1\n```" in page
    assert "<!-- output one -->\n```text\n$ echo 1\nhello\n```" in page
    assert "3 of 3" in page
    assert "undo 1" in page


def test_outputs_are_read_back_from_the_page(context: Context, runner: FakeRunner) -> None:
    outputs = ran(context, runner)
    assert walkthrough.outputs_of_page(walkthrough.render(demo(), outputs)) == outputs


def test_no_drift_after_writing_and_outputs_stay_without_a_run(
    context: Context, runner: FakeRunner, tmp_path: Path
) -> None:
    report = made(scenarios=(runner_of(context, runner).run(demo()),))
    walkthrough.write(tmp_path, [demo()], report)
    before = (tmp_path / "demo.md").read_text()
    walkthrough.write(tmp_path, [demo()], None)

    assert (tmp_path / "demo.md").read_text() == before
    assert walkthrough.drift(tmp_path, [demo()]) == ""


def test_a_changed_step_is_drift(context: Context, runner: FakeRunner, tmp_path: Path) -> None:
    walkthrough.write(tmp_path, [demo()], None)
    assert "+Look closely." in walkthrough.drift(tmp_path, [demo("Look closely.")])


def test_the_committed_pages_are_what_the_steps_say() -> None:
    scenarios = registry(documented("linkerd", SCENARIOS)).pick([])
    assert walkthrough.drift(PROJECT / "docs" / "walkthrough", scenarios) == "", "nox -s walkthrough"


def test_a_page_of_no_scenario_is_drift(tmp_path: Path) -> None:
    walkthrough.write(tmp_path, [demo()], None)
    (tmp_path / "old.md").write_text("# Old\n")
    assert "-# Old" in walkthrough.drift(tmp_path, [demo()])


def test_check_accepts_the_committed_pages() -> None:
    assert walkthrough.main(["--check"]) == 0


def test_check_fails_on_pages_that_differ_and_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(walkthrough, "PROJECT", tmp_path)
    assert walkthrough.main(["--check"]) == 1
    assert "nox -s walkthrough" in capsys.readouterr().err
    assert walkthrough.main([]) == 0
    assert walkthrough.main(["--check"]) == 0


def test_a_run_that_does_not_exist_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert walkthrough.main(["--from", "no-such-run"]) == 2
    assert "no-such-run" in capsys.readouterr().err
