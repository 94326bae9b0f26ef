"""The walkthrough pages: both stacks, outputs of real runs, and no difference from the steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.base.paths import PROJECT
from lab.report.walkthrough import __main__ as program
from lab.report.walkthrough.outputs import Outputs, of_page, of_report
from lab.report.walkthrough.page import page
from lab.report.walkthrough.pages import FOLDERS, Walkthrough
from lab.report.walkthrough.words import Words
from lab.scenario.context import Context
from lab.scenario.model import Scenario
from lab.scenario.results import Report
from tests.unit.scenarios.kit import SCENARIOS, FakeRunner, check, look, runner_of, scenario, step, typed
from tests.unit.scenarios.test_report import made

ENGLISH = Words.of("en", SCENARIOS, str)


def demo(command: str = "echo 1", narration: str = "Look around.") -> Scenario:
    return scenario(
        step(
            "one",
            narration=narration,
            do=typed(command),
            checks=(check(look=look(seen="3 of 3")),),
            undo=typed("undo 1"),
            verb="lab demo",
        )
    )


def pages(narration: str = "Look around.", istio: str = "echo 2") -> Walkthrough:
    both = {"linkerd": [demo(narration=narration)], "istio": [demo(istio, narration)]}
    return Walkthrough(words=ENGLISH, scenarios=both)


def reported(context: Context, runner: FakeRunner, stack: str) -> Report:
    report = made(scenarios=(runner_of(context, runner).run(demo()),))
    return replace(report, lab=replace(report.lab, stack=stack))


def ran(context: Context, runner: FakeRunner, stack: str = "linkerd") -> Outputs:
    return of_report(reported(context, runner, stack))["demo"]


def test_a_page_has_the_commands_of_both_stacks_the_output_of_runs_and_the_undo_once(
    context: Context, runner: FakeRunner
) -> None:
    outputs = {**ran(context, runner, "linkerd"), **ran(context, runner, "istio")}
    text = page({"linkerd": demo(), "istio": demo("echo 2")}, outputs, ENGLISH)

    assert text.index("**Linkerd**\n\n```sh\necho 1\n```") < text.index("**Istio**\n\n```sh\necho 2\n```")
    assert "<!-- output linkerd.one -->\n```text\nhello\n```" in text
    assert "<!-- output istio.one -->" in text
    assert "3 of 3" in text
    assert text.count("undo 1") == 1
    assert "`lab demo`" in text


def test_commands_that_are_the_same_on_both_stacks_are_printed_once() -> None:
    text = page({"linkerd": demo(), "istio": demo()}, {}, ENGLISH)
    assert text.count("```sh\necho 1\n```") == 1
    assert "**Both stacks**" in text


def test_outputs_are_read_back_from_the_page(context: Context, runner: FakeRunner) -> None:
    outputs = ran(context, runner)
    assert of_page(page({"linkerd": demo(), "istio": demo()}, outputs, ENGLISH)) == outputs


def test_outputs_of_one_stack_stay_when_a_run_of_the_other_is_taken_over(
    context: Context, runner: FakeRunner, tmp_path: Path
) -> None:
    pages().write(tmp_path, [reported(context, runner, "linkerd")])
    pages().write(tmp_path, [reported(context, runner, "istio")])
    text = (tmp_path / "demo.md").read_text()
    assert {"linkerd.one", "istio.one"} <= set(of_page(text))
    pages().write(tmp_path)
    assert (tmp_path / "demo.md").read_text() == text
    assert pages().drift(tmp_path) == ""


def test_a_changed_step_is_drift_on_either_stack(tmp_path: Path) -> None:
    pages().write(tmp_path)
    assert "+Look closely." in pages("Look closely.").drift(tmp_path)
    assert "+echo 3" in pages(istio="echo 3").drift(tmp_path)


def test_a_page_of_no_scenario_is_drift(tmp_path: Path) -> None:
    pages().write(tmp_path)
    (tmp_path / "old.md").write_text("# Old\n")
    assert "-# Old" in pages().drift(tmp_path)


@pytest.mark.parametrize("language", FOLDERS)
def test_the_committed_pages_are_what_the_steps_say(language: str) -> None:
    drift = Walkthrough.of(language).drift(PROJECT / FOLDERS[language])
    assert drift == "", "the steps have changed; write the pages, also without a run: nox -s walkthrough"


def test_check_accepts_the_committed_pages() -> None:
    assert program.main(["--check"]) == 0


def test_check_fails_on_pages_that_differ_and_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(program, "PROJECT", tmp_path)
    assert program.main(["--check"]) == 1
    assert "nox -s walkthrough" in capsys.readouterr().err
    assert program.main([]) == 0
    assert program.main(["--check"]) == 0


def test_a_run_that_does_not_exist_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--from", "no-such-run"]) == 2
    assert "no-such-run" in capsys.readouterr().err
